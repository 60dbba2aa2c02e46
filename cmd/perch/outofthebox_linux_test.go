package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// boxed is a phone that nobody has configured, as it is unpacked.
type boxed struct {
	vendor, model, firmware, mac string
	user, display                string
	own                          string   // the name of the file that has its line in it
	first                        []string // what it fetches without a password, in that order
	window                       []string // likewise while its window is open
}

// boxes are one of each vendor. The files are those of the vendors' documents; what comes
// behind a name is the status.
func boxes() []boxed {
	return []boxed{
		{
			"yealink", "SIP-T46S", "66.86.0.15", "00:15:65:aa:00:01", "101", "Alice", "/001565aa0001.cfg",
			[]string{"/001565aa0001.boot 401", "/y000000000000.boot 200", "/y000000000000.cfg 200"},
			[]string{"/001565aa0001.boot 200", "/001565aa0001.cfg 200"},
		},
		{
			"poly", "VVX_450", "6.4.3.5018", "64:16:7f:aa:00:02", "102", `Zoë "Z" <O'Neil> & Co`, "/perch-64167faa0002.cfg",
			[]string{"/64167faa0002.cfg 401", "/000000000000.cfg 200", "/perch-common.cfg 200"},
			[]string{"/64167faa0002.cfg 200", "/perch-64167faa0002.cfg 200"},
		},
		{
			"cisco", "CP-8841-3PCC", "11.0", "00:56:2b:aa:00:03", "103", `Zoë "Z" <O'Neil> & Co`, "/00562baa0003.xml",
			[]string{"/00562baa0003.xml 401", "/CP-8841-3PCC.xml 200"},
			[]string{"/00562baa0003.xml 200"},
		},
		{
			"grandstream", "GXP2135", "1.0.11.64", "c0:74:ad:aa:00:04", "104", `Zoë "Z" <O'Neil> & Co`, "/cfgc074adaa0004.xml",
			[]string{"/cfgc074adaa0004 404", "/cfgc074adaa0004.xml 401", "/cfggxp2135.xml 200"},
			[]string{"/cfgc074adaa0004 404", "/cfgc074adaa0004.xml 200"},
		},
		{
			"snom", "D785", "10.1.84.12", "00:04:13:aa:00:05", "105", `Zoë "Z" <O'Neil> & Co`, "/000413AA0005.xml",
			[]string{"/000413AA0005.xml 401"},
			[]string{"/000413AA0005.xml 200"},
		},
		{
			"fanvil", "X5U", "2.12.1", "0c:38:3e:aa:00:06", "106", `Zoë "Z" <O'Neil> & Co`, "/0c383eaa0006.cfg",
			[]string{"/f0X5Uhw1.cfg 200", "/0c383eaa0006.cfg 401"},
			[]string{"/f0X5Uhw1.cfg 200", "/0c383eaa0006.cfg 200"},
		},
	}
}

// booted is what a phone says of a boot (testdata/phone).
type booted struct {
	Address string            `json:"address"`
	Options map[string]string `json:"options"`
	URL     string            `json:"url"`
	Files   []bootedFile      `json:"files"`
	Account *struct {
		Domain    string   `json:"domain"`
		Proxy     string   `json:"proxy"`
		Backup    string   `json:"backup"`
		User      string   `json:"user"`
		Auth      string   `json:"auth"`
		Display   string   `json:"display"`
		Transport string   `json:"transport"`
		LLDP      bool     `json:"lldp"`
		Emergency []string `json:"emergency"`
	} `json:"account"`
	Status int    `json:"status"`
	Error  string `json:"error"`
}

// bootedFile is a file that it asked for.
type bootedFile struct {
	Name   string `json:"name"`
	Status int    `json:"status"`
	Digest bool   `json:"digest"`
}

// files are what it fetched, with the statuses.
func (b *booted) files() (out []string) {
	for _, f := range b.Files {
		out = append(out, fmt.Sprintf("%s %d", f.Name, f.Status))
	}
	return out
}

// A phone out of the box, of each vendor, finds its files by DHCP, gets its own in the window
// that is opened for it, and registers through Perch with the PBX; from then on it does by the
// password that is in the file. The phone shares no code with Perch.
func TestOutOfTheBox(t *testing.T) {
	s := newBoxSite(t)
	for _, b := range boxes() {
		t.Run(b.vendor, func(t *testing.T) { s.in(t).unboxed(&b) })
	}
	if got := s.logged(); strings.Contains(got, "not-a-secret") {
		t.Errorf("the log has a password in it:\n%s", got)
	}
}

