package portal

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"perch/discovery"
	"perch/gateway"
	"perch/location"
)

func TestClaim(t *testing.T) {
	w := newWorld(t)
	id := w.propose()
	p := w.browser()
	p.open(gateway.MailClaim, id, rita).has(t, 200, "The switch itself says", "switch sw-3fl, port Gi1/0/7")
	w.plug(lobby, "sw-3fl", "Gi1/0/8", "10.1.2.21")
	p.open(gateway.MailClaim, id, rita).has(t, 200, "Is this where desk phone “Reception” is?", alice, "102 Main Street", "A new address",
		"chassis_id=sw-3fl port=Gi1/0/7", "One phone is there now, and its address stays as it is",
		"The whole switch", "2 phones are there now, and the address of 1 of them changes", "No rule is made", "Edit the address", "Monday, 2 March 2026, 02:16 CST")
	path := fmt.Sprintf("/claims/%d", id)
	p.post(path, "do", "approve").has(t, 200, "Approved: the address", rita, "For <bdi>port Gi1/0/7 of switch sw-3fl", "!<button")
	if c := w.office.Claims()[0]; c.State != gateway.ClaimApproved || c.Level != discovery.LevelPort || c.Decider != rita {
		t.Errorf("claim %+v", c)
	}
	before := w.snapshot()
	p.post(path, "do", "approve").has(t, 200, "Approved: the address")
	p.post(path, "do", "reject", "reason", "late").has(t, 200, "Approved: the address")
	p.post(path, "do", "reject", "reason", "").has(t, 200, "Approved: the address", "!Please say why")
	p.get(path+"/edit").has(t, 200, "Approved: the address")
	p.post(path+"/edit", "do", "save", "country", "US").has(t, 200, "Approved: the address")
	if w.snapshot() != before {
		t.Error("a decided claim was decided again")
	}
	w.browser().open(gateway.MailNotice, 1, alice).has(t, 200, "Thank you", "!review it")
}

// TestApproveAtLevel: at the level that was chosen; with the rule that it
// replaces, and the phones that it touches, shown before.
func TestApproveAtLevel(t *testing.T) {
	w := newWorld(t)
	w.load(map[string]string{"wiremap": "location_id,site,chassis_id,subnet\nhq-4f,hq,sw-3fl,\nhq-3f,hq,,10.1.2.0/24"})
	w.answer(gateway.Reply{Prompt: w.unknownPort(), Kind: gateway.AnswerCompany, By: alice, Location: "hq-401"})
	w.plug(lobby, "sw-3fl", "Gi1/0/8", "10.1.2.21")
	p := w.browser()
	page := p.open(gateway.MailClaim, 1, rita)
	page.has(t, 200, "In the company’s list as <bdi>hq-401</bdi>", "Replaces <bdi>Fourth floor (", "Leads to <bdi>Fourth floor (", "Replaces <bdi>Third floor (", "!Edit the address")
	p.post("/claims/1", "do", "approve", "level", "chassis").has(t, 200, "Approved", "For <bdi>switch sw-3fl (port not known)")
	if c := w.office.Claims()[0]; c.Level != discovery.LevelChassis {
		t.Errorf("approved at %s", c.Level)
	}
}

// TestApproveOddLevel: a level that the network lacks is its own.
func TestApproveOddLevel(t *testing.T) {
	w := newWorld(t)
	id := w.propose()
	p := w.browser()
	p.open(gateway.MailClaim, id, rita)
	p.post(fmt.Sprintf("/claims/%d", id), "do", "approve", "level", "bssid").has(t, 200, "Approved", "For <bdi>port Gi1/0/7")
}

// TestTouched: of many phones twenty are listed.
func TestTouched(t *testing.T) {
	w := newWorld(t)
	var csv strings.Builder
	csv.WriteString("mac,kind,label,site,users\n")
	macs := make([]discovery.MAC, 23)
	for i := range macs {
		macs[i] = discovery.MAC{0x00, 0x15, 0x65, 0xcc, 0, byte(i)}
		fmt.Fprintf(&csv, "%s,desk,Desk %d,hq,bob@example.com\n", macs[i], i)
	}
	w.load(map[string]string{"phones": csv.String()})
	id := w.propose()
	for i, m := range macs {
		w.plug(m, "sw-3fl", fmt.Sprintf("Gi1/0/%d", i+10), fmt.Sprintf("10.1.2.%d", i+50))
	}
	p := w.browser()
	p.open(gateway.MailClaim, id, rita)
	r, _ := w.office.ReviewOf(id, rita)
	var whole choiceView
	for _, c := range choiceViews(r, discovery.LevelNone) {
		if c.Level == "chassis" {
			whole = c
		}
	}
	if len(whole.Phones) != maxTouched || whole.More != 4 || whole.Count != 24 || whole.Changes != 23 {
		t.Errorf("%d listed, %d more, %d in all, %d change; want 20, 4, 24, 23", len(whole.Phones), whole.More, whole.Count, whole.Changes)
	}
	if last := whole.Phones[maxTouched-1]; last.Then == "" || last.Now == "" || last.Name == "" {
		t.Errorf("a phone that changes: %+v", last)
	}
}

