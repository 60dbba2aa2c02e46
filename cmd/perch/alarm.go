package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"
)

// alarms tell somebody of what cannot wait: calls for help, as they go out and again when
// more is known (47 CFR 9.16(b)(2) wants that told where somebody is likely to see it), and
// sources that guess phones. Neither waits for them.
type alarms struct {
	key   string // of the configuration
	of    string // what they tell of
	url   string // may hold a secret
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

// newAlarms returns what POSTs to the URL that stands at a key of the configuration; empty:
// nobody is told.
func newAlarms(key, of, url string, log *slog.Logger) *alarms {
	return &alarms{key: key, of: of, url: url, queue: make(chan []byte, alarmQueue), log: log, http: http.Client{Timeout: alarmTimeout}, wait: alarmWait}
}

// raise tells of something, which is a JSON object; it does not wait.
func (a *alarms) raise(what any) {
	if a.url == "" {
		return
	}
	b, err := json.Marshal(what)
	if err == nil {
		select {
		case a.queue <- b:
			return
		default:
			err = fmt.Errorf("%d others wait to be told", len(a.queue))
		}
	}
	a.log.Error("the webhook is not told of "+a.of, "error", err)
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
			a.log.Error("the webhook could not be told of "+a.of, "error", err, "hint", "see what answers at "+a.key+"; the log has it, too")
			return
		}
		a.log.Warn("the webhook does not take "+a.of+"; it is tried again", "error", err, "after", wait)
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
	if broken, is := errors.AsType[*url.Error](err); is {
		return broken.Err // not where: the URL may hold a secret
	}
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
