package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// desk is the network of one recording of testdata/replay/real-*: a phone, its
// access switch, and one host that is router in name, DHCP server and registrar.
//
//	srv 10.1.2.1 ── uplink ┐
//	                       sw (br0 10.1.2.2) ── swp7 ── jack7 ┐
//	                                          └ swp9 ── jack9 ┴ phone
type desk struct {
	*network
	srv   *host
	sw    *accessSwitch
	phone *phone
	dir   string // for the captures
}

// scene is a recording: what a desk is set up with, and what happens there.
type scene struct {
	name  string
	both  bool     // IPv6 besides IPv4
	flags []string // of the switch's lldpd
	play  func(context.Context, *desk) error
}

var scenes = []scene{
	{"real-first-appearance", false, nil, firstAppearance},
	{"real-move-two-links", false, nil, moveTwoLinks},
	// The switch speaks CDPv2, FDP and SONMP besides LLDP, and the phone answers in CDP.
	{"real-cdp", false, []string{"-ccccc", "-ff", "-ss", "-l"}, speakCDP},
	{"real-reboot", false, nil, rebootInPlace},
	{"real-ipv6", true, nil, bothFamilies},
}

// firstAppearance: a phone is plugged in, announces itself, gets a lease and
// registers; then it renews and refreshes, and nothing is new.
func firstAppearance(ctx context.Context, d *desk) error {
	return errors.Join(d.record(ctx, "swp7"), d.plug(ctx, "swp7"), d.registered(ctx, "swp7", 1), pass(ctx, 95*time.Second))
}

// moveTwoLinks: the phone is pulled out of one jack and plugged into another of the
// same switch, which its power comes from: it boots again.
func moveTwoLinks(ctx context.Context, d *desk) error {
	err := errors.Join(d.record(ctx, "swp7"), d.record(ctx, "swp9"),
		d.plug(ctx, "swp7"), d.registered(ctx, "swp7", 1), pass(ctx, 75*time.Second))
	d.phone.unplug()
	return errors.Join(err, pass(ctx, 5*time.Second), d.plug(ctx, "swp9"), d.registered(ctx, "swp9", 1), pass(ctx, 75*time.Second))
}

// speakCDP has stamps in nanoseconds.
func speakCDP(ctx context.Context, d *desk) error {
	d.phone.lldpFlags = []string{"-c"}
	return errors.Join(d.record(ctx, "swp7", "--time-stamp-precision=nano"), d.plug(ctx, "swp7"), d.registered(ctx, "swp7", 1), pass(ctx, 30*time.Second))
}

// rebootInPlace: the phone restarts where it is. Its LLDP says good-bye, the link is
// down for longer than any TTL, then it asks for the address that it had.
func rebootInPlace(ctx context.Context, d *desk) error {
	d.phone.client = "dhclient"
	err := errors.Join(d.record(ctx, "swp7"), d.plug(ctx, "swp7"), d.registered(ctx, "swp7", 1), pass(ctx, 75*time.Second))
	d.phone.signal("lldpd", syscall.SIGTERM)
	return errors.Join(err, pass(ctx, time.Second), d.phone.reboot(ctx, 25*time.Second), d.registered(ctx, "swp7", 3), pass(ctx, 45*time.Second))
}

// bothFamilies: of IPv6 the phone has a leased address, one made of its MAC and a
// temporary one, and registers over IPv6.
func bothFamilies(ctx context.Context, d *desk) error {
	return errors.Join(d.record(ctx, "swp7"), d.plug(ctx, "swp7"), d.registered(ctx, "swp7", 1), pass(ctx, 95*time.Second))
}

const (
	deskServer  = "10.1.2.1"
	deskServer6 = "2001:db8:2::1"
)

