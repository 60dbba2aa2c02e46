package sip

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"perch/testdata/swarm"
)

// message joins lines as SIP does; the body, if any, stands behind an empty one.
func message(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n\r\n" }

// The REGISTER that the cases below vary.
var (
	requestLine = "REGISTER sip:pbx.example.com SIP/2.0"
	via         = "Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK1"
	from        = "From: <sip:1000@pbx.example.com>;tag=1"
	to          = "To: <sip:1000@PBX.example.com>"
	callID      = "Call-ID: abc@192.0.2.7"
	cseq        = "CSeq: 7 REGISTER"
)

func wantRegister(change func(*Register)) *Register {
	r := &Register{
		CallID: "abc@192.0.2.7", CSeq: 7, AOR: "sip:1000@pbx.example.com", Expires: -1,
		Via: []string{"SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK1"},
	}
	change(r)
	return r
}

func TestParseRegister(t *testing.T) {
	for _, tc := range []struct {
		name  string
		in    string
		want  *Register
		fault string // part of the error; empty: none
	}{
		{
			name: "desk phone",
			in: message(requestLine, via, from, to, callID, cseq,
				`Contact: "Desk" <sip:1000@192.0.2.7:5062;line=1>;expires=60;+sip.instance="<urn:uuid:5acd54e8-f197-57e2-aa42-5f4a5d04367c>"`,
				"Expires: 3600", "User-Agent: Yealink SIP-T42S 66.84.0.125", "Path: <sip:p1;lr>, <sip:p2;lr>", "Mac: 00:15:65:aa:bb:cc",
				"Content-Length: 0"),
			want: wantRegister(func(r *Register) {
				r.Contacts = []Contact{{
					Raw: `"Desk" <sip:1000@192.0.2.7:5062;line=1>;expires=60;+sip.instance="<urn:uuid:5acd54e8-f197-57e2-aa42-5f4a5d04367c>"`,
					URI: "sip:1000@192.0.2.7:5062;line=1", Host: "192.0.2.7", Port: 5062, Expires: 60,
				}}
				r.Instance = "urn:uuid:5acd54e8-f197-57e2-aa42-5f4a5d04367c"
				r.Expires, r.UserAgent, r.MACHeader = 3600, "Yealink SIP-T42S 66.84.0.125", "00:15:65:aa:bb:cc"
				r.Path = []string{"<sip:p1;lr>", "<sip:p2;lr>"}
			}),
		},
		{
			name: "compact forms in any case",
			in: message(requestLine, "v: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK1", "f: <sip:1000@pbx.example.com>;tag=1",
				"T: <sip:1000@pbx.example.com>", "I: abc@192.0.2.7", "cSEQ: 7 REGISTER", "k: path", "M: <sip:1000@192.0.2.7>", "L: 0"),
			want: wantRegister(func(r *Register) {
				r.Contacts = []Contact{{Raw: "<sip:1000@192.0.2.7>", URI: "sip:1000@192.0.2.7", Host: "192.0.2.7", Expires: -1}}
			}),
		},
		{
			name: "every compact form", // RFC 3261 section 7.3.3 and those that IANA has added
			in: message(requestLine, "v: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK1", "f: <sip:1000@pbx.example.com>;tag=1",
				"t: <sip:1000@pbx.example.com>", "i: abc@192.0.2.7", cseq, "m: <sip:1000@192.0.2.7>;expires=60", "k: path, outbound", "c: application/sdp",
				"e: gzip", "s: x", "u: presence", "o: reg", "r: <sip:b@x>", "b: <sip:c@x>", "a: *", "d: no-fork", "j: *", "n: info", "x: 90", "y: z", "l: 0"),
			want: wantRegister(func(r *Register) {
				r.Contacts = []Contact{{Raw: "<sip:1000@192.0.2.7>;expires=60", URI: "sip:1000@192.0.2.7", Host: "192.0.2.7", Expires: 60}}
			}),
		},
		{
			name: "compact Supported and nothing else that is compact",
			in:   message(requestLine, via, from, to, callID, cseq, "k: path"),
			want: wantRegister(func(*Register) {}),
		},
		{
			name: "folded header",
			in:   message(requestLine, via, from, to, callID, cseq, "User-Agent: Grandstream", "  GXP2130 1.0.7.25"),
			want: wantRegister(func(r *Register) { r.UserAgent = "Grandstream GXP2130 1.0.7.25" }),
		},
		{
			name: "several Vias and Contacts, in one header and in several",
			in: message(requestLine, "Via: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK2,SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK1",
				from, to, callID, cseq, "Contact: <sip:a@192.0.2.7>, sip:b@192.0.2.8;expires=5", "Contact: <sip:c@[2001:db8::7]:5070>"),
			want: wantRegister(func(r *Register) {
				r.Via = []string{"SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK2", "SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK1"}
				r.Contacts = []Contact{
					{Raw: "<sip:a@192.0.2.7>", URI: "sip:a@192.0.2.7", Host: "192.0.2.7", Expires: -1},
					{Raw: "sip:b@192.0.2.8;expires=5", URI: "sip:b@192.0.2.8", Host: "192.0.2.8", Expires: 5},
					{Raw: "<sip:c@[2001:db8::7]:5070>", URI: "sip:c@[2001:db8::7]:5070", Host: "2001:db8::7", Port: 5070, Expires: -1},
				}
			}),
		},
		{
			name: "commas and semicolons in quotes", // Polycom's methods="..."
			in:   message(requestLine, via, from, to, callID, cseq, `Contact: "Doe, \"J\"; x" <sip:a@192.0.2.7>;methods="INVITE, ACK;BYE";expires=9`),
			want: wantRegister(func(r *Register) {
				r.Contacts = []Contact{{
					Raw: `"Doe, \"J\"; x" <sip:a@192.0.2.7>;methods="INVITE, ACK;BYE";expires=9`,
					URI: "sip:a@192.0.2.7", Host: "192.0.2.7", Expires: 9,
				}}
			}),
		},
		{
			name: "all bindings removed",
			in:   message(requestLine, via, from, to, callID, cseq, "Contact: *", "Expires: 0"),
			want: wantRegister(func(r *Register) {
				r.Contacts, r.Expires = []Contact{{Raw: "*", URI: "*", Expires: -1}}, 0
			}),
		},
		{
			name: "empty lines before and white space in Via",
			in:   "\r\n\r\n" + message(requestLine, "Via: SIP / 2.0 / UDP  192.0.2.7 : 5060 ;branch=z9hG4bK1", from, to, callID, cseq),
			want: wantRegister(func(r *Register) { r.Via = []string{"SIP / 2.0 / UDP  192.0.2.7 : 5060 ;branch=z9hG4bK1"} }),
		},
		{
			name: "tab behind the number of CSeq",
			in:   message(requestLine, via, from, to, callID, "CSeq: 7\tREGISTER"),
			want: wantRegister(func(*Register) {}),
		},

		{
			name:  "Via without host",
			in:    message(requestLine, "Via: SIP/2.0/UDP ;branch=z9hG4bK1", from, to, callID, cseq, "User-Agent: snom370/8.7.5.48"),
			want:  wantRegister(func(r *Register) { r.Via, r.UserAgent = []string{"SIP/2.0/UDP ;branch=z9hG4bK1"}, "snom370/8.7.5.48" }),
			fault: "Via: no host",
		},
		{
			name:  "cut inside a header",
			in:    requestLine + "\r\n" + strings.Join([]string{via, to, callID, cseq, "User-Agent: Yeal"}, "\r\n"),
			want:  wantRegister(func(*Register) {}),
			fault: "headers cut",
		},
		{
			name:  "line without a colon",
			in:    message(requestLine, via, to, callID, cseq, "nonsense", "User-Agent: lost"),
			want:  wantRegister(func(*Register) {}),
			fault: "headers cut or broken",
		},
		{
			name:  "body shorter than its length",
			in:    message(requestLine, via, to, callID, cseq, "Content-Length: 10") + "abc",
			want:  wantRegister(func(*Register) {}),
			fault: "body: 3 bytes of 10",
		},
		{
			name:  "no To",
			in:    message(requestLine, via, callID, cseq),
			want:  wantRegister(func(r *Register) { r.AOR = "" }),
			fault: "no To",
		},
		{
			name:  "To with a telephone number",
			in:    message(requestLine, via, "To: <tel:+15550100>", callID, cseq),
			want:  wantRegister(func(r *Register) { r.AOR = "" }),
			fault: "To: no SIP URI",
		},
		{
			name:  "second Call-ID",
			in:    message(requestLine, via, to, callID, "i: other", cseq),
			want:  wantRegister(func(*Register) {}),
			fault: "Call-ID: repeated",
		},
		{
			name:  "method of CSeq",
			in:    message(requestLine, via, to, callID, "CSeq: 7 INVITE"),
			want:  wantRegister(func(*Register) {}),
			fault: "CSeq: method",
		},
		{
			name:  "CSeq too high",
			in:    message(requestLine, via, to, callID, "CSeq: 2147483648 REGISTER"),
			want:  wantRegister(func(r *Register) { r.CSeq = 0 }),
			fault: "CSeq: bad number",
		},
		{
			name:  "Expires is no number",
			in:    message(requestLine, via, to, callID, cseq, "Expires: soon"),
			want:  wantRegister(func(*Register) {}),
			fault: "Expires",
		},
		{
			name:  "version",
			in:    message("REGISTER sip:pbx.example.com SIP/3.0", via, to, callID, cseq),
			want:  wantRegister(func(*Register) {}),
			fault: "version",
		},
		{
			name:  "request line",
			in:    message("REGISTER  SIP/2.0", via, to, callID, cseq),
			want:  &Register{Expires: -1},
			fault: "bad request line",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, n, err := NewParser().Parse([]byte(tc.in))
			if m.Register == nil || !reflect.DeepEqual(m.Register, tc.want) {
				t.Errorf("got  %+v\nwant %+v", m.Register, tc.want)
			}
			if n != len(tc.in) {
				t.Errorf("got %d bytes taken, want %d", n, len(tc.in))
			}
			checkFault(t, err, tc.fault)
		})
	}
}

