package discovery_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"perch/discovery"
)

// longRegister is a REGISTER that fits into no Ethernet frame.
func longRegister(callID string) string {
	return strings.Replace(sipOf(callID), "Content-Length", "Contact: <sip:1@10.1.2.3>\r\nX: "+strings.Repeat("x", 1600)+"\r\nContent-Length", 1)
}

// part4 is a fragment of a datagram in IPv4: the bytes from at to end.
func part4(id int, datagram string, at, end int) string {
	more := 0x2000
	if end >= len(datagram) {
		more, end = 0, len(datagram)
	}
	return packet4(17, id, more|at/8, ip1, ip2, datagram[at:end])
}

const (
	six1 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"
	six2 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02"
)

// part6 is the same in IPv6, behind a fragment header.
func part6(id int, datagram string, at, end int) string {
	more := 1
	if end >= len(datagram) {
		more, end = 0, len(datagram)
	}
	return packet6(44, six1, six2, "\x11\x00"+be16(at|more)+be32(id)+datagram[at:end])
}

func TestFragments(t *testing.T) {
	d := udp(5060, 5060, longRegister("a"))
	other := udp(7000, 7001, longRegister("a"))
	const first = "1 register a udp (ip: first fragment only)"
	flip := func(s string) string { return s[:len(s)-1] + "!" }
	for _, tc := range []struct {
		name                      string
		packets                   []string
		want                      []string
		kept                      int // datagrams
		refused, expired, evicted uint64
	}{
		{name: "two", packets: []string{part4(7, d, 0, 1480), part4(7, d, 1480, 9999)}, want: []string{first, "2 register a udp"}},
		{name: "three, shuffled", packets: []string{part4(7, d, 1480, 9999), part4(7, d, 0, 800), part4(7, d, 800, 1480)},
			want: []string{"2 register a udp (ip: first fragment only)", "3 register a udp"}},
		{name: "the first last", packets: []string{part4(7, d, 1480, 9999), part4(7, d, 800, 1480), part4(7, d, 0, 800)}, want: []string{"3 register a udp"}},
		{name: "the first alone", packets: []string{part4(7, d, 0, 1480)}, want: []string{first}, kept: 1},
		{name: "of two datagrams", packets: []string{part4(7, d, 0, 1480), part4(8, d, 1480, 9999)}, want: []string{first}, kept: 2},
		{name: "again", packets: []string{part4(7, d, 0, 1480), part4(7, d, 0, 1480), part4(7, d, 1480, 9999)}, want: []string{first, "3 register a udp"}},
		{name: "other ports", packets: []string{part4(7, other, 0, 1480), part4(7, other, 1480, 9999)}, kept: 1},
		{name: "other ports, the first last", packets: []string{part4(7, other, 1480, 9999), part4(7, other, 0, 1480)}, kept: 1},
		{name: "DHCP from nowhere", packets: func() (out []string) {
			b := udp(68, 67, bootp(1, "\x00\x00\x00\x00", "", "")+"\xff")
			for _, p := range []string{part4(7, b, 0, 120), part4(7, b, 120, 9999)} {
				out = append(out, p[:12]+"\x00\x00\x00\x00\xff\xff\xff\xff"+p[20:])
			}
			return out
		}(), want: []string{"1 dhcp  (ip: first fragment only)", "2 dhcp "}},
		{name: "first of a fragment of nothing", packets: []string{part4(7, d, 0, 8)}, want: nil, kept: 1},

		{name: "overlapping", packets: []string{part4(7, d, 0, 1480), part4(7, d, 1472, 9999), part4(7, d, 1480, 9999)}, want: []string{first}, kept: 1, refused: 1},
		{name: "overlapping, inside", packets: []string{part4(7, d, 0, 1480), part4(7, d, 160, 240), part4(7, d, 1480, 9999)}, want: []string{first}, kept: 1, refused: 1},
		{name: "again with other content", packets: []string{part4(7, d, 0, 1480), flip(part4(7, d, 0, 1480)), part4(7, d, 1480, 9999)}, want: []string{first}, kept: 1, refused: 1},
		{name: "two ends", packets: []string{part4(7, d, 0, 800), part4(7, d, 1480, 9999), part4(7, d[:1480], 800, 9999)},
			want: []string{first}, kept: 1, refused: 1},
		{name: "behind the end", packets: []string{part4(7, d, 0, 800), part4(7, d[:1480], 800, 9999), part4(7, d, 1480, 9999)},
			want: []string{first, "2 register a udp (udp: 1480 bytes of 1761 captured)"}, kept: 1},
		{name: "in the middle of 8 bytes", packets: []string{part4(7, d, 0, 1479), part4(7, d, 1480, 9999)}, kept: 1, refused: 1},
		{name: "beyond 64 KiB", packets: []string{part4(7, d, 0, 1480), packet4(17, 7, 0x1fff, ip1, ip2, strings.Repeat("x", 1480))}, want: []string{first}, kept: 1, refused: 1},
		{name: "teardrop", packets: []string{packet4(17, 7, 0x2000, ip1, ip2, d[:40]), packet4(17, 7, 0x0003, ip1, ip2, "xxxx")}, want: []string{"1 register  udp (ip: first fragment only)"}, kept: 1, refused: 1},
		{name: "of 8 bytes each", packets: func() (out []string) {
			for at := 0; at < len(d); at += 8 {
				out = append(out, part4(7, d, at, at+8))
			}
			return out
		}(), kept: 1, refused: 1},
		{name: "cut by the snapshot length", packets: []string{part4(7, d, 0, 1480)[:220], part4(7, d, 1480, 9999)}, want: []string{first}, kept: 1},
		{name: "a later one cut", packets: []string{part4(7, d, 0, 1480), part4(7, d, 1480, 9999)[:100]}, want: []string{first}, kept: 1, refused: 1},
		{name: "empty", packets: []string{packet4(17, 7, 0x2000, ip1, ip2, ""), packet4(17, 7, 0x0001, ip1, ip2, "")}},

		{name: "IPv6", packets: []string{part6(7, d, 0, 1232), part6(7, d, 1232, 9999)}, want: []string{first, "2 register a udp"}},
		{name: "IPv6, the first last", packets: []string{part6(7, d, 1232, 9999), part6(7, d, 0, 1232)}, want: []string{"2 register a udp"}},
		{name: "IPv6, overlapping", packets: []string{part6(7, d, 0, 1232), part6(7, d, 1224, 9999)}, want: []string{first}, kept: 1, refused: 1},
		{name: "IPv6, whole in a fragment header", packets: []string{part6(7, d, 0, 9999)}, want: []string{"1 register a udp"}},
		{name: "IPv6, of TCP", packets: []string{strings.Replace(part6(7, d, 0, 1232), "\x11\x00\x00\x01", "\x06\x00\x00\x01", 1)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWire().send(tc.packets...)
			w.want(t, tc.want...)
			s := w.d.Stats()
			if _, kept, _, _ := w.d.Held(0); kept != tc.kept || s.FragmentsRefused != tc.refused || s.FragmentsEvicted != 0 || s.FragmentsExpired != 0 {
				t.Errorf("got %d kept, %d refused, %+v, want %d and %d", kept, s.FragmentsRefused, s, tc.kept, tc.refused)
			}
		})
	}
	w := newWire().send(part4(7, d, 0, 1480), part4(7, d, 1480, 9999))
	if c := w.seen[1].Register.Contacts; len(c) != 1 || w.seen[1].Register.Source.String() != "10.1.2.3:5060" || w.seen[1].Malformed != "" {
		t.Errorf("got %+v", w.seen[1].Register)
	}
}

