package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"perch/discovery"
	"perch/discovery/capture"
)

const (
	liveFrames = 200_000 // of the trunk, sent over and over
	liveFor    = 5 * time.Second
	livePairs  = 3

	// afterwards is how long a reader is left alone when all was sent: tcpdump
	// reads a block that is not full after a second.
	afterwards = 2 * time.Second

	// liveLimit ends a reader that hangs.
	liveLimit = time.Minute
)

// liveRates are in frames a second.
var liveRates = []struct {
	rate  int
	limit string
}{
	{200_000, "bound 0"},
	{500_000, "stretch 0"},
}

// liveExpression lets through what capture.Filter does of the trunk. The kernel
// takes a VLAN tag out before the filter sees a frame, and libpcap knows; the last
// part is for frames that have it still.
const liveExpression = "arp or ether proto 0x88cc or ether[14:4] = 0xaaaa0300 or udp port 67 or udp port 68 or port 5060 or " +
	"(vlan and (arp or udp port 67 or udp port 68 or port 5060))"

// f8 measures what is lost of a trunk that is sent over a cable of the kernel's,
// by capture.Listen with a decoder behind it and by tcpdump, in turn. Each has a
// ring of 16 MiB.
func (b *bench) f8() error {
	if os.Geteuid() != 0 {
		return skipped("needs root, to make a network namespace")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return skipped("ip is not installed (Debian package iproute2)")
	}
	tcpdump, err := peer("tcpdump")
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	f, err := b.trunkFile(min(b.frames, liveFrames))
	if err != nil {
		return err
	}
	l, err := b.load(f)
	if err != nil {
		return err
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends here, and its namespace with it
		done <- b.live(l, []string{self, "-live-reader", near},
			[]string{tcpdump, "-i", near, "-w", "/dev/null", "-B", "16384", liveExpression})
	}()
	return <-done
}

// live runs both readers in a network namespace that it makes for this thread.
// A cable does not wait: the sender goes before what else runs on the machine, and
// so do both readers, which inherit that from this thread.
func (b *bench) live(l *load, perch, tcpdump []string) error {
	first := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 1}
	if err := unix.SchedSetAttr(0, &first, 0); err != nil {
		b.say("no real-time scheduling: %v", err)
	}
	s, err := newSender(l)
	if err != nil {
		return err
	}
	defer s.close()
	for _, r := range liveRates {
		var ours, theirs liveRun
		for i := range livePairs {
			for _, reader := range []struct {
				args []string
				sum  *liveRun
			}{{perch, &ours}, {tcpdump, &theirs}} {
				h, err := s.to(reader.args, r.rate)
				if err != nil {
					return err
				}
				b.say("run %d, %s: %d lost, %d dropped; %.0fk/s, %.2f s CPU", i+1, reader.args[0], h.want-h.captured, h.dropped, h.rate()/1e3, h.cpu.Seconds())
				reader.sum.add(h)
			}
		}
		if err := ours.check(); err != nil {
			return err
		}
		ours.print("F8: ", r.rate, r.limit)
		theirs.print("    beside it, tcpdump: ", r.rate, "")
		fmt.Printf("    CPU %.2f s / %.2f s; %d runs of each in turn, of %.0f s; %d and %d frames sent\n",
			ours.cpu.Seconds(), theirs.cpu.Seconds(), livePairs, liveFor.Seconds(), ours.sent, theirs.sent)
	}
	return nil
}

// liveRun is what a reader heard, in one run or in several.
type liveRun struct {
	sent, want, wantObservations    int // frames sent; of them for the reader; messages in these
	captured, dropped, observations int // as the reader says
	took, cpu                       time.Duration
}

func (h *liveRun) add(o liveRun) {
	h.sent += o.sent
	h.want += o.want
	h.wantObservations += o.wantObservations
	h.captured += o.captured
	h.dropped += o.dropped
	h.observations += o.observations
	h.took += o.took
	h.cpu += o.cpu
}