func checkFault(t *testing.T, err error, want string) {
	t.Helper()
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want %q", err, want)
	}
}

func TestParseResponse(t *testing.T) {
	in := message("SIP/2.0 200 OK", via, from, to, callID, cseq, "Contact: <sip:1000@192.0.2.7>;expires=55", "Expires: 60", "Content-Length: 0")
	m, _, err := NewParser().Parse([]byte(in))
	want := &RegisterResponse{
		Status: 200, CallID: "abc@192.0.2.7", CSeq: 7, AOR: "sip:1000@pbx.example.com", Expires: 60,
		Contacts: []Contact{{Raw: "<sip:1000@192.0.2.7>;expires=55", URI: "sip:1000@192.0.2.7", Host: "192.0.2.7", Expires: 55}},
	}
	if err != nil || !reflect.DeepEqual(m.Response, want) {
		t.Errorf("got %+v, %v, want %+v", m.Response, err, want)
	}
	for _, tc := range []struct{ name, line, cseq, fault string }{
		{"status too low", "SIP/2.0 99 Odd", cseq, "status"},
		{"status too high", "SIP/2.0 4294967301 better not break the receiver", cseq, ""},
		{"no reason", "SIP/2.0 200 ", cseq, ""},
		{"answer to an OPTIONS", "SIP/2.0 200 OK", "CSeq: 1 OPTIONS", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, _, err := NewParser().Parse([]byte(message(tc.line, via, to, callID, tc.cseq)))
			switch tc.name {
			case "status too high":
				if !errors.Is(err, ErrNotSIP) || m.Response != nil {
					t.Errorf("got %+v, %v, want ErrNotSIP", m.Response, err)
				}
			case "answer to an OPTIONS":
				if err != nil || m != (Message{}) {
					t.Errorf("got %+v, %v, want nothing", m, err)
				}
			default:
				checkFault(t, err, tc.fault)
			}
		})
	}
}

