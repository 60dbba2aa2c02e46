package settings

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"perch/provisioning"
)

// The DHCP servers take what is written for them.
func TestDHCP(t *testing.T) {
	for _, at := range []string{"https://perch.example.com:8443/p/", "https://192.0.2.5:8443/"} {
		for _, server := range DHCPServers {
			text, err := DHCP(server, at)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range provisioning.Vendors {
				if !strings.Contains(text, string(v)) {
					t.Errorf("%s: nothing of %s in\n%s", server, v, text)
				}
			}
			if has := strings.Contains(text, "192.0.2.5\"") || strings.Contains(text, "150,192.0.2.5") || strings.Contains(text, "perch-150 192.0.2.5"); has != strings.Contains(at, "192") {
				t.Errorf("%s: option 150: %v of %s in\n%s", server, has, at, text)
			}
			specific := map[string]string{"dnsmasq": "tag:snom,43,42:", "kea": "\"42", "isc": "option vendor-encapsulated-options 42:"}[server]
			if !strings.Contains(text, specific) || !strings.Contains(strings.ReplaceAll(text, ":", ""), "43097b6d61637d2e786d6c") {
				t.Errorf("%s: no option 43 of a Snom in\n%s", server, text)
			}
			accepted(t, server, text)
		}
	}
	for _, at := range []string{"", "perch.example.com", "https://a/\"; option x", "https://a/ b", "https://a/,b"} {
		if text, err := DHCP("isc", at); err == nil {
			t.Errorf("%q: got\n%s", at, text)
		}
	}
	if _, err := DHCP("udhcpd", "https://a/"); err == nil || !strings.Contains(err.Error(), "want kea, dnsmasq, isc") {
		t.Errorf("got %v", err)
	}
}

// accepted has a real server read it.
func accepted(t *testing.T, server, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "conf")
	var cmd *exec.Cmd
	switch server {
	case "dnsmasq":
		cmd = exec.Command("dnsmasq", "--test", "-C", file)
	case "kea":
		var members map[string]any
		if err := json.Unmarshal([]byte(text), &members); err != nil {
			t.Fatal(err)
		}
		members["interfaces-config"] = map[string]any{"interfaces": []string{}}
		members["lease-database"] = map[string]any{"type": "memfile", "persist": false}
		b, err := json.Marshal(map[string]any{"Dhcp4": members})
		if err != nil {
			t.Fatal(err)
		}
		text, cmd = string(b), exec.Command("kea-dhcp4", "-t", file)
	case "isc":
		text += "subnet 192.0.2.0 netmask 255.255.255.0 {}\n"
		cmd = exec.Command("dhcpd", "-t", "-cf", file)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath(cmd.Path); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is missing: install %s", cmd.Args[0], map[string]string{"dnsmasq": "dnsmasq-base", "kea-dhcp4": "kea-dhcp4-server", "dhcpd": "isc-dhcp-server"}[cmd.Args[0]])
		}
		t.Skipf("%s is missing", cmd.Args[0])
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s\nof\n%s", server, err, out, text)
	}
}
