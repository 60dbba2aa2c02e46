package discovery_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"perch/discovery"
	"perch/testdata/swarm"
)

// packet4 composes an IPv4 packet; part is the field of flags and fragment offset.
func packet4(proto byte, id, part int, src, dst, payload string) string {
	return "\x45\x00" + be16(20+len(payload)) + be16(id) + be16(part) + "\x40" + string([]byte{proto}) + "\x00\x00" + src + dst + payload
}

// packet6 composes an IPv6 packet.
func packet6(next byte, src, dst, payload string) string {
	return "\x60\x00\x00\x00" + be16(len(payload)) + string([]byte{next, 64}) + src + dst + payload
}

const (
	fin, syn, rst, ack = 1, 2, 4, 16
)

// tcpSegment composes a TCP segment.
func tcpSegment(src, dst int, seq, acked uint32, flags byte, payload string) string {
	h := be16(src) + be16(dst) + string(binary.BigEndian.AppendUint32(nil, seq)) + string(binary.BigEndian.AppendUint32(nil, acked))
	return h + "\x50" + string([]byte{flags}) + "\xff\xff\x00\x00\x00\x00" + payload
}

// wire feeds packets to a decoder as frames of one source, 10 ms apart, and notes
// what they give: "frame kind Call-ID", with what is wrong.
type wire struct {
	d     *discovery.Decoder
	frame discovery.Frame
	got   []string
	seen  []*discovery.Observation
}

func newWire() *wire { return wireOf(discovery.NewDecoder(discovery.DecoderConfig{})) }

// wireOf is a wire on which nothing was sent yet, whatever the decoder has read.
func wireOf(d *discovery.Decoder) *wire {
	d.Forget(0)
	return &wire{d: d, frame: discovery.Frame{Time: testTime, LinkType: 101, Interface: "eth0"}}
}

func (w *wire) send(packets ...string) *wire {
	for _, p := range packets {
		w.frame.Number++
		w.frame.Time = w.frame.Time.Add(10 * time.Millisecond)
		w.frame.Data = []byte(p)
		w.d.Decode(&w.frame, func(o *discovery.Observation) {
			line := fmt.Sprintf("%d %s ", o.Frame, o.Kind)
			switch {
			case o.Register != nil:
				line += o.Register.CallID + " " + o.Register.Transport
			case o.Response != nil:
				line += o.Response.CallID
			}
			if o.Malformed != "" {
				line += " (" + o.Malformed + ")"
			}
			w.got = append(w.got, line)
			w.seen = append(w.seen, o)
		})
		for i := range w.frame.Data {
			w.frame.Data[i] ^= 0x55 // nothing may refer to it later
		}
	}
	return w
}

func (w *wire) want(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(w.got, want) {
		t.Errorf("got  %q\nwant %q", w.got, want)
	}
	if _, _, _, sound := w.d.Held(0); !sound {
		t.Error("what is kept does not add up")
	}
}

// sipOf composes a REGISTER and its answer with a Call-ID.
func sipOf(callID string) string {
	return strings.Replace(register, "Call-ID: c", "Call-ID: "+callID, 1)
}

func answerOf(callID string) string {
	return strings.Replace(sipOf(callID), "REGISTER sip:pbx SIP/2.0", "SIP/2.0 200 OK", 1)
}

// up and down are segments of one connection from and to a phone, by their place
// in the stream.
const upISN, downISN = 0xffffff00, 7000 // the first wraps round

func up(at int, flags byte, payload string) string {
	return packet4(6, 1, 0, ip1, ip2, tcpSegment(40000, 5060, upISN+1+uint32(at), downISN+1, flags, payload))
}

func down(at, acked int, payload string) string {
	return packet4(6, 1, 0, ip2, ip1, tcpSegment(5060, 40000, downISN+1+uint32(at), upISN+1+uint32(acked), ack, payload))
}

var (
	opening = []string{
		packet4(6, 1, 0, ip1, ip2, tcpSegment(40000, 5060, upISN, 0, syn, "")),
		packet4(6, 1, 0, ip2, ip1, tcpSegment(5060, 40000, downISN, upISN+1, syn|ack, "")),
		up(0, ack, ""),
	}
)

