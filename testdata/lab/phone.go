package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// phone is a desk phone: a host that boots when its cable is plugged in, and goes
// dark when it is pulled out, as a phone does that gets its power from the switch.
type phone struct {
	*host
	number    string // its line: sip:NUMBER@example.com
	mac       string
	client    string   // DHCP: udhcpc or dhclient
	agent     string   // SIP: sipp or baresip
	version   string   // of its firmware
	instance  string   // +sip.instance, a UUID
	lldp      bool     // whether it announces itself
	pcPort    bool     // whether a PC can be plugged in behind it
	lldpFlags []string // of its lldpd

	// What it is given by the site.
	registrar  string
	registrar6 string        // "": the phone has no IPv6
	interval   time.Duration // between LLDP frames
	refresh    time.Duration // between REGISTERs

	port  *port // where it is plugged in; nil: nowhere
	boots int
}

// iface is the interface that the phone speaks IP on.
func (p *phone) iface() string {
	if p.pcPort {
		return "br0"
	}
	return "eth0"
}

// plug puts the phone's cable into a port of a switch. It boots.
func (p *phone) plug(ctx context.Context, to *port) error {
	if to.used {
		return fmt.Errorf("%s is in use", to.name)
	}
	if p.port != nil {
		p.unplug()
	}
	if err := to.jack.host.ip("link set %s netns %s name eth0", to.jack.iface, p.namespace()); err != nil {
		return err
	}
	p.port, to.used = to, true
	if err := p.ip("link set eth0 address %s", p.mac); err != nil {
		return err
	}
	return p.boot(ctx)
}

// unplug pulls the cable out: the phone has no power any more.
func (p *phone) unplug() {
	if p.port == nil {
		return
	}
	p.darken()
	// These fail only if the lab is being removed.
	_ = p.ip("link set eth0 nomaster\nlink set eth0 netns %s name %s", p.port.jack.host.namespace(), p.port.jack.iface)
	p.port.used = false
	p.port = nil
}

// darken takes the phone's power away where it is.
func (p *phone) darken() {
	p.kill()
	_ = p.ip("link set eth0 down\naddress flush dev eth0")
	if p.pcPort {
		_ = p.ip("link delete br0")
	}
}

// boot switches the phone on.
func (p *phone) boot(ctx context.Context) error {
	p.boots++
	if p.pcPort {
		if err := p.ip("link add br0 address %s type bridge mcast_snooping 0\nlink set eth0 master br0\nlink set br0 up", p.mac); err != nil {
			return err
		}
		if p.hasLink("pc") {
			if err := p.ip("link set pc master br0"); err != nil {
				return err
			}
		}
	}
	if err := p.ip("link set eth0 up"); err != nil {
		return err
	}
	if p.lldp {
		if err := p.announce(); err != nil {
			return err
		}
	}
	if p.registrar6 != "" {
		return p.bootBoth(ctx)
	}
	if err := p.lease(); err != nil {
		return err
	}
	if err := await(ctx, "address for "+p.name, func() bool { return p.address(p.iface()) != "" }); err != nil {
		return err
	}
	return p.register(p.registrar, p.address(p.iface()))
}

// bootBoth gets addresses of both families by dhclient, and registers over IPv6.
func (p *phone) bootBoth(ctx context.Context) error {
	if err := await(ctx, "link-local address for "+p.name, func() bool { return p.address6("fe80:") != "" }); err != nil {
		return err
	}
	script, err := p.config("lease.sh", nil)
	if err != nil {
		return err
	}
	for flag, name := range map[string]string{"-4": "dhclient.conf", "-6": "dhclient6.conf"} {
		conf, err := p.config(name, map[string]string{"hostname": p.name})
		if err != nil {
			return err
		}
		_, err = p.spawn("dhclient", flag, "-D", "LL", "-d", "-cf", conf, "-lf", p.file("leases"+flag), "-pf", p.file("pid"+flag), "-sf", script, "eth0")
		if err != nil {
			return err
		}
	}
	leased := func() bool { return p.address("eth0") != "" && p.address6(p.registrar6) != "" } // the pool's begin so too
	if err := await(ctx, "addresses for "+p.name, leased); err != nil {
		return err
	}
	return p.register("["+p.registrar6+"]", p.address6(p.registrar6))
}

// address6 returns the IPv6 address that begins so, once it was tested (RFC 4862,
// section 5.4), or "".
func (p *phone) address6(prefix string) string {
	out, err := exec.Command("ip", "-n", p.namespace(), "-o", "-6", "address", "show", "dev", "eth0", "-tentative").Output()
	if err != nil {
		return ""
	}
	_, rest, ok := strings.Cut(string(out), " inet6 "+prefix)
	if !ok {
		return ""
	}
	tail, _, _ := strings.Cut(rest, "/")
	return prefix + tail
}

