package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPcapngTimes(t *testing.T) {
	for _, tc := range []struct {
		name       string
		resolution uint8
		offset     int64
		at, want   time.Time
	}{
		{"microseconds by default", 0, 0, start, start.Truncate(time.Microsecond)},
		{"microseconds", 6, 0, start, start.Truncate(time.Microsecond)},
		{"nanoseconds", 9, 0, start, start},
		{"milliseconds", 3, 0, start, start.Truncate(time.Millisecond)},
		{"picoseconds, at the time's end", 12, start.Unix() - 100, start, start},
		{"1/2 s", 0x81, 0, start.Add(500 * time.Millisecond), start.Truncate(500 * time.Millisecond).Add(500 * time.Millisecond)},
		{"1/2^0 s", 0x80, 0, start, start.Truncate(time.Second)},
		{"1/2^30 s", 0x80 + 30, 0, start, start.Truncate(time.Second).Add(123456788)},
		{"1/2^63 s", 0x80 + 63, start.Unix(), start, start.Add(-1)},
		{"offset", 9, 1700000000, start, start},
		{"negative offset", 6, -3600, start, start.Truncate(time.Microsecond)},
		{"epoch", 9, 0, time.Unix(0, 0).UTC(), time.Unix(0, 0).UTC()},
		{"far future", 6, 0, time.Unix(maxSeconds, 0).UTC(), time.Unix(maxSeconds, 0).UTC()},
	} {
		for _, big := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, big-endian %v", tc.name, big), func(t *testing.T) {
				var file bytes.Buffer
				w := NewNGWriter(&file, Interface{Name: "eth1", LinkType: Ethernet, Resolution: tc.resolution, Offset: tc.offset})
				w.BigEndian = big
				must(t, w.WriteFrame(0, tc.at, []byte("abcde"), 99), w.WriteObsolete(0, tc.at, []byte("f"), 0), w.Flush())
				got, _, err := readAll(bytes.NewReader(file.Bytes()))
				must(t, err)
				checkFrames(t, got, []copied{
					{tc.want, 1, "eth1", Ethernet, "abcde", 99},
					{tc.want, 2, "eth1", Ethernet, "f", 1},
				})
			})
		}
	}
}

func TestPcapngSections(t *testing.T) {
	var file bytes.Buffer
	us := start.Truncate(time.Microsecond)
	w := NewNGWriter(&file,
		Interface{Name: "eth0", LinkType: Ethernet},
		Interface{LinkType: Raw, Resolution: 9},
		Interface{Name: "mon0", LinkType: 127},
		Interface{Name: strings.Repeat("n", 300), LinkType: Null})
	must(t,
		w.WriteSimple([]byte("before any time"), 0),
		w.WriteFrame(1, start, []byte("two"), 0),
		w.WriteBlock(5, []byte("statistics!!")),
		w.WriteFrame(2, start, []byte("radio"), 0),
		w.WriteBlock(blockCustom, []byte("\x00\x00\x7d\x09custom")),
		w.WriteSimple([]byte("five"), 0),
		w.WriteFrame(3, start.Add(-time.Hour), []byte("six"), 0),
		w.WriteBlock(0x77777777, make([]byte, 5<<20)))
	w.BigEndian = true
	must(t,
		w.BeginSection(Interface{LinkType: LinuxSLL}, Interface{Name: "eth0", LinkType: Ethernet, SnapLength: 4}),
		w.WriteFrame(0, start, []byte("seven"), 0),
		w.WriteFrame(1, start, []byte("eight"), 0),
		w.BeginSection(Interface{Name: "cut", LinkType: Ethernet, SnapLength: 4}),
		w.WriteSimple([]byte("nine"), 9000),
		w.Flush())
	got, f, err := readAll(bytes.NewReader(file.Bytes()))
	must(t, err)
	checkFrames(t, got, []copied{
		{time.Time{}, 1, "eth0", Ethernet, "before any time", 15},
		{start, 2, "1", Raw, "two", 3},
		{us, 5, "eth0", Ethernet, "five", 4}, // at the time of 3, the radio; 4 is the custom block
		{start.Add(-time.Hour).Truncate(time.Microsecond), 6, strings.Repeat("n", maxName), Null, "six", 3},
		{us, 7, "4", LinuxSLL, "seven", 5},
		{us, 8, "eth0", Ethernet, "eight", 5},
		{us, 9, "cut", Ethernet, "nine", 9000},
	})
	if got, want := f.Skipped(), []Skipped{{"test.cap", 127, 1}}; !slices.Equal(got, want) {
		t.Errorf("got skipped %v, want %v", got, want)
	}
}

func TestPcapngWithoutReadableInterface(t *testing.T) {
	var file bytes.Buffer
	w := NewNGWriter(&file, Interface{LinkType: 127}, Interface{LinkType: 249}, Interface{LinkType: Ethernet})
	must(t, w.WriteFrame(0, start, []byte("a"), 0), w.WriteFrame(1, start, []byte("b"), 0), w.WriteFrame(0, start, []byte("c"), 0), w.Flush())
	got, _, err := readAll(bytes.NewReader(file.Bytes()))
	checkFrames(t, got, nil)
	checkError(t, err, UnknownLinkType, 0, "2 of IEEE 802.11 radiotap (127), 1 of USB (249)")
}

