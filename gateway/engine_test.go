package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"perch/discovery"
	"perch/discovery/capture"
	"perch/gateway"
	"perch/location"
	"perch/notify"
	"perch/provisioning"
)

// failer is a *testing.T or a *rapid.T.
type failer interface {
	Helper()
	Fatal(...any)
}

// observations decodes the capture of a story.
func observations(t failer, story string) []*discovery.Observation {
	t.Helper()
	f, err := capture.OpenFile(filepath.Join("..", "testdata", "replay", story, "in.pcapng"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := discovery.NewDecoder(discovery.DecoderConfig{})
	var out []*discovery.Observation
	for {
		x, err := f.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		in := discovery.Frame{
			Time: x.Time, Number: x.Number, File: x.File, Interface: x.Interface, LinkType: uint16(x.LinkType), Data: x.Data,
		}
		d.Decode(&in, func(o *discovery.Observation) { out = append(out, o) })
	}
}

// newEngine returns an engine with the map of a story, and what it said so far.
func newEngine(t failer, store gateway.Store, story string) (*gateway.Engine, *[]gateway.Event) {
	t.Helper()
	e, events := restarted(t, store)
	files, err := provisioning.ReadPaths(filepath.Join("..", "testdata", "replay", story, "map"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Import(files, false); err != nil {
		t.Fatal(err)
	}
	return e, events
}

// TestGroupingChangesNothing: however effects are grouped into commits, the
// events, the mails and the stored state are the same.
func TestGroupingChangesNothing(t *testing.T) {
	ctx := context.Background()
	const story = "flapping"
	seen := observations(t, story)
	run := func(every int) (gateway.State, []gateway.Event, []gateway.Mail) {
		store := &gateway.Memory{}
		e, _ := newEngine(t, store, story)
		for i, o := range seen {
			e.Observe(o)
			if every > 0 && i%every == 0 {
				if err := e.Commit(ctx); err != nil {
					t.Fatal(err)
				}
			}
		}
		e.Settle()
		if err := e.Checkpoint(ctx); err != nil {
			t.Fatal(err)
		}
		state, err := store.Load(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var events []gateway.Event
		var mails []gateway.Mail
		if err := errors.Join(
			store.Events(ctx, 0, func(ev gateway.Event) error { events = append(events, ev); return nil }),
			store.Mails(ctx, 0, func(m gateway.Mail) error { mails = append(mails, m); return nil }),
		); err != nil {
			t.Fatal(err)
		}
		return state, events, mails
	}
	wantState, wantEvents, wantMails := run(0)
	if len(wantEvents) < 5 || len(wantMails) < 2 {
		t.Fatalf("only %d events and %d mails: this proves nothing", len(wantEvents), len(wantMails))
	}
	for _, every := range []int{1, 3, 1000} {
		state, events, mails := run(every)
		if diff := cmp.Diff(wantEvents, events); diff != "" {
			t.Errorf("committing every %d observations, events (-want +got):\n%s", every, diff)
		}
		if diff := cmp.Diff(wantMails, mails); diff != "" {
			t.Errorf("committing every %d observations, mails (-want +got):\n%s", every, diff)
		}
		comparers := cmp.Comparer(func(a, b json.RawMessage) bool { return bytes.Equal(a, b) })
		if diff := cmp.Diff(wantState.Phones, state.Phones, comparers); diff != "" {
			t.Errorf("committing every %d observations, phones (-want +got):\n%s", every, diff)
		}
		if !bytes.Equal(wantState.Tracker, state.Tracker) {
			t.Errorf("committing every %d observations, another state of the tracker", every)
		}
	}
}

// failing is a store whose commits fail as long as broken is set.
type failing struct {
	gateway.Memory
	broken bool
}

func (f *failing) Commit(ctx context.Context, b *gateway.Batch) error {
	if f.broken {
		return errors.New("disk full")
	}
	return f.Memory.Commit(ctx, b)
}

// TestFailedCommitLosesNothing: effects that could not be committed stay queued
// and are committed later, once.
func TestFailedCommitLosesNothing(t *testing.T) {
	ctx := context.Background()
	const story = "return"
	store := &failing{broken: true}
	e, said := newEngine(t, store, story)
	for _, o := range observations(t, story) {
		e.Observe(o)
		if err := e.Commit(ctx); err == nil {
			t.Fatal("a failed commit was not reported")
		}
	}
	e.Settle()
	store.broken = false
	for range 2 {
		if err := e.Checkpoint(ctx); err != nil {
			t.Fatal(err)
		}
	}
	var kept []gateway.Event
	if err := store.Events(ctx, 0, func(ev gateway.Event) error { kept = append(kept, ev); return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(*said, kept); diff != "" || len(kept) == 0 {
		t.Errorf("events said and kept (-said +kept):\n%s", diff)
	}
}

// world is where TestInvariants plays: a capture and the tables of its own.
type world struct {
	story  string
	moving bool // who is logged in changes without a rematch
	tables map[string]string
	wires  []string // wiremaps to import
	phones []string // tables of phones to import
	users  []string // tables of users to import
}

const (
	someLocations = "id,parent_id,kind,owner,name,site,country,state,city,street,house_number,building,floor,room\n" +
		"hq,,company,,Headquarters,hq,US,IL,Springfield,Main Street,100,,,\n" +
		"hq-a,hq,company,,Building A,hq,US,IL,Springfield,Main Street,100,A,,\n" +
		"hq-3f,hq-a,company,,Third floor,hq,US,IL,Springfield,Main Street,100,A,3,\n" +
		"hq-4f,hq-a,company,,Fourth floor,hq,US,IL,Springfield,Main Street,100,A,4,\n" +
		"hq-307,hq-3f,company,,Room 307,hq,US,IL,Springfield,Main Street,100,A,3,307\n" +
		"alice-home,,personal,alice@example.com,Home,,US,IL,Springfield,SecretOfAlice Lane,12,,,\n" +
		"bob-home,,personal,bob@example.com,,,US,IL,Springfield,SecretOfBob Lane,12,,,\n"
	someUsers = "email,name,role,site,aors\nalice@example.com,Alice,user,hq,sip:101@example.com\nbob@example.com,Bob,user,hq,sip:102@example.com\n" +
		"carol@example.com,Carol,admin,,\nrex@example.com,Rex,reviewer,b2,\nmallory@example.com,Mallory,user,,\n"
	someSites = "id,name,default_location_id,timezone,subnets,ignore_subnets\nhq,Headquarters,hq,UTC,10.1.2.0/24;10.1.3.0/24,\nb2,Two,,UTC,10.2.5.0/24,\n"
)

func worlds() []world {
	circuits := []string{
		"location_id,site,remote_id,circuit_id\n", "location_id,site,remote_id,circuit_id\nhq-307,hq,sw-3fl,Gi1/0/7\nhq-4f,hq,sw-4fl,Gi1/0/2\n",
		"location_id,site,remote_id,circuit_id\nhq-4f,hq,sw-3fl,Gi1/0/7\nalice-home,hq,sw-4fl,Gi1/0/2\n",
	}
	nets := []string{
		"location_id,site,subnet\n", "location_id,site,subnet\nhq-3f,hq,10.1.2.0/24\nhq-a,hq,10.1.30.0/24\nhq-3f,hq,10.1.40.0/24\n",
		"location_id,site,subnet\nalice-home,hq,10.1.2.0/24\nhq-a,hq,10.1.30.0/24\nbob-home,hq,10.1.30.0/24\nhq-4f,hq,10.1.40.0/24\n",
	}
	phones := func(macs ...string) (out []string) {
		for _, users := range []string{"alice@example.com", "bob@example.com", "alice@example.com;bob@example.com", ""} {
			s := "mac,kind,label,site,users,aors\n"
			for i, mac := range macs {
				aors := ""
				if i == 1 {
					aors = "sip:102@example.com"
				}
				s += mac + ",desk,Desk " + users + ",hq," + users + "," + aors + "\n"
			}
			out = append(out, s)
		}
		return out
	}
	users := []string{
		someUsers, strings.Replace(someUsers, "Alice,user", "Alicia,reviewer", 1),
	}
	base := map[string]string{"locations": someLocations, "users": someUsers, "sites": someSites}
	with := func(more ...string) map[string]string {
		t := map[string]string{}
		for k, v := range base {
			t[k] = v
		}
		for i := 0; i < len(more); i += 2 {
			t[more[i]] = more[i+1]
		}
		return t
	}
	one, two := phones("00:15:65:aa:00:01"), phones("00:15:65:aa:00:01", "00:04:f2:aa:00:02")
	return []world{
		{"flapping", false, with("phones", one[0], "wiremap", circuits[1]), circuits, one, users},
		{"return", false, with("phones", one[2], "wiremap", circuits[0]), circuits, one, users},
		{"two-users", false, with("phones", one[2], "wiremap", nets[1]), nets, one, users},
		{"two-phones-behind-router", false, with("phones", two[2], "wiremap", nets[0]), nets, two, users},
		{"hot-desking", true, with("phones", one[3], "wiremap", circuits[1]), circuits, one[3:], users},
		{"provisional-answered", true, with("wiremap", nets[1]), nets, nil, users},
		{"lldp-switched-on-elsewhere", false, with("phones", phones("00:04:13:aa:00:01")[2], "wiremap", nets[1]), nets, phones("00:04:13:aa:00:01"), users},
	}
}

var everybody = []string{"alice@example.com", "bob@example.com", "carol@example.com", "mallory@example.com", "rex@example.com"}

// TestInvariants makes random decisions at random times while phones move and
// tables change: never are there two open prompts of a phone, ids are consecutive,
// time never runs backwards, a refused decision changes nothing, what is closed
// stays closed, an answer that was withdrawn never stands, no claim is open without
// a standing answer, no location is pending without an open claim, nobody reads
// somebody else's personal address, a restart changes no page, and what a page
// offers is taken.
func TestInvariants(t *testing.T) {
	all := worlds()
	observed := map[string][]*discovery.Observation{}
	imports := map[string][]provisioning.File{}
	for _, w := range all {
		observed[w.story] = observations(t, w.story)
		for name, texts := range map[string][]string{"wiremap": w.wires, "phones": w.phones, "users": w.users} {
			for _, text := range texts {
				imports[text] = filesOf(t, map[string]string{name: text})
			}
		}
	}
	starts := make([][]provisioning.File, len(all))
	for i, w := range all {
		starts[i] = filesOf(t, w.tables)
	}
	rapid.Check(t, func(t *rapid.T) {
		i := rapid.IntRange(0, len(all)-1).Draw(t, "world")
		w, seen := all[i], observed[all[i].story]
		r, err := notify.New(notify.Config{From: "perch@example.com", URL: "https://perch.example.com"})
		if err != nil {
			t.Fatal(err)
		}
		cfg := gateway.Config{Discovery: discovery.Config{Site: "hq"}, Policy: gateway.DefaultPolicy(), Renderer: r, Log: slog.New(slog.DiscardHandler)}
		cfg.Policy.NoBootstrap = rapid.IntRange(0, 3).Draw(t, "bootstrap") == 0
		store := &gateway.Memory{}
		e, err := gateway.New(context.Background(), cfg, store)
		if err != nil {
			t.Fatal(err)
		}
		said := &[]gateway.Event{}
		e.OnEvent(func(ev gateway.Event) { *said = append(*said, ev) })
		if _, err := e.Import(starts[i], false); err != nil {
			t.Fatal(err)
		}
		x := &checked{t: t, e: e, cfg: cfg, store: store, said: said, moving: w.moving, closed: map[int64]gateway.CloseReason{}, withdrawn: map[int64]bool{}}
		who := rapid.SampledFrom(append([]string{"cli:root"}, everybody...))
		next := 0
		for range rapid.IntRange(3, 40).Draw(t, "steps") {
			x.before()
			var err error
			refusable := true
			switch rapid.IntRange(0, 11).Draw(t, "step") {
			case 0, 1:
				for range rapid.IntRange(1, 12).Draw(t, "frames") {
					if next < len(seen) {
						e.Observe(seen[next])
						next++
					}
				}
			case 2:
				e.Advance(e.Now().Add(time.Duration(rapid.SampledFrom([]int{70, 3600, 15 * 86400, 31 * 86400}).Draw(t, "seconds")) * time.Second))
			case 3, 4, 5:
				r := gateway.Reply{
					Prompt:   x.recent(int64(len(e.Prompts()))),
					Kind:     gateway.AnswerKind(rapid.IntRange(1, 6).Draw(t, "answer")),
					Location: location.ID(rapid.SampledFrom([]string{"", "hq", "hq-3f", "hq-307", "hq-4f", "alice-home", "bob-home", "claim-1"}).Draw(t, "location")),
					By:       who.Draw(t, "by"),
					Address:  location.Location{Address: location.CivicAddress{City: "Springfield", Street: "Elm Street", Room: rapid.SampledFrom([]string{"", "7"}).Draw(t, "room")}},
				}
				if name, _, ok := strings.Cut(r.By, "@"); ok && r.Kind == gateway.AnswerAddPersonal {
					r.Address.Address.Street = "SecretOf" + strings.ToUpper(name[:1]) + name[1:] + " Street"
				}
				err = e.Answer(r)
			case 6:
				d := gateway.Decision{
					Claim: int64(rapid.IntRange(1, 3).Draw(t, "claim")), Approve: rapid.Bool().Draw(t, "approve"),
					Level: discovery.Level(rapid.IntRange(0, 5).Draw(t, "level")), Reason: "no", By: who.Draw(t, "by"),
				}
				if d.Approve && rapid.Bool().Draw(t, "edit") {
					d.Edit = &location.CivicAddress{City: "Springfield", Street: "Edited Street", Room: rapid.SampledFrom([]string{"", "8"}).Draw(t, "room")}
				}
				err = e.Review(d)
			case 7, 8:
				id := int64(rapid.IntRange(1, 5).Draw(t, "objected"))
				if err = e.Object(id, who.Draw(t, "by"), time.Time{}); err == nil {
					x.withdrawn[id] = true
				}
			case 9:
				err = e.Disown(x.recent(int64(len(e.Prompts()))), who.Draw(t, "by"), time.Time{})
			case 10:
				err = e.AskAgain(x.recent(int64(len(e.Prompts()))), who.Draw(t, "by"), time.Time{})
			case 11:
				texts := slices.Concat(w.wires, w.phones, w.users)
				refusable = false
				_, err := e.Import(imports[rapid.SampledFrom(texts).Draw(t, "table")], rapid.Bool().Draw(t, "replace"))
				if err != nil {
					t.Logf("import: %v", err)
				}
			}
			if err != nil && refusable {
				x.refused(err)
			}
			x.after()
		}
		x.restarted()
		x.offers()
	})
}

// filesOf reads tables.
func filesOf(t *testing.T, tables map[string]string) []provisioning.File {
	t.Helper()
	dir := t.TempDir()
	for name, text := range tables {
		if err := os.WriteFile(filepath.Join(dir, name+".csv"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := provisioning.ReadPaths(dir)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// checked is an engine whose every step is looked at.
type checked struct {
	t         *rapid.T
	e         *gateway.Engine
	cfg       gateway.Config
	store     *gateway.Memory
	said      *[]gateway.Event
	moving    bool
	closed    map[int64]gateway.CloseReason
	withdrawn map[int64]bool
	events    int
	was       []byte
}

func (x *checked) fail(rule, format string, args ...any) {
	x.t.Helper()
	x.t.Fatalf(rule+": "+format, args...)
}

// recent draws an id, mostly of the last ones.
func (x *checked) recent(last int64) int64 {
	return max(1, last-int64(rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(x.t, "ago")))
}

func (x *checked) state() []byte {
	x.t.Helper()
	b, err := json.Marshal([]any{x.e.Directory().Content(), x.e.Prompts(), x.e.Claims(), x.e.Explain("00:15:65:aa:00:01")})
	if err != nil {
		x.t.Fatal(err)
	}
	return b
}

func (x *checked) before() { x.events, x.was = len(*x.said), x.state() }

func (x *checked) refused(err error) {
	x.t.Helper()
	if len(*x.said) != x.events {
		x.fail("refused", "refused (%v), yet it said %s", err, (*x.said)[x.events].Data)
	}
	if !errors.As(err, new(*gateway.Refusal)) {
		x.fail("refusal", "not a refusal: %v", err)
	}
	if now := x.state(); !bytes.Equal(now, x.was) {
		x.fail("refused", "refused (%v), yet something changed:\n%s\n%s", err, x.was, now)
	}
}

func (x *checked) after() {
	x.t.Helper()
	checkInvariants(x.t, x.e, *x.said, x.closed)
	faults := x.e.Faults(x.moving)
	for _, rule := range slices.Sorted(maps.Keys(faults)) {
		x.fail(rule, "%s", faults[rule])
	}
	for id := range x.withdrawn {
		if x.e.Stands(id) {
			x.fail("withdrawn", "answer %d was withdrawn and stands", id)
		}
	}
	for _, reader := range everybody {
		x.secrets(reader, string(pages(x.t, x.e, reader)))
	}
}

// secrets fails if a text for a reader holds somebody else's personal address.
func (x *checked) secrets(reader, text string) {
	x.t.Helper()
	for _, owner := range []string{"Alice", "Bob", "Carol", "Mallory", "Rex"} {
		if !strings.EqualFold(owner+"@example.com", reader) && strings.Contains(text, "SecretOf"+owner) {
			at := strings.Index(text, "SecretOf"+owner)
			x.fail("secret", "%s reads %s", reader, text[max(0, at-300):at+40])
		}
	}
}

// pages is all that a reader can open.
func pages(t *rapid.T, e *gateway.Engine, reader string) []byte {
	t.Helper()
	var all []any
	for id := int64(1); id <= 8; id++ {
		q, ok := e.Question(id, reader)
		all = append(all, id, ok, fmt.Sprintf("%+v %+v %+v", q, deref(q.Letter.Location), deref(q.Answer)))
		told, ok := e.Told(id, reader)
		all = append(all, id, ok, fmt.Sprintf("%+v %+v %+v", told, deref(told.Letter.Location), deref(told.Answer)))
		r, ok := e.ReviewOf(id, reader)
		all = append(all, id, ok, fmt.Sprintf("%+v %+v %+v", r, deref(r.Letter.Location), deref(r.Answer)))
		for _, c := range r.Choices {
			all = append(all, fmt.Sprintf("%+v %+v", deref(c.Place), deref(c.Replaces)))
		}
		for _, p := range []gateway.Purpose{gateway.MailPrompt, gateway.MailClaim, gateway.MailNotice} {
			all = append(all, e.Readers(p, id))
		}
	}
	var b bytes.Buffer
	for _, x := range all {
		fmt.Fprintf(&b, "%v\n", x)
	}
	return pointers.ReplaceAll(b.Bytes(), []byte("0x"))
}

var pointers = regexp.MustCompile(`0x[0-9a-f]{6,}`)

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// clone is the engine as it starts again from what was stored.
func (x *checked) clone() *gateway.Engine {
	x.t.Helper()
	if err := x.e.Checkpoint(context.Background()); err != nil {
		x.t.Fatal(err)
	}
	state, err := x.store.Load(context.Background())
	if err != nil {
		x.t.Fatal(err)
	}
	again, err := gateway.New(context.Background(), x.cfg, &frozen{Memory: &gateway.Memory{}, state: state})
	if err != nil {
		x.t.Fatal(err)
	}
	return again
}

// frozen is a store that gives the state of another.
type frozen struct {
	*gateway.Memory
	state gateway.State
}

func (f *frozen) Load(context.Context) (gateway.State, error) {
	s := f.state
	s.Prompts, s.Claims, s.Answers = slices.Clone(s.Prompts), slices.Clone(s.Claims), slices.Clone(s.Answers)
	return s, nil
}

// restarted compares all pages with those of an engine that was started again,
// and reads all mails.
func (x *checked) restarted() {
	x.t.Helper()
	again := x.clone()
	for _, reader := range everybody {
		want, got := pages(x.t, x.e, reader), pages(x.t, again, reader)
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			x.fail("restart", "for %s (-before +after a restart):\n%s", reader, diff)
		}
	}
	err := x.store.Mails(context.Background(), 0, func(m gateway.Mail) error {
		x.secrets(m.To, strings.ReplaceAll(string(m.Body), "=\r\n", "")+m.Subject)
		if l, ok := m.Link(); ok && bytes.Contains(m.Body, []byte(gateway.TokenMark)) && x.e.Concerned(l) && !slices.Contains(x.e.Readers(l.Purpose, l.ID), m.To) {
			x.fail("dead-link", "the link of %s %d to %s opens nothing", m.Purpose, m.ID, m.To)
		}
		return nil
	})
	if err != nil {
		x.t.Fatal(err)
	}
	if s := string(encodeEvents(*x.said)); strings.Contains(s, "SecretOf") {
		x.fail("secret", "an event tells a personal address")
	}
}

func encodeEvents(events []gateway.Event) (b []byte) {
	for _, ev := range events {
		b = append(b, ev.Data...)
	}
	return b
}

// offers tries all that pages offer, each in an engine of its own.
func (x *checked) offers() {
	x.t.Helper()
	try := func(rule, what string, do func(e *gateway.Engine) error) {
		x.t.Helper()
		if err := do(x.clone()); err != nil {
			x.fail(rule, "%s is offered, but: %v", what, err)
		}
	}
	for _, q := range x.e.Prompts() {
		for _, reader := range everybody {
			v, ok := x.e.Question(q.ID, reader)
			if !ok {
				continue
			}
			answer := func(rule, what string, k gateway.AnswerKind, l location.ID) {
				x.t.Helper()
				try(rule, fmt.Sprintf("prompt %d, %s: %s %s", q.ID, reader, what, l), func(e *gateway.Engine) error {
					return e.Answer(gateway.Reply{Prompt: q.ID, Kind: k, Location: l, By: reader, Address: location.Location{Address: location.CivicAddress{City: "Springfield", Street: "SecretOfOffer"}}})
				})
			}
			if v.State == 0 && !v.Declined {
				if v.Unmoved != "" {
					answer("offer-unmoved", "not moved", gateway.AnswerNotMoved, "")
				}
				if v.Kind == gateway.Confirm && v.Letter.Location != nil {
					answer("offer-confirm", "confirm", gateway.AnswerConfirm, "")
				}
				for _, l := range v.Within {
					answer("offer-within", "confirm", gateway.AnswerConfirm, l.ID)
				}
				for _, l := range v.Personal {
					answer("offer-personal", "personal", gateway.AnswerPersonal, l.ID)
				}
				answer("offer-own", "own", gateway.AnswerAddPersonal, "")
				answer("offer-propose", "propose", gateway.AnswerPropose, "")
				try("offer-disown", fmt.Sprintf("prompt %d, %s: disown", q.ID, reader), func(e *gateway.Engine) error { return e.Disown(q.ID, reader, time.Time{}) })
			}
			if v.Askable {
				try("offer-ask", fmt.Sprintf("prompt %d, %s: ask again", q.ID, reader), func(e *gateway.Engine) error {
					if err := e.AskAgain(q.ID, reader, time.Time{}); err != nil {
						return err
					}
					if e.Count().Prompts != x.e.Count().Prompts+1 {
						return errors.New("nobody is asked")
					}
					return nil
				})
			}
			if v.Object && v.Answer != nil {
				try("offer-object", fmt.Sprintf("prompt %d, %s: object", q.ID, reader), func(e *gateway.Engine) error { return e.Object(v.Answer.ID, reader, time.Time{}) })
			}
			if v.Answer != nil && v.Standing != x.e.Stands(v.Answer.ID) {
				x.fail("page-standing", "prompt %d says that answer %d stands: %v", q.ID, v.Answer.ID, v.Standing)
			}
		}
	}
	for id := int64(1); id <= 8; id++ {
		for _, reader := range everybody {
			if v, ok := x.e.Told(id, reader); ok && v.Object {
				try("offer-told", fmt.Sprintf("answer %d, %s: object", id, reader), func(e *gateway.Engine) error { return e.Object(id, reader, time.Time{}) })
			}
			v, ok := x.e.ReviewOf(id, reader)
			if !ok || v.Claim.State != gateway.ClaimOpen {
				continue
			}
			for _, c := range v.Choices {
				try("offer-approve", fmt.Sprintf("claim %d, %s: approve at %s", id, reader, c.Level), func(e *gateway.Engine) error {
					return e.Review(gateway.Decision{Claim: id, Approve: true, Level: c.Level, By: reader})
				})
				// A login can have changed what the map says without being acted on.
				if stale := x.e.Faults(false)["in-force"]; len(c.Phones) > 0 && stale == "" {
					again := x.clone()
					if err := again.Review(gateway.Decision{Claim: id, Approve: true, Level: c.Level, By: reader}); err != nil {
						continue
					}
					for _, p := range c.Phones {
						was, is := x.e.Explain(p.Phone.String()), again.Explain(p.Phone.String())
						if changed := was[0].Assignment.Location != is[0].Assignment.Location; changed != p.Changes {
							x.fail("touched", "claim %d at %s: %s changes %v, and it was %s and is %s", id, c.Level, p.Phone, p.Changes, was[0].Assignment.Location, is[0].Assignment.Location)
						}
					}
				}
			}
		}
	}
}

func checkInvariants(t *rapid.T, e *gateway.Engine, said []gateway.Event, closed map[int64]gateway.CloseReason) {
	open := map[discovery.PhoneID]int64{}
	for _, p := range e.Prompts() {
		if was, ok := closed[p.ID]; ok && was != p.Reason {
			t.Fatalf("prompt %d was closed %s and is %q now", p.ID, was, p.Reason)
		}
		if !p.Open() {
			closed[p.ID] = p.Reason
			continue
		}
		if other, two := open[p.Phone]; two {
			t.Fatalf("prompts %d and %d of %s are open", other, p.ID, p.Phone)
		}
		open[p.Phone] = p.ID
		if p.Kind == gateway.Confirm && p.Location == "" || len(p.To) == 0 {
			t.Fatalf("prompt %d asks nothing or nobody: %+v", p.ID, p)
		}
	}
	for i, ev := range said {
		if ev.ID != int64(i+1) {
			t.Fatalf("event %d has the id %d", i+1, ev.ID)
		}
		if i > 0 && ev.Time.Before(said[i-1].Time) {
			t.Fatalf("event %d is before the one ahead of it", ev.ID)
		}
	}
}

// TestStoryOfUnknownEvent: a line that is no event is an error, not a guess.
func TestStoryOfUnknownEvent(t *testing.T) {
	var b strings.Builder
	s := gateway.NewStory(&b)
	s.Add(gateway.Event{ID: 7, Data: json.RawMessage(`{"id":`)})
	if err := s.Flush(); err == nil || !strings.Contains(err.Error(), "event 7") {
		t.Errorf("got error %v, want one that names event 7", err)
	}
}