// A datagram may hold several messages if each but the last says how long it is.
func TestParseSeveral(t *testing.T) {
	register := func(id string, more ...string) string {
		return message(append([]string{requestLine, via, to, "Call-ID: " + id, cseq}, more...)...)
	}
	for _, tc := range []struct {
		name, in string
		want     []string // Call-IDs
	}{
		{"two with lengths", register("a", "Content-Length: 0") + register("b"), []string{"a", "b"}},
		{"the first with a body", register("a", "l: 3") + "abc" + register("b"), []string{"a", "b"}},
		{"the first without length", register("a") + register("b"), []string{"a"}},
		{"behind a keep-alive", "\r\n\r\n" + register("a", "Content-Length: 0") + "\r\n\r\n", []string{"a"}},
		{"behind a call", message("OPTIONS sip:a SIP/2.0", via, to, callID, "CSeq: 1 OPTIONS", "Content-Length: 0") + register("b"), []string{"b"}},
		{"lower-case method", strings.Replace(register("a"), "REGISTER sip", "register sip", 1), nil},
		{"a stray datagram", "\x80\x60REGISTER ", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := NewParser()
			var got []string
			for b := []byte(tc.in); len(b) > 0; {
				m, n, err := p.Parse(b)
				if n < 1 || n > len(b) {
					t.Fatalf("got %d bytes taken of %d", n, len(b))
				}
				b = b[n:]
				if err != nil {
					break
				}
				if m.Register != nil {
					got = append(got, m.Register.CallID)
				}
			}
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestContactParam(t *testing.T) {
	c, _ := ParseContact(`<sip:a@b;x=1>;+u.sip!devicename.ccm.cisco.com="SEP38ED18552A12";flag;Q="a\"b"`)
	for name, want := range map[string]string{"+u.sip!devicename.ccm.cisco.com": "SEP38ED18552A12", "q": `a"b`, "flag": ""} {
		if got, ok := c.Param(name); got != want || !ok {
			t.Errorf("Param(%q): got %q, %t, want %q", name, got, ok, want)
		}
	}
	if got, ok := c.Param("x"); ok {
		t.Errorf("Param(x): got %q of the URI, want none", got)
	}
}

// TestTorture reads the messages of RFC 4475: none may be taken for a REGISTER
// that is none, and of those that are, the faults are known.
func TestTorture(t *testing.T) {
	files, _ := filepath.Glob("../../shared/torture/*/*.dat")
	if len(files) == 0 {
		t.Skip("no torture messages in ../shared beside the repository")
	}
	registers := map[string]string{ // name to fault
		"dblreq": "", "cparam01": "", "cparam02": "", "regescrt": "", "regaut01": "", "unksm2": "To:", "escnull": "",
		"regbadct": "", "scalar02": "CSeq",
	}
	read := 0
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".dat")
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			m, _, err := NewParser().Parse(b)
			fault, listed := registers[name]
			switch isRegister := strings.HasPrefix(string(b), "REGISTER "); {
			case m.Register != nil != isRegister:
				t.Errorf("got a REGISTER: %t, want %t", m.Register != nil, isRegister)
			case isRegister && !listed:
				t.Errorf("REGISTER with error %v is not listed", err)
			case isRegister:
				read++
				checkFault(t, err, fault)
			}
		})
	}
	if read != len(registers) {
		t.Errorf("got %d REGISTERs, want %d", read, len(registers))
	}
}

