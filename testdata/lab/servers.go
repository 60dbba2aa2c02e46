package main

import (
	"context"
	"path/filepath"
)

// serveDHCP starts dnsmasq on a host, for a range of addresses.
func serveDHCP(ctx context.Context, h *host, first, last, router string, flags ...string) error {
	conf, err := h.config("dnsmasq.conf", map[string]string{"first": first, "last": last, "router": router})
	if err != nil {
		return err
	}
	args := []string{"--keep-in-foreground", "--conf-file=" + conf, "--dhcp-leasefile=/run/leases", "--log-facility=-"}
	if _, err := h.spawn("dnsmasq", append(args, flags...)...); err != nil {
		return err
	}
	return await(ctx, "DHCP server on "+h.name, func() bool { return h.listens(67) })
}

// serveKea starts Kea on a host, for a subnet behind a relay.
func serveKea(ctx context.Context, h *host, subnet, first, last, router string) error {
	conf, err := h.config("kea.json", map[string]string{"subnet": subnet, "first": first, "last": last, "router": router})
	if err != nil {
		return err
	}
	if _, err := h.spawn("kea-dhcp4", "-c", conf); err != nil {
		return err
	}
	return await(ctx, "DHCP server on "+h.name, func() bool { return h.listens(67) })
}

// serveSIP starts Kamailio on a host as the registrar, at addresses of its own.
func serveSIP(ctx context.Context, h *host, listen ...string) error {
	conf, err := h.config("kamailio.cfg", nil)
	if err != nil {
		return err
	}
	args := []string{"-DD", "-E", "-f", conf, "-w", "/run", "-Y", "/run", "-P", "/run/kamailio.pid", "-m", "32", "-M", "4"}
	for _, l := range listen {
		args = append(args, "-l", "udp:"+l+":5060")
	}
	if _, err := h.spawn("kamailio", args...); err != nil {
		return err
	}
	return await(ctx, "registrar", func() bool { return h.listens(5060) })
}

// relayDHCP starts a relay agent that names the interface a request came in by as
// its circuit (RFC 3046 section 3.1).
func relayDHCP(ctx context.Context, h *host, up string, down []string, server string) error {
	args := []string{"-4", "-d", "-a", "-iu", up}
	for _, d := range down {
		args = append(args, "-id", d)
	}
	if _, err := h.spawn("dhcrelay", append(args, "-pf", "/run/relay.pid", server)...); err != nil {
		return err
	}
	return await(ctx, "DHCP relay on "+h.name, func() bool { return h.listens(67) })
}

// speakLLDP starts lldpd with a configuration. It reads that as a user of its own,
// who need not have access to the lab's directory: it gets a copy in its /run.
func (h *host) speakLLDP(conf string, args ...string) error {
	_, err := h.spawn("sh", append([]string{"-c", `cp "$1" /run/lldpd.conf && shift && exec lldpd "$@"`, "lldpd", conf, "-d", "-O", "/run/lldpd.conf"}, args...)...)
	return err
}

// recording is a tcpdump that records an interface.
type recording struct {
	file string
	run  *program
}

// record records an interface of a host until it is stopped or killed.
func record(ctx context.Context, h *host, iface, file string, flags ...string) (*recording, error) {
	r := &recording{file: file}
	var err error
	r.run, err = h.spawn("tcpdump", append([]string{"-i", iface, "-w", file, "-U", "--immediate-mode", "-n", "-Z", "root"}, flags...)...)
	if err != nil {
		return nil, err
	}
	return r, await(ctx, "capture of "+iface, func() bool { found, _ := filepath.Glob(file); return len(found) > 0 && size(file) >= pcapHeader })
}

// pcapHeader is how long a recording is that has begun.
const pcapHeader = 24
