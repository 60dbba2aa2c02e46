package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"perch/discovery"
	"perch/discovery/capture"
)

// The ends of the cable: what is sent by far is heard on near.
const far, near = "far", "near"

// load is frames that are sent over and over.
type load struct {
	messages         []unix.Mmsghdr // as sendmmsg(2) takes them
	passed, observed running        // frames that the filter passes, and messages in them
}

// running are sums over the first frames of a load: none, one, two ...
type running []int

// of is the sum over n frames, the load over and over.
func (r running) of(n int) int {
	all := len(r) - 1
	return n/all*r[all] + r[n%all]
}

func (r *running) add(n int) { *r = append(*r, (*r)[len(*r)-1]+n) }

// load reads the trunk into memory. What the filter passes is told by the BPF
// machine of golang.org/x/net, which is not the kernel's.
func (b *bench) load(t trunkFile) (*load, error) {
	filter, err := bpf.NewVM(capture.Filter(nil))
	if err != nil {
		return nil, err
	}
	f, err := capture.OpenFile(filepath.Join(b.dir, t.name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	l := &load{passed: running{0}, observed: running{0}}
	d := discovery.NewDecoder(discovery.DecoderConfig{})
	for {
		frame, err := f.Next()
		if err == io.EOF {
			return l, nil
		}
		if err != nil {
			return nil, err
		}
		n, err := filter.Run(frame.Data)
		if err != nil {
			return nil, err
		}
		passed, observed := 0, 0
		if n > 0 {
			passed = 1
			d.Decode(decodable(frame), func(*discovery.Observation) { observed++ })
		}
		l.passed.add(passed)
		l.observed.add(observed)
		l.add(frame.Data)
	}
}

// decodable is a frame as discovery takes it.
func decodable(f *capture.Frame) *discovery.Frame {
	return &discovery.Frame{Time: f.Time, Number: f.Number, Interface: f.Interface, LinkType: uint16(f.LinkType), Data: f.Data}
}

func (l *load) add(frame []byte) {
	data := append([]byte(nil), frame...)
	v := &unix.Iovec{Base: &data[0]}
	v.SetLen(len(data))
	m := unix.Mmsghdr{Hdr: unix.Msghdr{Iov: v}}
	m.Hdr.SetIovlen(1)
	l.messages = append(l.messages, m)
}

// sender sends a load by the interface far.
type sender struct {
	load *load
	fd   int
}

// newSender puts this thread into a network namespace of its own, with a cable.
func newSender(l *load) (*sender, error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, skipped("no network namespace can be made: " + err.Error())
	}
	// The kernel's own talk (router solicitations) is what is listened for.
	for _, which := range []string{"all", "default"} {
		err := os.WriteFile("/proc/sys/net/ipv6/conf/"+which+"/disable_ipv6", []byte("1"), 0)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	for _, args := range []string{"link add " + far + " type veth peer name " + near, "link set " + far + " up", "link set " + near + " up"} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("ip %s: %w: %s", args, err, out)
		}
	}
	i, err := net.InterfaceByName(far)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	s := &sender{l, fd}
	if err := errors.Join(unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1),
		unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: i.Index})); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *sender) close() { unix.Close(s.fd) }

const (
	burst = 64                     // frames in a system call
	pause = 100 * time.Microsecond // while the sender is early, or the kernel's queue full
)

// send sends at a rate in frames a second for liveFor, and returns how many frames
// that were. If it was held up it makes up for the time as fast as it can.
func (s *sender) send(rate int) (sent int, took time.Duration, err error) {
	before, err := arrived()
	if err != nil {
		return 0, 0, err
	}
	for start := time.Now(); took < liveFor; took = time.Since(start) {
		due := int(took.Seconds()*float64(rate)) - sent
		if due == 0 {
			time.Sleep(pause)
			continue
		}
		at := sent % len(s.load.messages)
		n, err := s.some(s.load.messages[at:min(at+min(due, burst), len(s.load.messages))])
		if err != nil {
			return 0, 0, err
		}
		sent += n
	}
	after, err := arrived()
	if err == nil && after-before != sent {
		err = fmt.Errorf("%d frames arrived of %d that were sent: the cable lost them", after-before, sent)
	}
	return sent, took, err
}

// some sends the first of the messages, and returns how many.
func (s *sender) some(m []unix.Mmsghdr) (int, error) {
	n, _, err := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&m[0])), uintptr(len(m)), 0, 0, 0)
	switch err {
	case 0:
		return int(n), nil
	case unix.ENOBUFS, unix.EAGAIN, unix.EINTR:
		time.Sleep(pause)
		return 0, nil
	}
	return 0, fmt.Errorf("send: %w", err)
}

// arrived is how many frames have come to the interface near.
func arrived() (int, error) {
	text, err := os.ReadFile("/proc/thread-self/net/dev")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if name, counters, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && name == near {
			var octets, frames int
			_, err := fmt.Sscan(counters, &octets, &frames)
			return frames, err
		}
	}
	return 0, errors.New("no interface " + near)
}