func TestReject(t *testing.T) {
	w := newWorld(t)
	id := w.propose()
	p := w.browser()
	path := fmt.Sprintf("/claims/%d", id)
	p.open(gateway.MailClaim, id, rita)
	before := w.snapshot()
	p.post(path, "do", "reject", "reason", " \u200b ").has(t, 422, "<title>Error: ", "Please say why", `aria-invalid="true"`, `<details class="way" open>`)
	long := strings.Repeat("because ", 200)
	p.post(path, "do", "reject", "reason", long).has(t, 422, "At most 1000 characters", long[:1500])
	p.post(path, "do", "explode").has(t, 400)
	if w.snapshot() != before {
		t.Error("a rejection without a reason had an effect")
	}
	p.post(path, "do", "reject", "reason", "That is\r\nthe car park").has(t, 200, "Rejected: the address", "That is the car park", rita)
	if c := w.office.Claims()[0]; c.State != gateway.ClaimRejected || c.Reason != "That is the car park" {
		t.Errorf("claim %+v", c)
	}
	w.browser().open(gateway.MailNotice, 1, alice).has(t, 200, "not accepted", "That is the car park", "does not hold any more")
}

func TestEditAndApprove(t *testing.T) {
	w := newWorld(t)
	id := w.propose()
	p := w.browser()
	path := fmt.Sprintf("/claims/%d", id)
	p.open(gateway.MailClaim, id, rita)
	p.get(path+"/edit").has(t, 200, `value="102"`, `value="307"`, "The whole switch", "!Name for this place", `!autocomplete="postal-code"`)
	form := []string{"country", "US", "state", "IL", "city", "Springfield", "street", "Main Street", "house_number", "104", "postal_code", "62701", "floor", "3", "level", "chassis"}
	p.post(path+"/edit", append([]string{"do", "save", "room", strings.Repeat("x", 99)}, form...)...).has(t, 422, "at most 80 characters", `value="104"`, `<option value="chassis" selected>`)
	p.post(path+"/edit", append([]string{"do", "country"}, form...)...).has(t, 200, `value="104"`, `<option value="chassis" selected>`)
	w.office.fail = errors.New("disk full")
	p.post(path+"/edit", append([]string{"do", "save", "room", "308"}, form...)...).has(t, 503, "could not be saved just now", `value="308"`, `value="104"`)
	p.post(path, "do", "approve", "level", "chassis").has(t, 503, "could not be saved just now", `value="chassis" checked`)
	p.post(path, "do", "reject", "reason", "no such place").has(t, 503, "could not be saved just now", "no such place")
	w.office.fail = nil
	p.post(path+"/edit", append([]string{"do", "save", "room", "308"}, form...)...).has(t, 200, "Approved", "104 Main Street", "Room 308", "switch sw-3fl")
	c := w.office.Claims()[0]
	var got location.CivicAddress
	l, _ := w.office.Directory().Location(c.Location)
	got = l.Address
	if got.HouseNumber != "104" || got.Room != "308" || l.Pending || c.Level != discovery.LevelChassis {
		t.Errorf("location %+v, level %s", l, c.Level)
	}
}

// TestTwoReviewers: the second is shown what the first decided.
func TestTwoReviewers(t *testing.T) {
	w := newWorld(t)
	id := w.propose()
	p := w.browser()
	path := fmt.Sprintf("/claims/%d", id)
	p.open(gateway.MailClaim, id, rita).has(t, 200, "Approve")
	if err := w.office.Review(t.Context(), gateway.Decision{Claim: id, By: "ada@example.com", Reason: "no"}); err != nil {
		t.Fatal(err)
	}
	p.post(path, "do", "approve").has(t, 200, "Rejected: the address", "ada@example.com")
	w.browser().open(gateway.MailClaim, id, alice).has(t, 404)
}
