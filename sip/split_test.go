package sip

import (
	"fmt"
	"reflect"
	"testing"
)

// checkSplit reads a message both ways, if it is one that split reads: what they
// say of it must be the same. It reports whether split read it.
func checkSplit(t *testing.T, b []byte) bool {
	t.Helper()
	if !looksLikeSIP(b) {
		return false
	}
	request := len(b) > 0 && b[0] == 'R'
	ours, theirs := NewParser(), NewParser()
	s, n, ok := ours.begin(request).split(b)
	if !ok {
		return false
	}
	s2, n2, ok2 := theirs.library(theirs.begin(request), b)
	if !s.request && !ok2 {
		t.Fatalf("%q: split reads it, sipgo does not", b)
	}
	if s != s2 || n != n2 || fmt.Sprint(ours.in.err) != fmt.Sprint(theirs.in.err) {
		t.Fatalf("%q:\ngot  %+v, %d, %v\nwant %+v, %d, %v", b, s, n, ours.in.err, s2, n2, theirs.in.err)
	}
	ours.in.err, theirs.in.err = nil, nil
	if !reflect.DeepEqual(ours.in, theirs.in) {
		t.Fatalf("%q:\ngot  %+v\nwant %+v", b, ours.in, theirs.in)
	}
	return true
}

func TestSplit(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		want     bool // split reads it
	}{
		{"request", message(requestLine, via, from, to, callID, cseq), true},
		{"port", message("REGISTER sip:pbx.example.com:5070 SIP/2.0", via, from, to, callID, cseq), true},
		{"response", message("SIP/2.0 200 OK", via, from, to, callID, cseq, "X-Other: 1", "Contact: <sip:a@b>"), true},
		{"no reason", message("SIP/2.0 200 ", via, from, to, callID, cseq), true},
		{"white space around names and values", message(requestLine, "To \t:\t<sip:1000@pbx>  ", "CALL-id :x", cseq, via), true},
		{"broken values", message(requestLine, "To: x", "Call-ID:", "CSeq: 1", "Via: y", "Expires: soon", "l: z"), true},
		{"values that repeat", message(requestLine, to, to, callID, callID, "i: x", cseq, "cseq: 8 REGISTER"), true},
		{"no header at all", message(requestLine), true},
		{"a body", message(requestLine, via, to, callID, cseq, "l: 3") + "a\rb", true},
		{"a letter that folds to k", message(requestLine, "\u212a: path", "mac: 00:15:65:aa:bb:cc", "\u212aac: x", callID), true},
		{"other white space", message(requestLine, "Call-ID: \u00a0x\u0085", "\vTo\f: <sip:a@b>"), true},
		{"folded header", message(requestLine, "To: <sip:1000@pbx>", " ;tag=1", callID, cseq), false},
		{"parameters of the request URI", message("REGISTER sip:pbx;transport=tcp SIP/2.0", to), false},
		{"user in the request URI", message("REGISTER sip:a@pbx SIP/2.0", to), false},
		{"another version", message("REGISTER sip:pbx SIP/3.0", to), false},
		{"three spaces", message("REGISTER sip:pbx  SIP/2.0", to), false},
		{"a status of four digits", message("SIP/2.0 2000 OK", to), false},
		{"no space behind the status", message("SIP/2.0 200", to), false},
		{"cut", requestLine + "\r\n" + to + "\r\n" + callID, false},
		{"a CR alone", message(requestLine, "To: a\rb", callID), false},
		{"no colon", message(requestLine, "To", callID), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := checkSplit(t, []byte(tc.in)); got != tc.want {
				t.Errorf("read: got %t, want %t", got, tc.want)
			}
		})
	}
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte(message(requestLine, via, from, to, callID, cseq, `Contact: "x" <sip:a@192.0.2.7;y>;expires=60;+sip.instance="<urn:uuid:1>"`, "Expires: 3600")))
	f.Add([]byte(message("SIP/2.0 401 Unauthorized", via, to, callID, cseq, "m: *", "l: 0", "K: path", "\u212a: x")))
	f.Add([]byte(message("REGISTER sip:a:65536 SIP/2.0", "Call-ID:\u00a0", "user-agent\t: x ")))
	f.Fuzz(func(t *testing.T, b []byte) { checkSplit(t, b) })
}
