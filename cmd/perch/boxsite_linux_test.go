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

// newBoxLAN is the network alone, and a configuration that says where phones find their files.
func newBoxLAN(t *testing.T) *boxSite {
	t.Helper()
	needRoot(t)
	need(t, "ip", "iproute2")
	need(t, "sysctl", "procps")
	s := &boxSite{sipSite: &sipSite{t: t, dir: t.TempDir(), pbx: boxPBX + ":5060", perch: boxPerch + ":5060"}}
	s.lan = s.namespace("lan")
	s.by = []string{"ip", "netns", "exec", s.lan}
	s.ip("-n", s.lan, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
	s.ip("-n", s.lan, "link", "set", "br0", "up")
	s.ip("-n", s.lan, "address", "add", boxPerch+"/24", "dev", "br0")
	s.ip("-n", s.lan, "address", "add", boxPBX+"/24", "dev", "br0")
	s.phone = filepath.Join(s.dir, "phone")
	build := exec.Command("go", "build", "-o", s.phone, "./testdata/phone")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cert, key := writeServerCertificate(t, s.dir, net.ParseIP(boxPerch))
	s.cert = cert
	s.config = serveConfig(t, s.dir, filepath.Join(s.dir, "perch.db"), "")
	s.add("provision: {listen: [\"https:%s:8443\"], tls: {certificate: %q, key: %q}, url: \"https://%s:8443/\"}\n", boxPerch, cert, key, boxPerch)
	return s
}

func newBoxSite(t *testing.T) *boxSite {
	t.Helper()
	s := newBoxLAN(t)
	need(t, "kamailio", "kamailio")
	need(t, "kamcmd", "kamailio")
	s.startPBX()
	s.add("policy: {settle: 500ms}\ncapture: [{interface: br0}]\nsip: {listen: [\"udp:%s\"], upstream: [\"udp:%s\"], sites: [{prefix: %s, site: hq}]}\n", s.perch, s.pbx, boxNetwork)
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
	s.startDNSMasq()
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
	name := s.file("kamailio.cfg", strings.Replace(string(conf), "request_route {", questions, 1))
	s.start("kamailio", "-DD", "-E", "-f", name, "-w", s.dir, "-Y", s.dir, "-P", filepath.Join(s.dir, "pid"), "-m", "32", "-M", "4", "-l", "udp:"+s.pbx)
	s.await("the PBX", func() bool { return exec.Command("kamcmd", "-s", "unix:"+s.contacts, "core.uptime").Run() == nil })
}

// contact is what the PBX knows of a line.
func (s *boxSite) contact(user string) string {
	out, _ := exec.Command("kamcmd", "-s", "unix:"+s.contacts, "ul.lookup", "location", "s:"+user).CombinedOutput() // of a line that it does not know it is an error
	return string(out)
}

// file writes a file, and returns its name.
func (s *boxSite) file(name, text string) string {
	s.t.Helper()
	name = filepath.Join(s.dir, name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return name
}

// startDNSMasq starts dnsmasq with what Perch says, and a range.
func (s *boxSite) startDNSMasq() {
	s.t.Helper()
	need(s.t, "dnsmasq", "dnsmasq-base")
	conf := s.file("dnsmasq.conf", s.command("provision", "dhcp", "dnsmasq")+"interface=br0\nbind-interfaces\ndhcp-range=10.77.0.50,10.77.0.99,1h\n")
	s.start("dnsmasq", "-C", conf, "--keep-in-foreground", "--log-facility=-", "--log-dhcp", "--port=0", "--no-ping", "--user=root", "--pid-file=", "--dhcp-leasefile="+filepath.Join(s.dir, "leases"))
}

// startKea starts Kea likewise.
func (s *boxSite) startKea() {
	s.t.Helper()
	need(s.t, "kea-dhcp4", "kea-dhcp4-server")
	conf := map[string]any{
		"interfaces-config": map[string]any{"interfaces": []string{"br0"}}, "lease-database": map[string]any{"type": "memfile", "persist": false},
		"subnet4": []any{map[string]any{"subnet": boxNetwork, "pools": []any{map[string]any{"pool": "10.77.0.50 - 10.77.0.99"}}}},
	}
	if err := json.Unmarshal([]byte(s.command("provision", "dhcp", "kea")), &conf); err != nil {
		s.t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{"Dhcp4": conf})
	if err != nil {
		s.t.Fatal(err)
	}
	s.start("env", "KEA_PIDFILE_DIR="+s.dir, "KEA_LOCKFILE_DIR="+s.dir, "kea-dhcp4", "-c", s.file("kea.json", string(text)))
}

// startISC starts ISC's server likewise.
func (s *boxSite) startISC() {
	s.t.Helper()
	need(s.t, "dhcpd", "isc-dhcp-server")
	conf := "ping-check false;\n" + s.command("provision", "dhcp", "isc") + "subnet 10.77.0.0 netmask 255.255.255.0 { range 10.77.0.50 10.77.0.99; }\n"
	s.start("dhcpd", "-4", "-f", "-d", "--no-pid", "-cf", s.file("dhcpd.conf", conf), "-lf", s.file("leases", ""), "br0")
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
