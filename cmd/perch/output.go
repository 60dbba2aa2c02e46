package main

import (
	"bufio"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"

	"perch/gateway"
)

// eventPrinter prints events once they are durable: as JSON lines for programs,
// or as a story for people.
type eventPrinter struct {
	w      *bufio.Writer
	story  *gateway.Story // nil for JSON
	queued []gateway.Event
	count  int
}

// printBuffer takes the events of a commit in a few writes.
const printBuffer = 64 << 10

func newEventPrinter(w io.Writer, json bool) *eventPrinter {
	p := &eventPrinter{w: bufio.NewWriterSize(w, printBuffer)}
	if !json {
		p.story = gateway.NewStory(p.w)
	}
	return p
}

// add queues an event until its commit.
func (p *eventPrinter) add(ev gateway.Event) { p.queued = append(p.queued, ev) }

// flush prints what was committed.
func (p *eventPrinter) flush() error {
	for _, ev := range p.queued {
		p.count++
		if p.story != nil {
			p.story.Add(ev)
			continue
		}
		p.w.Write(ev.Data) // a bufio.Writer keeps the first error for Flush
		p.w.WriteByte('\n')
	}
	p.queued = p.queued[:0]
	return p.w.Flush()
}

// end prints the rest.
func (p *eventPrinter) end() error {
	if err := p.flush(); err != nil {
		return err
	}
	if p.story != nil {
		if err := p.story.Flush(); err != nil {
			return err
		}
	}
	return p.w.Flush()
}

// progress shows how far a long replay is, on a terminal only.
type progress struct{ bar *progressbar.ProgressBar }

func newProgress(w io.Writer) *progress {
	if !isTerminal(w) {
		return &progress{}
	}
	return &progress{progressbar.NewOptions64(-1, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription("replaying"),
		progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(200*time.Millisecond))}
}

// isTerminal reports whether somebody reads along.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

func (p *progress) set(frames int, now time.Time) {
	if p.bar != nil {
		p.bar.Describe("replaying " + stamp(now))
		_ = p.bar.Set(frames) // a progress bar that cannot be drawn harms nothing
	}
}

func (p *progress) done() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