// Extension headers stand in front of what is read, in a number that is bounded.
func TestExtensionHeaders(t *testing.T) {
	d := udp(5060, 5060, sipOf("a"))
	options := func(next byte, n int) string {
		return string([]byte{next, byte(n)}) + strings.Repeat("\x00", 6+8*n)
	}
	chain := func(n int) (s string) {
		for range n - 1 {
			s += options(60, 0)
		}
		return s + options(17, 0)
	}
	for _, tc := range []struct {
		name, packet string
		want         []string
	}{
		{"hop-by-hop", packet6(0, six1, six2, options(17, 0)+d), []string{"1 register a udp"}},
		{"routing and destination options", packet6(43, six1, six2, options(60, 2)+options(17, 1)+d), []string{"1 register a udp"}},
		{"padded", packet6(0, six1, six2, options(17, 0)+d) + "padding", []string{"1 register a udp"}},
		{"seven", packet6(60, six1, six2, chain(7)+d), []string{"1 register a udp"}},
		{"nine", packet6(60, six1, six2, chain(9)+d), nil},
		{"longer than the packet", packet6(0, six1, six2, "\x11\xff"+d), nil},
		{"cut", packet6(0, six1, six2, "\x11\x00"), nil},
		{"longer than the payload", strings.Replace(packet6(0, six1, six2, options(17, 0)+d), be16(8+len(d)), be16(4), 1), nil},
		{"of no length", strings.Replace(packet6(17, six1, six2, d), be16(len(d)), be16(0), 1), []string{"1 register a udp"}},
	} {
		t.Run(tc.name, func(t *testing.T) { newWire().send(tc.packet).want(t, tc.want...) })
	}
}

func TestFragmentsExpire(t *testing.T) {
	d := udp(5060, 5060, longRegister("a"))
	w := newWire().send(part4(7, d, 0, 1480))
	w.frame.Time = w.frame.Time.Add(31 * time.Second)
	w.send(part4(7, d, 1480, 9999))
	w.want(t, "1 register a udp (ip: first fragment only)")
	if s := w.d.Stats(); s.FragmentsExpired != 1 {
		t.Errorf("got %d expired, want 1", s.FragmentsExpired)
	}
}

