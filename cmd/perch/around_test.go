package main

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"perch/discovery"
	"perch/provisioning/serve"
	"perch/sip"
)

// registerOf is a REGISTER of a line on its way from one address to another.
func registerOf(aor sip.AOR, from, to string, m discovery.MAC) *discovery.Observation {
	return &discovery.Observation{Time: time.Now(), Kind: discovery.KindRegister, Register: &discovery.Register{
		Source: netip.MustParseAddrPort(from), Destination: netip.MustParseAddrPort(to), Register: sip.Register{AOR: aor}, ClaimedMAC: m,
	}}
}

// Who registers with somebody else than Perch is noted; what goes to Perch, or comes from it, is not.
func TestAround(t *testing.T) {
	c := defaults()
	c.SIP.Listen = []string{"udp:10.1.0.5:5060"}
	c.Provision.Proxy = "udp:10.1.0.6:5060"
	a := newAround(&c)
	for aor, o := range map[sip.AOR]*discovery.Observation{
		"sip:past@example.com":      registerOf("sip:past@example.com", "10.1.2.20:5060", "192.0.2.9:5060", discovery.MAC{}),
		"sip:through@example.com":   registerOf("sip:through@example.com", "10.1.2.21:5060", "10.1.0.5:5060", discovery.MAC{}),
		"sip:another@example.com":   registerOf("sip:another@example.com", "10.1.2.22:5060", "10.1.0.6:5060", discovery.MAC{}),
		"sip:handed-on@example.com": registerOf("sip:handed-on@example.com", "10.1.0.5:5060", "192.0.2.9:5060", discovery.MAC{}),
	} {
		a.heard(o)
		if _, is := a.of(aor, time.Now()); is != (aor == "sip:past@example.com") {
			t.Errorf("%s: around Perch: %v", aor, is)
		}
	}
	if _, is := a.of("sip:past@example.com", time.Now().Add(25*time.Hour)); is {
		t.Error("it is told of a day later")
	}
	for range 2 * maxAround {
		a.heard(registerOf(sip.AOR("sip:"+time.Now().String()+"@example.com"), "10.1.2.20:5060", "192.0.2.9:5060", discovery.MAC{}))
	}
	if len(a.by) > maxAround {
		t.Errorf("%d are kept", len(a.by))
	}
	if c.SIP.Listen, c.Provision.Proxy = nil, ""; newAround(&c) != nil {
		t.Error("phones that need not register with Perch go around it")
	}
	if c.SIP.Listen = []string{"udp:0.0.0.0:5060"}; !newAround(&c).ours[netip.MustParseAddr("127.0.0.1")] {
		t.Error("an address of this machine is not ours")
	}
}

// Lint finds what phones do: who registers around Perch, firmware on the list, a password
// that is not used.
func TestLintBehaviour(t *testing.T) {
	dir := t.TempDir()
	c := defaults()
	c.SIP.Listen, c.SIP.Upstream = []string{"udp:10.1.0.5:5060"}, []string{"udp:192.0.2.9:5060"}
	c.Provision.URL, c.Provision.Listen = "https://perch.example.com/", []string{"https:127.0.0.1:8443"}
	c.Provision.Firmware = []firmwareConfig{{Vendor: "yealink", Model: "T4*", Bad: "66.84.*", Why: "answers anybody"}}
	s, err := openSession(t.Context(), c, filepath.Join(dir, "perch.db"), false, false)
	if err != nil {
		t.Fatal(err)
	}
	s.beside = filepath.Join(dir, "perch.db")
	defer func() {
		var err error
		if s.close(t.Context(), &err); err != nil {
			t.Error(err)
		}
	}()
	maps := filepath.Join(dir, "phones.csv")
	if err := os.WriteFile(maps, []byte("mac,aors,vendor,model\n00:15:65:aa:00:01,1@example.com,yealink,T46S\n00:15:65:aa:00:02,2@example.com,yealink,T46S\n00:15:65:aa:00:03,3@example.com,yealink,T46S\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.importPaths(maps); err != nil {
		t.Fatal(err)
	}
	lint := func() string {
		t.Helper()
		var out bytes.Buffer
		_ = (&lintRequest{}).carryOut(t.Context(), s, &environment{stdout: &out, stderr: &out})
		return out.String()
	}
	one := discovery.MAC{0x00, 0x15, 0x65, 0xaa, 0x00, 0x01}
	two, three := one, one
	two[5], three[5] = 2, 3
	wants := []string{
		"- line sip:1@example.com registers around Perch, with 192.0.2.9:5060: its calls for help have no location",
		"- firmware 66.84.0.125 is on your list (answers anybody)",
		"- its configuration was fetched in a window, and nobody has used the password since",
		"- its configuration, with its passwords, is open to anybody anywhere",
	}
	for _, w := range wants {
		if got := lint(); strings.Contains(got, w) {
			t.Fatalf("got\n%s\nbefore anything was seen", got)
		}
	}
	s.around = newAround(&c)
	s.around.heard(registerOf("sip:1@example.com", "10.1.2.20:5060", "192.0.2.9:5060", one))
	s.around.heard(registerOf("sip:2@example.com", "10.1.2.20:5060", "192.0.2.9:5060", one)) // on another phone
	a, err := serve.OpenAudit(s.auditFile())
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Append(
		serve.Entry{Time: time.Now().Add(-2 * time.Hour), What: serve.Fetched, MAC: two, Level: serve.Opened, Agent: "Yealink SIP-T46S 66.84.0.125 00:15:65:aa:00:02"},
		serve.Entry{Time: time.Now().Add(-2 * time.Hour), What: serve.Fetched, MAC: three, Level: serve.Opened},
		serve.Entry{Time: time.Now().Add(-time.Hour), What: serve.Fetched, MAC: three, Level: serve.Password, Agent: "Yealink SIP-T46S 66.86.0.15"},
	); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.openWindow(three, windowAsk{For: duration(time.Hour)}, "cli:test"); err != nil {
		t.Fatal(err)
	}
	got := lint()
	for i, w := range wants {
		_, rest, ok := strings.Cut(got, w)
		phone := []discovery.MAC{one, two, two, three}[i]
		if lines := strings.SplitN(rest, "\n", 4); !ok || len(lines) < 3 || lines[2] != "  1 phone: "+phone.String() {
			t.Errorf("got\n%s\nwant %q of %s alone", got, w, phone)
		}
	}
}
