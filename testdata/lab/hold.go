package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// bench is a lab that is left standing, for an admin to plug phones about.
type bench struct {
	site  *site
	watch *watch
	end   context.CancelFunc
}

// controlSocket is where commands reach the lab that stands.
func controlSocket() string { return filepath.Join(os.TempDir(), "perch-lab.sock") }

// hold leaves the lab standing until it is interrupted or told to end.
func hold(ctx context.Context, s *site, o options) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	control, err := listenControl()
	if err != nil {
		return err
	}
	defer control.Close()
	pages, err := net.Listen("tcp", "127.0.0.1:8080")
	if err != nil {
		if pages, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return err
		}
	}
	defer pages.Close()
	go s.perch.forward(pages, "127.0.0.1:8080")

	w, err := newWatch(s, o.perch, "http://"+pages.Addr().String(), false)
	if err != nil {
		return err
	}
	defer w.inbox.close()
	if err := w.start(ctx); err != nil {
		return err
	}
	b := &bench{site: s, watch: w, end: end}
	for i, port := range homes {
		if _, err := b.do(ctx, []string{"plug", s.phones[i].name, port}); err != nil {
			return err
		}
	}
	fmt.Printf("%s\n\nThe portal is at http://%s. Ctrl-C ends and removes it all.\n", usage, pages.Addr())
	context.AfterFunc(ctx, func() { _ = control.Close() })
	b.serve(ctx, control)
	return w.stop(syscall.SIGTERM)
}

// homes are where the phones are at first.
var homes = []string{"sw3p1", "sw3p4", "sw4p1", "sw3p5", "sw3p2", "sw3p6"}

const usage = `
The lab stands. From another terminal, as root:

    alias lab='go run ./testdata/lab'
    lab show                         which phone is where
    lab plug phone1 sw3p3            carry a phone to a port (sw3p1 to sw3p6, sw4p1 to sw4p6); lab unplug phone1
    lab reboot phone1                also: renew PHONE, firmware PHONE VERSION, lldp PHONE on|off
    lab pc phone3 in                 a PC with a softphone, behind phone3; lab pc phone3 out
    lab scan sw3p3                   a scanner at a port
    lab cable floor3 down            also floor4, mirror; and up again
    lab serve stop                   Perch itself; lab serve start
    lab perch explain 10.1.3.143     any command of Perch: doctor, prompts list, prompts answer 1 -confirm
    lab inbox                        everybody's mail; lab inbox 1 shows one with its link
    lab end`

var errNoCommand = errors.New("no such command\nhint:" + usage)

// listenControl makes the socket on which commands are taken, for root only.
func listenControl() (net.Listener, error) {
	if c, err := net.Dial("unix", controlSocket()); err == nil {
		_ = c.Close()
		return nil, fmt.Errorf("a lab stands already: %s\nhint: lab end", controlSocket())
	}
	_ = os.Remove(controlSocket()) // of a lab that was killed
	l, err := net.Listen("unix", controlSocket())
	if err != nil {
		return nil, err
	}
	return l, os.Chmod(controlSocket(), 0o600)
}

// reply is what a command gave.
type reply struct{ Out, Err string }

// serve takes commands, one at a time, until the socket is closed.
func (b *bench) serve(ctx context.Context, l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		var args []string
		if err := json.NewDecoder(c).Decode(&args); err == nil {
			var r reply
			var err error
			if r.Out, err = b.do(ctx, args); err != nil {
				r.Err = err.Error()
			}
			_ = json.NewEncoder(c).Encode(r) // to somebody who may have gone
		}
		_ = c.Close()
	}
}

// send hands a command to the lab that stands.
func send(args []string) error {
	c, err := net.Dial("unix", controlSocket())
	if err != nil {
		return fmt.Errorf("no lab stands: %w\nhint: make lab HOLD=1 in another terminal", err)
	}
	defer c.Close()
	if err := json.NewEncoder(c).Encode(args); err != nil {
		return err
	}
	var r reply
	if err := json.NewDecoder(c).Decode(&r); err != nil {
		return err
	}
	fmt.Print(r.Out)
	if r.Err != "" {
		return errors.New(r.Err)
	}
	return nil
}

