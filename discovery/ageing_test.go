package discovery

import (
	"testing"
	"time"
)

// live makes an observation that of a live interface.
func live(o Observation, name string) Observation {
	o.Interface = name
	return o
}

// Time in which a live interface has no carrier, is gone or loses frames ages
// nothing that was heard on it; silence while it listens does.
func TestPausedInterface(t *testing.T) {
	day := 24 * time.Hour
	for _, c := range []struct {
		name   string
		during func(s *scene, tr *Tracker) // from 10 s to a day later
		gone   bool                        // a day later
	}{
		{"it listens, and hears nothing", func(s *scene, tr *Tracker) { s.advance(day) }, true},
		{"no carrier", func(s *scene, tr *Tracker) {
			tr.PauseInterface("eth1", t0.Add(10*time.Second))
			s.advance(day)
		}, false},
		{"another interface has no carrier", func(s *scene, tr *Tracker) {
			tr.PauseInterface("eth2", t0.Add(10*time.Second))
			s.advance(day)
		}, true},
		{"it loses frames, and some of others come through", func(s *scene, tr *Tracker) {
			tr.PauseInterface("eth1", t0.Add(10*time.Second))
			s.see(3600, live(phoneLLDP(yealink, ""), "eth1"))
			s.advance(day)
		}, false},
		{"it has come back, and is quiet", func(s *scene, tr *Tracker) {
			tr.PauseInterface("eth1", t0.Add(10*time.Second))
			s.advance(time.Hour)
			tr.ResumeInterface("eth1", t0.Add(time.Hour))
			s.advance(day)
		}, true},
		{"serve was restarted, and listens again", func(s *scene, tr *Tracker) {
			tr.PauseAll(t0.Add(10 * time.Second))
			tr.ResumeInterface("eth1", t0.Add(time.Hour))
			s.advance(day)
		}, true},
	} {
		s := newScene(t, Config{}, book{})
		s.see(0, live(phoneLLDP(snom, ""), "eth1"))
		c.during(s, s.tracker)
		if got := s.phone(snom).Gone; got != c.gone {
			t.Errorf("%s: got gone %v, want %v", c.name, got, c.gone)
		}
	}
}

// After a pause what was heard before it has as long to be heard again as it had
// left, and what was heard during it no longer than from then on.
func TestPauseIsNoTime(t *testing.T) {
	s := newScene(t, Config{}, book{})
	s.see(0, live(phoneLLDP(snom, ""), "eth1"))
	s.tracker.PauseInterface("eth1", t0.Add(100*time.Second))
	s.see(5000, live(phoneLLDP(yealink, ""), "eth1"))
	s.tracker.ResumeInterface("eth1", t0.Add(10_000*time.Second))
	for _, c := range []struct {
		after         time.Duration // since the resumption
		snom, yealink bool          // gone
	}{{19 * time.Second, false, false}, {21 * time.Second, true, false}, {119 * time.Second, true, false}, {121 * time.Second, true, true}} {
		s.advance(10_000*time.Second + c.after)
		if got, want := [2]bool{s.phone(snom).Gone, s.phone(yealink).Gone}, [2]bool{c.snom, c.yealink}; got != want {
			t.Errorf("%s after it: got gone %v, want %v", c.after, got, want)
		}
	}
}

// advance moves the tracker's time.
func (s *scene) advance(since time.Duration) {
	for _, c := range s.tracker.Advance(t0.Add(since)) {
		s.changes = append(s.changes, c.What)
	}
}
