package sip

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"testing"
)

// checkSplit reads a message both ways, if it is one that the splitter cuts: what
// they say of it must be the same, and stay the same when the octets that it was
// read from are gone. It reports whether the splitter cut it.
func checkSplit(t *testing.T, b []byte) bool {
	t.Helper()
	if !looksLikeSIP(b) {
		return false
	}
	ours, theirs := NewParser(), NewParser()
	own := slices.Clone(b)
	if _, _, ok := ours.split.cut(own); !ok {
		return false
	}
	if len(b) > 15 && b[0] == 'S' && bytes.EqualFold(b[12:15], []byte("SIP")) {
		return true // sipgo takes a reason that is one word and begins so for the version of a request
	}
	m, n, err := ours.Parse(own)
	clear(own)
	clear(ours.split.values)
	s, headers, ok := theirs.library(theirs.begin(b[0] == 'R'), b)
	if !ok {
		t.Fatalf("%q: the splitter cuts it, sipgo does not", b)
	}
	m2, n2, err2 := theirs.message(s, headers, len(b))
	if n != n2 || fmt.Sprint(err) != fmt.Sprint(err2) || !reflect.DeepEqual(m, m2) {
		t.Fatalf("%q:\ngot  %+v, %+v, %d, %v\nwant %+v, %+v, %d, %v", b, m.Register, m.Response, n, err, m2.Register, m2.Response, n2, err2)
	}
	return true
}

func TestSplit(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		want     bool // it is cut
	}{
		{"request", message(requestLine, via, from, to, callID, cseq), true},
		{"port", message("REGISTER sip:pbx.example.com:5070 SIP/2.0", via, from, to, callID, cseq), true},
		{"response", message("SIP/2.0 200 OK", via, from, to, callID, cseq, "X-Other: 1", "Contact: <sip:a@b>"), true},
		{"no reason", message("SIP/2.0 200 ", via, from, to, callID, cseq), true},
		{"a reason like a version", message("SIP/2.0 401 SIP/2.0", via, to, callID, cseq), true},
		{"an answer to something else", message("SIP/2.0 200 OK", "Via: x", "To: x", callID, "CSeq: 7 OPTIONS", "l: 3", "l: x") + "abcdef", true},
		{"an answer whose CSeq is repeated", message("SIP/2.0 200 OK", via, to, callID, "CSeq: 7 OPTIONS", cseq), true},
		{"a Via with port 0", message(requestLine, "v: SIP/2.0/UDP a:0", to, callID, cseq), true},
		{"a Via with a port too high", message(requestLine, "v: SIP/2.0/UDP a:65536", to, callID, cseq), true},
		{"a Via with a port of many digits", message(requestLine, "v: SIP/2.0/TCP a_b:0005060;x", to, callID, cseq), true},
		{"a Via without a port behind its colon", message(requestLine, "v: SIP/2.0/UDP a:;x", to, callID, cseq), true},
		{"a Via behind a comma", message(requestLine, "v: SIP/2.0/UDP a;b=c, SIP/2.0/UDP", to, callID, cseq), true},
		{"Vias in other forms", message(requestLine, "v: SIP/2.0/SCTP a", "v: SIP/2.0/TLS [::1]:5061", to, callID, cseq), true},
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
	f.Add([]byte(message("SIP/2.0 200 OK", "v: SIP/2.0/TCP a_b:65535;x", "v: SIP/2.0/UDP a, SIP/2.0/UDP b", "CSeq: 7 OPTIONS", "l: 2") + "abc"))
	f.Fuzz(func(t *testing.T, b []byte) { checkSplit(t, b) })
}
