package discovery_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"perch/discovery"
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

// field6 is one field of DHCPv6 or ND as tshark names it and as we read it;
// several values stand in the order of the message, with commas between.
type field6 struct {
	name string
	ours func(*discovery.Observation) string
}

// fields6 are all the fields of DHCPv6 and ND that both of us read.
var fields6 = []field6{
	{"eth.src", func(o *discovery.Observation) string { return o.MAC.String() }},
	{"ipv6.src", func(o *discovery.Observation) string { return addr6(o.SrcIP.IsValid(), o.SrcIP.String()) }},

	{"dhcpv6.msgtype", of6(func(m *discovery.DHCP6) []string {
		var all []string
		for _, r := range m.Relays {
			all = append(all, strconv.Itoa(int(r.Type)))
		}
		return append(all, strconv.Itoa(int(m.Type)))
	})},
	{"dhcpv6.xid", of6(func(m *discovery.DHCP6) []string {
		return []string{"0x" + strings.Repeat("0", 6-len(strconv.FormatUint(uint64(m.XID), 16))) + strconv.FormatUint(uint64(m.XID), 16)}
	})},
	{"dhcpv6.hopcount", ofRelays(func(r *discovery.Relay6) string { return strconv.Itoa(int(r.Hops)) })},
	{"dhcpv6.linkaddr", ofRelays(func(r *discovery.Relay6) string { return addr6(r.LinkAddress.IsValid(), r.LinkAddress.String()) })},
	{"dhcpv6.peeraddr", ofRelays(func(r *discovery.Relay6) string { return addr6(r.PeerAddress.IsValid(), r.PeerAddress.String()) })},
	{"dhcpv6.interface_id", ofRelays(func(r *discovery.Relay6) string { return r.InterfaceID.String() })},
	{"dhcpv6.remoteid_enterprise_id", ofRelays(func(r *discovery.Relay6) string { return r.RemoteID.String() })},
	{"dhcpv6.iaaddr.ip", ofAddresses(func(a *discovery.Address6) string { return a.IP.String() })},
	{"dhcpv6.iaaddr.pref_lifetime", ofAddresses(func(a *discovery.Address6) string { return strconv.Itoa(int(a.Preferred)) })},
	{"dhcpv6.iaaddr.valid_lifetime", ofAddresses(func(a *discovery.Address6) string { return strconv.Itoa(int(a.Valid)) })},
	{"dhcpv6.requested_option_code", of6(func(m *discovery.DHCP6) []string {
		var all []string
		for _, c := range m.OptionList {
			all = append(all, strconv.Itoa(int(c)))
		}
		return all
	})},
	{"dhcpv6.vendorclass.enterprise", of6(func(m *discovery.DHCP6) []string {
		if m.Enterprise == 0 {
			return nil
		}
		return []string{strconv.Itoa(int(m.Enterprise))}
	})},
	{"dhcpv6.duid.bytes", of6(func(m *discovery.DHCP6) []string {
		var all []string
		for _, d := range []discovery.Hex{m.ClientDUID, m.ServerDUID} {
			if d != "" {
				all = append(all, d.String())
			}
		}
		slices.Sort(all) // a message has them in either order
		return all
	})},

	{"icmpv6.type", ofND(func(m *discovery.ND) string { return strconv.Itoa(int(m.Type)) })},
	{"icmpv6.nd.ns.target_address", ofND(func(m *discovery.ND) string {
		return addr6(m.Type == discovery.NDNeighborSolicitation, m.TargetIP.String())
	})},
	{"icmpv6.nd.na.target_address", ofND(func(m *discovery.ND) string {
		return addr6(m.Type == discovery.NDNeighborAdvertisement, m.TargetIP.String())
	})},
	{"icmpv6.nd.na.flag.r", ofNA(func(m *discovery.ND) bool { return m.Router })},
	{"icmpv6.nd.na.flag.s", ofNA(func(m *discovery.ND) bool { return m.Solicited })},
	{"icmpv6.nd.na.flag.o", ofNA(func(m *discovery.ND) bool { return m.Override })},
	{"icmpv6.nd.ra.router_lifetime", ofRA(func(m *discovery.ND) []string { return []string{strconv.Itoa(int(m.RouterLifetime))} })},
	{"icmpv6.nd.ra.flag.m", ofRA(func(m *discovery.ND) []string { return []string{bit(m.Managed)} })},
	{"icmpv6.nd.ra.flag.o", ofRA(func(m *discovery.ND) []string { return []string{bit(m.OtherConfig)} })},
	{"icmpv6.opt.linkaddr", ofND(func(m *discovery.ND) string {
		var all []string
		for _, mac := range []discovery.MAC{m.SenderMAC, m.TargetMAC} {
			if !mac.IsZero() {
				all = append(all, strings.ReplaceAll(mac.String(), ":", ""))
			}
		}
		return strings.Join(all, ",")
	})},
	{"icmpv6.opt.prefix.length", ofPrefixes(func(p *discovery.NDPrefix) string { return strconv.Itoa(p.Prefix.Bits()) })},
	{"icmpv6.opt.prefix", ofPrefixes(func(p *discovery.NDPrefix) string { return p.Prefix.Addr().String() })},
	{"icmpv6.opt.prefix.flag.l", ofPrefixes(func(p *discovery.NDPrefix) string { return bit(p.OnLink) })},
	{"icmpv6.opt.prefix.flag.a", ofPrefixes(func(p *discovery.NDPrefix) string { return bit(p.Autonomous) })},
	{"icmpv6.opt.prefix.valid_lifetime", ofPrefixes(func(p *discovery.NDPrefix) string { return strconv.Itoa(int(p.Valid)) })},
	{"icmpv6.opt.prefix.preferred_lifetime", ofPrefixes(func(p *discovery.NDPrefix) string { return strconv.Itoa(int(p.Preferred)) })},
}

