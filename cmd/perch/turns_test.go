package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"perch/discovery"
)

// minutes notes in which order it is told things, and when.
type minutes struct {
	mu    sync.Mutex
	began time.Time
	lines []string
}

func (m *minutes) note(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lines = append(m.lines, fmt.Sprintf("%s@%d", what, time.Since(m.began).Milliseconds()))
}

func (m *minutes) observe(o *discovery.Observation) { m.note(fmt.Sprint(o.Interface, o.Frame)) }

func (m *minutes) hearing(name string, yes bool, from time.Time) {
	m.note(fmt.Sprint(name, " ", yes, " from ", from.Sub(m.began).Milliseconds()))
}

func (m *minutes) want(t *testing.T, want string) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if got := strings.Join(m.lines, ", "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	m.lines = nil
}

// table seats interfaces at the beginning of a bubble's time.
func table(names ...string) (*minutes, *turns, func(name string, frame, stamp int)) {
	m := &minutes{began: time.Now()}
	at := newTurns(m, time.Now)
	seats := map[string]*seat{}
	for _, n := range names {
		seats[n] = at.sit(n)
	}
	return m, at, func(name string, frame, stamp int) {
		at.observe(seats[name], &discovery.Observation{
			Time: m.began.Add(time.Duration(stamp) * time.Millisecond), Interface: name, Frame: frame,
		})
	}
}

// What two interfaces heard comes in the order of its stamps, whichever ring is
// handed over first, and is not kept waiting for one that hears nothing.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, at, hears := table("b", "a")
		time.Sleep(60 * time.Millisecond)
		hears("b", 1, 20)
		hears("b", 2, 40)
		hears("b", 3, 50)
		m.want(t, "")
		time.Sleep(10 * time.Millisecond)
		hears("a", 1, 10)
		hears("a", 2, 40) // at the same time as another: the first by name
		hears("a", 3, 45)
		m.want(t, "a1@70, b1@70, a2@70, b2@70, a3@70")
		time.Sleep(time.Second)
		m.want(t, "b3@250")
		hears("a", 4, 1000)
		hears("b", 4, 600) // stamped too long ago to wait
		m.want(t, "b4@1070")
		hears("b", 5, 1070)
		m.want(t, "a4@1070")

		// That an interface is not listened to any more comes in its turn.
		at.hearing(at.seats[0], false)
		time.Sleep(10 * time.Millisecond)
		hears("a", 5, 1060) // the clock of one interface does not go back
		hears("b", 6, 1075)
		m.want(t, "a false from 1070@1070, a5@1080")
		at.leave(at.seats[0])
		hears("b", 7, 1090)
		m.want(t, "b5@1080, b6@1080, a false from 1080@1080, b7@1080")
	})
}

// Nobody waits for an interface that has left, and everybody for one that has not.
func TestTurnsOfThree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, at, hears := table("a", "b", "c")
		at.leave(at.seats[2])
		hears("b", 1, 0)
		m.want(t, "")
		time.Sleep(50 * time.Millisecond)
		hears("a", 1, 50)
		m.want(t, "b1@50")
		at.leave(at.seats[1])
		m.want(t, "c false from 0@50, a1@50")
		at.leave(at.seats[0])
		m.want(t, "a false from 50@50, b false from 50@50")
	})
}

// One interface alone waits for nobody.
func TestOneTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, hears := table("a")
		hears("a", 1, 0)
		hears("a", 2, 0)
		m.want(t, "a1@0, a2@0")
	})
}

// Of an interface with parts all are listened to, or none.
func TestParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, at, _ := table()
		s := at.sit("sip", "sip:a", "sip:b")
		at.hearing(s, true)
		at.leave(s)
		m.want(t, "sip true from 0@0, sip:a true from 0@0, sip:b true from 0@0, sip false from 0@0, sip:a false from 0@0, sip:b false from 0@0")
	})
}

// Who is flooded does not wait, and does not grow.
func TestTurnsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, at, hears := table("a", "b")
		for i := range 3 * maxTurns {
			hears("a", i, 0)
		}
		if got, waiting := len(m.lines), len(at.seats[0].waiting); got != 2*maxTurns || waiting != maxTurns {
			t.Errorf("%d were handed on and %d wait, want %d and %d", got, waiting, 2*maxTurns, maxTurns)
		}
	})
}