func TestStream(t *testing.T) {
	a, b := sipOf("a"), sipOf("b")
	n := len(a)
	long := strings.Repeat("x", 40000)
	call := fmt.Sprintf("INVITE sip:x SIP/2.0\r\nl: %d\r\n\r\n", len(long))
	open := func(more ...string) []string { return append(slices.Clone(opening), more...) }
	middle := func(s ...string) []string { return s }
	for _, tc := range []struct {
		name    string
		packets []string
		want    []string
	}{
		{"one", open(up(0, ack, a)), []string{"4 register a tcp"}},
		{"two in a segment", open(up(0, ack, a+b)), []string{"4 register a tcp", "4 register b tcp"}},
		{"over three segments", open(up(0, ack, a[:50]), up(50, ack, a[50:100]), up(100, ack, a[100:])), []string{"6 register a tcp"}},
		{"and its answer", open(up(0, ack, a), down(0, n, answerOf("a"))), []string{"4 register a tcp", "5 register_response a"}},
		{"sent again", open(up(0, ack, a[:50]), up(0, ack, a[:50]), up(0, ack, a), up(0, ack, a)), []string{"6 register a tcp"}},
		{"sent again with other content", open(up(0, ack, a[:60]), up(0, ack, strings.Replace(a[:90], "10.1.2.3", "10.9.9.9", 1)), up(90, ack, a[90:])),
			[]string{"6 register a tcp"}},
		{"overlapping", open(up(0, ack, a[:60]), up(30, ack, a[30:])), []string{"5 register a tcp"}},
		{"out of order", open(up(100, ack, a[100:]), up(50, ack, a[50:100]), up(0, ack, a[:50])), []string{"6 register a tcp"}},
		{"out of order, overlapping", open(up(70, ack, a[70:]), up(40, ack, a[40:100]), up(40, ack, a[40:60]), up(0, ack, a[:50])), []string{"7 register a tcp"}},
		{"out of order, longer when sent again", open(up(50, ack, a[50:60]), up(50, ack, a[50:]), up(0, ack, a[:50])), []string{"6 register a tcp"}},
		{"keep-alives", open(up(0, ack, "\r\n\r\n"), down(0, 4, "\r\n"), up(4, ack, a), up(4+n, ack, "\r\n\r\n"+b)), []string{"6 register a tcp", "7 register b tcp"}},
		{"probe of the connection", open(up(-1, ack, "x"), up(0, ack, a)), []string{"5 register a tcp"}},
		{"calls between", open(up(0, ack, call+long[:20000]), up(len(call)+20000, ack, long[20000:]+a)), []string{"5 register a tcp"}},
		{"SYN again", open(up(0, ack, a[:50]), opening[0], opening[1], up(50, ack, a[50:])), []string{"7 register a tcp"}},
		{"SYN with data", []string{packet4(6, 1, 0, ip1, ip2, tcpSegment(40000, 5060, upISN, 0, syn, a))}, []string{"1 register a tcp"}},
		{"another connection of the same ports", open(up(0, ack, a[:50]), packet4(6, 1, 0, ip1, ip2, tcpSegment(40000, 5060, 99, 0, syn, "")),
			packet4(6, 1, 0, ip1, ip2, tcpSegment(40000, 5060, 100, 0, ack, b))), []string{"6 register b tcp"}},
		{"closed and sent again", open(up(0, ack|fin, a), up(0, ack|fin, a)), []string{"4 register a tcp"}},
		{"closed, another in the middle", open(up(0, ack|fin, a), up(5000, ack, b)), []string{"4 register a tcp", "5 register b tcp"}},
		{"reset, another in the middle", open(up(0, ack, a[:50]), up(50, rst, ""), up(5000, ack, b)), []string{"6 register b tcp"}},
		{"options that are broken", open(strings.Replace(up(0, ack, "\x02\x00\x00\x00"+a), "\x50\x10", "\x60\x10", 1)), []string{"4 register a tcp"}},

		{"middle: at a message", middle(up(0, ack, a)), []string{"1 register a tcp"}},
		{"middle: in a message", middle(up(50, ack, a[50:]), up(n, ack, b)), []string{"2 register b tcp"}},
		{"middle: nothing but acknowledgements", middle(up(0, ack, ""), down(0, 0, "")), nil},
		{"another protocol", open(up(0, ack, "\x16\x03\x01\x00\x05hello"), up(10, ack, "\r\n\r\n"+a)), []string{"5 register a tcp"}},

		{"not captured, as the answer tells", open(up(n, ack, b), down(0, 2*n, answerOf("b"))), []string{"5 register b tcp", "5 register_response b"}},
		{"not captured, as was known before", open(up(0, ack, a[:50]), down(0, 2*n, "\r\n"), up(n, ack, b)),
			[]string{"6 register  tcp (tcp: a part was not heard)", "6 register b tcp"}},
		{"not captured, too much waits", open(append([]string{up(0, ack, a[:100])}, func() (s []string) {
			for i := range 4 {
				s = append(s, up(n+i*20000, ack, []string{b, "", "", ""}[i]+long[:20000]))
			}
			return s
		}()...)...), []string{"8 register a tcp (tcp: a part was not heard)", "8 register b tcp"}},
		{"cut by the snapshot length", open(up(0, ack, a)[:20+20+90], up(n, ack, b)), []string{"4 register a tcp (tcp: a part was not heard)", "5 register b tcp"}},
		{"header cut", open(up(0, ack, a)[:30], up(0, ack, a)), []string{"5 register a tcp"}},
		{"fragments are not read", open(packet4(6, 1, 0x2000, ip1, ip2, tcpSegment(40000, 5060, upISN+1, 0, ack, a))), nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			newWire().send(tc.packets...).want(t, tc.want...)
		})
	}
}