// buildDesk builds the network of a recording.
func buildDesk(ctx context.Context, n *network, both bool, flags []string) (*desk, error) {
	d := &desk{network: n, dir: n.dir}
	var err error
	if d.srv, err = n.host("srv"); err != nil {
		return d, err
	}
	if d.sw, err = newSwitch(n, "sw-3fl", "00:00:5e:00:53:10", "uplink", "10.1.2.2/24"); err != nil {
		return d, err
	}
	wall, err := n.host("wall")
	if err != nil {
		return d, err
	}
	h, err := n.host("desk-phone")
	if err != nil {
		return d, err
	}
	d.phone = &phone{
		host: h, number: "101", mac: "00:04:13:5e:00:01", client: "udhcpc", agent: "sipp", version: "1.0", lldp: true,
		instance:  "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", // the example of RFC 5626, 4.1
		registrar: deskServer, interval: 5 * time.Second, refresh: 40 * time.Second,
	}
	err = errors.Join(
		d.sw.connect(end{d.srv, "eth0", "00:00:5e:00:53:01"}),
		d.sw.addPort("swp7", "00:00:5e:00:53:17", "307", end{wall, "jack7", ""}),
		d.sw.addPort("swp9", "00:00:5e:00:53:19", "309", end{wall, "jack9", ""}),
		d.srv.ip("address add %s/24 dev eth0\nlink set eth0 up", deskServer))
	if err != nil {
		return d, err
	}
	var more, listen []string
	if both {
		if err := d.enableIPv6(); err != nil {
			return d, err
		}
		more, listen = []string{"--enable-ra", "--dhcp-range=2001:db8:2::1:100,2001:db8:2::1:150,slaac,64,2m"}, []string{"[" + deskServer6 + "]"}
	}
	return d, errors.Join(
		serveDHCP(ctx, d.srv, "10.1.2.100", "10.1.2.150", deskServer, more...),
		serveSIP(ctx, d.srv, append([]string{deskServer}, listen...)...),
		d.sw.announce(5*time.Second, "Access switch, third floor", "SW0001", nil, flags...))
}

// enableIPv6 gives the server and the phone IPv6, the server's with a fixed address.
// The switch stays without.
func (d *desk) enableIPv6() error {
	for _, h := range []*host{d.srv, d.phone.host} {
		_, err := h.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=0", "net.ipv6.conf.default.disable_ipv6=0", "net.ipv6.conf.default.use_tempaddr=2")
		if err != nil {
			return err
		}
	}
	_, err := d.srv.run("sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=0")
	d.phone.registrar6 = deskServer6
	return errors.Join(err, d.srv.ip("address add %s/64 dev eth0 nodad", deskServer6))
}

// record records a port of the switch until the desk is removed.
func (d *desk) record(ctx context.Context, port string, flags ...string) error {
	_, err := record(ctx, d.sw.host, port, filepath.Join(d.dir, port+".pcap"), flags...)
	return err
}

func (d *desk) plug(ctx context.Context, name string) error {
	for _, p := range d.sw.ports {
		if p.name == name {
			return d.phone.plug(ctx, p)
		}
	}
	return fmt.Errorf("no port %q", name)
}

// registered waits until a port's recording holds so many 200s of the registrar.
func (d *desk) registered(ctx context.Context, port string, count int) error {
	filter := "udp src port 5060 and udp[8:4] = 0x5349502f and udp[16:4] = 0x32303020" // "SIP/", "200 "
	if d.phone.registrar6 != "" {
		filter = "ip6 and udp src port 5060 and ip6[48:4] = 0x5349502f and ip6[56:4] = 0x32303020"
	}
	return await(ctx, "registration", func() bool {
		out, _ := exec.Command("tcpdump", "-n", "-r", filepath.Join(d.dir, port+".pcap"), filter).Output() // its end may be half written
		return strings.Count(string(out), "\n") >= count
	})
}

// recordScenes records the named scenes, or all, at once, each in a network of its
// own, and puts the captures into directories of their names.
func recordScenes(ctx context.Context, work, to string, names []string) error {
	chosen := scenes
	if len(names) > 0 {
		chosen = nil
	}
	for _, name := range names {
		i := slices.IndexFunc(scenes, func(s scene) bool { return s.name == name })
		if i < 0 {
			return fmt.Errorf("no case %s\nhint: testdata/lab/README.md tells which there are", name)
		}
		chosen = append(chosen, scenes[i])
	}
	var group sync.WaitGroup
	errs := make([]error, len(chosen))
	for i, s := range chosen {
		fmt.Println("recording", s.name)
		group.Go(func() {
			if err := s.record(ctx, filepath.Join(work, s.name), filepath.Join(to, s.name)); err != nil {
				errs[i] = fmt.Errorf("%s: %w", s.name, err)
			}
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	fmt.Println("the times are new: write want.txt of each case anew, as testdata/lab/README.md says")
	return nil
}

// record records one scene.
func (s *scene) record(ctx context.Context, work, to string) (err error) {
	n, err := newNetwork(fmt.Sprintf("perch-lab-%d-%s", os.Getpid(), s.name), work)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.remove()) }()
	d, err := buildDesk(ctx, n, s.both, s.flags)
	if err != nil {
		return err
	}
	if err := s.play(ctx, d); err != nil {
		return err
	}
	d.sw.kill() // and with it what records
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(work, "*.pcap"))
	for _, f := range files {
		err = errors.Join(err, join(filepath.Join(to, filepath.Base(f)), []string{f}))
	}
	return err
}
