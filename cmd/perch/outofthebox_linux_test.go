package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
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
	Files   []struct {
		Name   string `json:"name"`
		Status int    `json:"status"`
		Digest bool   `json:"digest"`
	} `json:"files"`
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

// files are what it fetched, with the statuses.
func (b *booted) files() (out []string) {
	for _, f := range b.Files {
		out = append(out, fmt.Sprintf("%s %d", f.Name, f.Status))
	}
	return out
}

// boxSite is a site with a network of its own: Perch at its address, a PBX behind that, and a
// DHCP server which is told what Perch says that it should be.
type boxSite struct {
	*sipSite
	lan      string // namespace
	contacts string // the PBX's socket for questions
	phone    string // program
	cert     string
}

const boxNetwork, boxPerch, boxPBX = "10.77.0.0/24", "10.77.0.1", "10.77.0.2"

func newBoxSite(t *testing.T) *boxSite {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("needs root, to make network namespaces")
		}
		t.Skip("needs root, to make network namespaces")
	}
	for program, pkg := range map[string]string{"ip": "iproute2", "sysctl": "procps", "dnsmasq": "dnsmasq-base", "kamailio": "kamailio", "kamcmd": "kamailio"} {
		need(t, program, pkg)
	}
	s := &boxSite{sipSite: &sipSite{t: t, dir: t.TempDir(), pbx: boxPBX + ":5060", perch: boxPerch + ":5060"}}
	s.lan = s.namespace("lan")
	s.by = []string{"ip", "netns", "exec", s.lan}
	s.ip("-n", s.lan, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
	s.ip("-n", s.lan, "link", "set", "br0", "up")
	s.ip("-n", s.lan, "address", "add", boxPerch+"/24", "dev", "br0")
	s.ip("-n", s.lan, "address", "add", boxPBX+"/24", "dev", "br0")
	s.startPBX()

	s.phone = filepath.Join(s.dir, "phone")
	build := exec.Command("go", "build", "-o", s.phone, "./testdata/phone")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cert, key := writeServerCertificate(t, s.dir, net.ParseIP(boxPerch))
	s.cert = cert
	s.config = serveConfig(t, s.dir, filepath.Join(s.dir, "perch.db"), "")
	s.add("policy: {settle: 500ms}\ncapture: [{interface: br0}]\nsip: {listen: [\"udp:%s\"], upstream: [\"udp:%s\"], sites: [{prefix: %s, site: hq}]}\n", s.perch, s.pbx, boxNetwork)
	s.add("provision: {listen: [\"https:%s:8443\"], tls: {certificate: %q, key: %q}, url: \"https://%s:8443/\"}\n", boxPerch, cert, key, boxPerch)
	s.write("sites.csv", "id,name,subnets\nhq,Headquarters,"+boxNetwork+"\n")
	phones, lines := "mac,label,site,aors,vendor,model\n", "aor,auth_user,secret,display_name\n"
	for _, b := range boxes() {
		phones += fmt.Sprintf("%s,%s's,hq,%s@example.com,%s,%s\n", b.mac, b.user, b.user, b.vendor, b.model)
		lines += fmt.Sprintf("%s@example.com,auth-%s,not-a-secret,\"%s\"\n", b.user, b.user, strings.ReplaceAll(b.display, `"`, `""`))
	}
	s.write("phones.csv", phones)
	s.write("lines.csv", lines)
	s.command("import", filepath.Join(s.dir, "map"))
	var err error
	if s.log, err = os.Create(filepath.Join(s.dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.log.Close()
		if t.Failed() {
			t.Logf("serve's log:\n%s", s.logged())
		}
	})
	s.startDHCP()
	s.serve()
	return s
}

