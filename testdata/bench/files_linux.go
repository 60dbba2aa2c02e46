package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// filesFor is how long is listened for what comes back: longer than a transfer lasts of which
// nothing is answered.
const filesFor = 35 * time.Second

// f15Files measures the same of TFTP and SIP PnP, in a network namespace with a LAN of its own:
// phones ask a group for PnP.
func (b *bench) f15Files() error {
	if os.Geteuid() != 0 {
		return skipped("TFTP and PnP need root, to make a network namespace")
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends here, and its namespace with it
		done <- b.files()
	}()
	return <-done
}

// files runs in a namespace that it makes for this thread. Of the LAN's addresses 10.0.0.1 to
// .9 are in sip.allow, and so is 127.5.0.0/16.
func (b *bench) files() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return skipped("no network namespace can be made: " + err.Error())
	}
	lan := []string{"link set lo up", "link add " + far + " type veth peer name " + near, "link set " + far + " up", "link set " + near + " up"}
	for _, host := range []int{1, 2, 3, 200} {
		lan = append(lan, fmt.Sprintf("addr add 10.0.0.%d/24 dev %s", host, near))
	}
	for _, args := range lan {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", args, err, out)
		}
	}
	s, port, err := b.startTFTP()
	if err != nil {
		return err
	}
	defer s.end()
	tftp := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}
	group := &net.UDPAddr{IP: net.IPv4(224, 0, 1, 75), Port: 5060}
	const rrq = "\x00\x01y000000000028.cfg\x00octet\x00"
	asks := []*asked{
		{what: "TFTP, outside of sip.allow", from: "127.3.0.1", to: tftp, text: rrq},
		{what: "TFTP, a file", from: "127.5.0.1", to: tftp, text: rrq, bound: 1, first: "\x00\x03"},
		{what: "TFTP, the same ten times at once", from: "127.5.0.2", to: tftp, text: rrq, times: 10, bound: 1, first: "\x00\x03"},
		{what: "TFTP, with options", from: "127.5.0.3", to: tftp, text: rrq + "tsize\x000\x00blksize\x001428\x00", bound: 1, first: "\x00\x06"},
		{what: "TFTP, a file that is none", from: "127.5.0.4", to: tftp, text: "\x00\x01none\x00octet\x00", bound: 1, first: "\x00\x05"},
		{what: "TFTP, no request", from: "127.5.0.5", to: tftp, text: "\x00\x04\x00\x01"},
		{what: "PnP, outside of sip.allow", from: "10.0.0.200", to: group, text: subscribePnP},
		{what: "PnP, a listed phone", from: "10.0.0.1", to: group, text: subscribePnP, bound: 2, first: "SIP/2.0 200 "},
		{what: "PnP, the same ten times at once", from: "10.0.0.2", to: group, text: subscribePnP, times: 10, bound: 2, first: "SIP/2.0 200 "},
		{what: "PnP, a phone that is not listed", from: "10.0.0.3", to: group, text: strings.ReplaceAll(subscribePnP, "aabbcc", "aabbcd")},
	}
	if err := awaitTFTP(tftp, rrq); err != nil {
		return err
	}
	for _, a := range asks {
		if err := a.ask(); err != nil {
			return err
		}
		defer a.c.Close()
	}
	time.Sleep(filesFor)
	for _, a := range asks {
		if a.hear(); !strings.HasPrefix(a.got, a.first) {
			return fmt.Errorf("%s: got %q", a.what, a.got)
		}
		fmt.Printf("F15: %s: %d datagrams %s\n    %d octets in, %d out, %.2f for one\n", a.what, a.answers, bound(float64(a.answers), float64(a.bound), fmt.Sprint(a.bound)),
			a.in, a.out, float64(a.out)/float64(a.in))
	}
	fmt.Printf("    in %.0f s, of whoever answers nothing\n", filesFor.Seconds())
	return nil
}

