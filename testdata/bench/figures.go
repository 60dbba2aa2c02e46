package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"time"
)

// f5 measures the CPU of replay beside tcpdump copying the same capture: the
// median of the ratios of pairs that are run in turn.
func (b *bench) f5() error {
	tcpdump, err := peer("tcpdump")
	if err != nil {
		return err
	}
	f, err := b.trunkFile(b.frames)
	if err != nil {
		return err
	}
	copyTrunk := child{args: []string{tcpdump, "-r", f.name, "-w", "/dev/null"}, dir: b.dir}
	if _, err := copyTrunk.run(); err != nil { // also brings the capture into the page cache
		return err
	}
	var ours, theirs []time.Duration
	var ratios []float64
	var first story
	for range b.pairs {
		u, s, err := b.replay(f.name, nil, f.want)
		if err != nil {
			return err
		}
		if len(ours) == 0 {
			first = s
		}
		if s != first {
			return fmt.Errorf("two replays of one capture differ: %+v and %+v", first, s)
		}
		t, err := copyTrunk.run()
		if err != nil {
			return err
		}
		ours, theirs = append(ours, u.cpu), append(theirs, t.cpu)
		ratios = append(ratios, float64(u.cpu)/float64(t.cpu))
		b.say("pair %d: %.2f s / %.2f s = %.2f", len(ours), u.cpu.Seconds(), t.cpu.Seconds(), ratios[len(ratios)-1])
	}
	ratio := median(ratios)
	fmt.Printf("F5: %.2f s / %.2f s = %.2f %s\n", median(ours).Seconds(), median(theirs).Seconds(), ratio, bound(ratio, 1.5, "1.5"))
	fmt.Printf("    CPU of perch replay to tcpdump -w, medians of %d pairs; %d frames, %.0f MB\n", b.pairs, first.frames, float64(f.size)/1e6)
	fmt.Printf("    %d observations, %d events, %d phones appeared; every run the same octets\n", first.observations, first.events, first.appeared)
	return nil
}

// f6 measures the CPU of replay beside tshark printing the fields that replay
// goes by. tshark takes a hundred times as long as tcpdump, so there is one pair.
func (b *bench) f6() error {
	tshark, err := peer("tshark")
	if err != nil {
		return err
	}
	f, err := b.trunkFile(b.tsharkFrames)
	if err != nil {
		return err
	}
	u, _, err := b.replay(f.name, nil, f.want)
	if err != nil {
		return err
	}
	out, err := newOutput(b.dir)
	if err != nil {
		return err
	}
	defer out.remove()
	b.say("tshark reads %d frames, which takes a while", b.tsharkFrames)
	c := child{args: append([]string{tshark, "-n", "-r", f.name}, tsharkFields...), dir: b.dir, stdout: out}
	t, err := c.run()
	if err != nil {
		return err
	}
	lines := 0
	if _, err := out.read(func(r io.Reader) error {
		s := bufio.NewScanner(r)
		for s.Scan() {
			lines++
		}
		return s.Err()
	}); err != nil {
		return err
	}
	if want := f.tally.observations() - f.tally.responses; lines != want {
		return fmt.Errorf("tshark printed %d messages, the capture has %d", lines, want)
	}
	ratio := float64(u.cpu) / float64(t.cpu)
	fmt.Printf("F6: %.2f s / %.1f s = 1/%.0f %s\n", u.cpu.Seconds(), t.cpu.Seconds(), 1/ratio, bound(ratio, 1./100, "1/100"))
	fmt.Printf("    CPU of perch replay to tshark, one pair; %d frames; tshark found the same %d messages\n", f.tally.frames, lines)
	return nil
}

// tsharkFields filter and print what replay goes by, as an engineer would.
var tsharkFields = []string{
	"-Y", `sip.Method=="REGISTER" || dhcp || lldp || cdp || arp`, "-T", "fields",
	"-e", "frame.number", "-e", "eth.src", "-e", "vlan.id", "-e", "ip.src", "-e", "sip.from.user", "-e", "sip.contact.uri",
	"-e", "dhcp.option.hostname", "-e", "dhcp.option.agent_information_option.agent_circuit_id",
	"-e", "lldp.chassis.id.mac", "-e", "cdp.deviceid", "-e", "arp.src.proto_ipv4",
}

// f7 measures the peak memory of replay over a capture, over one ten times as
// long of the same phones, and over next to nothing: the directory alone. The
// long one is piped in as it is made and never stands on a disk.
func (b *bench) f7() error {
	f, err := b.trunkFile(b.frames)
	if err != nil {
		return err
	}
	run := func(frames int) (usage, error) {
		var t tally
		u, s, err := b.replay("-", func(w io.Writer) (err error) {
			t, err = writeTrunk(bufio.NewWriterSize(w, 1<<18), b.campus, frames)
			return err
		}, func() tally { return t })
		b.say("%d frames: %s, %.1f s CPU, %d events", frames, mib(u.peak), u.cpu.Seconds(), s.events)
		return u, errors.Join(err, checkPeak(u))
	}
	bare, err := b.bare()
	if err != nil {
		return err
	}
	short, err := run(b.frames)
	if err != nil {
		return err
	}
	long, err := run(10 * b.frames)
	if err != nil {
		return err
	}
	above, ratio := max(short.peak, long.peak)-bare.peak, float64(long.peak)/float64(short.peak)
	fmt.Printf("F7: %s / %s = %.2f %s\n", mib(long.peak), mib(short.peak), ratio, bound(ratio, 1.1, "1.10"))
	fmt.Printf("F7: %s above the directory's %s %s\n", mib(above), mib(bare.peak), bound(float64(above), 64<<20, "64 MiB"))
	fmt.Printf("    peak memory of perch replay over %.1f GB, over %.1f GB, and over one frame; the same %d phones\n",
		10*float64(f.size)/1e9, float64(f.size)/1e9, b.campus.phones)
	return nil
}

// peer returns the path of a program to compare with.
func peer(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", skipped(name + " is not installed (Debian package " + name + ")")
	}
	return path, nil
}

// skipped is why a figure was not measured.
type skipped string

func (s skipped) Error() string { return string(s) }

// bound says what a figure should be at most, and whether it is.
func bound(got, limit float64, text string) string {
	if got > limit {
		return "(bound " + text + ", missed)"
	}
	return "(bound " + text + ")"
}

// least says what a figure should be at least, and whether it is.
func least(got, limit float64, text string) string {
	if got < limit {
		return "(bound " + text + ", missed)"
	}
	return "(bound " + text + ")"
}

func mib(octets int64) string { return fmt.Sprintf("%.1f MiB", float64(octets)/(1<<20)) }

func median[T interface{ ~int64 | ~float64 }](v []T) T {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}

// bare is the peak memory of replay over one frame: the program and the directory.
func (b *bench) bare() (usage, error) {
	f, err := b.trunkFile(1)
	if err != nil {
		return usage{}, err
	}
	out, err := newOutput(b.dir)
	if err != nil {
		return usage{}, err
	}
	defer out.remove()
	c := child{args: []string{b.perch, "replay", "-json", "-map", "map", f.name}, dir: b.dir, stdout: out}
	u, err := c.run()
	return u, errors.Join(err, checkPeak(u))
}
