package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"perch/discovery"
	"perch/gateway"
	"perch/location"
	"perch/notify"
	"perch/provisioning"
)

// desk is an engine with the capture of a story, and tables of its own.
type desk struct {
	*testing.T
	*gateway.Engine
	store *gateway.Memory
	said  *[]gateway.Event
	seen  []*discovery.Observation
	next  int
	cfg   gateway.Config
}

func newDesk(t *testing.T, story string, policy gateway.Policy, tables map[string]string) *desk {
	t.Helper()
	return newDeskAt(t, story, "hq", policy, tables)
}

func newDeskAt(t *testing.T, story, site string, policy gateway.Policy, tables map[string]string) *desk {
	t.Helper()
	r, err := notify.New(notify.Config{From: "perch@example.com", URL: "https://perch.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{T: t, store: &gateway.Memory{}, said: &[]gateway.Event{}, seen: observations(t, story)}
	d.cfg = gateway.Config{Discovery: discovery.Config{Site: site, Interfaces: []discovery.InterfaceConfig{{Pattern: "mirror-b2", Site: "b2", Role: discovery.RoleMirror}}}, Policy: policy, Renderer: r}
	d.start()
	files, err := provisioning.ReadPaths(filepath.Join("..", "testdata", "replay", story, "map"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range files {
		if _, own := tables[strings.TrimSuffix(f.Name, ".csv")]; own {
			continue
		}
		b, err := os.ReadFile(filepath.Join("..", "testdata", "replay", story, "map", filepath.Base(f.Name)))
		if err != nil {
			t.Fatal(err)
		}
		tables2(t, dir, filepath.Base(f.Name), string(b))
	}
	for name, text := range tables {
		tables2(t, dir, name+".csv", text)
	}
	d.imports(dir, false)
	return d
}

// restart goes on with what is stored.
func (d *desk) restart() {
	d.Helper()
	d.must(d.Checkpoint(context.Background()))
	d.start()
}

// start makes the engine of what is stored.
func (d *desk) start() {
	d.Helper()
	e, err := gateway.New(context.Background(), d.cfg, d.store)
	d.must(err)
	d.Engine = e
	d.OnEvent(func(ev gateway.Event) { *d.said = append(*d.said, ev) })
}

func tables2(t *testing.T, dir, name, text string) {
	t.Helper()
	if text == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (d *desk) imports(dir string, replace bool) {
	d.Helper()
	files, err := provisioning.ReadPaths(dir)
	if err != nil {
		d.Fatal(err)
	}
	if _, err := d.Import(files, replace); err != nil {
		d.Fatal(err)
	}
}

// table imports one table.
func (d *desk) table(name, text string, replace bool) {
	d.Helper()
	dir := d.TempDir()
	tables2(d.T, dir, name+".csv", text)
	d.imports(dir, replace)
}

// until observes until a time of day.
func (d *desk) until(hhmm string) {
	d.Helper()
	at, err := time.Parse("2006-01-02 15:04", "2026-03-02 "+hhmm)
	if err != nil {
		d.Fatal(err)
	}
	for d.next < len(d.seen) && !d.seen[d.next].Time.After(at) {
		d.Observe(d.seen[d.next])
		d.next++
	}
	d.Advance(at)
}

func (d *desk) must(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

func (d *desk) mails() []gateway.Mail {
	d.Helper()
	d.must(d.Checkpoint(context.Background()))
	var out []gateway.Mail
	d.must(d.store.Mails(context.Background(), 0, func(m gateway.Mail) error { out = append(out, m); return nil }))
	return out
}

func (d *desk) inForce(mac string) location.ID {
	d.Helper()
	x := d.Explain(mac)
	if len(x) != 1 {
		d.Fatalf("%d phones", len(x))
	}
	return x[0].Assignment.Location
}

func address(street, room string) location.Location {
	return location.Location{Address: location.CivicAddress{Country: "US", State: "IL", City: "Springfield", Street: street, HouseNumber: "1", Room: room}}
}

const (
	alice = "alice@example.com"
	bob   = "bob@example.com"
	mac1  = "00:15:65:aa:00:01"
)

// an own place of an AddPersonal that is refused must not stay.
func TestRefusedAddPersonalChangesNothing(t *testing.T) {
	d := newDeskAt(t, "flapping", "elsewhere", gateway.DefaultPolicy(), nil)
	d.until("08:03")
	err := d.Answer(gateway.Reply{Prompt: 1, Kind: gateway.AnswerAddPersonal, Address: address("Elm Street", ""), By: alice})
	if err == nil {
		t.Fatal("taken")
	}
	if !errors.As(err, new(*gateway.Refusal)) {
		t.Errorf("not a refusal: %v", err)
	}
	if _, ok := d.Directory().Location("personal-1"); ok {
		t.Errorf("refused (%v), yet the location personal-1 is in the directory", err)
	}
}

// "I have not moved" while the earlier answer waits for its review: its place cannot
// be chosen for another network yet, so it is neither offered nor taken.
func TestNotMovedToPending(t *testing.T) {
	d := newDesk(t, "return", gateway.DefaultPolicy(), nil)
	d.until("08:03")
	d.must(d.Answer(gateway.Reply{Prompt: 1, Kind: gateway.AnswerPropose, Address: address("Elm Street", "1"), By: alice}))
	d.until("08:12")
	q, ok := d.Question(2, alice)
	if !ok || q.State != 0 || q.Unmoved != "" {
		t.Errorf("question 2 is there %v, closed %q and offers %q", ok, q.State, q.Unmoved)
	}
	if err := d.Answer(gateway.Reply{Prompt: 2, Kind: gateway.AnswerNotMoved, By: alice}); !errors.As(err, new(*gateway.Refusal)) {
		t.Errorf("got %v, want a refusal", err)
	}
}

// a reconfirm about a place that waits for its review can be confirmed.
func TestReconfirmPending(t *testing.T) {
	d := newDesk(t, "lldp-switched-on-elsewhere", gateway.DefaultPolicy(), map[string]string{
		"wiremap": "location_id,site,subnet\n", "phones": "mac,kind,label,site,users,aors\n00:04:13:aa:00:01,desk,A,hq,alice@example.com,\n"})
	d.until("08:03")
	d.must(d.Answer(gateway.Reply{Prompt: 1, Kind: gateway.AnswerPropose, Address: address("Elm Street", "1"), By: alice}))
	d.table("wiremap", "location_id,site,subnet\nhq-3f,hq,10.1.2.0/24\n", false)
	// the map now disagrees with the answer: asked once; then the map is empty again
	d.table("wiremap", "location_id,site,subnet\n", true)
	q, ok := d.Question(2, alice)
	if !ok || q.State != 0 {
		t.Fatalf("no open question: %v %v", ok, q.State)
	}
	t.Logf("asked to %s %v", q.Kind, q.Location)
	if err := d.Answer(gateway.Reply{Prompt: 2, Kind: gateway.AnswerConfirm, By: alice}); err != nil {
		t.Errorf("asked to confirm %v, but: %v", q.Location, err)
	}
}

// a claim whose answer was replaced by a newer one does not stay open.
func TestReplacedAnswerLeavesClaimOpen(t *testing.T) {
	d := newDesk(t, "flapping", gateway.DefaultPolicy(), nil)
	d.until("08:03")
	d.must(d.Answer(gateway.Reply{Prompt: 1, Kind: gateway.AnswerPropose, Address: address("Elm Street", "1"), By: alice}))
	d.table("wiremap", "location_id,site,remote_id,circuit_id\nhq-4f,hq,sw-3fl,Gi1/0/7\n", false)
	d.must(d.Answer(gateway.Reply{Prompt: 2, Kind: gateway.AnswerConfirm, By: alice}))
	if got := d.inForce(mac1); got != "hq-4f" {
		t.Fatalf("in force %s", got)
	}
	for _, c := range d.Claims() {
		if c.State == gateway.ClaimOpen {
			t.Errorf("claim %d for %s is open, though its answer was replaced", c.ID, c.Location)
			if err := d.Review(gateway.Decision{Claim: c.ID, Approve: true, By: "cli:root"}); err == nil {
				rules := d.Directory().Wiremap().Rules()
				t.Logf("and approving it overrules the newer answer: %v -> %s", rules[0], rules[0].Location)
			}
		}
	}
}

// the page of an answered question tells the truth after a later question
// about the same network.
func TestAnsweredPageAfterReconfirm(t *testing.T) {
	d := newDesk(t, "flapping", gateway.DefaultPolicy(), nil)
	d.until("08:03")
	d.must(d.Answer(gateway.Reply{Prompt: 1, Kind: gateway.AnswerConfirm, By: alice}))
	d.table("wiremap", "location_id,site,remote_id,circuit_id\nhq-4f,hq,sw-3fl,Gi1/0/7\n", false)
	told, _ := d.Told(1, alice)
	q, _ := d.Question(1, alice)
	if told.Standing != q.Standing || told.There != q.There {
		t.Errorf("prompt 1 says standing %v, there %v; its answer says %v, %v; in force is %s", q.Standing, q.There, told.Standing, told.There, d.inForce(mac1))
	}
}

// the same after the phone's MAC became known.
func TestAnsweredPageAfterMerge(t *testing.T) {
	d := newDesk(t, "provisional-answered", gateway.DefaultPolicy(), nil)
	d.until("08:05")
	d.must(d.Answer(gateway.Reply{Prompt: 1, Kind: gateway.AnswerConfirm, By: alice}))
	d.until("08:12")
	told, _ := d.Told(1, alice)
	q, _ := d.Question(1, alice)
	if told.Standing != q.Standing || told.There != q.There || told.Phone != q.Phone {
		t.Errorf("prompt 1 says %s standing %v, there %v, in force %q; its answer says %s %v, %v, %q",
			q.Phone, q.Standing, q.There, q.InForce, told.Phone, told.Standing, told.There, told.InForce)
	}
}

// "not my phone" lasts when the phone's MAC becomes known.
func TestDeclinedSurvivesMerge(t *testing.T) {
	d := newDesk(t, "provisional-merged", gateway.DefaultPolicy(), nil)
	d.until("08:05")
	d.must(d.Disown(1, alice, time.Time{}))
	d.until("08:12")
	d.Settle()
	for _, q := range d.Prompts() {
		if q.ID > 1 {
			t.Errorf("prompt %d of %s asks %v, who said that it is not hers", q.ID, q.Phone, q.To)
		}
	}
}

// the withdrawn prompt of a merged phone leads to the one that is open.
func TestMergedPromptLeadsOn(t *testing.T) {
	d := newDesk(t, "provisional-merged", gateway.DefaultPolicy(), nil)
	d.until("08:12")
	d.Settle()
	if q, ok := d.Question(1, alice); !ok || q.Current != 2 {
		t.Errorf("%v: prompt 1 (%s) leads to %d, want 2", ok, q.State, q.Current)
	}
}

// an objection about one phone must not take a location from another phone of
// the owner that the objector has nothing to do with.
func TestObjectionKeepsOtherPhones(t *testing.T) {
	d := newDesk(t, "two-phones-behind-router", gateway.DefaultPolicy(), map[string]string{
		"phones":    "mac,kind,label,site,users,aors\n00:15:65:aa:00:01,desk,One,hq,alice@example.com;bob@example.com,\n00:04:f2:aa:00:02,desk,Two,hq,alice@example.com,sip:102@example.com\n",
		"wiremap":   "location_id,site,subnet\nhome,hq,10.1.30.0/24\n",
		"locations": "id,parent_id,kind,owner,name,site,country,state,city,street,house_number,building,floor,room\nhome,,personal,alice@example.com,Home,,US,IL,Springfield,Oak Lane,12,,,\n",
	})
	d.until("08:03")
	d.Settle()
	if got := d.inForce("00:04:f2:aa:00:02"); got != "home" {
		t.Fatalf("phone two at %q", got)
	}
	before := d.Directory().Wiremap().Rules()
	d.must(d.Answer(gateway.Reply{Prompt: 1, Kind: gateway.AnswerConfirm, By: alice}))
	d.must(d.Answer(gateway.Reply{Prompt: 2, Kind: gateway.AnswerConfirm, By: alice}))
	d.must(d.Object(1, bob, time.Time{}))
	after := d.Directory().Wiremap().Rules()
	if len(before) != len(after) {
		t.Errorf("the rule that was imported before any answer is gone: before %v, after %v", before, after)
	}
	if got := d.inForce("00:04:f2:aa:00:02"); got != "home" {
		t.Errorf("phone two, that bob has nothing to do with, is at %q", got)
	}
}

// R9b: the same while phone two only waits for its answer.
func TestObjectionMovesOtherPhones(t *testing.T) {
	d := newDesk(t, "two-phones-behind-router", gateway.DefaultPolicy(), map[string]string{
		"phones":    "mac,kind,label,site,users,aors\n00:15:65:aa:00:01,desk,One,hq,alice@example.com;bob@example.com,\n00:04:f2:aa:00:02,desk,Two,hq,alice@example.com,sip:102@example.com\n",
		"wiremap":   "location_id,site,subnet\nhome,hq,10.1.30.0/24\n",
		"locations": "id,parent_id,kind,owner,name,site,country,state,city,street,house_number,building,floor,room\nhome,,personal,alice@example.com,Home,,US,IL,Springfield,Oak Lane,12,,,\n",
	})
	d.until("08:03")
	d.Settle()
	d.must(d.Answer(gateway.Reply{Prompt: 1, Kind: gateway.AnswerConfirm, By: alice}))
	d.must(d.Object(1, bob, time.Time{}))
	if got := d.inForce("00:04:f2:aa:00:02"); got != "home" {
		t.Errorf("phone two, that bob has nothing to do with, is at %q", got)
	}
}

// a personal answer makes a rule: the owner's other phones follow it at once.
func TestPersonalAnswerRematches(t *testing.T) {
	tables := map[string]string{
		"phones":  "mac,kind,label,site,users,aors\n00:15:65:aa:00:01,desk,One,hq,alice@example.com,\n00:04:f2:aa:00:02,desk,Two,hq,alice@example.com,sip:102@example.com\n",
		"wiremap": "location_id,site,subnet\n",
	}
	d := newDesk(t, "two-phones-behind-router", gateway.DefaultPolicy(), tables)
	d.until("08:03")
	d.Settle()
	d.must(d.Answer(gateway.Reply{Prompt: 1, Kind: gateway.AnswerAddPersonal, Address: address("Elm Street", ""), By: alice}))
	at := d.inForce("00:04:f2:aa:00:02")
	d.table("users", "email,name,role,site,aors\ncarol@example.com,Carol,user,hq,\n", false) // of no concern to anybody
	if now := d.inForce("00:04:f2:aa:00:02"); now != at {
		t.Errorf("phone two was at %q after the answer, and is at %q after an import that does not concern it", at, now)
	}
}

// the rule of a personal answer goes with it, also after its network was upgraded.
func TestOwnRuleAfterUpgrade(t *testing.T) {
	d := newDesk(t, "lldp-switched-on-later", gateway.DefaultPolicy(), map[string]string{"wiremap": "location_id,site,subnet\n"})
	d.until("08:03")
	d.must(d.Answer(gateway.Reply{Prompt: 1, Kind: gateway.AnswerAddPersonal, Address: address("Elm Street", ""), By: alice}))
	d.until("09:02")
	d.must(d.Object(1, alice, time.Time{}))
	if rules := d.Directory().Wiremap().Rules(); len(rules) != 0 {
		t.Errorf("left behind: %v -> %s; in force %s", rules[0], rules[0].Location, d.inForce("00:04:13:aa:00:01"))
	}
}

// "I have not moved", said to a question about a network that was reported,
// keeps that network's answer.
func TestNotMovedOnReconfirm(t *testing.T) {
	d := newDesk(t, "return", gateway.DefaultPolicy(), map[string]string{"locations": someLocations, "users": someUsers, "sites": someSites})
	d.until("08:05")
	d.must(d.Answer(gateway.Reply{Prompt: 1, Kind: gateway.AnswerConfirm, By: alice})) // hq-3f
	d.until("08:12")
	d.must(d.Answer(gateway.Reply{Prompt: 2, Kind: gateway.AnswerCompany, Location: "hq-4f", By: alice}))
	d.must(d.Review(gateway.Decision{Claim: 1, Approve: true, By: "cli:root"}))
	d.table("wiremap", "location_id,site,remote_id,circuit_id\nhq-307,hq,sw-4fl,Gi1/0/2\n", false)
	q, ok := d.Question(3, alice)
	if !ok || q.State != 0 {
		t.Fatalf("no question: %v %+v", ok, q.State)
	}
	t.Logf("in force %q, unmoved %q", q.InForce, q.Unmoved)
	if !strings.Contains(q.Unmoved, "Fourth") {
		t.Errorf("the phone is at %s (answered, standing); the page says of not moved: %q", d.inForce(mac1), q.Unmoved)
	}
	d.must(d.Answer(gateway.Reply{Prompt: 3, Kind: gateway.AnswerNotMoved, By: alice}))
	if got := d.inForce(mac1); got != "hq-4f" {
		t.Errorf("after %q it is at %s, and was at hq-4f", "I have not moved", got)
	}
}

// R12b: the same with one known network.
func TestNotMovedOnReconfirmAlone(t *testing.T) {
	d := newDesk(t, "flapping", gateway.DefaultPolicy(), nil)
	d.until("08:03")
	d.must(d.Answer(gateway.Reply{Prompt: 1, Kind: gateway.AnswerConfirm, By: alice}))
	d.table("wiremap", "location_id,site,remote_id,circuit_id\nhq-4f,hq,sw-3fl,Gi1/0/7\n", false)
	if err := d.Answer(gateway.Reply{Prompt: 2, Kind: gateway.AnswerNotMoved, By: alice}); err != nil {
		t.Errorf("its answer stands, yet: %v", err)
	}
}

// the mail of a rejection says what is sent now, not what was.
func TestRejectionMail(t *testing.T) {
	d := newDesk(t, "flapping", gateway.DefaultPolicy(), nil)
	d.until("08:03")
	d.must(d.Answer(gateway.Reply{Prompt: 1, Kind: gateway.AnswerPropose, Address: address("Wrong Street", "1"), By: alice}))
	d.must(d.Review(gateway.Decision{Claim: 1, Reason: "no", By: "cli:root"}))
	for _, m := range d.mails() {
		if m.Purpose == gateway.MailDecision {
			_, now, _ := bytes.Cut(m.Body, []byte("WHAT IS SENT WITH AN EMERGENCY CALL NOW"))
			now, _, _ = bytes.Cut(now, []byte("THE PHONE"))
			if bytes.Contains(now, []byte("Wrong")) {
				t.Errorf("in force is %s, the mail says%s", d.inForce(mac1), now)
			}
		}
	}
}

// who left the company cannot take back answers.
func TestFormerUserObjects(t *testing.T) {
	d := newDesk(t, "two-users", gateway.DefaultPolicy(), nil)
	d.until("08:05")
	d.must(d.Answer(gateway.Reply{Prompt: 1, Kind: gateway.AnswerConfirm, By: alice}))
	d.table("phones", "mac,kind,label,site,users,aors\n00:15:65:aa:00:01,desk,Meeting room,hq,bob@example.com,\n", false)
	d.table("users", "email,name,role,site,aors\nbob@example.com,Bob,user,hq,\n", true)
	if q, ok := d.Question(1, alice); ok {
		t.Errorf("she is in no table any more, and reads: in force %q, label %q, to %v", q.InForce, q.Label, q.Recipient)
	}
	if told, ok := d.Told(1, alice); ok {
		t.Errorf("she is in no table any more, and reads: in force %q, may object %v", told.InForce, told.Standing)
	}
	if err := d.Object(1, alice, time.Time{}); err == nil {
		t.Errorf("she is in no table any more, and has withdrawn the answer that bob relies on")
	}
}

// asking again asks, whatever the policy.
func TestAskAgainNoBootstrap(t *testing.T) {
	policy := gateway.DefaultPolicy()
	policy.NoBootstrap = true
	d := newDesk(t, "two-users", policy, map[string]string{"wiremap": "location_id,site,subnet\n"})
	d.until("08:05")
	d.Advance(d.Now().Add(15 * 24 * time.Hour))
	d.table("wiremap", "location_id,site,subnet\nhq-3f,hq,10.1.2.0/24\n", false)
	q, _ := d.Question(1, alice)
	if q.State != gateway.Expired || !q.Askable {
		t.Fatalf("%s %v", q.State, q.Askable)
	}
	before := len(*d.said)
	d.must(d.AskAgain(1, alice, time.Time{}))
	q, _ = d.Question(1, alice)
	if n := len(d.Prompts()); n != 2 {
		t.Errorf("asked again without an error: %d prompts, %d events, askable still %v", n, len(*d.said)-before, q.Askable)
	}
}

// an answer of which the notice tells can be objected to by who got it.
func TestNoticeToFormerHotDesk(t *testing.T) {
	d := newDesk(t, "hot-desking", gateway.DefaultPolicy(), nil)
	d.until("08:05")
	d.until("12:15")
	d.must(d.Answer(gateway.Reply{Prompt: 1, Kind: gateway.AnswerConfirm, By: "cli:root"}))
	for _, m := range d.mails() {
		if l, ok := m.Link(); ok && l.Purpose == gateway.MailNotice {
			found := false
			for _, r := range d.Readers(l.Purpose, l.ID) {
				found = found || r == l.User
			}
			if !found {
				t.Errorf("the %s to %s has a link that opens nothing", m.Purpose, m.To)
			}
		}
	}
}

// a rejected proposal is retired, whatever the tables say of it.
func TestRejectedButMapped(t *testing.T) {
	d := newDesk(t, "flapping", gateway.DefaultPolicy(), nil)
	d.until("08:03")
	d.must(d.Answer(gateway.Reply{Prompt: 1, Kind: gateway.AnswerPropose, Address: address("Elm Street", "1"), By: alice}))
	d.table("wiremap", "location_id,site,remote_id,circuit_id\nclaim-1,hq,sw-9fl,Gi1/0/9\n", false)
	err := d.Review(gateway.Decision{Claim: 1, Reason: "no", By: "cli:root"})
	if l, _ := d.Directory().Location("claim-1"); err == nil && !l.Retired {
		t.Errorf("claim 1 is rejected, and its location is %+v", l)
	}
}

// after an objection the network of an expired second question is asked about
// when the phone returns.
func TestObjectionAfterExpiredReconfirm(t *testing.T) {
	d := newDesk(t, "return", gateway.DefaultPolicy(), map[string]string{"locations": someLocations, "users": someUsers, "sites": someSites})
	d.until("08:05")
	d.must(d.Answer(gateway.Reply{Prompt: 1, Kind: gateway.AnswerConfirm, By: alice}))
	d.table("wiremap", "location_id,site,remote_id,circuit_id\nhq-4f,hq,sw-3fl,Gi1/0/7\n", false)
	if q := d.Prompts(); len(q) != 2 || !q[1].Open() {
		t.Fatalf("%+v", q)
	}
	d.Advance(d.Now().Add(15 * 24 * time.Hour)) // nobody answers the second question
	shift := 15 * 24 * time.Hour
	for i := range d.seen {
		o := *d.seen[i]
		o.Time = o.Time.Add(shift)
		d.seen[i] = &o
	}
	play := func(hhmm string) {
		at, _ := time.Parse("2006-01-02 15:04", "2026-03-17 "+hhmm)
		for d.next < len(d.seen) && !d.seen[d.next].Time.After(at) {
			d.Observe(d.seen[d.next])
			d.next++
		}
		d.Advance(at)
	}
	play("08:15") // it moves to the other port
	if x := d.Explain(mac1); x[0].Networks[len(x[0].Networks)-1].Current == false {
		t.Fatal("it did not move")
	}
	d.must(d.Object(1, alice, time.Time{}))
	play("08:30") // and returns
	last := d.Prompts()[len(d.Prompts())-1]
	t.Logf("last prompt %d %s open %v; %+v", last.ID, last.Reason, last.Open(), d.Explain(mac1)[0].Networks)
	if !last.Open() {
		t.Errorf("the answer was withdrawn; back on its network (in force %q) nobody is asked", d.inForce(mac1))
	}
}

// a sole user who disowns the phone while an answer stands does not turn a
// reported network into one with nobody to ask.
func TestDisownWhileReconfirm(t *testing.T) {
	d := newDesk(t, "hot-desking", gateway.DefaultPolicy(), map[string]string{"locations": someLocations, "users": someUsers, "sites": someSites})
	d.until("08:05")
	d.must(d.Answer(gateway.Reply{Prompt: 1, Kind: gateway.AnswerConfirm, By: alice}))
	d.table("wiremap", "location_id,site,remote_id,circuit_id\nhq-4f,hq,sw-3fl,Gi1/0/7\n", false)
	if q := d.Prompts(); len(q) != 2 || !q[1].Open() {
		t.Fatalf("%+v", q)
	}
	d.must(d.Disown(2, alice, time.Time{}))
	d.until("12:20") // bob logs in, on the same network
	told, _ := d.Told(1, alice)
	for _, q := range d.Prompts() {
		if q.ID > 2 {
			t.Errorf("answer 1 stands (%v, in force %s), yet prompt %d (%s %s) asks %v: login alone changes who is asked, never the location", told.Standing, d.inForce(mac1), q.ID, q.Kind, q.Location, q.To)
		}
	}
}

// a refused personal answer does not use up a number.
func TestRefusedUsesNoNumber(t *testing.T) {
	d := newDesk(t, "flapping", gateway.DefaultPolicy(), nil)
	d.until("08:03")
	bad := address("Elm Street", "")
	bad.Parent = "hq"
	if err := d.Answer(gateway.Reply{Prompt: 1, Kind: gateway.AnswerAddPersonal, Address: bad, By: alice}); err == nil {
		t.Fatal("taken")
	}
	d.must(d.Answer(gateway.Reply{Prompt: 1, Kind: gateway.AnswerAddPersonal, Address: address("Elm Street", ""), By: alice}))
	if got := d.inForce(mac1); got != "personal-1" {
		t.Errorf("the first personal location is %s: the refused answer changed a counter", got)
	}
}

// the objection of a user of the phone ends a question that is open about it,
// or the mail that is promised comes.
func TestObjectionWhileReconfirm(t *testing.T) {
	d := newDesk(t, "two-users", gateway.DefaultPolicy(), map[string]string{"locations": someLocations, "users": someUsers, "sites": someSites})
	d.until("08:05")
	d.must(d.Answer(gateway.Reply{Prompt: 1, Kind: gateway.AnswerConfirm, By: alice}))
	d.table("wiremap", "location_id,site,subnet\nhq-4f,hq,10.1.2.0/24\n", false)
	before := len(d.mails())
	d.must(d.Object(1, bob, time.Time{}))
	n := 0
	for _, m := range d.mails()[before:] {
		if m.Purpose == gateway.MailPrompt {
			n++
		}
	}
	if n == 0 {
		t.Errorf("the notice says that the users are asked once more, in a mail of its own: none came")
	}
}

// an admin of the site that was answered for may object, one of the site where
// the phone happens to be now may not.
func TestAdminOfOtherSiteObjects(t *testing.T) {
	d := newDesk(t, "move-by-register-other-site", gateway.DefaultPolicy(), map[string]string{
		"users": "email,name,role,site,aors\nalice@example.com,Alice,user,hq,\ncarol@example.com,Carol,admin,hq,\nbert@example.com,Bert,admin,b2,\n"})
	d.until("08:05")
	d.must(d.Answer(gateway.Reply{Prompt: 1, Kind: gateway.AnswerConfirm, By: alice}))
	d.until("09:02")
	if err := d.Object(1, "bert@example.com", time.Time{}); err == nil {
		t.Errorf("the admin of b2 has withdrawn an answer about hq")
	}
}

// the evidence of a claim is that of its network.
func TestEvidenceOfClaim(t *testing.T) {
	d := newDesk(t, "return", gateway.DefaultPolicy(), nil)
	d.until("08:10")
	d.until("08:10")
	for d.next < len(d.seen) && d.Explain(mac1)[0].Moving == false {
		d.Observe(d.seen[d.next])
		d.next++
	}
	if !d.Explain(mac1)[0].Moving {
		t.Fatal("it does not move")
	}
	d.must(d.Answer(gateway.Reply{Prompt: 1, Kind: gateway.AnswerPropose, Address: address("Elm Street", "1"), By: alice}))
	c := d.Claims()[0]
	for _, ev := range c.Evidence {
		if ev.Field == "circuit_id" && !strings.Contains(ev.Value, string(c.Attachment.CircuitID)) {
			t.Errorf("claim about %s has the evidence %s=%s", c.Attachment.Network(), ev.Field, ev.Value)
		}
	}
}

// TestTextsOfForms: what a form can hold and a database cannot is refused, or made
// plain; a batch that no database takes would stop everything.
func TestTextsOfForms(t *testing.T) {
	d := newDesk(t, "two-users", gateway.DefaultPolicy(), map[string]string{"wiremap": "location_id,site,subnet\n"})
	d.until("08:05")
	for _, bad := range []string{"a\x00b", "a\xffb", "a\nb"} {
		err := d.Answer(gateway.Reply{Prompt: 1, Kind: gateway.AnswerPropose, By: alice, Address: location.Location{
			Address: location.CivicAddress{City: bad, Street: "Mill Lane"},
		}})
		if !errors.As(err, new(*gateway.Refusal)) {
			t.Errorf("city %q: got %v, want a refusal", bad, err)
		}
	}
	d.must(d.Answer(gateway.Reply{Prompt: 1, Kind: gateway.AnswerPropose, By: alice, Address: location.Location{
		Address: location.CivicAddress{Country: "US", City: "Springfield", Street: "Mill Lane", HouseNumber: "3"},
	}}))
	d.must(d.Review(gateway.Decision{Claim: 1, Reason: "no\x00such\r\nplace\xff", By: "cli:root"}))
	if got := d.Claims()[0].Reason; got != "no such  place\ufffd" {
		t.Errorf("the reason is %q", got)
	}
}
