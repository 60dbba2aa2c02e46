package serve

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"perch/discovery"
)

func entries(t *testing.T, name string) (list []Entry, altered error) {
	t.Helper()
	altered, err := ReadAudit(name, func(e Entry) { list = append(list, e) })
	if err != nil {
		t.Fatal(err)
	}
	return list, altered
}

func openAudit(t *testing.T, name string) *Audit {
	t.Helper()
	a, err := OpenAudit(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

// What is in the log is there after a restart, and whatever is altered in it is found.
func TestAudit(t *testing.T) {
	name := filepath.Join(t.TempDir(), "audit.jsonl")
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	for i := range 3 {
		a := openAudit(t, name)
		if err := a.Append(Entry{Time: now, What: Fetched, MAC: known, Name: "/001565aabbcc.cfg", Level: Password, Source: "10.1.2.3", Agent: "Yealink"}, Entry{Time: now, What: WasOpen, MAC: known, By: "cli:root"}); err != nil {
			t.Fatal(err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		if list, altered := entries(t, name); len(list) != 2*(i+1) || altered != nil || list[0].MAC != known || list[0].Level != Password {
			t.Fatalf("got %+v, %v", list, altered)
		}
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	for _, tc := range []struct {
		name, want string
		text       []byte
	}{
		{"a word", ":3: ", bytes.Replace(text, lines[2], bytes.Replace(lines[2], []byte("10.1.2.3"), []byte("10.1.2.4"), 1), 1)},
		{"a line less", ":3: ", append(bytes.Join(lines[:2], nil), bytes.Join(lines[3:], nil)...)},
		{"two the other way round", ":2: ", bytes.Join([][]byte{lines[0], lines[2], lines[1], lines[3], lines[4], lines[5]}, nil)},
		{"no JSON", ":4: ", bytes.Join([][]byte{lines[0], lines[1], lines[2], []byte("{\n"), lines[4], lines[5]}, nil)},
	} {
		if err := os.WriteFile(name, tc.text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, altered := entries(t, name); altered == nil || !strings.Contains(altered.Error(), tc.want) {
			t.Errorf("%s: got %v, want line %s", tc.name, altered, tc.want)
		}
	}

	// A line that a crash has cut is not gone on from.
	if err := os.WriteFile(name, text[:len(text)-9], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := openAudit(t, name).Append(Entry{Time: now, What: WasShut, MAC: known}); err != nil {
		t.Fatal(err)
	}
	if list, altered := entries(t, name); len(list) != 6 || altered != nil || list[5].What != WasShut {
		t.Errorf("got %+v, %v", list, altered)
	}
}

// The log is bounded: old files go, and what is left is still one chain.
func TestAuditTurns(t *testing.T) {
	name := filepath.Join(t.TempDir(), "audit.jsonl")
	a := openAudit(t, name)
	e := Entry{What: Fetched, Agent: strings.Repeat("x", 1<<20)}
	n := 0
	for ; n < 170; n++ {
		if err := a.Append(e); err != nil {
			t.Fatal(err)
		}
		if n == 40 {
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			a = openAudit(t, name)
		}
	}
	list, altered := entries(t, name)
	if altered != nil || len(list) >= n || len(list) < 100 {
		t.Errorf("got %d of %d entries, %v", len(list), n, altered)
	}
	files, err := filepath.Glob(name + "*")
	if err != nil || len(files) != maxAuditFiles {
		t.Errorf("got %q", files)
	}
	// Where a file was just begun, too, the next process goes on from the one before.
	if err := a.turn(); err != nil {
		t.Fatal(err)
	}
	if err := openAudit(t, name).Append(Entry{What: Fetched}); err != nil {
		t.Fatal(err)
	}
	if _, altered := entries(t, name); altered != nil {
		t.Error(altered)
	}
}

// Phones that ask are listed, if they are of a known vendor and from where phones are, until
// they prove which they are.
func TestAsks(t *testing.T) {
	a := &Asks{Allow: private}
	now := time.Now()
	at := private[0].Addr().Next()
	a.note(Asking{MAC: known, By: "https", Source: at, Agent: "Yealink SIP-T46G 28.83.0.120 00:15:65:aa:bb:cc"}, now)
	a.note(Asking{MAC: known, By: "pnp", Source: at, Vendor: "Snom"}, now.Add(time.Minute))
	a.note(Asking{MAC: discovery.MAC{2, 0, 0, 0, 0, 1}, By: "tftp", Source: at}, now)
	a.note(Asking{MAC: unknown, By: "https", Source: private[0].Addr().Prev()}, now)
	list := a.List(now)
	if len(list) != 1 || list[0].MAC != known || list[0].Vendor != "yealink" || list[0].Model != "T46G" || list[0].Firmware != "28.83.0.120" || list[0].Times != 2 || !list[0].First.Equal(now) {
		t.Errorf("got %+v", list)
	}
	a.forget(known)
	if len(a.List(now)) != 0 {
		t.Error("a phone that proved which it is still waits")
	}
	for i := range 3000 {
		a.note(Asking{MAC: discovery.MAC{0x00, 0x15, 0x65, 1, byte(i >> 8), byte(i)}, By: "https", Source: at, Agent: strings.Repeat("x", 1000)}, now.Add(time.Duration(i)))
	}
	list = a.List(now)
	if len(list) != maxAsks || list[len(list)-1].MAC != (discovery.MAC{0x00, 0x15, 0x65, 1, 2999 >> 8, 2999 & 0xff}) {
		t.Errorf("got %d, the last %+v", len(list), list[len(list)-1])
	}
	if n := len(a.List(now.Add(asksFor + time.Hour))); n != 0 {
		t.Errorf("%d are listed that asked a day ago", n)
	}
}

// A site that wants certificates gets no file by a password, and whoever guesses is told of once.
func TestLets(t *testing.T) {
	var refused, handed []Handed
	var blocked int
	s := newServer(func(h Handed) { handed = append(handed, h) })
	s.cfg.Lets = func(_ discovery.MAC, l Level) bool { return l == Certificate }
	s.cfg.Refused = func(h Handed) { refused = append(refused, h) }
	s.cfg.Blocked = blockedTo(&blocked)
	url := start(t, s, nil).URL
	status, body := curl(t, "--digest", "-u", User(known)+":"+PasswordOf(key, known), url+"/001565aabbcc.cfg")
	if status != "403" || strings.Contains(body, secret) || len(handed) != 0 || len(refused) != 1 || refused[0].Level != Password {
		t.Errorf("got %s %q, refused %+v, handed %+v", status, body, refused, handed)
	}
	for range 30 { // a phone that waits asks again and again
		curl(t, url+"/001565aabbcc.cfg")
	}
	if blocked != 0 {
		t.Fatal("a phone that waits is blocked")
	}
	for i := range 30 {
		curl(t, fmt.Sprintf("%s/001565aa00%02x.cfg", url, i))
	}
	if blocked != 1 || s.Blocked() != 1 {
		t.Errorf("told %d times, %d blocked", blocked, s.Blocked())
	}
	if s.Unblock(netip.MustParsePrefix("127.0.0.1/32")); s.Blocked() != 0 {
		t.Error("an admin cannot let it be heard again")
	}
}

func blockedTo(n *int) func(netip.Addr, time.Time) { return func(netip.Addr, time.Time) { *n++ } }

var private = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
