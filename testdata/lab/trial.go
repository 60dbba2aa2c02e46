package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// scenario is one thing that happens in the lab, and what must come of it.
type scenario struct {
	name string
	want []string // "phone1 moved, confirm hq-303 to alice@example.com"; none: nothing
	do   func(context.Context, *trial) error
	// phones are those that it is about, if want names none of them.
	phones []string
}

// round is what happens at the same time.
type round []scenario

// trial runs rounds.
type trial struct {
	site  *site
	watch *watch
	out   io.Writer

	rows             []row
	opened, expected int // prompts
}

// row is a line of the table.
type row struct {
	scenario  string
	want, got []string
}

func (r *row) ok() bool { return slices.Equal(r.want, r.got) }

// run runs one round: everything in it at once, then all settles, then what came
// of it is shared out by phone.
func (t *trial) run(ctx context.Context, r round) error {
	_, from, _ := t.watch.since(0)
	for _, s := range r {
		fmt.Fprintf(t.out, "%s  %s\n", time.Now().UTC().Format(time.TimeOnly), s.name)
	}
	var group sync.WaitGroup
	errs := make([]error, len(r))
	for i, s := range r {
		group.Go(func() {
			if err := s.do(ctx, t); err != nil {
				errs[i] = fmt.Errorf("%s: %w", s.name, err)
			}
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := t.settle(ctx, r, from); err != nil {
		return err
	}
	events, _, _ := t.watch.since(from)
	t.judge(r, events)
	return nil
}

// slack is how long after its settle time something must have been acted on.
const slack = 3 * time.Second

// settle waits until all that happened can have been acted on, and longer if
// something is missing still: a busy machine is slow.
func (t *trial) settle(ctx context.Context, r round, from int) error {
	if err := pass(ctx, t.site.pace.settle+slack); err != nil {
		return err
	}
	want := 0
	for _, s := range r {
		want += len(s.want)
	}
	late := time.Now().Add(patience)
	for {
		events, _, deciding := t.watch.since(from)
		got := 0
		for _, told := range t.told(events) {
			got += len(told)
		}
		if !deciding && (got >= want || time.Now().After(late)) {
			return nil
		}
		if err := pass(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// told is what events tell of each phone: one line for each time it was acted on
// or shown in another state.
func (t *trial) told(events []event) map[string][]string {
	all := map[string][]string{}
	for _, ev := range events {
		name := t.nameOf(ev.Phone)
		what, isPhone := strings.CutPrefix(ev.Event, "phone.")
		switch {
		case isPhone:
			all[name] = append(all[name], name+" "+what)
		case ev.Event == "prompt.opened":
			asked := fmt.Sprintf("%s %s to %s", ev.Prompt.Kind, ev.Prompt.Location, strings.Join(ev.Prompt.To, " "))
			if n := len(all[name]); n > 0 && !strings.Contains(all[name][n-1], ",") {
				all[name][n-1] += ", " + asked
			} else {
				all[name] = append(all[name], name+" "+asked)
			}
		}
	}
	return all
}

func (t *trial) nameOf(phone string) string {
	for _, p := range t.site.phones {
		if p.mac == phone {
			return p.name
		}
	}
	if phone == pcMAC {
		return "pc"
	}
	return phone
}

// judge adds the rows of a round.
func (t *trial) judge(r round, events []event) {
	told := t.told(events)
	for _, s := range r {
		it := row{scenario: s.name, want: s.want}
		var mine []string
		for _, w := range s.want {
			name, _, _ := strings.Cut(w, " ")
			mine = append(mine, name)
			if strings.Contains(w, ", ") {
				t.expected++
			}
		}
		for _, name := range slices.Compact(append(mine, s.phones...)) {
			it.got = append(it.got, told[name]...)
			delete(told, name)
		}
		t.add(it)
	}
	rest := row{scenario: "and of all else"}
	for _, lines := range told {
		for _, l := range lines {
			if l != "pc vanished" { // when its lease runs out, two minutes after it was plugged out
				rest.got = append(rest.got, l)
			}
		}
	}
	if slices.Sort(rest.got); len(rest.got) > 0 {
		t.add(rest)
	}
	for _, ev := range events {
		if ev.Event == "prompt.opened" {
			t.opened++
		}
	}
}

func (t *trial) add(r row) {
	t.rows = append(t.rows, r)
	if !r.ok() {
		fmt.Fprintf(t.out, "          NOT AS EXPECTED: %s: got %s, want %s\n", r.scenario, phrase(r.got), phrase(r.want))
	}
}

func phrase(lines []string) string {
	if len(lines) == 0 {
		return "nothing"
	}
	return strings.Join(lines, "; ")
}

// table writes what was expected and what came, and reports whether all of it is
// as it should be.
func (t *trial) table() bool {
	ok := true
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nSCENARIO\tEXPECTED\tGOT\tOK")
	for _, r := range t.rows {
		for i := range max(len(r.want), len(r.got), 1) {
			name, verdict := "", ""
			if i == 0 {
				name, verdict = r.scenario, "yes"
				if !r.ok() {
					verdict, ok = "NO", false
				}
			}
			want, got := line(r.want, i), line(r.got, i)
			if got == want {
				got = "the same"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", name, want, got, verdict)
		}
	}
	_ = w.Flush() // to a terminal or a pipe that a person reads
	return ok
}

func line(lines []string, i int) string {
	switch {
	case i < len(lines):
		return lines[i]
	case i == 0:
		return "nothing"
	}
	return ""
}
