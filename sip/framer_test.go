package sip

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"perch/testdata/swarm"
)

// register composes a REGISTER with a Call-ID, a body and its length.
func registerOf(callID, body string) string {
	return message(requestLine, via, from, to, "Call-ID: "+callID, cseq, fmt.Sprintf("Content-Length: %d", len(body))) + body
}

// framed feeds pieces to a framer and returns the messages that it hands over.
func framed(f *Framer, pieces ...string) (got []string) {
	for _, p := range pieces {
		f.Feed([]byte(p), func(m []byte) { got = append(got, string(m)) })
	}
	return got
}

func TestFramer(t *testing.T) {
	a, b := registerOf("a", ""), registerOf("b", "body")
	invite := message("INVITE sip:x SIP/2.0", via, "l: 9") + "v=0\r\no=-\n"
	answer := message("SIP/2.0 200 OK", via, from, to, callID, cseq, "Content-Length: 0")
	other := message("SIP/2.0 200 OK", via, from, to, callID, "CSeq: 1 OPTIONS", "Content-Length: 0")
	for _, tc := range []struct {
		name   string
		middle bool // of a stream
		pieces []string
		want   []string
		broken int
		keeps  int
	}{
		{name: "one", pieces: []string{a}, want: []string{a}},
		{name: "two in a segment", pieces: []string{a + b}, want: []string{a, b}},
		{name: "in octets", pieces: strings.Split(a+b+answer, ""), want: []string{a, b, answer}},
		{name: "keep-alives", pieces: []string{"\r\n\r\n", a, "\r\n", "\r\n\r\n" + b, "\r"}, want: []string{a, b}},
		{name: "calls and their bodies passed over", pieces: []string{invite[:20], invite[20:] + a + other + invite + answer, invite + b},
			want: []string{a, answer, b}},
		{name: "a body that is a REGISTER", pieces: []string{message("MESSAGE sip:x SIP/2.0", fmt.Sprintf("l:%d", len(a)))[:10],
			message("MESSAGE sip:x SIP/2.0", fmt.Sprintf("l:%d", len(a)))[10:] + a + b}, want: []string{b}},
		{name: "length folded and repeated", pieces: []string{message(requestLine, "Content-Length :\r\n 4", "l: 0") + "body" + a},
			want: []string{message(requestLine, "Content-Length :\r\n 4", "l: 0") + "body", a}},
		{name: "no length is none", pieces: []string{message(requestLine, via) + a}, want: []string{message(requestLine, via), a}},
		{name: "no length, yet a body", pieces: []string{message(requestLine, via) + "v=0\r\n\r\n" + a}, want: []string{message(requestLine, via), a}, broken: 1},
		{name: "length is no number", pieces: []string{message(requestLine, "l: x") + "body\r\n\r\n" + a}, want: []string{message(requestLine, "l: x"), a}, broken: 1},
		{name: "another protocol", pieces: []string{"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01", a + "\r\n\r\n" + a}, want: []string{a}, broken: 1},
		{name: "other letters", pieces: []string{strings.ToLower(requestLine) + "\r\nCSeq: 1 REGISTER\r\n\r\n" + a}, want: []string{a}, broken: 1},
		{name: "lower-case method", pieces: []string{"register sip:x SIP/2.0\r\nCSeq: 1 REGISTER\r\n\r\n" + a}, want: []string{a}},
		{name: "waits for the body", pieces: []string{b[:len(b)-1]}, keeps: len(b) - 1},
		{name: "waits for the headers", pieces: []string{a[:30], a[30:60]}, keeps: 60},
		{name: "keeps nothing of a call", pieces: []string{invite[:len(invite)-3]}},
		{name: "a body of more than is kept", pieces: []string{message(requestLine, "l: 70000"), strings.Repeat("x", 70000) + a},
			want: []string{message(requestLine, "l: 70000"), a}},
		{name: "headers of more than is kept", pieces: []string{requestLine + "\r\nX: " + strings.Repeat("x", MaxMessage) + "\r\n\r\n" + a}, want: []string{a}, broken: 1},
		{name: "a line of more than is kept", pieces: []string{strings.Repeat("x", 2*maxLine) + "\r\n\r\n" + a}, want: []string{a}, broken: 1},

		{name: "middle: at a message", middle: true, pieces: []string{a, b}, want: []string{a, b}},
		{name: "middle: in a message", middle: true, pieces: []string{a[20:], b}, want: []string{b}},
		{name: "middle: in an empty line", middle: true, pieces: []string{"x: y\r\n\r", "\n" + b}, want: []string{b}},
		{name: "middle: in a body", middle: true, pieces: []string{"v=0\r\no=-\r\n", a, b}, want: []string{b}},
		{name: "middle: an octet of a message", middle: true, pieces: []string{a[:1], a[1:]}, want: []string{a}},
		{name: "middle: keep-alive", middle: true, pieces: []string{"\r\n\r\n", a}, want: []string{a}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var f Framer
			if !tc.middle {
				f.Begin()
			}
			got := framed(&f, tc.pieces...)
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %q\nwant %q", got, tc.want)
			}
			if f.Broken() != tc.broken || f.Len() != tc.keeps {
				t.Errorf("got %d times broken and %d octets kept, want %d and %d", f.Broken(), f.Len(), tc.broken, tc.keeps)
			}
		})
	}
}