// A flood of fragments costs a bounded number of bytes. Fragments whose ports
// nobody knows do not drive out those of a REGISTER.
func TestFragmentFlood(t *testing.T) {
	d := udp(5060, 5060, longRegister("a"))
	w := newWire()
	w.frame.Time = testTime
	flood := func(n int, part func(id int) string) {
		for i := range n {
			w.send(part(i))
			w.frame.Time = testTime // all at once
		}
	}
	w.send(part4(1, d, 0, 1480))
	flood(5000, func(i int) string {
		return packet4(17, i, 0x2000|50, "\x0a\x09"+be16(i), ip2, strings.Repeat("x", 1400))
	})
	w.send(part4(1, d, 1480, 9999))
	if want := []string{"1 register a udp (ip: first fragment only)", "5002 register a udp"}; !slices.Equal(w.got, want) {
		t.Errorf("got %q, want %q", w.got, want)
	}
	flood(5000, func(i int) string {
		return packet4(17, i, 0x2000, "\x0a\x08"+be16(i), ip2, d[:1480])
	})
	flood(3000, func(i int) string { return packet4(17, 7, 0x2000, "\x0a\x08"+be16(i), ip2, udp(1, 2, "x")) })
	_, kept, held, sound := w.d.Held(0)
	if kept > discovery.MaxDatagrams || kept < discovery.MaxDatagrams/2 || held > discovery.MaxPartBytes || !sound {
		t.Errorf("got %d datagrams and %d bytes kept (sound: %t), want at most %d and %d", kept, held, sound, discovery.MaxDatagrams, discovery.MaxPartBytes)
	}
	if s := w.d.Stats(); s.FragmentsEvicted < 3000 {
		t.Errorf("got %d evicted", s.FragmentsEvicted)
	}
	big := udp(5060, 5060, "REGISTER "+strings.Repeat("x", 60000))
	flood(64*300, func(i int) string { return part4(i/40, big, i%40*1480, i%40*1480+1480) })
	if _, _, held, sound = w.d.Held(0); held > discovery.MaxPartBytes || !sound {
		t.Errorf("got %d bytes kept (sound: %t), want at most %d", held, sound, discovery.MaxPartBytes)
	}
}

// checkFragments cuts a datagram into fragments, sends them in any order, some of
// them twice: it is read as in one piece. Then come fragments that are made up.
func checkFragments(dec *discovery.Decoder, b []byte) error {
	if len(b) < 9 || len(b) > 30_000 {
		return nil
	}
	random := rand.New(rand.NewPCG(uint64(b[0]), 3))
	d := udp(5060, 5060, string(b[1:]))
	messages := func(w *wire) (out []string) {
		for _, line := range w.got {
			if _, what, _ := strings.Cut(line, " "); !strings.Contains(what, "first fragment") {
				out = append(out, what)
			}
		}
		return out
	}
	want := messages(wireOf(dec).send(ipv4(ip1, ip2, d)))
	step := 8 * (1 + len(d)/8/(1+random.IntN(40)))
	var packets []string
	for at := 0; at < len(d); at += step {
		packets = append(packets, part4(7, d, at, at+step))
		if random.IntN(3) == 0 {
			packets = append(packets, packets[len(packets)-1])
		}
	}
	random.Shuffle(len(packets), func(i, j int) { packets[i], packets[j] = packets[j], packets[i] })
	w := wireOf(dec)
	if len(d) > step {
		if got := messages(w.send(packets...)); !slices.Equal(got, want) {
			return fmt.Errorf("datagram %q in %d fragments of %d:\ngot  %q\nwant %q", b, len(packets), step, got, want)
		}
	}
	for rest := d; len(rest) > 6; {
		n := min(int(rest[0]), len(rest)-6)
		w.send(packet4(17, int(rest[1]&1), int(rest[2])<<8&0x3f00|int(rest[3]), ip1, ip2, rest[6:6+n]),
			packet6(rest[4]|4, six1, six2, string([]byte{17, 0, rest[2], rest[3]})+be32(int(rest[1]&1))+rest[6:6+n]))
		rest = rest[6+n:]
	}
	if _, _, held, sound := w.d.Held(0); held > 4*(64<<10) || !sound {
		return fmt.Errorf("got %d bytes kept (sound: %t)", held, sound)
	}
	return nil
}

// The input of FuzzFragments is a seed and a datagram.
func FuzzFragments(f *testing.F) {
	seeds := [][]byte{
		[]byte("\x01" + longRegister("a")),
		[]byte("\x02" + register + register),
		[]byte("\x03REGISTER sip:x SIP/2.0\r\n\x05\x00\x20\x00,,12345\x05\x00\x20\x01,,12345\x04\x00\x00\x01,,1234" + strings.Repeat("\x09\x01\x20\x03,,123456789", 30)),
	}
	fuzzState(f, seeds, checkFragments)
}
