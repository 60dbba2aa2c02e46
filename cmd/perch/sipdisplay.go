package main

import (
	"context"
	"encoding/json"
	"slices"

	"perch/gateway"
	"perch/sip/proxy"
)

// displays show an open prompt on the phone that it is about, where the site allows
// that. Nothing depends on it: the question itself goes by mail.
type displays struct {
	sites []string
	queue chan gateway.Event
}

// displayText is the one line. It says nothing about where the phone is, or whose it is.
const displayText = "Where is this phone? Please answer the mail about its emergency address."

// newDisplays returns those of sites; "*" is all of them. None: nil.
func newDisplays(sites []string) *displays {
	if len(sites) == 0 {
		return nil
	}
	return &displays{sites: sites, queue: make(chan gateway.Event, 1000)}
}

// opened takes in a prompt that opened; it does not wait, and when too many are to be
// shown the others are not.
func (d *displays) opened(ev gateway.Event) {
	select {
	case d.queue <- ev:
	default:
	}
}

// run shows prompts, once they are durable, until ctx ends.
func (d *displays) run(ctx context.Context, l *live, show func(proxy.Notice)) {
	for {
		select {
		case <-ctx.Done():
			return
		case ev := <-d.queue:
			mine := l.count()
			l.poke()
			if err := l.wait(ctx, mine); err != nil {
				continue
			}
			var line gateway.Line
			if err := json.Unmarshal(ev.Data, &line); err != nil || line.Attachment == nil {
				continue
			}
			if slices.Contains(d.sites, "*") || slices.Contains(d.sites, line.Attachment.Site) {
				show(proxy.Notice{Phone: ev.Phone, Text: displayText})
			}
		}
	}
}
