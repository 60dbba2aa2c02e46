package serve

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"perch/discovery"
	"perch/provisioning"
	"perch/provisioning/settings"
	"perch/testdata/swarm"
)

// checkTFTP is a phone that asks by an input, up to a "|", and says what is behind it to what
// comes. What is not heard begins nothing; else one datagram comes, of an answer's kind and
// size, and an ERROR ends the transfer.
func checkTFTP(f *testing.F) func() func([]byte) error {
	return func() func([]byte) error {
		s := NewTFTP(Config{Common: func(v provisioning.Vendor, _ settings.Kind) (File, bool) {
			return File{Vendor: v, Body: bytes.Repeat([]byte("0123456789\n"), 100)}, v == provisioning.Yealink
		}}, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")})
		phone, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			f.Fatal(err)
		}
		f.Cleanup(func() { _ = phone.Close() })
		at, buf := phone.LocalAddr().(*net.UDPAddr).AddrPort(), make([]byte, 1<<16)
		return func(b []byte) error {
			request, said, _ := bytes.Cut(b, []byte("|"))
			s.misses.by = map[netip.Prefix]*missing{} // of this one alone
			if !s.hears(at.Addr(), request) {
				return nil
			}
			x, err := newTransfer(at, request)
			if err != nil {
				return err
			}
			done := make(chan struct{})
			go func() {
				x.run(s.read)
				_ = x.conn.Close()
				close(done)
			}()
			from, kind, err := firstAnswer(phone, x, buf)
			if err != nil {
				return fmt.Errorf("%q: %w", request, err)
			}
			if kind != opERROR {
				_, _ = phone.WriteToUDPAddrPort(said, from)
				_, _ = phone.WriteToUDPAddrPort([]byte("\x00\x05\x00\x00\x00"), from)
			}
			select {
			case <-done:
				return nil
			case <-time.After(900 * time.Millisecond):
				return fmt.Errorf("%q: %q and an ERROR do not end it", request, said)
			}
		}
	}
}

// firstAnswer waits for a transfer's, and passes over what comes of others.
func firstAnswer(phone *net.UDPConn, x *transfer, buf []byte) (from netip.AddrPort, kind uint16, err error) {
	ours := x.conn.LocalAddr().(*net.UDPAddr).AddrPort()
	_ = phone.SetReadDeadline(time.Now().Add(900 * time.Millisecond))
	for {
		n, from, err := phone.ReadFromUDPAddrPort(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return from, 0, errors.New("nothing comes")
		}
		if err != nil || from != ours {
			continue
		}
		if n < 4 || n > 516 || opcode(buf) != opDATA && opcode(buf) != opOACK && opcode(buf) != opERROR {
			return from, 0, fmt.Errorf("got %q", buf[:n])
		}
		return from, opcode(buf), nil
	}
}

func FuzzTFTP(f *testing.F) {
	swarm.Fuzz(f, checkTFTP(f), rrq, rrq+"|\x00\x04\x00\x01", rrq+"tsize\x000\x00blksize\x001428\x00|\x00\x04\x00\x00", "\x00\x01y0.cfg\x00netascii\x00blksize\x00512\x00timeout\x005\x00|\x00\x06a\x00b\x00",
		"\x00\x01001565aabbcc.cfg\x00octet\x00", "\x00\x02x\x00octet\x00", "\x00\x01/tftpboot/y0.cfg\x00mail\x00blksize\x00"+strings.Repeat("0", 400)+"600\x00", rrq+"|\x00\x05\x00\x00no\x00")
}

// checkSubscribe reads what comes to the group. What is answered names a phone, its answers
// have the lines that they should, in the same dialog, and not much longer; and is no other server's.
func checkSubscribe() func([]byte) error {
	from := netip.MustParseAddrPort("192.0.2.9:1053")
	const ours, url = "192.0.2.5:40000", "https://perch.example.com/"
	return func(b []byte) error {
		text := string(b)
		said, other := otherAnswer(text)
		s, ok := readSubscribe(text)
		if ok && other {
			return fmt.Errorf("%q is a phone's, and another server's, with %q", text, said)
		}
		if !ok {
			return nil
		}
		if s.mac.Nobody() {
			return fmt.Errorf("%q is of nobody", text)
		}
		for i, reply := range s.replies(from, ours, url) {
			head, body, _ := strings.Cut(reply, "\r\n\r\n")
			lines := strings.Split(head, "\r\n")
			if want := []int{8 + len(s.vias), 12}[i]; len(lines) != want || strings.ContainsAny(strings.Join(lines, ""), "\r\n\x00") {
				return fmt.Errorf("%q is answered by %d lines, want %d:\n%q", text, len(lines), want, reply)
			}
			if len(reply) > len(text)+600 {
				return fmt.Errorf("%d octets are answered by %d", len(text), len(reply))
			}
			if want := []string{"", url}[i]; body != want {
				return fmt.Errorf("%q: got body %q", text, body)
			}
			if !slices.Contains(lines, "Call-ID: "+s.callID) {
				return fmt.Errorf("%q is answered in another dialog: %q", text, reply)
			}
		}
		return nil
	}
}

