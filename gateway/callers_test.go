package gateway_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"perch/discovery"
	"perch/gateway"
	"perch/provisioning"
	"perch/sip"
)

// roll is who may call for help, as somebody keeps it who is told of changes.
type roll map[string]gateway.Caller

func (r roll) take(e *gateway.Engine, most int) {
	for more := true; more; {
		more = e.TakeCallers(most, func(c gateway.Caller, gone bool) {
			c.Heard = time.Time{} // goes on all the time, and is not told of
			if gone {
				delete(r, c.Phone.String())
			} else {
				r[c.Phone.String()] = c
			}
		})
	}
}

// Whoever is told of changes knows the same as who asks for all, after each
// observation of each story.
func TestCallers(t *testing.T) {
	stories, err := filepath.Glob(filepath.Join("..", "testdata", "replay", "*", "in.pcapng"))
	if err != nil || len(stories) < 50 {
		t.Fatalf("got %d stories, %v", len(stories), err)
	}
	callers, located := 0, 0
	for _, s := range stories {
		name := filepath.Base(filepath.Dir(s))
		if testing.Short() && len(name)%4 != 0 {
			continue
		}
		e, _ := newEngine(t, &gateway.Memory{}, name)
		all, _ := newEngine(t, &gateway.Memory{}, name)
		kept := roll{}
		e.WatchCallers()
		step := func(do func(*gateway.Engine)) {
			do(e)
			do(all)
			kept.take(e, 1)
			want := roll{}
			all.WatchCallers()
			want.take(all, 1<<20)
			if diff := cmp.Diff(want, kept, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); diff != "" {
				t.Fatalf("%s: who asks for all knows another than who is told (-want +got):\n%s", name, diff)
			}
		}
		seen := observations(t, name)
		for i, o := range seen {
			if len(seen) > 400 && i%20 != 0 { // the lab's
				e.Observe(o)
				all.Observe(o)
				continue
			}
			step(func(x *gateway.Engine) { x.Observe(o) })
		}
		step(func(x *gateway.Engine) { x.Settle() })
		for _, c := range kept {
			callers++
			if c.Address.Country != "" {
				located++
			}
		}
	}
	if callers < 20 || located < 10 {
		t.Errorf("got %d callers, %d with an address: the stories tell of more", callers, located)
	}
}

// What is told of one: by a capture whose phone is on a known port.
func TestCaller(t *testing.T) {
	const story = "confirm"
	if _, err := os.Stat(filepath.Join("..", "testdata", "replay", story)); err != nil {
		t.Fatal(err)
	}
	e, _ := newEngine(t, &gateway.Memory{}, story)
	e.WatchCallers()
	for _, o := range observations(t, story) {
		e.Observe(o)
	}
	kept := roll{}
	kept.take(e, 10)
	e.Settle()
	kept.take(e, 10)
	for _, c := range kept {
		if c.Moving || c.Location == "" || c.Address.Street == "" || c.Network.Level == discovery.LevelNone || c.Since.IsZero() {
			t.Errorf("got %+v", c)
		}
	}
	if len(kept) != 1 {
		t.Errorf("got %+v", kept)
	}
	more := roll{}
	if more.take(e, 10); len(more) != 0 {
		t.Errorf("nothing happened, and told of %+v", more)
	}
}

// A phone that registers over and over while it settles has one deadline: with one
// for each REGISTER, all of which hold, every observation would look through all.
func TestOneDeadline(t *testing.T) {
	const story = "confirm"
	e, _ := newEngine(t, &gateway.Memory{}, story)
	again := func(o *discovery.Observation, n int) *discovery.Observation {
		c := *o
		c.Time = c.Time.Add(time.Duration(n) * 100 * time.Millisecond)
		switch {
		case o.Register != nil:
			r := *o.Register
			r.CSeq += uint32(n)
			c.Register = &r
		case o.Response != nil:
			r := *o.Response
			r.CSeq += uint32(n)
			c.Response = &r
		}
		return &c
	}
	var registers []*discovery.Observation
	for _, o := range observations(t, story) {
		if e.Observe(o); o.Register != nil || o.Response != nil {
			registers = append(registers, o)
		}
		if o.Response != nil && o.Response.Status == 200 {
			registers = registers[len(registers)-2:]
			break
		}
	}
	for n := range 50 {
		for _, o := range registers {
			e.Observe(again(o, n+1))
		}
	}
	if n := e.Deadlines(); n < 1 || n > 3 {
		t.Errorf("got %d deadlines of one phone, want one, or three at most", n)
	}
}

// The lines that phones, users and lines list are told again when one of these changes,
// and else not.
func TestAORs(t *testing.T) {
	e, _ := newEngine(t, &gateway.Memory{}, "company-claim-subnet")
	_, since, changed := e.AORs(0)
	if !changed {
		t.Fatal("nothing is told the first time")
	}
	for _, tc := range []struct {
		name, text string
		changed    bool
		more       sip.AOR
	}{
		{"sites.csv", "id\nelsewhere\n", false, ""},
		{"users.csv", "email,aors\nzoe@example.com,sip:900@example.com\n", true, "sip:900@example.com"},
		{"phones.csv", "mac,aors\n00:15:65:aa:0f:01,sip:901@example.com\n", true, "sip:901@example.com"},
		{"lines.csv", "aor\nsip:902@example.com\n", true, "sip:902@example.com"},
		{"lines.csv", "aor\nsip:902@example.com\n", false, ""},
	} {
		f, err := provisioning.ReadFile(tc.name, strings.NewReader(tc.text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Import([]provisioning.File{f}, false); err != nil {
			t.Fatal(err)
		}
		list, now, changed := e.AORs(since)
		if changed != tc.changed || changed && !slices.Contains(list, tc.more) {
			t.Errorf("after %s %q got %v, %t", tc.name, tc.text, list, changed)
		}
		since = now
	}
}