func addr6(is bool, s string) string {
	if !is {
		return ""
	}
	return s
}

func bit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

func of6(f func(*discovery.DHCP6) []string) func(*discovery.Observation) string {
	return func(o *discovery.Observation) string {
		if o.DHCP6 == nil {
			return ""
		}
		return strings.Join(f(o.DHCP6), ",")
	}
}

func each6[T any](list []T, f func(*T) string) []string {
	var all []string
	for i := range list {
		if s := f(&list[i]); s != "" {
			all = append(all, s)
		}
	}
	return all
}

func ofRelays(f func(*discovery.Relay6) string) func(*discovery.Observation) string {
	return of6(func(m *discovery.DHCP6) []string { return each6(m.Relays, f) })
}

func ofAddresses(f func(*discovery.Address6) string) func(*discovery.Observation) string {
	return of6(func(m *discovery.DHCP6) []string { return each6(m.Addresses, f) })
}

func ofND(f func(*discovery.ND) string) func(*discovery.Observation) string {
	return func(o *discovery.Observation) string {
		if o.ND == nil {
			return ""
		}
		return f(o.ND)
	}
}

func ofNA(f func(*discovery.ND) bool) func(*discovery.Observation) string {
	return ofND(func(m *discovery.ND) string { return addr6(m.Type == discovery.NDNeighborAdvertisement, bit(f(m))) })
}

func ofRA(f func(*discovery.ND) []string) func(*discovery.Observation) string {
	return ofND(func(m *discovery.ND) string {
		return addr6(m.Type == discovery.NDRouterAdvertisement, strings.Join(f(m), ","))
	})
}

func ofPrefixes(f func(*discovery.NDPrefix) string) func(*discovery.Observation) string {
	return ofRA(func(m *discovery.ND) []string { return each6(m.Prefixes, f) })
}

// TestTsharkReadsIPv6 compares each field of each DHCPv6 and ND message with
// tshark's reading: in captures that others took of real networks, in those
// that were recorded of real programs, and in one of relays that is composed.
func TestTsharkReadsIPv6(t *testing.T) {
	tshark := need(t, "tshark", "tshark")
	var files []string
	recorded, _ := filepath.Glob(filepath.Join("..", "testdata", "replay", "*ipv6*", "*.pcap*"))
	files = append(files, recorded...)
	shared := filepath.Join("..", "..", "shared", "captures")
	for _, name := range []string{"dhcp_arp_ftp.pcap", "dhcp_arp_mixed.pcap", "mixed_arkime_synthetic.pcap"} {
		if _, err := os.Stat(filepath.Join(shared, name)); err == nil {
			files = append(files, filepath.Join(shared, name))
		}
	}
	if len(files) == 0 {
		t.Fatal("no captures")
	}
	for _, path := range files {
		t.Run(filepath.Base(filepath.Dir(path))+"/"+filepath.Base(path), func(t *testing.T) {
			want := tshark6(t, tshark, path)
			got := map[string][]string{}
			decodeCapture(t, path, func(o *discovery.Observation) {
				if o.Kind == discovery.KindDHCP6 || o.Kind == discovery.KindND {
					cells := make([]string, len(fields6))
					for i, f := range fields6 {
						cells[i] = f.ours(o)
					}
					got[strconv.Itoa(o.Frame)] = cells
				}
			})
			if len(want) == 0 {
				t.Fatal("tshark found nothing")
			}
			for frame, w := range want {
				g := got[frame]
				if g == nil {
					t.Errorf("frame %s: got nothing", frame)
					continue
				}
				for i, f := range fields6 {
					if g[i] != w[i] {
						t.Errorf("frame %s: %s: got %q, want %q", frame, f.name, g[i], w[i])
					}
				}
			}
			for frame := range got {
				if want[frame] == nil {
					t.Errorf("frame %s: got a message that tshark does not see", frame)
				}
			}
			t.Logf("%d messages", len(want))
		})
	}
}

// tshark6 returns tshark's cells for each frame, brought into our form.
func tshark6(t *testing.T, tshark, path string) map[string][]string {
	args := []string{"-n", "-r", path, "-Y", "(dhcpv6 || (icmpv6.type >= 133 && icmpv6.type <= 136)) && !ip", // not in tunnels
		"-T", "fields", "-E", "separator=/t", "-E", "aggregator=,", "-e", "frame.number"}
	for _, f := range fields6 {
		args = append(args, "-e", f.name)
	}
	out, err := exec.Command(tshark, args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		cells := strings.Split(strings.TrimRight(line, "\n"), "\t")
		row := cells[1:]
		for i, f := range fields6 {
			row[i] = inOurForm(f.name, row[i])
		}
		rows[cells[0]] = row
	}
	return rows
}

// inOurForm takes off the differences that are of notation only.
func inOurForm(name, cell string) string {
	parts := strings.Split(cell, ",")
	switch name {
	case "dhcpv6.duid.bytes":
		slices.Sort(parts)
	case "icmpv6.opt.linkaddr", "dhcpv6.interface_id", "dhcpv6.remoteid_enterprise_id":
		for i := range parts {
			parts[i] = strings.ReplaceAll(parts[i], ":", "")
		}
	case "ipv6.src", "dhcpv6.linkaddr":
		parts = slices.DeleteFunc(parts, func(s string) bool { return s == "::" })
	default:
		if strings.Contains(name, ".flag.") {
			for i, s := range parts {
				parts[i] = map[string]string{"True": "1", "False": "0"}[s] + strings.Trim(s, "TruealsF")
			}
		}
	}
	return strings.Join(parts, ",")
}