func FuzzSubscribe(f *testing.F) {
	swarm.Fuzz(f, checkSubscribe, asking("MAC%3a001565aabbcc", profile, "SIP/2.0/UDP 10.0.0.9:1053"), asking("MAC=001565AABBCC", "ua-profile", "SIP/2.0/UDP a;branch=z9hG4bK1\r\nv: SIP/2.0/TCP b"),
		asking("101", "presence", "a"), otherNotify, otherOK, "SUBSCRIBE sip:MAC%3a001565aabbcc@224.0.1.75 SIP/2.0\r\nv: a\r\nf: b\r\nt: c\r\ni: d\r\nCSeq: 1 SUBSCRIBE\r\no: ua-profile\r\n\r\n")
}

// authorizations are values that prove that a phone is known, at the time of fuzzed, and what
// no value proves it without.
func authorizations(s *Server) (values, proofs []string) {
	user, password, nonce := User(known), PasswordOf(s.cfg.Key, known), s.nonce(s.now())
	sum := func(h hash.Hash, parts ...string) string {
		h.Reset()
		h.Write([]byte(strings.Join(parts, ":")))
		return fmt.Sprintf("%x", h.Sum(nil))
	}
	for _, a := range []string{"MD5", "SHA-256"} {
		for _, qop := range []string{"auth", ""} {
			h := md5.New()
			if a != "MD5" {
				h = sha256.New()
			}
			a1, a2 := sum(h, user, realm, password), sum(h, "GET", "/x.cfg")
			response := sum(h, a1, nonce, a2)
			if qop != "" {
				response = sum(h, a1, nonce, "00000001", "0a4f", qop, a2)
			}
			values = append(values, fmt.Sprintf(`Digest username="%s", realm="perch", nonce="%s", uri="/x.cfg", response="%s", algorithm=%s, cnonce="0a4f", qop=%s, nc=00000001`, user, nonce, response, a, qop))
			proofs = append(proofs, response)
		}
	}
	basic := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	return append(values, "Basic "+basic), append(proofs, basic)
}

// fuzzed is a server whose clock stands.
func fuzzed() *Server {
	s := New(Config{Key: [32]byte{1}})
	s.now = func() time.Time { return time.Unix(1_790_000_000, 0) }
	return s
}

// checkAuthorization shows a value of Authorization to a server. Nobody is let in by one that
// has no proof in it that only who has the password can make, and no other phone by it.
func checkAuthorization() func([]byte) error {
	s := fuzzed()
	_, proofs := authorizations(s)
	other := discovery.MAC{0x00, 0x15, 0x65, 0xaa, 0xbb, 0xcd}
	return func(b []byte) error {
		value := string(b)
		r := &http.Request{Method: "GET", RequestURI: "/x.cfg", Header: http.Header{"Authorization": {value}}}
		if s.proved(r, other) {
			return fmt.Errorf("%q is of another phone", value)
		}
		if !s.proved(r, known) {
			return nil
		}
		value = strings.NewReplacer("\r", "", "\n", "").Replace(value) // which base64 passes over
		for _, p := range proofs {
			if strings.Contains(strings.ToLower(value), strings.ToLower(p)) {
				return nil
			}
		}
		return fmt.Errorf("%q proves it", value)
	}
}

func FuzzAuthorization(f *testing.F) {
	values, _ := authorizations(fuzzed())
	swarm.Fuzz(f, checkAuthorization, append(values, `Digest username="001565aabbcc", realm="perch", nonce="", uri="/x.cfg", response=""`, "Basic Og==", "Digest a=b,,c=\"d\"e=f")...)
}

// The seeds of FuzzAuthorization are let in: it would notice what should not be.
func TestAuthorizations(t *testing.T) {
	s := fuzzed()
	values, _ := authorizations(s)
	for _, v := range values {
		if !s.proved(&http.Request{Method: "GET", RequestURI: "/x.cfg", Header: http.Header{"Authorization": {v}}}, known) {
			t.Errorf("%q proves nothing", v)
		}
	}
}
