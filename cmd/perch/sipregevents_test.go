package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// newRegSite is a site whose phones register with its PBX directly, which Perch asks
// for them.
func newRegSite(t *testing.T, secret string) *sipSite {
	t.Helper()
	need(t, "kamailio", "kamailio")
	if found, _ := filepath.Glob("/usr/lib/*/kamailio/modules/presence_reginfo.so"); len(found) == 0 {
		const lack = "Kamailio's presence_reginfo is not installed: apt-get install kamailio-presence-modules"
		if os.Getenv("CI") != "" {
			t.Fatal(lack)
		}
		t.Skip(lack)
	}
	tables := t.TempDir()
	if err := os.CopyFS(tables, os.DirFS("/usr/share/kamailio/dbtext/kamailio")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return newSIPSiteOf(t, "kamailio-reg.cfg", func(pbx string) []string {
		return []string{"-A", `SELF="sip:` + pbx + `"`, "-A", `TABLES="text://` + tables + `"`}
	}, `, reg_events: {user: perch, secret_file: "`+file+`"}`)
}

// A phone that registers with its PBX directly, without a frame that anybody hears, is
// known, its user is asked where it is, and it is known when it is gone.
func TestRegEvents(t *testing.T) {
	s := newRegSite(t, "not-a-secret")
	s.serve()
	s.await("a subscription", func() bool {
		return strings.Contains(s.command("doctor"), "subscriptions  1 active, 0 waiting, 0 refused")
	})
	if got := s.command("doctor"); strings.Contains(got, "no phone registers through Perch") {
		t.Errorf("got\n%s", got)
	}
	_, alice, _ := net.SplitHostPort(freeAddress(t))
	s.done(s.sippAt(s.pbx, "register", "alice", alice, "-key", "mac", "001565aa0001", "-key", "expires", "600"))
	s.await("a question to alice", func() bool { return strings.Contains(s.command("prompts", "list"), "alice@example.com") })
	got := s.command("explain", "00:15:65:aa:00:01")
	for _, want := range []string{"on        hq 127.0.0.0/24 since", "127.0.0.1, from the frame", "sip:alice@example.com", "hq-3f"} {
		if !strings.Contains(got, want) {
			t.Errorf("explain does not say %q:\n%s", want, got)
		}
	}

	// Who is listed later is asked for later.
	more := filepath.Join(s.dir, "users.csv")
	if err := os.WriteFile(more, []byte("email,name,role,aors\nbob@example.com,Bob,user,sip:bob@example.com\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.command("import", more)
	s.await("another subscription", func() bool { return strings.Contains(s.command("doctor"), "subscriptions  2 active") })
	resp, err := http.Get(s.portal() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(b), `perch_sip_subscriptions{state="active"} 2`) || !strings.Contains(string(b), "perch_sip_subscriptions_told_total 1") {
		t.Errorf("got %v, and no word of the subscriptions in\n%s", err, b)
	}

	s.await("alice among the callers", func() bool { return strings.Contains(s.command("doctor"), "callers        1 phone ") })
	s.done(s.sippAt(s.pbx, "register", "alice", alice, "-key", "mac", "001565aa0001", "-key", "expires", "0", "-base_cseq", "9"))
	s.await("her end among the callers", func() bool { return strings.Contains(s.command("doctor"), "callers        0 phones") })
}

// A PBX that Perch has no password for is told of.
func TestRegEventsRefused(t *testing.T) {
	s := newRegSite(t, "guessed")
	s.serve()
	s.await("doctor's word of it", func() bool {
		got := s.command("doctor")
		return strings.Contains(got, "subscriptions  0 active, 0 waiting, 1 refused") && strings.Contains(got, "put user and secret of sip.reg_events right")
	})
}
