package discovery_test

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"perch/discovery"
)

// Frames for the tests of the decoders are composed here from the published
// formats, as strings of bytes.

const (
	phoneMAC  = "\x00\x15\x65\xaa\xbb\xcc"
	routerMAC = "\x00\x1b\x17\x00\x01\x10"
	allMAC    = "\xff\xff\xff\xff\xff\xff"
	lldpMAC   = "\x01\x80\xc2\x00\x00\x0e"
	cdpMAC    = "\x01\x00\x0c\xcc\xcc\xcc"
)

func be16(n int) string { return string(binary.BigEndian.AppendUint16(nil, uint16(n))) }
func be32(n int) string { return string(binary.BigEndian.AppendUint32(nil, uint32(n))) }

// unhex reads hex with spaces.
func unhex(s string) string {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return string(b)
}

func ethernet(dst, src string, typ int, payload string) string {
	return dst + src + be16(typ) + payload
}

// tag puts an 802.1Q tag with priority 5 in front of a payload of ethertype typ.
func tag(vlan, typ int, payload string) string { return be16(5<<13|vlan) + be16(typ) + payload }

// ipv4 composes an IPv4 header in front of UDP; the checksums are not looked at.
func ipv4(src, dst, payload string) string {
	return "\x45\x00" + be16(20+len(payload)) + "\x00\x01\x00\x00\x40\x11\x00\x00" + src + dst + payload
}

func udp(src, dst int, payload string) string {
	return be16(src) + be16(dst) + be16(8+len(payload)) + "\x00\x00" + payload
}

func arp(op int, senderMAC, senderIP, targetIP string) string {
	return "\x00\x01\x08\x00\x06\x04" + be16(op) + senderMAC + senderIP + "\x00\x00\x00\x00\x00\x00" + targetIP
}

// bootp composes the fixed part of a DHCP message with the fields sname and file
// and the magic cookie.
func bootp(op byte, giaddr, sname, file string) string {
	pad := func(s string, n int) string { return s + strings.Repeat("\x00", n-len(s)) }
	return string(op) + "\x01\x06\x00" + "\xde\xad\xbe\xef" + "\x00\x00\x00\x00" + // op to flags
		"\x00\x00\x00\x00" + "\x0a\x01\x02\x37" + "\x00\x00\x00\x00" + giaddr +
		pad(phoneMAC, 16) + pad(sname, 64) + pad(file, 128) + "\x63\x82\x53\x63"
}

// option composes a DHCP option or sub-option.
func option(code byte, v string) string { return string([]byte{code, byte(len(v))}) + v }

// tlv composes an LLDP TLV.
func tlv(typ int, v string) string { return be16(typ<<9|len(v)) + v }

func med(subtype byte, v string) string { return tlv(127, "\x00\x12\xbb"+string([]byte{subtype})+v) }

// vlanTLV composes a TLV of IEEE 802.1.
func vlanTLV(subtype byte, v string) string {
	return tlv(127, "\x00\x80\xc2"+string([]byte{subtype})+v)
}

// mandatory is the beginning of every LLDPDU.
func mandatory() string {
	return tlv(1, "\x04\x00\x04\x96\x1f\xa7\x26") + tlv(2, "\x05Gi1/0/3") + tlv(3, "\x00\x78")
}

// cdp composes an IEEE 802.3 payload of SNAP and CDP.
func cdp(version byte, tlvs ...string) string {
	return unhex("aaaa03 00000c 2000") + string([]byte{version, 180}) + "\x00\x00" + strings.Join(tlvs, "")
}

func cdpTLV(typ int, v string) string { return be16(typ) + be16(4+len(v)) + v }

// frame802 composes an IEEE 802.3 frame: the length stands for the ethertype.
func frame802(dst, src, payload string) string { return ethernet(dst, src, len(payload), payload) }

// testTime is when all composed frames were heard.
var testTime = time.Date(2026, 3, 2, 8, 0, 1, 250_000, time.UTC)

// decodeLines returns the JSON lines of a frame without what is the same in all
// of them: frame, time, and the MAC if it is phoneMAC.
func decodeLines(t testing.TB, linkType uint16, frame string) []string {
	t.Helper()
	var lines []string
	f := &discovery.Frame{Time: testTime, Number: 4, LinkType: linkType, Data: []byte(frame)}
	discovery.NewDecoder(discovery.DecoderConfig{}).Decode(f, func(o *discovery.Observation) {
		b, err := o.AppendJSON(nil, false)
		if err != nil {
			t.Fatal(err)
		}
		line, ok := strings.CutPrefix(string(b), `{"frame":4,"time":"2026-03-02T08:00:01.000250Z",`)
		if !ok {
			t.Fatalf("got line %s", b)
		}
		lines = append(lines, strings.Replace(line, `"mac":"00:15:65:aa:bb:cc",`, "", 1))
	})
	return lines
}

// decodeCase is one frame and the lines that it gives, in short; see decodeLines.
type decodeCase struct {
	name  string
	frame string
	want  []string
}

func runDecodeCases(t *testing.T, linkType uint16, cases []decodeCase) {
	t.Helper()
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			got := decodeLines(t, linkType, tc.frame)
			if strings.Join(got, "\n") != strings.Join(tc.want, "\n") {
				t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(tc.want, "\n     "))
			}
		})
	}
}
