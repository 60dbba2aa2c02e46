package capture

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"
)

// payloads of three frames; the second needs the buffer to grow.
var payloads = []string{"first", strings.Repeat("long", 300), ""}

func TestPcap(t *testing.T) {
	for _, tc := range []struct {
		name  string
		nano  bool
		big   bool
		magic string
		cut   time.Duration
	}{
		{"microseconds, little-endian", false, false, "\xd4\xc3\xb2\xa1", time.Microsecond},
		{"microseconds, big-endian", false, true, "\xa1\xb2\xc3\xd4", time.Microsecond},
		{"nanoseconds, little-endian", true, false, "\x4d\x3c\xb2\xa1", time.Nanosecond},
		{"nanoseconds, big-endian", true, true, "\xa1\xb2\x3c\x4d", time.Nanosecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var file bytes.Buffer
			w := NewWriter(&file, LinuxSLL2)
			w.Nanoseconds, w.BigEndian = tc.nano, tc.big
			var want []copied
			for i, p := range payloads {
				at := start.Add(time.Duration(i) * time.Minute)
				must(t, w.WriteFrame(at, []byte(p), 1500))
				want = append(want, copied{at.Truncate(tc.cut), i + 1, "", LinuxSLL2, p, 1500})
			}
			must(t, w.Flush())
			if got := file.String()[:4]; got != tc.magic {
				t.Errorf("got magic % x, want % x", got, tc.magic)
			}
			for _, form := range []struct {
				name string
				file []byte
			}{{"plain", file.Bytes()}, {"gzip", gzipped(t, file.Bytes())}} {
				got, _, err := readAll(oneByte{bytes.NewReader(form.file)})
				if err != nil {
					t.Errorf("%s: %v", form.name, err)
				}
				checkFrames(t, got, want)
			}
		})
	}
}

// pcapFile is a little-endian file written octet by octet, so that the writer
// and the reader cannot agree on a mistake.
func pcapFile(linkType uint32, records ...[]byte) []byte {
	b := []byte("\xd4\xc3\xb2\xa1\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00")
	b = binary.LittleEndian.AppendUint32(b, linkType)
	for _, r := range records {
		b = append(b, r...)
	}
	return b
}

func record(sec, frac, kept, length uint32, data string) []byte {
	b := binary.LittleEndian.AppendUint32(nil, sec)
	b = binary.LittleEndian.AppendUint32(b, frac)
	b = binary.LittleEndian.AppendUint32(b, kept)
	b = binary.LittleEndian.AppendUint32(b, length)
	return append(b, data...)
}

func TestPcapHeaders(t *testing.T) {
	good := record(1000, 5, 3, 3, "abc")
	at := time.Unix(1000, 5000).UTC()
	for _, tc := range []struct {
		name   string
		file   []byte
		want   []copied
		reason Reason // 0: none
		frame  int
		text   string
	}{
		{"no frames", pcapFile(1), nil, 0, 0, ""},
		{"one frame", pcapFile(1, good), []copied{{at, 1, "", Ethernet, "abc", 3}}, 0, 0, ""},
		{"FCS length in the link type", pcapFile(0x24000001, good), []copied{{at, 1, "", Ethernet, "abc", 3}}, 0, 0, ""},
		{"time after 2038", pcapFile(1, record(1<<32-1, 0, 1, 1, "x")), []copied{{time.Unix(1<<32-1, 0).UTC(), 1, "", Ethernet, "x", 1}}, 0, 0, ""},
		{"fraction above a second", pcapFile(1, record(1, 1<<32-1, 1, 1, "x")), []copied{{time.Unix(1+4294, 967295000).UTC(), 1, "", Ethernet, "x", 1}}, 0, 0, ""},
		{"length below what was kept", pcapFile(1, record(1, 0, 2, 0, "xy")), []copied{{time.Unix(1, 0).UTC(), 1, "", Ethernet, "xy", 2}}, 0, 0, ""},
		{"kept more than the snapshot length says", pcapFile(1, record(1, 0, 70000, 70000, strings.Repeat("x", 70000))), []copied{{time.Unix(1, 0).UTC(), 1, "", Ethernet, strings.Repeat("x", 70000), 70000}}, 0, 0, ""},
		{"unknown link type", pcapFile(147, good), nil, UnknownLinkType, 0, "link type 147 frames"},
		{"radio", pcapFile(127, good), nil, UnknownLinkType, 0, "IEEE 802.11 radiotap (127)"},
		{"2 GiB frame", pcapFile(1, good, record(1, 0, 1<<31, 60, "abc"), good), []copied{{at, 1, "", Ethernet, "abc", 3}}, Garbled, 2, "2147483648 octets"},
		{"largest frame and one more", pcapFile(1, record(1, 0, maxData+1, maxData+1, strings.Repeat("x", maxData+1))), nil, Garbled, 1, "262145 octets"},
		{"zeros at the end", pcapFile(1, good, make([]byte, 512)), []copied{{at, 1, "", Ethernet, "abc", 3}}, Garbled, 2, "zeros"},
		{"version 2.3", append([]byte("\xd4\xc3\xb2\xa1\x02\x00\x03\x00"), make([]byte, 16)...), nil, Unsupported, 0, "pcap version 2.3"},
		{"modified pcap", append([]byte("\x34\xcd\xb2\xa1\x02\x00\x04\x00"), make([]byte, 16)...), nil, Unsupported, 0, "modified pcap"},
		{"modified pcap, big-endian", append([]byte("\xa1\xb2\xcd\x34\x00\x02\x00\x04"), make([]byte, 16)...), nil, Unsupported, 0, "modified pcap"},
		{"empty", nil, nil, Empty, 0, "empty"},
		{"empty in gzip", gzipped(t, nil), nil, Empty, 0, "empty"},
		{"text", []byte("not a capture at all"), nil, NotCapture, 0, "6e 6f 74 20"},
		{"two octets", []byte("\xd4\xc3"), nil, NotCapture, 0, "only 2 octets"},
		{"zstd", []byte("\x28\xb5\x2f\xfdxxxx"), nil, Unsupported, 0, "zstd"},
		{"gzip of text", gzipped(t, []byte("not a capture at all")), nil, NotCapture, 0, "6e 6f 74 20"},
		{"damaged gzip header", []byte("\x1f\x8b\x07\x00aaaaaaaaaaaaaa"), nil, Garbled, 0, "compressed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, _, err := readAll(bytes.NewReader(tc.file))
			checkFrames(t, got, tc.want)
			if tc.reason == 0 {
				if err != nil {
					t.Errorf("got error %v, want none", err)
				}
				return
			}
			checkError(t, err, tc.reason, tc.frame, tc.text)
		})
	}
}

func TestAppendingToDataLeavesTheNextFrame(t *testing.T) {
	f, err := NewFile("x", bytes.NewReader(pcapFile(1, record(1, 0, 3, 3, "abc"), record(2, 0, 3, 3, "def"))))
	must(t, err)
	first, err := f.Next()
	must(t, err)
	_ = append(first.Data, strings.Repeat("!", 19)...)
	second, err := f.Next()
	must(t, err)
	if string(second.Data) != "def" {
		t.Errorf("got second frame %q, want def", second.Data)
	}
}