func FuzzParse(f *testing.F) {
	seeds := [][]byte{
		[]byte(message(requestLine, via, from, to, callID, cseq, `Contact: "x" <sip:a@192.0.2.7;y>;expires=60;+sip.instance="<urn:uuid:1>"`, "Expires: 3600")),
		[]byte(message("SIP/2.0 200 OK", via, to, callID, cseq, "m: *", "l: 0") + message(requestLine, "v: SIP / 2.0 / UDP a", "t: <sip:a@b>", "i: x", cseq)),
		[]byte("REGISTER sip:a SIP/2.0\r\nTo: \"\\\" <sip:[::1]>;;=\r\n ,\r\n\r\n"),
	}
	for _, s := range seeds {
		f.Add(s)
	}
	swarm.Run(f, seeds, func() func([]byte) {
		p := NewParser()
		return func(b []byte) {
			if err := parseAll(p, b); err != nil {
				panic(err)
			}
		}
	})
	p := NewParser()
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := parseAll(p, b); err != nil {
			t.Fatal(err)
		}
	})
}

// parseAll parses the messages of a datagram and returns what does not hold for
// every datagram.
func parseAll(p *Parser, b []byte) error {
	whole := len(b)
	for len(b) > 0 {
		m, n, err := p.Parse(b)
		if n < 1 || n > len(b) {
			return fmt.Errorf("got %d bytes taken of %d", n, len(b))
		}
		if m.Register != nil && m.Response != nil {
			return errors.New("got a request and a response in one")
		}
		if r := m.Register; r != nil {
			size := 0
			for _, c := range r.Contacts {
				size += len(c.Raw)
			}
			for _, v := range append(r.Via, r.Path...) {
				size += len(v)
			}
			if size > whole {
				return fmt.Errorf("got %d bytes of values out of %d", size, whole)
			}
			if again, err := ParseAOR(string(r.AOR)); r.AOR != "" && (err != nil || again != r.AOR) {
				return fmt.Errorf("AOR %q: got %q, %v", r.AOR, again, err)
			}
		}
		if errors.Is(err, ErrNotSIP) {
			return nil
		}
		b = b[n:]
	}
	return nil
}
