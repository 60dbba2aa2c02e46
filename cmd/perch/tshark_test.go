package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// need finds a program or skips the test, naming the package that has it; with
// CI set a missing program is a failure.
func need(t *testing.T, program, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed: apt-get install %s", program, pkg)
	}
	t.Skipf("%s is not installed: apt-get install %s", program, pkg)
	return ""
}

// needRoot skips a test that makes network namespaces for whoever may not.
func needRoot(t *testing.T) {
	t.Helper()
	const why = "needs root, to make network namespaces"
	switch {
	case os.Geteuid() == 0:
	case os.Getenv("CI") != "":
		t.Fatal(why)
	default:
		t.Skip(why)
	}
}

// TestTsharkAgrees: of the recorded captures, and some of the made ones, tshark
// finds messages of the same kinds in the same frames, from the same senders.
func TestTsharkAgrees(t *testing.T) {
	tshark := need(t, "tshark", "tshark")
	recorded, err := filepath.Glob(filepath.Join(root, "testdata", "replay", "real-*", "*.pcap"))
	if err != nil || len(recorded) < 4 {
		t.Fatalf("found only %d recorded captures (%v)", len(recorded), err)
	}
	made := []string{
		"voice-vlan-hop-trunk", "l3-relay-vlan-interface", "lldp-and-cdp-same-switch", "behind-nat", "ipv6-relay", "ipv6-chatter",
		"register-over-tcp", "register-in-fragments", "edge-proxy",
	}
	for _, name := range made {
		recorded = append(recorded, filepath.Join(root, "testdata", "replay", name, "in.pcapng"))
	}
	for _, name := range recorded {
		t.Run(filepath.Base(filepath.Dir(name))+"/"+filepath.Base(name), func(t *testing.T) {
			want := tsharkReads(t, tshark, name)
			got := perchReads(t, name)
			if len(want) == 0 {
				t.Fatal("tshark found nothing")
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %d messages:\n%s\nwant %d:\n%s", len(got), strings.Join(got, "\n"), len(want), strings.Join(want, "\n"))
			}
		})
	}
}

// tsharkReads returns "frame kind sender" of each message that Perch decodes.
func tsharkReads(t *testing.T, tshark, name string) []string {
	const filter = `arp || dhcp || dhcpv6 || (icmpv6.type >= 133 && icmpv6.type <= 136) || lldp || cdp || sip.Method == "REGISTER" || (sip.Status-Code && sip.CSeq.method == "REGISTER")`
	cmd := exec.Command(tshark, "-n", "-o", "tcp.reassemble_out_of_order:TRUE", "-r", name, "-Y", filter, "-T", "fields", "-E", "separator=/t",
		"-e", "frame.number", "-e", "eth.src", "-e", "arp.opcode", "-e", "dhcp.type", "-e", "lldp.tlv.type", "-e", "cdp.version",
		"-e", "dhcpv6.msgtype", "-e", "icmpv6.type", "-e", "sip.Method", "-e", "sip.CSeq.method")
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark: %v\n%s", err, errs.String())
	}
	kinds := []string{"arp", "dhcp", "lldp", "cdp", "dhcpv6", "nd"}
	var lines []string
	for line := range strings.Lines(string(out)) {
		cells := strings.Split(strings.TrimRight(line, "\n"), "\t")
		for i, kind := range kinds {
			if cells[i+2] != "" {
				lines = append(lines, fmt.Sprintf("%s %s %s", cells[0], kind, cells[1]))
			}
		}
		// A segment may hold several messages, of other methods too.
		requests := strings.Count(cells[8], "REGISTER")
		for range requests {
			lines = append(lines, fmt.Sprintf("%s register %s", cells[0], cells[1]))
		}
		for range strings.Count(cells[9], "REGISTER") - requests {
			lines = append(lines, fmt.Sprintf("%s register_response %s", cells[0], cells[1]))
		}
	}
	return lines
}

func perchReads(t *testing.T, name string) []string {
	code, out, errs := command(t, ".", "decode", name)
	if code != exitDone {
		t.Fatalf("decode: exit %d\n%s", code, errs)
	}
	var lines []string
	in := bufio.NewScanner(strings.NewReader(out))
	for in.Scan() {
		var o struct {
			Frame     int
			Kind, MAC string
			Malformed string
		}
		if err := json.Unmarshal(in.Bytes(), &o); err != nil {
			t.Fatal(err)
		}
		if o.Malformed != "ip: first fragment only" { // tshark waits for the others
			lines = append(lines, fmt.Sprintf("%d %s %s", o.Frame, o.Kind, o.MAC))
		}
	}
	return lines
}