// subscribePnP is what a Yealink sends to the group.
const subscribePnP = "SUBSCRIBE sip:MAC%3a001565aabbcc@224.0.1.75 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1:5059;branch=z9hG4bK1\r\nFrom: <sip:MAC%3a001565aabbcc@224.0.1.75>;tag=7\r\nTo: <sip:MAC%3a001565aabbcc@224.0.1.75>\r\n" +
	"Call-ID: 3c26\r\nCSeq: 1 SUBSCRIBE\r\nContact: <sip:MAC%3a001565aabbcc@10.0.0.1:5059>\r\nMax-Forwards: 70\r\nExpires: 0\r\nEvent: ua-profile;profile-type=\"device\";vendor=\"yealink\";model=\"T53W\";version=\"96.87.0.16\"\r\n" +
	"Accept: application/url\r\nContent-Length: 0\r\n\r\n"

// startTFTP starts a serve that has a phone's files.
func (b *bench) startTFTP() (s *served, tftp int, err error) {
	s = &served{}
	if s.dir, err = os.MkdirTemp(b.dir, "files"); err != nil {
		return nil, 0, err
	}
	for _, p := range []*int{&s.portal, &tftp} {
		if *p, err = freePort(); err != nil {
			return nil, 0, err
		}
	}
	// The SIP path, a process of its own, has the group's port at all addresses.
	if s.cmd, err = b.serve(s.dir, s.portal, `listen: ["udp:0.0.0.0:5060"], upstream: ["udp:127.0.0.1:9"], allow: [127.5.0.0/16, 10.0.0.0/28]`); err != nil {
		return nil, 0, err
	}
	conf, list := filepath.Join(s.dir, "perch.yaml"), filepath.Join(s.dir, "phones.csv")
	text, err := os.ReadFile(conf)
	if err != nil {
		return nil, 0, err
	}
	text = fmt.Appendf(text, "provision: {listen: [\"tftp:127.0.0.1:%d\", \"pnp:%s\"], url: \"https://perch.example.com:8443/\", proxy: \"udp:10.0.0.1:5060\"}\n", tftp, near)
	if err := errors.Join(os.WriteFile(conf, text, 0o644), os.WriteFile(list, []byte("mac,vendor,model\n00:15:65:aa:bb:cc,yealink,SIP-T46S\n"), 0o644)); err != nil {
		return nil, 0, err
	}
	if out, err := exec.Command(b.perch, "import", "-config", conf, list).CombinedOutput(); err != nil {
		return nil, 0, fmt.Errorf("%w\n%s", err, out)
	}
	s.cmd.Stdout, s.cmd.Stderr, s.cmd.WaitDelay = &s.out, &s.out, 5*time.Second
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return s, tftp, s.cmd.Start()
}

// awaitTFTP waits until there is a server.
func awaitTFTP(to *net.UDPAddr, rrq string) error {
	for range 200 {
		a := asked{from: "127.5.9.9", to: to, text: rrq}
		if err := a.ask(); err != nil {
			return err
		}
		a.hear()
		if a.c.Close(); a.answers > 0 {
			return nil
		}
	}
	return errors.New("no TFTP server is there")
}

// asked is what somebody sends, who answers nothing, and what comes back.
type asked struct {
	what, from string
	to         *net.UDPAddr
	text       string
	times      int    // 0: once
	bound      int    // datagrams
	first      string // how the first begins

	c                *net.UDPConn
	in, out, answers int
	got              string // first
}

func (a *asked) ask() (err error) {
	if a.c, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(a.from)}); err != nil {
		return err
	}
	for range max(a.times, 1) {
		n, err := a.c.WriteToUDP([]byte(a.text), a.to)
		if err != nil {
			return err
		}
		a.in += n
	}
	return nil
}

// hear counts what has come.
func (a *asked) hear() {
	buf := make([]byte, 1<<16)
	for {
		_ = a.c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		n, err := a.c.Read(buf)
		if err != nil {
			return
		}
		if a.answers == 0 {
			a.got = string(buf[:n])
		}
		a.out, a.answers = a.out+n, a.answers+1
	}
}