// namespace makes a network namespace, which is gone after the test.
func (s *boxSite) namespace(name string) string {
	s.t.Helper()
	ns := fmt.Sprintf("perch-%d-%s", os.Getpid(), name)
	s.ip("netns", "add", ns)
	s.t.Cleanup(func() { _ = exec.Command("ip", "netns", "delete", ns).Run() })
	s.run("ip", "netns", "exec", ns, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
	s.ip("-n", ns, "link", "set", "lo", "up")
	return ns
}

func (s *boxSite) ip(args ...string) { s.t.Helper(); s.run("ip", args...) }

func (s *boxSite) run(name string, args ...string) string {
	s.t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// start starts a server in the site's network.
func (s *boxSite) start(args ...string) {
	s.t.Helper()
	out := &logBuffer{}
	cmd := exec.Command(s.by[0], append(slices.Clone(s.by[1:]), args...)...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if s.t.Failed() {
			s.t.Logf("%s says:\n%s", args[0], out)
		}
	})
}

// startPBX starts the PBX of sip/proxy's tests, which can be asked for its contacts besides.
func (s *boxSite) startPBX() {
	s.t.Helper()
	conf, err := os.ReadFile(filepath.Join(root, "sip", "proxy", "testdata", "kamailio.cfg"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.contacts = filepath.Join(s.dir, "pbx.sock")
	questions := fmt.Sprintf("loadmodule \"ctl.so\"\nmodparam(\"ctl\", \"binrpc\", \"unix:%s\")\n\nrequest_route {", s.contacts)
	name := filepath.Join(s.dir, "kamailio.cfg")
	if err := os.WriteFile(name, []byte(strings.Replace(string(conf), "request_route {", questions, 1)), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.start("kamailio", "-DD", "-E", "-f", name, "-w", s.dir, "-Y", s.dir, "-P", filepath.Join(s.dir, "pid"), "-m", "32", "-M", "4", "-l", "udp:"+s.pbx)
	s.await("the PBX", func() bool { return exec.Command("kamcmd", "-s", "unix:"+s.contacts, "core.uptime").Run() == nil })
}

// contact is what the PBX knows of a line.
func (s *boxSite) contact(user string) string {
	out, _ := exec.Command("kamcmd", "-s", "unix:"+s.contacts, "ul.lookup", "location", "s:"+user).CombinedOutput() // of a line that it does not know it is an error
	return string(out)
}

// startDHCP starts dnsmasq with what Perch says, and a range.
func (s *boxSite) startDHCP() {
	s.t.Helper()
	conf := filepath.Join(s.dir, "dnsmasq.conf")
	text := s.command("provision", "dhcp", "dnsmasq") + "interface=br0\nbind-interfaces\ndhcp-range=10.77.0.50,10.77.0.99,1h\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.start("dnsmasq", "-C", conf, "--keep-in-foreground", "--log-facility=-", "--log-dhcp", "--port=0", "--no-ping", "--user=root", "--pid-file=", "--dhcp-leasefile="+filepath.Join(s.dir, "leases"))
}

func (s *boxSite) logged() string {
	b, err := os.ReadFile(s.log.Name())
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// unpack puts a phone's cable into the site's network, and returns how to switch it on.
func (s *boxSite) unpack(b *boxed) (boot func() *booted) {
	t := s.t
	t.Helper()
	ns := s.namespace(b.vendor)
	s.ip("-n", s.lan, "link", "add", b.vendor, "type", "veth", "peer", "name", "eth0", "address", b.mac, "netns", ns)
	s.ip("-n", s.lan, "link", "set", b.vendor, "master", "br0", "up")
	state := filepath.Join(t.TempDir(), "flash.json")
	return func() *booted {
		t.Helper()
		cmd := exec.Command("ip", "netns", "exec", ns, s.phone, "-vendor", b.vendor, "-model", b.model, "-firmware", b.firmware, "-mac", b.mac, "-ca", s.cert, "-state", state)
		out, _ := cmd.Output() // that it is not registered is in the report
		got := &booted{}
		if err := json.Unmarshal(out, got); err != nil {
			t.Fatalf("the phone says %q: %v", out, err)
		}
		t.Logf("%s", out)
		return got
	}
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
	if got.Account != nil || got.Status != 0 || s.contact(b.user) == "" || strings.Contains(s.contact(b.user), "Address: sip:") {
		t.Errorf("with no window open: got %+v, and the PBX says %q", got, s.contact(b.user))
	}
	if len(got.Options) == 0 || !strings.HasPrefix(got.URL, "https://"+boxPerch+":8443/") {
		t.Errorf("DHCP told it %q, it takes %q", got.Options, got.URL)
	}
	begins(got, b.first)

	s.command("provision", "open", b.mac, "-network", boxNetwork)
	got = boot()
	begins(got, b.window)
	s.registered(b, got)
	if open := s.command("provision", "windows"); open != "no window is open\n" {
		t.Errorf("the phone has its password, and %s", open)
	}

	s.run("kamcmd", "-s", "unix:"+s.contacts, "ul.rm", "location", "s:"+b.user)
	got = boot()
	s.registered(b, got)
	if !slices.ContainsFunc(got.Files, func(f struct {
		Name   string `json:"name"`
		Status int    `json:"status"`
		Digest bool   `json:"digest"`
	}) bool {
		return f.Name == b.own && f.Digest
	}) {
		t.Errorf("it did not fetch %s by its password: %+v", b.own, got.Files)
	}
	for _, by := range []string{"window", "password"} {
		if want := fmt.Sprintf("phone=%s file=%s by=%s from=%s", b.mac, b.own, by, got.Address); !strings.Contains(s.logged(), want) {
			t.Errorf("the log has no %q", want)
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