// rate is in frames a second.
func (h *liveRun) rate() float64 { return float64(h.sent) / h.took.Seconds() }

// check compares what Perch says with what was sent.
func (h *liveRun) check() error {
	if lost := h.want - h.captured; lost != h.dropped {
		return fmt.Errorf("%d frames are missing of %d, and %d were counted as dropped", lost, h.want, h.dropped)
	}
	if h.dropped == 0 && h.observations != h.wantObservations {
		return fmt.Errorf("observations: got %d, want %d", h.observations, h.wantObservations)
	}
	return nil
}

// print says what was lost, and at which rate if the sender was slower than it
// should have been.
func (h *liveRun) print(who string, rate int, limit string) {
	lost := h.want - h.captured
	at := fmt.Sprintf("%dk/s", rate/1000)
	slow := h.rate() < 0.99*float64(rate)
	if slow {
		at = fmt.Sprintf("%.0fk/s, as the sender did not reach %s", h.rate()/1e3, at)
	}
	switch {
	case limit == "":
	case lost > 0:
		limit = " (" + limit + ", missed)"
	case slow:
		limit = " (" + limit + ", not shown)"
	default:
		limit = " (" + limit + ")"
	}
	fmt.Printf("%s%d lost of %d at %s%s\n", who, lost, h.want, at, limit)
}

// to sends to a reader that is started for it. A reader says on standard error
// when it listens and, when it is interrupted, what it heard.
func (s *sender) to(args []string, rate int) (h liveRun, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), liveLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return h, err
	}
	if err := cmd.Start(); err != nil {
		return h, err
	}
	defer func() {
		cancel()
		cmd.Wait() // again, if all went well
	}()
	lines, said := bufio.NewScanner(stderr), []string{}
	for listens := false; !listens; listens = strings.Contains(lines.Text(), listening) {
		if !lines.Scan() {
			return h, fmt.Errorf("%s: it does not listen: %w\n%s", strings.Join(args, " "), cmd.Wait(), strings.Join(said, "\n"))
		}
		said = append(said, lines.Text())
	}
	if h.sent, h.took, err = s.send(rate); err != nil {
		return h, err
	}
	h.want, h.wantObservations = s.load.passed.of(h.sent), s.load.observed.of(h.sent)
	time.Sleep(afterwards)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		return h, err
	}
	for lines.Scan() {
		number, what, _ := strings.Cut(lines.Text(), " ")
		if into := map[string]*int{capturedLine: &h.captured, droppedLine: &h.dropped, observedLine: &h.observations}[what]; into != nil {
			if *into, err = strconv.Atoi(number); err != nil {
				return h, err
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		return h, fmt.Errorf("%s: %w", strings.Join(args, " "), err)
	}
	h.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return h, nil
}

// What tcpdump says, and our reader as well: when it begins, and after a number.
const (
	listening    = "listening on " + near
	capturedLine = "packets captured"
	droppedLine  = "packets dropped by kernel"
	observedLine = "observations"
)

// readLive is the reader in a process of its own: it hears and decodes until it
// is interrupted, and says the totals in tcpdump's words.
func readLive(name string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	l, err := capture.Listen(name, capture.LiveConfig{})
	if err != nil {
		return err
	}
	defer l.Close()
	observations := 0
	d := discovery.NewDecoder(discovery.DecoderConfig{})
	count := func(*discovery.Observation) { observations++ }
	fmt.Fprintln(os.Stderr, "listening on", name)
	// Next returns no frame when the state has changed too; twice in a row is
	// that nothing is left.
	for quiet := 0; quiet < 2; {
		f, err := l.Next(context.Background())
		switch {
		case err != nil:
			return err
		case f != nil:
			d.Decode(decodable(f), count)
			quiet = 0
		case ctx.Err() != nil:
			quiet++
		}
	}
	s := l.Stats()
	fmt.Fprintf(os.Stderr, "%d %s\n%d %s\n%d %s\n", s.Frames, capturedLine, s.Dropped, droppedLine, observations, observedLine)
	return nil
}
