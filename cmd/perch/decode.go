package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"

	"perch/discovery"
	"perch/discovery/capture"
)

// decodeCmd prints what captures say, without drawing any conclusion.
type decodeCmd struct {
	Config   string   `help:"Configuration file, for the SIP ports." placeholder:"FILE"`
	Captures []string `arg:"" name:"capture" help:"pcap or pcapng files, gzip'ed or not; - is standard input."`
}

// Run is the command.
func (c *decodeCmd) Run(env *environment) error {
	conf, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	m, err := capture.Open(c.Captures, env.stdin)
	if err != nil {
		return err
	}
	defer m.Close()
	out := bufio.NewWriterSize(env.stdout, 1<<16)
	t := totals{kinds: map[discovery.Kind]int{}}
	d := discovery.NewDecoder(discovery.DecoderConfig{SIPPorts: conf.SIP.Ports, Panicked: panicsTo(env.stderr)})
	err = errors.Join(c.decode(m, d, out, &t), out.Flush())
	t.stats = d.Stats()
	fmt.Fprintln(env.stderr, t.String())
	return err
}

// totals counts what was decoded.
type totals struct {
	frames    int
	kinds     map[discovery.Kind]int
	malformed int
	stats     discovery.DecoderStats
}

// String is the line that decode prints at its end.
func (t *totals) String() string {
	s := fmt.Sprintf("%d frames", t.frames)
	for k := discovery.KindRegister; k.String() != ""; k++ {
		if n := t.kinds[k]; n > 0 {
			s += fmt.Sprintf(", %d %s", n, k)
		}
	}
	if t.malformed > 0 {
		s += fmt.Sprintf(", %d malformed", t.malformed)
	}
	return s + unread(t.stats)
}

// unread says what a decoder met and could not read; nothing if there was none.
func unread(s discovery.DecoderStats) string {
	out := ""
	for _, c := range []struct {
		n    uint64
		what string
	}{
		{s.StreamsBroken, "breaks in SIP connections"},
		{s.StreamsEvicted, "SIP connections too many"},
		{s.FragmentsExpired + s.FragmentsEvicted, "datagrams whose fragments did not all come"},
		{s.FragmentsRefused, "datagrams whose fragments do not fit"},
		{s.Panics, "frames that made a decoder panic"},
	} {
		if c.n > 0 {
			out += fmt.Sprintf(", %d %s", c.n, c.what)
		}
	}
	return out
}

// panicsTo returns what writes of a decoder's panic all that may be told of it.
func panicsTo(w io.Writer) func(discovery.Panic) {
	return func(p discovery.Panic) {
		fmt.Fprintf(w, "warning: a decoder panicked: %s in %s, at a frame of %s with SHA-256 %x; please report it\n", p.What, p.Where, p.Protocol, p.Frame)
	}
}

func (c *decodeCmd) decode(m *capture.Merge, d *discovery.Decoder, out *bufio.Writer, t *totals) error {
	var line []byte
	var fault error
	print := func(o *discovery.Observation) {
		var err error
		if line, err = o.AppendJSON(line[:0], len(c.Captures) > 1); err != nil {
			fault = errors.Join(fault, err)
			return
		}
		t.kinds[o.Kind]++
		if o.Malformed != "" {
			t.malformed++
		}
		if _, err := out.Write(append(line, '\n')); err != nil {
			fault = err
		}
	}
	for fault == nil {
		f, err := m.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		t.frames++
		in := observed(f)
		d.Decode(&in, print)
	}
	return fault
}

// observed is a captured frame as the decoder takes it. Times are told in
// microseconds, which is what databases keep and events print.
func observed(f *capture.Frame) discovery.Frame {
	return discovery.Frame{
		Time: microseconds(f.Time), Source: f.Source, Number: f.Number, File: f.File, Interface: f.Interface,
		LinkType: uint16(f.LinkType), Data: f.Data,
	}
}

// microseconds is t without what is finer. Few captures tell nanoseconds, and
// Truncate divides.
func microseconds(t time.Time) time.Time {
	if t.Nanosecond()%1000 == 0 {
		return t
	}
	return t.Truncate(time.Microsecond)
}
