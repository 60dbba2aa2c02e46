// Suite runs the tests and counts them. It is what `make test` runs.
//
// Some tests need real programs from Debian. As root on a Debian system the
// missing packages are installed first; elsewhere they are named, and the tests
// that need them are skipped by name. With CI set, a skipped test is a failure.
// The last line counts: N passed, N failed, N skipped.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// programs are what tests need, with the Debian package that has it: names looked
// up in PATH, or patterns of files.
var programs = []struct{ name, pkg string }{
	{"tshark", "tshark"},
	{"chromium", "chromium"},
	{"/usr/lib/postgresql/*/bin/postgres", "postgresql"},
	{"postfix", "postfix"},
	{"saslpasswd2", "sasl2-bin"},
	{"/usr/lib/*/sasl2/libplain.so*", "libsasl2-modules"},
	{"mkfs.ext4", "e2fsprogs"},
	{"ip", "iproute2"},
	{"sysctl", "procps"},
	{"setpriv", "util-linux"},
	{"tcpdump", "tcpdump"},
	{"tcpreplay", "tcpreplay"},
	{"ethtool", "ethtool"}, // this and what follows for testdata/lab
	{"lldpd", "lldpd"},
	{"dnsmasq", "dnsmasq-base"},
	{"kea-dhcp4", "kea-dhcp4-server"},
	{"dhcpd", "isc-dhcp-server"},
	{"dhcrelay", "isc-dhcp-relay"},
	{"dhclient", "isc-dhcp-client"},
	{"udhcpc", "udhcpc"},
	{"kamailio", "kamailio"},
	{"/usr/lib/*/kamailio/modules/presence_reginfo.so", "kamailio-presence-modules"},
	{"sipp", "sip-tester"},
	{"baresip", "baresip-core"},
	{"linphonec", "linphone-cli"},
	{"svwar", "sipvicious"},
	{"curl", "curl"}, // this and what follows for the files of phones
	{"tftp", "tftp-hpa"},
	{"atftp", "atftp"},
	{"nft", "nftables"},
	{"xmllint", "libxml2-utils"},
	{"/usr/share/ieee-data/oui.csv", "ieee-data"},
}

// there reports whether a program or file is on this machine.
func there(name string) bool {
	if strings.HasPrefix(name, "/") {
		found, _ := filepath.Glob(name) // the patterns are well formed
		return len(found) > 0
	}
	_, err := exec.LookPath(name)
	return err == nil
}

func main() {
	race := flag.Bool("race", false, "with the race detector")
	flag.Parse()
	code, err := suite(*race, flag.Args())
	if err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		os.Exit(1)
	}
	os.Exit(code)
}

func suite(race bool, packages []string) (int, error) {
	if err := install(); err != nil {
		return 1, err
	}
	if len(packages) == 0 {
		packages = []string{"./..."}
	}
	if out, err := exec.Command("gofmt", "-l", ".").CombinedOutput(); err != nil || len(out) > 0 {
		return 1, fmt.Errorf("gofmt: not formatted: %s%w", strings.ReplaceAll(string(out), "\n", " "), err)
	}
	vet := exec.Command("go", append([]string{"vet"}, append(packages, "./testdata/gen", "./testdata/lab", "./testdata/oui", "./testdata/suite", "./testdata/phone")...)...)
	vet.Stdout, vet.Stderr = os.Stdout, os.Stderr
	if err := vet.Run(); err != nil {
		return 1, fmt.Errorf("go vet: %w", err)
	}
	args := []string{"test", "-json", "-shuffle=on", "-timeout=20m"}
	if race {
		args = append(args, "-race")
	}
	return run(append(args, packages...))
}

// install installs the packages that are missing, or names them.
func install() error {
	var missing []string
	for _, p := range programs {
		if !there(p.name) && !slices.Contains(missing, p.pkg) {
			missing = append(missing, p.pkg)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	apt, err := exec.LookPath("apt-get")
	if err != nil || os.Geteuid() != 0 {
		fmt.Printf("not installed, so the tests that need them are skipped: %s\n", strings.Join(missing, " "))
		return nil
	}
	fmt.Printf("installing what the tests need: %s\n", strings.Join(missing, " "))
	calm, err := noServices()
	if err != nil {
		return err
	}
	defer calm()
	for _, args := range [][]string{{"update", "-qq"}, append([]string{"install", "-y", "-qq", "--no-install-recommends"}, missing...)} {
		cmd := exec.Command(apt, args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}

// noServices keeps packages from starting their services while they are installed:
// the tests start servers of their own.
func noServices() (undo func(), err error) {
	const policy = "/usr/sbin/policy-rc.d"
	f, err := os.OpenFile(policy, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return func() {}, nil // somebody has decided that already
	}
	if err != nil {
		return nil, err
	}
	_, err = f.WriteString("#!/bin/sh\nexit 101\n")
	return func() { _ = os.Remove(policy) }, errors.Join(err, f.Close())
}

// event is one line of `go test -json`.
type event struct {
	Action, Package, Test, Output string
}

// run runs go test and reports what failed and what was skipped, and why.
func run(args []string) (int, error) {
	cmd := exec.Command("go", args...)
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return 1, err
	}
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	count := map[string]int{}
	output := map[string][]string{}
	failed := false
	lines := bufio.NewScanner(pipe)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var ev event
		if err := json.Unmarshal(lines.Bytes(), &ev); err != nil {
			fmt.Println(lines.Text())
			continue
		}
		key := ev.Package + " " + ev.Test
		switch ev.Action {
		case "output", "build-output":
			output[key] = append(output[key], ev.Output)
			if ev.Action == "build-output" {
				fmt.Print(ev.Output)
			}
		case "pass", "fail", "skip":
			if ev.Test != "" {
				count[ev.Action]++
			}
			switch {
			case ev.Action == "fail":
				failed = true
				fmt.Printf("--- FAIL %s\n%s", key, strings.Join(output[key], ""))
			case ev.Action == "skip" && ev.Test != "":
				fmt.Printf("--- SKIP %s\n%s", key, strings.Join(output[key], ""))
			case ev.Test == "":
				fmt.Printf("%s %s\n", ev.Action, ev.Package)
			}
			delete(output, key)
		}
	}
	if err := errors.Join(lines.Err(), cmd.Wait()); err != nil {
		failed = true
	}
	if os.Getenv("CI") != "" && count["skip"] > 0 {
		fmt.Println("CI is set: a skipped test is a failure")
		failed = true
	}
	if count["pass"] == 0 {
		fmt.Println("no test ran")
		failed = true
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", count["pass"], count["fail"], count["skip"])
	if failed {
		return 1, nil
	}
	return 0, nil
}