func TestPcapngGarbled(t *testing.T) {
	header := func(edit func(w *NGWriter) error) []byte {
		var file bytes.Buffer
		w := NewNGWriter(&file, Interface{LinkType: Ethernet, Resolution: 9})
		must(t, w.WriteFrame(0, start, []byte("good"), 0), edit(w), w.WriteFrame(0, start, []byte("behind"), 0), w.Flush())
		return file.Bytes()
	}
	u32 := func(v ...uint32) (b []byte) {
		for _, v := range v {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
		return b
	}
	// raw writes a block with lengths of its own.
	raw := func(kind, first uint32, body string, last uint32) func(*NGWriter) error {
		return func(w *NGWriter) error {
			_, err := w.out.Write(slices.Concat(u32(kind, first), []byte(body), u32(last)))
			return err
		}
	}
	block := func(kind uint32, body ...byte) func(*NGWriter) error {
		return func(w *NGWriter) error { return w.WriteBlock(kind, body) }
	}
	for _, tc := range []struct {
		name string
		edit func(w *NGWriter) error
		text string
	}{
		{"2 GiB packet block", raw(blockEnhanced, 1<<31, "", 1<<31), "length 2147483648"},
		{"2 GiB unknown block", raw(0x1234, 1<<31, "", 1<<31), "length 2147483648"},
		{"packet block above its bound", raw(blockEnhanced, maxBlock+4, "", 0), "length 1048580"},
		{"unknown block above its bound", raw(0x1234, maxSkipped+4, "", 0), "length 16777220"},
		{"block without a length", raw(blockEnhanced, 0, "", 0), "length 0"},
		{"block shorter than its header", raw(blockEnhanced, 8, "", 8), "length 8"},
		{"odd length", raw(blockEnhanced, 33, strings.Repeat("x", 24), 33), "length 33"},
		{"other length behind a packet", raw(blockEnhanced, 36, string(u32(0, 0, 0, 4, 4))+"abcd", 40), "length 40"},
		{"other length behind an unknown block", raw(0x1234, 16, "abcd", 20), "length 20"},
		{"short packet block", block(blockEnhanced, make([]byte, 16)...), "16 octets"},
		{"short obsolete packet block", block(blockPacket, make([]byte, 16)...), "16 octets"},
		{"short simple packet block", block(blockSimple), "0 octets"},
		{"more kept than the block holds", block(blockEnhanced, u32(0, 0, 0, 5, 5, 0)...), "5 octets kept of the frame in a block with room for 4"},
		{"4 GiB kept", block(blockEnhanced, u32(0, 0, 0, 1<<32-1, 5, 0)...), "4294967295 octets"},
		{"more kept in a simple block", block(blockSimple, u32(9, 0)...), "9 octets"},
		{"more kept than a frame may", block(blockEnhanced, append(u32(0, 0, 0, maxData+4, 5), make([]byte, maxData+4)...)...), "262148 octets"},
		{"interface that is not there", block(blockEnhanced, u32(1, 0, 0, 0, 0)...), "interface 1 of 1"},
		{"obsolete, interface that is not there", block(blockPacket, u32(7, 0, 0, 0, 0)...), "interface 7 of 1"},
		{"time after the year 9999", func(w *NGWriter) error {
			must(t, w.AddInterface(Interface{LinkType: Ethernet, Resolution: 1}))
			return w.WriteBlock(blockEnhanced, u32(1, 1<<31, 0, 0, 0))
		}, "outside the years"},
		{"time before 1970", func(w *NGWriter) error {
			must(t, w.AddInterface(Interface{LinkType: Ethernet, Offset: -1}))
			return w.WriteBlock(blockEnhanced, u32(1, 0, 0, 0, 0))
		}, "outside the years"},
		{"section without a byte order", raw(blockSection, 28, strings.Repeat("x", 16), 28), "byte order"},
		{"short section header", block(blockSection, u32(magicOrder)...), "4 octets"},
		{"short interface block", block(blockInterface, u32(1)...), "4 octets"},
		{"option longer than its block", block(blockInterface, append(u32(1, 0), "\x02\x00\xff\x00"...)...), "option 2 of an interface has 255"},
		{"resolution of two octets", block(blockInterface, append(u32(1, 0), "\x09\x00\x02\x00\x06\x06\x00\x00"...)...), "option 9"},
		{"resolution of 10^-20", block(blockInterface, append(u32(1, 0), "\x09\x00\x01\x00\x14\x00\x00\x00"...)...), "option 9"},
		{"resolution of 2^-64", block(blockInterface, append(u32(1, 0), "\x09\x00\x01\x00\xc0\x00\x00\x00"...)...), "option 9"},
		{"offset beyond all calendars", block(blockInterface, append(u32(1, 0), "\x0e\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x80"...)...), "option 14"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, _, err := readAll(bytes.NewReader(header(tc.edit)))
			checkFrames(t, got, []copied{{start, 1, "0", Ethernet, "good", 4}})
			checkError(t, err, Garbled, 2, tc.text)
		})
	}
}