// The frame that completes a message may be the other end's, but the message is
// its sender's.
func TestStreamOtherEnd(t *testing.T) {
	w := newWire()
	w.frame.LinkType = 1
	n := len(sipOf("a"))
	phone := func(s string) string { return ethernet(routerMAC, phoneMAC, 0x0800, s) }
	w.send(phone(opening[0]), phone(up(n, ack, sipOf("b"))), ethernet(phoneMAC, routerMAC, 0x0800, down(0, 2*n, answerOf("b"))))
	w.want(t, "3 register b tcp", "3 register_response b")
	r, answer := w.seen[0], w.seen[1]
	if got := fmt.Sprint(r.MAC, r.Dst, r.SrcIP, r.Register.Source, r.Register.Destination); got != "00:15:65:aa:bb:cc 00:1b:17:00:01:10 10.1.2.3 10.1.2.3:40000 10.1.2.1:5060" {
		t.Errorf("REGISTER: got %s", got)
	}
	if got := fmt.Sprint(answer.MAC, answer.SrcIP, answer.Response.Destination); got != "00:1b:17:00:01:10 10.1.2.1 10.1.2.3:40000" {
		t.Errorf("answer: got %s", got)
	}
}

// Copies of a connection on two interfaces, and in two captures, are two.
func TestStreamsApart(t *testing.T) {
	a, b := sipOf("a"), sipOf("b")
	for _, move := range []func(*wire){func(w *wire) { w.frame.Interface = "eth1" }, func(w *wire) { w.frame.Source = 1 }} {
		w := newWire().send(up(0, ack, a[:50]))
		move(w)
		w.send(up(50, ack, a[50:]), up(len(a), ack, b))
		w.want(t, "3 register b tcp")
		w.d.Forget(w.frame.Source)
		w.send(up(len(a), ack, b))
		if w.frame.Source == 1 {
			w.want(t, "3 register b tcp", "4 register b tcp")
		}
	}
}