func TestFramerLost(t *testing.T) {
	a, b := registerOf("a", ""), registerOf("b", "")
	call := message("INVITE sip:x SIP/2.0", via, "l: 900")
	for _, tc := range []struct {
		name         string
		before       string
		lost         int
		after        string
		want         []string
		broken, skip int
	}{
		{"between messages", a, 10, b, []string{a, b}, 1, 0},
		{"in a REGISTER", a + b[:80], 10, a[20:] + b, []string{a, b[:80], b}, 1, 0},
		{"in an answer that is not known to be one", "SIP/2.0 200 OK\r\nVia: x", 10, "y\r\n\r\n" + a, []string{a}, 1, 0},
		{"in the body of a call", call + "v=0", 800, strings.Repeat("x", 97) + a, []string{a}, 0, 0},
		{"more than the body of a call", call + "v=0", 950, a, []string{a}, 1, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var f Framer
			f.Begin()
			got := framed(&f, tc.before)
			f.Lost(tc.lost, func(m []byte) { got = append(got, string(m)) })
			got = append(got, framed(&f, tc.after)...)
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %q\nwant %q", got, tc.want)
			}
			if f.Broken() != tc.broken || f.Len() != 0 {
				t.Errorf("got %d times broken and %d octets kept, want %d and none", f.Broken(), f.Len(), tc.broken)
			}
		})
	}
}

// checkCutting feeds a stream in one piece and in pieces of the sizes that seed
// makes up: that must be the same to the framer, and it never keeps more than a
// message and the piece at hand.
func checkCutting(stream []byte, seed uint64) error {
	var whole, cut Framer
	whole.Begin()
	cut.Begin()
	want := framed(&whole, string(stream))
	random := rand.New(rand.NewPCG(seed, 1))
	most := 1 + random.IntN(3000)
	var got []string
	for rest := stream; len(rest) > 0; {
		n := min(1+random.IntN(most), len(rest))
		cut.Feed(bytes.Clone(rest[:n]), func(m []byte) { got = append(got, string(m)) })
		if rest = rest[n:]; cut.Len() > MaxMessage+n {
			return fmt.Errorf("got %d octets kept, want at most %d", cut.Len(), MaxMessage+n)
		}
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("stream %q\nin pieces up to %d:\ngot  %q\nwant %q", stream, most, got, want)
	}
	if cut.Broken() != whole.Broken() || cut.Len() != whole.Len() {
		return fmt.Errorf("stream %q\ngot %d times broken and %d kept, want %d and %d", stream, cut.Broken(), cut.Len(), whole.Broken(), whole.Len())
	}
	return nil
}

func TestFramerCutting(t *testing.T) {
	a := registerOf("a", "")
	parts := []string{
		a, registerOf("b", "v=0\r\n\r\nREGISTER x SIP/2.0\r\n\r\n"), "\r\n\r\n", "\r\n", "junk", message("SIP/2.0 200 OK", cseq, "L: 3") + "abc",
		message("OPTIONS sip:x SIP/2.0", "l: 5") + a[:5], message(requestLine, "l: many"), message("BYE sip:x SIP/2.0"), requestLine[:12], "\r",
		requestLine + "\r\nX: " + strings.Repeat("x", 50000) + "\r\n", strings.Repeat("y", 9000),
	}
	random := rand.New(rand.NewPCG(3, 4))
	for seed := range uint64(3000) {
		var stream []byte
		for range 1 + random.IntN(8) {
			stream = append(stream, parts[random.IntN(len(parts))]...)
		}
		if err := checkCutting(stream, seed); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFramerEmptyLines holds what is kept of empty lines before half a start line
// to the same, in whatever two pieces they come.
func TestFramerEmptyLines(t *testing.T) {
	const start = "OPTIONS sip:x SIP/2."
	stream := []byte("junk\r\n\r\n\r\n\r\n" + start)
	for at := range stream {
		var f Framer
		f.Begin()
		framed(&f, string(stream[:at]))
		if framed(&f, string(stream[at:])); f.Len() != len(start) {
			t.Errorf("cut after %d octets: got %d kept, want %d", at, f.Len(), len(start))
		}
	}
}

func FuzzFramer(f *testing.F) {
	a := registerOf("a", "")
	seeds := [][]byte{
		[]byte(a + registerOf("b", "body") + "\r\n\r\n" + a),
		[]byte(message("INVITE sip:x SIP/2.0", "l: 4") + "v=0\n" + message("SIP/2.0 200 OK", cseq) + "\x16\x03\x01" + a),
		[]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n\r\n\r\n" + a + message(requestLine, "Content-Length: 99999999999") + a),
	}
	for i, s := range seeds {
		f.Add(s, uint64(i))
	}
	swarm.Run(f, seeds, func() func([]byte) {
		seed := uint64(0)
		return func(stream []byte) {
			seed++
			if err := checkCutting(stream, seed); err != nil {
				panic(err)
			}
		}
	})
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		if len(stream) > 4*MaxMessage {
			return
		}
		if err := checkCutting(stream, seed); err != nil {
			t.Fatal(err)
		}
	})
}
