package proxy

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"testing"
	"time"
)

// Keep-alives by STUN (RFC 8489, RFC 5626 section 8) are answered with where they came
// from, and what is none is not.
func TestSTUN(t *testing.T) {
	const id = "b7e7a701bc34d686fa87dfae"
	for _, tc := range []struct{ name, request, from, want string }{
		// The address and its XOR are those of RFC 5769 section 2.2 and 2.3.
		{"IPv4", "00010000" + "2112a442" + id, "192.0.2.1:32853", "0101000c" + "2112a442" + id + "002000080001a147e112a643"},
		{"IPv6", "00010000" + "2112a442" + id, "[2001:db8:1234:5678:11:2233:4455:6677]:32853",
			"01010018" + "2112a442" + id + "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"},
		{"software is named", "00010008" + "2112a442" + id + "8022000474657374", "192.0.2.1:32853", "0101000c" + "2112a442" + id + "002000080001a147e112a643"},
		{"must be understood", "00010008" + "2112a442" + id + "0003000400000002", "192.0.2.1:32853", ""},
		{"an attribute is cut", "00010008" + "2112a442" + id + "8022000874657374", "192.0.2.1:32853", ""},
		{"a length that lies", "00010004" + "2112a442" + id, "192.0.2.1:32853", ""},
		{"an indication", "00110000" + "2112a442" + id, "192.0.2.1:32853", ""},
		{"an answer", "01010000" + "2112a442" + id, "192.0.2.1:32853", ""},
	} {
		b, err := hex.DecodeString(tc.request)
		if err != nil {
			t.Fatal(err)
		}
		if !isSTUN(b) {
			t.Errorf("%s: taken for no STUN", tc.name)
		}
		if got := hex.EncodeToString(stunAnswer(nil, b, netip.MustParseAddrPort(tc.from))); got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.name, got, tc.want)
		}
	}
	pbx, phone := newPeer(t), newPeer(t)
	p := start(t, Config{}, upstreamsOf(pbx)...)
	request, _ := hex.DecodeString("00010000" + "2112a442" + id)
	phone.send(p.Addr(0), string(request))
	got, err := phone.read(5 * time.Second)
	if err != nil || !bytes.Equal([]byte(got), stunAnswer(nil, request, phone.addr())) {
		t.Errorf("got %x, %v", got, err)
	}
	if c := p.Counts(); c.NotSIP != 0 {
		t.Errorf("got %+v", c)
	}
}