// Phones of each vendor learn from each DHCP server that Perch writes for where their files are.
func TestOutOfTheBoxDHCP(t *testing.T) {
	for name, start := range map[string]func(*boxSite){"kea": (*boxSite).startKea, "isc": (*boxSite).startISC} { // dnsmasq is in the site above
		t.Run(name, func(t *testing.T) {
			s := newBoxLAN(t)
			start(s)
			for _, b := range boxes() {
				got := s.unpack(&b)() // nobody serves files here
				if !strings.HasPrefix(got.URL, "https://"+boxPerch+":8443/") || b.vendor == "snom" && got.Options["67"] != "{mac}.xml" {
					t.Errorf("%s: DHCP told it %q, it takes %q: %s", b.vendor, got.Options, got.URL, got.Error)
				}
			}
		})
	}
}

// in is the site in a test of one phone.
func (s *boxSite) in(t *testing.T) *boxSite {
	site, c := *s.sipSite, *s
	site.t, c.sipSite = t, &site
	return &c
}

// unboxed is what happens to one phone.
func (s *boxSite) unboxed(b *boxed) {
	t, boot := s.t, s.unpack(b)
	begins := func(got *booted, want []string) {
		t.Helper()
		if files := got.files(); len(files) < len(want) || !slices.Equal(files[:len(want)], want) {
			t.Errorf("it fetched %q, want %q first", files, want)
		}
	}
	got := boot()
	if has := s.contact(b.user); got.Account != nil || got.Status != 0 || !strings.Contains(has, "AOR not found") {
		t.Errorf("with no window open: got %+v, and the PBX says %q", got, has)
	}
	if len(got.Options) == 0 || !strings.HasPrefix(got.URL, "https://"+boxPerch+":8443/") {
		t.Errorf("DHCP told it %q, it takes %q", got.Options, got.URL)
	}
	begins(got, b.first)

	s.command("provision", "open", b.mac, "-network", boxNetwork)
	got = boot()
	begins(got, b.window)
	s.registered(b, got)
	if open := s.command("provision", "windows"); strings.Contains(open, b.mac) {
		t.Errorf("the phone has its password, and %s", open)
	}

	s.run("kamcmd", "-s", "unix:"+s.contacts, "ul.rm", "location", "s:"+b.user)
	if has := s.contact(b.user); !strings.Contains(has, "AOR not found") {
		t.Errorf("the PBX was to forget it, and says %q", has)
	}
	got = boot()
	s.registered(b, got)
	if !slices.Contains(got.Files, bootedFile{b.own, 200, true}) {
		t.Errorf("it did not fetch %s by its password: %+v", b.own, got.Files)
	}
	audit := s.command("provision", "audit", b.mac, "-json")
	for _, by := range []string{"window", "password"} {
		if want := fmt.Sprintf(`"what":"fetched","mac":%q,"name":%q,"level":%q,"source":%q`, b.mac, b.own, by, got.Address); !strings.Contains(audit, want) {
			t.Errorf("the audit log has no %s:\n%s", want, audit)
		}
	}
	address := got.Address
	s.await("the phone on its network", func() bool {
		got := strings.Join(strings.Fields(s.command("explain", b.mac)), " ")
		return strings.Contains(got, " on hq "+boxNetwork+" since ") && strings.Contains(got, " ip "+address+", from ") && strings.Contains(got, " lines sip:"+b.user+"@example.com ")
	})
}

// registered checks what a phone read, and that the PBX has it.
func (s *boxSite) registered(b *boxed, got *booted) {
	t, a := s.t, got.Account
	t.Helper()
	if a == nil || got.Status != 200 {
		t.Fatalf("it is not registered: %+v", got)
	}
	if a.Proxy != s.perch || a.Backup != s.pbx || a.Transport != "udp" || !a.LLDP || a.Domain != "example.com" || a.User != b.user || a.Auth != "auth-"+b.user || a.Display != b.display {
		t.Errorf("it read %+v, want Perch and the PBX behind it, LLDP, and line %s of %s", *a, b.user, b.display)
	}
	if helps := b.vendor != "grandstream" && b.vendor != "fanvil"; helps && !slices.Contains(a.Emergency, "911") { // of which no setting is known
		t.Errorf("it is told to call help by %q, want 911 among them", a.Emergency)
	}
	if has := s.contact(b.user); !strings.Contains(has, "sip:"+b.user+"@"+got.Address+":5060") {
		t.Errorf("the PBX does not have it at %s:\n%s", got.Address, has)
	}
}
