package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"perch/sip/proxy"
)

// alarms tell somebody of calls for help, as they go out and again when more is
// known (47 CFR 9.16(b)(2) wants that told where somebody is likely to see it). No
// call waits for them.
type alarms struct {
	url   string
	queue chan []byte
	log   *slog.Logger
	http  http.Client
	wait  time.Duration // before the second try; doubled each time
}

// How an alarm is tried.
const (
	alarmTries   = 8 // over two minutes
	alarmWait    = time.Second
	alarmTimeout = 10 * time.Second
	alarmQueue   = 1000
)

// newAlarms returns what POSTs to a URL; empty: nobody is told.
func newAlarms(url string, log *slog.Logger) *alarms {
	return &alarms{url: url, queue: make(chan []byte, alarmQueue), log: log, http: http.Client{Timeout: alarmTimeout}, wait: alarmWait}
}

// raise tells of a call; it does not wait.
func (a *alarms) raise(c *proxy.EmergencyCall) {
	if a.url == "" {
		return
	}
	b, err := json.Marshal(c)
	if err == nil {
		select {
		case a.queue <- b:
			return
		default:
			err = fmt.Errorf("%d others wait to be told", len(a.queue))
		}
	}
	a.log.Error("an emergency call is not told to the webhook", "call", c.ID, "error", err)
}

// run tells in order until ctx ends.
func (a *alarms) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case b := <-a.queue:
			a.deliver(ctx, b)
		}
	}
}

// deliver tries until it is taken, or for some minutes.
func (a *alarms) deliver(ctx context.Context, b []byte) {
	wait := a.wait
	for try := 1; ; try++ {
		err := a.post(ctx, b)
		if err == nil || ctx.Err() != nil {
			return
		}
		if try == alarmTries {
			a.log.Error("an emergency call could not be told to the webhook", "error", err, "hint", "see what answers at alarm: {webhook: ...}; the log has the call")
			return
		}
		a.log.Warn("the webhook does not take an emergency call; it is tried again", "error", err, "after", wait)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait *= 2
	}
}

func (a *alarms) post(ctx context.Context, b []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url, bytes.NewReader(b))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := a.http.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16)) // so that the connection can be used again
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("it answers %s", resp.Status)
	}
	return nil
}