func TestStreamIPv6(t *testing.T) {
	p, r := strings.Repeat("\x20\x01", 8), strings.Repeat("\x20\x02", 8)
	a := sipOf("a")
	options := "\x06\x00\x01\x04\x00\x00\x00\x00"
	w := newWire().send(
		packet6(6, p, r, tcpSegment(40000, 5060, 1, 0, syn, "")),
		packet6(6, p, r, tcpSegment(40000, 5060, 2, 0, ack, a[:50]))+"padding",
		packet6(60, p, r, options+tcpSegment(40000, 5060, 52, 0, ack, a[50:])),
	)
	w.want(t, "3 register a tcp")
	if got := w.seen[0].Register.Source.String(); got != "[2001:2001:2001:2001:2001:2001:2001:2001]:40000" {
		t.Errorf("got source %s", got)
	}
}

func TestStreamSilence(t *testing.T) {
	a := sipOf("a")
	for _, tc := range []struct {
		name  string
		after time.Duration
		want  []string
	}{
		{"10 minutes", 10*time.Minute - time.Second, []string{"5 register a tcp"}},
		{"more", 11 * time.Minute, nil},
		{"time goes back", -time.Hour, []string{"5 register a tcp"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWire().send(opening...).send(up(0, ack, a[:50]))
			w.frame.Time = w.frame.Time.Add(tc.after)
			w.send(up(50, ack, a[50:])).want(t, tc.want...)
		})
	}
	w := newWire().send(opening...).send(up(50, ack, a[50:]))
	w.frame.Time = w.frame.Time.Add(6 * time.Second)
	w.send(up(len(a), ack, "\r\n\r\n"+a)).want(t, "5 register a tcp")
}

// What a flood of connections costs is bounded, the one silent longest goes first,
// and it is found again in the middle.
func TestStreamFlood(t *testing.T) {
	from := func(i int, flags byte, payload string) string {
		return packet4(6, 1, 0, "\x0a\x02"+be16(i%60000), ip2, tcpSegment(1024+i/60000, 5060, 1, 0, flags, payload))
	}
	w := newWire().send(opening...)
	a := sipOf("a")
	for i := range 3 * discovery.MaxStreams {
		w.send(from(i, syn, ""))
		if i%1000 == 0 {
			w.send(up(0, ack, "")) // not silent
		}
	}
	streams, _, _, sound := w.d.Held(0)
	if streams != discovery.MaxStreams || !sound {
		t.Errorf("got %d connections kept (sound: %t), want %d", streams, sound, discovery.MaxStreams)
	}
	w.send(up(0, ack, a[:50]))
	for i := range 2 * discovery.MaxStreams {
		w.send(from(i, ack, "REGISTER sip:x SIP/2.0\r\n"+strings.Repeat("x", 10000)))
	}
	streams, _, held, sound := w.d.Held(0)
	if held > discovery.MaxStreamBytes || held < discovery.MaxStreamBytes/2 || !sound {
		t.Errorf("got %d bytes kept of %d connections (sound: %t), want at most %d", held, streams, sound, discovery.MaxStreamBytes)
	}
	w.send(up(50, ack, a[50:]), up(len(a), ack, a)).want(t, fmt.Sprintf("%d register a tcp", w.frame.Number))
	if s := w.d.Stats(); s.StreamsOpened < 4*discovery.MaxStreams || s.StreamsEvicted < 3*discovery.MaxStreams || s.StreamsBroken == 0 {
		t.Errorf("got %+v", s)
	}
}

// shuffled cuts a stream into segments of up to most bytes, repeats and overlaps
// some, and sends them in an order in which nothing is far from its place.
func shuffled(random *rand.Rand, stream string, most int) []string {
	type part struct{ at, end, key int }
	var parts []part
	for at := 0; at < len(stream); {
		end := min(at+1+random.IntN(most), len(stream))
		parts = append(parts, part{at, end, len(parts)*4 + random.IntN(12)})
		if random.IntN(4) == 0 {
			from := max(0, at-random.IntN(most))
			parts = append(parts, part{from, end, len(parts)*4 + random.IntN(20)})
		}
		at = end
	}
	slices.SortStableFunc(parts, func(a, b part) int { return a.key - b.key })
	var out []string
	for _, p := range parts {
		out = append(out, up(p.at, 0, stream[p.at:p.end])) // no ACK: nothing is given up
	}
	return out
}

