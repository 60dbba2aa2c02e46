package proxy

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// deviations are the messages of RFC 4475 that get another answer than the table's,
// and why.
var deviations = map[string]struct{ action, why string }{
	"mismatch02": {"400", "the table has 501 and calls 400 acceptable: a proxy knows no methods, and CSeq must name the request's"},
}

// torture are the messages of RFC 4475 and what a proxy owes each of them: forward,
// discard, or a status; several with a bar between.
func torture(t *testing.T) map[string]tortured {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "torture")
	index, err := os.ReadFile(filepath.Join(dir, "INDEX.tsv"))
	if err != nil {
		t.Skip("no torture messages in ../shared beside the repository")
	}
	all := map[string]tortured{}
	for _, line := range strings.Split(strings.TrimSpace(string(index)), "\n")[1:] {
		cells := strings.Split(line, "\t")
		b, err := os.ReadFile(filepath.Join(dir, cells[0]))
		if err != nil {
			t.Fatal(err)
		}
		x := tortured{b, cells[4], cells[5]}
		if d, ok := deviations[cells[1]]; ok {
			if x.action == d.action {
				t.Errorf("%s is no deviation any more", cells[1])
			}
			x.action = d.action
		}
		all[cells[1]] = x
	}
	if len(all) != 50 {
		t.Fatalf("got %d messages, want 49 and one more", len(all))
	}
	return all
}

type tortured struct {
	message         []byte
	verdict, action string
}

func (x tortured) isResponse() bool { return bytes.HasPrefix(x.message, []byte("SIP/2.0 ")) }

// TestTorture sends each message, over UDP and TCP, and wants what is owed. What is
// forwarded has its body octet for octet, and its headers too but for ours.
func TestTorture(t *testing.T) {
	for name, x := range torture(t) {
		for _, over := range []string{"udp", "tcp"} {
			t.Run(name+" over "+over, func(t *testing.T) {
				t.Parallel()
				pbx := newPeer(t)
				p := start(t, Config{Listen: []string{over + ":127.0.0.1:0", "udp:127.0.0.1:0"}}, "udp:"+pbx.addr().String())
				if x.isResponse() {
					tortureAnswer(t, x, p, pbx)
					return
				}
				patience := 5 * time.Second
				// On a stream the rest may come yet: of a body, or of headers without an end.
				waits := over == "tcp" && (name == "clerr" || !bytes.Contains(x.message, []byte("\r\n\r\n")))
				if waits || x.action == "discard" {
					patience = 300 * time.Millisecond
				}
				got, forwarded := exchange(t, over, p, x.message, pbx, patience)
				switch {
				case got == "" && forwarded == "":
					got = "discard"
				case got == "":
					got = "forward"
				case forwarded != "":
					t.Errorf("it was forwarded, and answered with %s", got)
				}
				if waits {
					if got != "discard" {
						t.Errorf("got %s, want it to wait", got)
					}
					return
				}
				if !strings.Contains("|"+x.action+"|", "|"+got+"|") {
					t.Fatalf("got %s, want %s", got, x.action)
				}
				if got == "forward" {
					sameButOurs(t, string(x.message), forwarded)
				}
			})
		}
	}
}

// exchange sends a message as a phone and returns the status of what comes back, and
// what comes to the PBX; nothing if neither does.
func exchange(t *testing.T, over string, p *Proxy, b []byte, pbx *peer, patience time.Duration) (status, forwarded string) {
	t.Helper()
	c, err := net.Dial(over, p.Addr(0).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
	answer, copied := make(chan string, 1), make(chan string, 1)
	go func() { copied <- pbx.next(patience) }()
	go func() {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		in := make([]byte, 1<<16)
		n, _ := c.Read(in)
		if _, rest, ok := strings.Cut(string(in[:n]), "SIP/2.0 "); ok {
			answer <- rest[:3]
		}
	}()
	select {
	case status = <-answer:
	case forwarded = <-copied:
		return "", forwarded
	case <-time.After(patience):
		return "", ""
	}
	select {
	case forwarded = <-copied:
	case <-time.After(50 * time.Millisecond):
	}
	return status, forwarded
}

// next returns what comes within some time, or nothing.
func (p *peer) next(patience time.Duration) string {
	got, _ := p.read(patience)
	return got
}

// tortureAnswer has the PBX send a response to a request of a phone's: it goes to
// the phone, or to nobody.
func tortureAnswer(t *testing.T, x tortured, p *Proxy, pbx *peer) {
	t.Helper()
	phone := newPeer(t)
	leg := p.Addr(1)
	phone.send(leg, compose("OPTIONS sip:a@b SIP/2.0", "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;rport", "From: <sip:a@b>;tag=1", "To: <sip:a@b>", "Call-ID: x",
		"CSeq: 1 OPTIONS"))
	via := fields(pbx.recv(), "Via")[0]
	line, rest, _ := bytes.Cut(x.message, []byte("\r\n"))
	if x.action == "discard" && x.verdict == "accept" { // of which the Via is what is wrong
		pbx.send(leg, string(x.message))
	} else {
		pbx.send(leg, fmt.Sprintf("%s\r\nVia: %s\r\n%s", line, via, rest))
	}
	patience := 5 * time.Second
	if x.action == "discard" {
		patience = 300 * time.Millisecond
	}
	got := phone.next(patience)
	if (got != "") != (x.action == "forward") {
		t.Errorf("got %q, want %s", got, x.action)
	}
	if got != "" && got != string(x.message) {
		t.Errorf("got\n%q\nwant\n%q", got, x.message)
	}
}

// sameButOurs holds a request that was forwarded to what it was before.
func sameButOurs(t *testing.T, before, after string) {
	t.Helper()
	before = strings.TrimLeft(before, "\r\n")
	head, body, _ := strings.Cut(before, "\r\n\r\n")
	newHead, newBody, _ := strings.Cut(after, "\r\n\r\n")
	if !strings.HasPrefix(body, newBody) { // what stands behind the message is cut off
		t.Errorf("got body\n%q\nwant\n%q", newBody, body)
	}
	rest := newHead
	for i, line := range strings.Split(head, "\r\n") {
		key := strings.ToLower(strings.TrimSpace(strings.SplitN(line, ":", 2)[0]))
		if key == "via" || key == "v" || key == "max-forwards" || key == "route" || line != "" && (line[0] == ' ' || line[0] == '\t') {
			continue
		}
		at := strings.Index(rest, line)
		if at < 0 {
			t.Errorf("line %d is lost: %q\ngot\n%s", i, line, newHead)
			return
		}
		rest = rest[at+len(line):]
	}
}
