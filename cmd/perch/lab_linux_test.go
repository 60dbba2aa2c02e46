package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestLab runs the short story of testdata/lab: in a site of real programs each
// real move gives one prompt and everything else none, and what was heard live and
// what was recorded tell the same. docs/lab.md tells what it builds.
func TestLab(t *testing.T) {
	needRoot(t)
	for program, pkg := range map[string]string{
		"ip": "iproute2", "ss": "iproute2", "ethtool": "ethtool", "sysctl": "procps", "tcpdump": "tcpdump", "lldpd": "lldpd", "dnsmasq": "dnsmasq-base",
		"kea-dhcp4": "kea-dhcp4-server", "dhcrelay": "isc-dhcp-relay", "udhcpc": "udhcpc", "dhclient": "isc-dhcp-client",
		"kamailio": "kamailio", "sipp": "sip-tester", "baresip": "baresip-core",
	} {
		need(t, program, pkg)
	}
	lab := filepath.Join(t.TempDir(), "lab")
	build := exec.Command("go", "build", "-o", lab, "./testdata/lab")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	dir := filepath.Join(t.TempDir(), "site")
	out, err := exec.Command(lab, "-short", "-perch", builtPerch(t), "-dir", dir).CombinedOutput()
	if err != nil {
		logs, _ := os.ReadFile(filepath.Join(dir, "logs", "perch.perch"))
		t.Fatalf("%v\n%s\nserve said\n%s", err, out, logs)
	}
	t.Logf("%s", out)
}