// do carries out a command and returns what there is to see.
func (b *bench) do(ctx context.Context, args []string) (string, error) {
	is := func(words ...string) bool {
		if len(args) != len(words) {
			return false
		}
		for i, w := range words {
			if w != "" && w != args[i] {
				return false
			}
		}
		return true
	}
	switch {
	case is("show"):
		return b.show(), nil
	case is("end"):
		b.end()
		return "", nil
	case is("inbox"), is("inbox", ""):
		return b.mails(args[1:])
	case is("scan", ""):
		p, err := b.site.port(args[1])
		if err != nil {
			return "", err
		}
		return "", b.site.scan(p)
	case is("cable", "", "up"), is("cable", "", "down"):
		return "", b.cable(args[1], args[2] == "up")
	case is("serve", "stop"):
		return "", b.watch.stop(syscall.SIGTERM)
	case is("serve", "start"):
		return "", b.watch.start(ctx)
	case len(args) > 1 && args[0] == "perch":
		return b.watch.run(append(slices.Clone(args[1:]), "-config", b.watch.config)...)
	case len(args) > 1 && slices.Contains([]string{"plug", "unplug", "reboot", "renew", "firmware", "lldp", "pc"}, args[0]):
		p, err := b.site.phone(args[1])
		if err != nil {
			return "", err
		}
		return b.handle(ctx, p, append([]string{args[0]}, args[2:]...), is)
	}
	return "", errNoCommand
}

// handle does something with a phone.
func (b *bench) handle(ctx context.Context, p *phone, what []string, is func(...string) bool) (string, error) {
	switch {
	case is("plug", "", ""):
		to, err := b.site.port(what[1])
		if err != nil {
			return "", err
		}
		if err := p.plug(ctx, to); err != nil {
			return "", err
		}
		return fmt.Sprintf("%s is at %s with %s\n", p.name, to.name, p.address(p.iface())), nil
	case is("unplug", ""):
		p.unplug()
		return "", nil
	case p.port == nil:
		return "", fmt.Errorf("%s has no power\nhint: lab plug %s PORT", p.name, p.name)
	case is("reboot", ""):
		return "", p.reboot(ctx, 3*time.Second)
	case is("renew", ""):
		return "", p.renew()
	case is("firmware", "", ""):
		return "", p.upgrade(ctx, what[1])
	case is("lldp", "", "on"):
		p.lldp = true
		return "", p.announce()
	case is("lldp", "", "off"):
		p.lldp = false
		p.hush()
		return "", nil
	case is("pc", "", "in"):
		return "", b.site.plugPC(ctx, p)
	case is("pc", "", "out"):
		return "", b.site.unplugPC(p)
	}
	return "", errNoCommand
}

// show tells which phone is where.
func (b *bench) show() string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PHONE\tMAC\tLINE\tPORT\tADDRESS\tLLDP\tSIP\tFIRMWARE")
	for _, p := range b.site.phones {
		port, lldp := "-", "no"
		if p.port != nil {
			port = p.port.name
			if i := slices.Index(taps, port); i >= 0 {
				port += fmt.Sprintf(" (tap%d)", i+1)
			}
		}
		if p.lldp {
			lldp = "yes"
		}
		fmt.Fprintf(w, "%s\t%s\tsip:%s@example.com\t%s\t%s\t%s\t%s\t%s\n", p.name, p.mac, p.number, port, p.address(p.iface()), lldp, p.agent, p.version)
	}
	_ = w.Flush()
	return out.String()
}

// mails lists the mails, or shows one.
func (b *bench) mails(number []string) (string, error) {
	all := b.watch.inbox.all()
	var out strings.Builder
	for i, m := range all {
		n := fmt.Sprint(i + 1)
		switch {
		case len(number) == 0:
			fmt.Fprintf(&out, "%s  %s  %s\n", n, m.To, m.Subject)
		case number[0] == n:
			return fmt.Sprintf("To: %s\nSubject: %s\n\n%s", m.To, m.Subject, m.Text), nil
		}
	}
	if len(number) > 0 {
		return "", fmt.Errorf("no mail %s: there are %d", number[0], len(all))
	}
	return out.String(), nil
}

// cable puts a cable in or pulls it.
func (b *bench) cable(name string, up bool) error {
	switch name {
	case "floor3", "floor4":
		return end{host: b.site.router, iface: name}.carrier(up)
	case "mirror":
		var errs []error
		for _, m := range b.site.mirrors {
			errs = append(errs, m.carrier(up))
		}
		return errors.Join(errs...)
	}
	return fmt.Errorf("no cable %q: there are floor3, floor4 and mirror", name)
}

// forward takes connections of this machine to an address on the host.
func (h *host) forward(from net.Listener, to string) {
	for {
		c, err := from.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			var inner net.Conn
			err := h.inside(func() error {
				var err error
				inner, err = net.Dial("tcp", to)
				return err
			})
			if err != nil {
				return
			}
			defer inner.Close()
			go func() { _, _ = io.Copy(inner, c); _ = inner.Close() }()
			_, _ = io.Copy(c, inner) // until one of them has enough
		}()
	}
}