// checkStream sends a stream in one segment and shuffled, and fails if that is not
// the same, or if more is kept than may be.
func checkStream(d *discovery.Decoder, stream string, seed uint64) error {
	random := rand.New(rand.NewPCG(seed, 2))
	messages := func(w *wire) (out []string) {
		for _, line := range w.got {
			_, what, _ := strings.Cut(line, " ")
			out = append(out, what)
		}
		return out
	}
	began := d.Stats().StreamsBroken
	whole := wireOf(d).send(opening...)
	for at := 0; at < len(stream); at += 60000 {
		whole.send(up(at, 0, stream[at:min(at+60000, len(stream))]))
	}
	broken := d.Stats().StreamsBroken - began
	cut := wireOf(d).send(opening...)
	for _, p := range shuffled(random, stream, 1+random.IntN(1000)) {
		cut.send(p)
		if _, _, held, sound := cut.d.Held(0); held > 64<<10+discovery.StreamWindow+2000 || !sound {
			return fmt.Errorf("got %d bytes kept (sound: %t)", held, sound)
		}
	}
	if got, want := messages(cut), messages(whole); !slices.Equal(got, want) {
		return fmt.Errorf("stream %q\ngot  %q\nwant %q", stream, got, want)
	}
	if got := d.Stats().StreamsBroken - began - broken; got != broken {
		return fmt.Errorf("stream %q\ngot %d times broken, want %d", stream, got, broken)
	}
	return nil
}

func TestStreamShuffled(t *testing.T) {
	body := "MESSAGE sip:x SIP/2.0\r\nl: 200\r\n\r\n" + strings.Repeat("y", 200)
	d := discovery.NewDecoder(discovery.DecoderConfig{})
	for seed := range uint64(400) {
		random := rand.New(rand.NewPCG(seed, 5))
		var stream strings.Builder
		for i := range 1 + random.IntN(12) {
			switch random.IntN(5) {
			case 0:
				stream.WriteString("\r\n\r\n")
			case 1:
				stream.WriteString(body)
			case 2:
				stream.WriteString(answerOf(fmt.Sprint(i)))
			default:
				stream.WriteString(sipOf(fmt.Sprint(i)))
			}
		}
		if err := checkStream(d, stream.String(), seed); err != nil {
			t.Fatal(err)
		}
	}
}

// The input of FuzzStream is a seed and a stream.
func FuzzStream(f *testing.F) {
	seeds := [][]byte{
		[]byte("\x01" + sipOf("a") + answerOf("b") + "\r\n\r\n" + sipOf("c")),
		[]byte("\x02INVITE sip:x SIP/2.0\r\nl: 4\r\n\r\nv=0\n" + sipOf("a") + "junk\r\n\r\n" + sipOf("b")),
		[]byte("\x03GET / HTTP/1.1\r\n\r\n" + sipOf("a") + "REGISTER x SIP/2.0\r\nContent-Length: 100000\r\n\r\n" + sipOf("b")),
	}
	fuzzState(f, seeds, func(d *discovery.Decoder, b []byte) error {
		if len(b) == 0 || len(b) > 100_000 {
			return nil
		}
		return checkStream(d, string(b[1:]), uint64(b[0]))
	})
}

// fuzzState fuzzes a decoder with what comes in several frames. check begins anew
// each time.
func fuzzState(f *testing.F, seeds [][]byte, check func(*discovery.Decoder, []byte) error) {
	swarm.Run(f, seeds, func() func([]byte) {
		d := discovery.NewDecoder(discovery.DecoderConfig{})
		return func(b []byte) {
			if err := check(d, b); err != nil {
				panic(err)
			}
		}
	})
	for _, s := range seeds {
		f.Add(s)
	}
	d := discovery.NewDecoder(discovery.DecoderConfig{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := check(d, b); err != nil {
			t.Fatal(err)
		}
	})
}
