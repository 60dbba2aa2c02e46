package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"perch/discovery"
	"perch/gateway"
	"perch/provisioning"
	"perch/provisioning/serve"
	"perch/sip"
)

// newShelf is a serve of two sites, without its sockets, and what its phones ask.
func newShelf(t *testing.T) (*shelf, *serve.Server) {
	t.Helper()
	dir := t.TempDir()
	c := defaults()
	c.Provision.Listen = []string{"https:127.0.0.1:8443"}
	c.SIP.Sites = []sipSiteConfig{{Prefix: netip.MustParsePrefix("10.1.0.0/16"), Site: "hq"}, {Prefix: netip.MustParsePrefix("10.2.0.0/16"), Site: "b2"}}
	s, err := openSession(t.Context(), c, filepath.Join(dir, "perch.db"), false, false)
	if err != nil {
		t.Fatal(err)
	}
	s.beside = filepath.Join(dir, "perch.db")
	for name, text := range map[string]string{
		"sites.csv":  "id\nhq\nb2\n",
		"users.csv":  "email,role,site\nada@example.com,admin,\nbob@example.com,admin,b2\nalice@example.com,user,hq\nben@example.com,user,b2\n",
		"phones.csv": "mac,label,site,aors,vendor\n00:15:65:aa:00:01,One,hq,101@example.com,yealink\n00:15:65:aa:00:02,Two,hq,102@example.com,\n00:15:65:aa:00:03,Three,b2,201@example.com,yealink\n",
		"lines.csv":  "aor,secret\n101@example.com,not-a-secret\n102@example.com,nor-this\n201@example.com,another\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.importPaths(dir); err != nil {
		t.Fatal(err)
	}
	if err := s.keepAudit(slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := s.audit.file.Close()
		if s.close(context.Background(), &err); err != nil {
			t.Error(err)
		}
	})
	p := &provisioner{session: s, audit: s.audit, asks: &serve.Asks{Allow: s.config.SIP.Allow}}
	p.pages = serve.New(serve.Config{Asks: p.asks, Windows: s.windows, Own: func(discovery.MAC, string) (serve.File, error) { return serve.File{}, serve.ErrNoFile }})
	s.phones = p
	return &shelf{s}, p.pages
}

func asks(pages *serve.Server, mac, from string) {
	r := httptest.NewRequest("GET", "https://perch/"+mac+".cfg", nil)
	r.RemoteAddr = from + ":1000"
	r.Header.Set("User-Agent", "Yealink SIP-T46S\x1b[31m 66.86.0.15")
	pages.ServeHTTP(httptest.NewRecorder(), r)
}

// An admin of a site adopts the phones of that site alone, and gives them no line and no user
// of another one: with a line goes its password.
func TestShelfBySite(t *testing.T) {
	x, pages := newShelf(t)
	const ada, bob = "ada@example.com", "bob@example.com"
	asks(pages, "001565aa0002", "10.2.0.9") // listed at hq, without its vendor
	asks(pages, "001565aa0009", "10.2.0.10")
	asks(pages, "001565aa0008", "10.1.0.10")
	see := func(who string, want ...string) {
		t.Helper()
		var got []string
		for _, w := range x.WaitingPhones(who).Phones {
			got = append(got, w.MAC.String()[15:]+" "+w.Site)
		}
		if strings.Join(got, ", ") != strings.Join(want, ", ") {
			t.Errorf("%s sees %q, want %q", who, got, want)
		}
	}
	see(ada, "02 hq", "08 hq", "09 b2")
	see(bob, "09 b2")
	see("ben@example.com")
	see("nobody@example.com")
	mac := func(last byte) discovery.MAC { return discovery.MAC{0x00, 0x15, 0x65, 0xaa, 0x00, last} }
	for name, p := range map[string]provisioning.Phone{
		"another site's phone":        {MAC: mac(8)},
		"listed at another site":      {MAC: mac(2)},
		"one that does not wait":      {MAC: mac(7)},
		"another site's line":         {MAC: mac(9), AORs: []sip.AOR{"sip:101@example.com"}},
		"a line of nobody":            {MAC: mac(9), AORs: []sip.AOR{"sip:999@example.com"}},
		"another site's user":         {MAC: mac(9), Users: []string{"alice@example.com"}},
		"a user that there is not":    {MAC: mac(9), Users: []string{"x@example.com"}},
		"its line and another site's": {MAC: mac(9), AORs: []sip.AOR{"sip:201@example.com", "sip:101@example.com"}},
	} {
		var no *gateway.Refusal
		if err := x.Adopt(t.Context(), p, bob); !errors.As(err, &no) {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
	}
	if err := x.Adopt(t.Context(), provisioning.Phone{MAC: mac(9), AORs: []sip.AOR{"sip:201@example.com"}, Users: []string{"ben@example.com"}}, "alice@example.com"); err == nil {
		t.Error("a user adopts a phone")
	}
	if err := x.Adopt(t.Context(), provisioning.Phone{MAC: mac(9), AORs: []sip.AOR{"sip:201@example.com"}, Users: []string{"ben@example.com"}}, bob); err != nil {
		t.Fatal(err)
	}
	w := x.session.windows.List(time.Now())
	if len(w) != 1 || w[0].MAC != mac(9) || w[0].Network != netip.MustParsePrefix("10.2.0.0/24") || w[0].By != bob {
		t.Errorf("open are %+v", w)
	}
	if p, err := x.session.phone(mac(9)); err != nil || p.Site != "b2" || p.Model != "" || p.Vendor != provisioning.Yealink {
		t.Errorf("got %+v, %v: a model that nobody knows is left out", p, err)
	}
	see(bob)
}

// The audit log has each file once a minute, and each use of a window.
func TestAuditAgain(t *testing.T) {
	name := filepath.Join(t.TempDir(), "audit")
	a, err := newAuditor(name, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	h := serve.Handed{Time: time.Now(), MAC: discovery.MAC{0, 0x15, 0x65, 0, 0, 1}, Name: "/x.cfg", Level: serve.Password}
	other, opened := h, h
	other.Sum, opened.Level = [8]byte{1}, serve.Opened
	for _, x := range []serve.Handed{h, h, other, other, opened, opened} {
		a.fetched(x)
	}
	if n := len(a.queue); n != 4 {
		t.Errorf("%d entries, want one for each of two files, and one for each use of a window", n)
	}
	if err := a.file.Close(); err != nil {
		t.Error(err)
	}
}

// What several do at a time is all in the audit log, in one chain.
func TestAuditTogether(t *testing.T) {
	x, _ := newShelf(t)
	var all sync.WaitGroup
	for i := range 30 {
		all.Go(func() {
			p := provisioning.Phone{MAC: discovery.MAC{0x00, 0x15, 0x65, 0xbb, 0x00, byte(i)}}
			if err := x.session.record(serve.Entry{What: serve.Added, MAC: p.MAC, By: "cli:\xff"}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	n := 0
	altered, err := serve.ReadAudit(x.session.auditFile(), func(serve.Entry) { n++ })
	if n != 30 || altered != nil || err != nil {
		t.Errorf("%d entries, %v, %v", n, altered, err)
	}
}