// announce starts the phone's LLDP.
func (p *phone) announce() error {
	conf, err := p.config("phone.conf", map[string]string{
		"hostname": p.name, "version": p.version, "serial": "PH0" + p.number, "interval": seconds(p.interval),
	})
	if err != nil {
		return err
	}
	return p.speakLLDP(conf, append([]string{"-M", "3", "-C", p.iface(), "-I", "eth0"}, p.lldpFlags...)...)
}

// hush ends the phone's LLDP at once, without its good-bye, as a setting does that
// comes into force with a restart of the phone's network.
func (p *phone) hush() { p.signal("lldpd", syscall.SIGKILL) }

// lease starts the phone's DHCP client.
func (p *phone) lease() error {
	script, err := p.config("lease.sh", nil)
	if err != nil {
		return err
	}
	if p.client == "udhcpc" {
		_, err = p.spawn("udhcpc", "-f", "-i", p.iface(), "-s", script, "-V", "example desk phone", "-x", "hostname:"+p.name, "-t", "10", "-T", "1", "-A", "1")
		return err
	}
	conf, err := p.config("dhclient.conf", map[string]string{"hostname": p.name})
	if err != nil {
		return err
	}
	_, err = p.spawn("dhclient", "-4", "-d", "-cf", conf, "-lf", p.file("leases"), "-pf", p.file("pid"), "-sf", script, p.iface())
	return err
}

// renew makes the phone renew its lease now.
func (p *phone) renew() error {
	if p.client != "udhcpc" {
		return fmt.Errorf("%s cannot be told to renew", p.client)
	}
	if p.signal("udhcpc", syscall.SIGUSR1) == 0 {
		return fmt.Errorf("%s has no DHCP client", p.name)
	}
	return nil
}

// register starts what registers the phone, and registers it again and again.
func (p *phone) register(registrar, address string) error {
	if p.agent == "baresip" {
		return p.baresip()
	}
	scenario, err := p.config("register.xml", nil)
	if err != nil {
		return err
	}
	call := fmt.Sprintf("5e1f%s%d", p.number, p.boots)
	loop := `n=1; while :; do
		sipp "$1:5060" -sf "$2" -i "$3" -p 5060 -s "$4" -au "$4" -ap not-a-secret -key agent "$6" -key instance "$7" \
			-cid_str "$5@%s" -base_cseq $n -m 1 -nostdin -skip_rlimit
		n=$((n + 2)); sleep "$8"
	done`
	_, err = p.spawn("sh", "-c", loop, "sh", registrar, scenario, address, p.number, call,
		"desk-phone/"+p.version, p.instance, seconds(p.refresh))
	return err
}

// baresip registers the phone by another program.
func (p *phone) baresip() error {
	modules, err := filepath.Glob("/usr/lib/*/baresip/modules")
	if err != nil || len(modules) == 0 {
		modules = []string{"/usr/lib/baresip/modules"}
	}
	dir := p.file("baresip")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	conf, err := p.config("baresip.conf", map[string]string{"modules": modules[0]})
	if err != nil {
		return err
	}
	account := fmt.Sprintf("<sip:%s@example.com;transport=udp>;auth_user=%s;auth_pass=not-a-secret;outbound=\"sip:%s\";regint=%s;sipnat=\"\"\n",
		p.number, p.number, p.registrar, seconds(p.refresh))
	text, err := os.ReadFile(conf)
	if err != nil {
		return err
	}
	for name, s := range map[string]string{"config": string(text), "accounts": account, "uuid": p.instance, "contacts": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(s), 0o644); err != nil {
			return err
		}
	}
	_, err = p.spawn("baresip", "-4", "-f", dir)
	return err
}

// upgrade gives the phone other firmware, for which it restarts.
func (p *phone) upgrade(ctx context.Context, version string) error {
	p.darken()
	p.version = version
	return p.boot(ctx)
}

// reboot restarts the phone where it is, with its power gone for a while.
func (p *phone) reboot(ctx context.Context, off time.Duration) error {
	p.darken()
	if err := pass(ctx, off); err != nil {
		return err
	}
	return p.boot(ctx)
}

func (p *phone) hasLink(name string) bool {
	return p.ip("link show dev %s", name) == nil
}

// file is a file of the phone's that survives its boots.
func (p *phone) file(name string) string { return filepath.Join(p.net.dir, "config", p.name+"."+name) }

func seconds(d time.Duration) string { return fmt.Sprint(int(d.Seconds())) }
