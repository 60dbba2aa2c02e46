package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"perch/sip/proxy"
)

// An alarm is tried until it is taken, in order; what is never taken is in the log.
func TestAlarms(t *testing.T) {
	var refuse atomic.Int32
	refuse.Store(3)
	got := make(chan proxy.EmergencyCall, 9)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refuse.Add(-1) >= 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		var c proxy.EmergencyCall
		b, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(b, &c); err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("got %s, %v: %s", r.Method, err, b)
		}
		got <- c
	}))
	defer hook.Close()
	log := &logBuffer{}
	a := newAlarms("alarm.webhook", "an emergency call", hook.URL+"/hook-secret", slog.New(slog.NewTextHandler(log, nil)))
	a.wait = time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { a.run(ctx); close(done) }()
	a.raise(&proxy.EmergencyCall{ID: "1", Dialled: "911", Caller: &proxy.Caller{Phone: "00:15:65:aa:00:01", Location: "hq-307"}, Sent: "<presence/>"})
	a.raise(&proxy.EmergencyCall{ID: "1", Dialled: "911", Status: 200})
	if c := <-got; c.Caller == nil || c.Caller.Location != "hq-307" || c.Sent != "<presence/>" {
		t.Errorf("got %+v", c)
	}
	if c := <-got; c.Status != 200 {
		t.Errorf("got %+v", c)
	}
	refuse.Store(alarmTries)
	a.raise(&proxy.EmergencyCall{ID: "2"})
	a.raise(&proxy.EmergencyCall{ID: "3"})
	if c := <-got; c.ID != "3" {
		t.Errorf("got %+v, want the one after the one that was refused each time", c)
	}
	if !strings.Contains(log.String(), "could not be told of an emergency call") {
		t.Errorf("the log says\n%s", log)
	}
	cancel()
	<-done
	newAlarms("alarm.webhook", "", "", slog.New(slog.DiscardHandler)).raise(&proxy.EmergencyCall{}) // nobody is to be told
}
