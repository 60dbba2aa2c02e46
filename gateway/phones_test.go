package gateway_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"perch/discovery"
	"perch/gateway"
	"perch/provisioning"
)

const heir = "00:15:65:aa:00:77"

// another is a capture as it would be of another phone, later: the same port, the same lease.
func another(seen []*discovery.Observation, from, to discovery.MAC, later time.Duration) []*discovery.Observation {
	var out []*discovery.Observation
	swap := func(m *discovery.MAC) {
		if *m == from {
			*m = to
		}
	}
	for _, o := range seen {
		x := *o
		x.Time = x.Time.Add(later)
		swap(&x.MAC)
		swap(&x.Dst)
		if o.DHCP != nil {
			d := *o.DHCP
			swap(&d.Chaddr)
			x.DHCP = &d
		}
		if o.ARP != nil {
			a := *o.ARP
			swap(&a.SenderMAC)
			x.ARP = &a
		}
		out = append(out, &x)
	}
	return out
}

func mustMAC(t *testing.T, s string) discovery.MAC {
	t.Helper()
	m, err := discovery.ParseMAC(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A phone that takes another one's place has its row, and what was answered for it: it is not
// asked about where the other one stood, whether it is heard before it is put there or after.
func TestReplacePhone(t *testing.T) {
	old, next := mustMAC(t, mac1), mustMAC(t, heir)
	row := provisioning.Phone{MAC: next, Vendor: provisioning.Yealink, Model: "SIP-T54W"}
	for _, tc := range []struct {
		name   string
		before bool // it was heard, and asked about, before
	}{{"not heard yet", false}, {"asked already", true}} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDesk(t, "confirm", gateway.DefaultPolicy(), map[string]string{"phones": "mac,label,site,users,vendor,model\n" + mac1 + ",Alice's desk,hq,alice@example.com,yealink,SIP-T46S\n"})
			d.until("08:05")
			d.must(d.Answer(gateway.Reply{Prompt: 1, Kind: gateway.AnswerConfirm, By: alice}))
			d.until("08:30")
			if tc.before {
				d.table("phones", "mac,label,site,users\n"+heir+",New,hq,alice@example.com\n", false)
			}
			d.seen = append(d.seen, another(d.seen, old, next, 2*time.Hour)...)
			if !tc.before {
				d.must(d.ReplacePhone(old, row))
				d.restart()
			}
			d.until("10:30")
			if tc.before {
				if q, ok := d.Question(2, alice); !ok || q.State != 0 {
					t.Fatalf("got %+v, %v: want it asked", q, ok)
				}
				d.must(d.ReplacePhone(old, row))
			}
			d.until("11:00")
			x := d.Explain(heir)
			if len(x) != 1 || x[0].Assignment.Location != "hq-307" || x[0].Assignment.Source != gateway.FromConfirmed || x[0].Prompt != nil || x[0].Label != "Alice's desk" {
				t.Fatalf("got %+v", x)
			}
			if n := len(d.Prompts()); n != 1 && !tc.before || n != 2 && tc.before {
				t.Errorf("%d prompts", n)
			}
			if len(d.Explain(mac1)) != 0 {
				t.Error("the phone that was replaced is still there")
			}
			p, ok := d.Directory().Phone(next)
			if _, left := d.Directory().Phone(old); left || !ok || p.Model != "SIP-T54W" || !slices.Equal(p.Users, []string{alice}) {
				t.Errorf("got %+v, and of the other one %v", p, left)
			}
			d.restart()
			if got := d.inForce(heir); got != "hq-307" {
				t.Errorf("after a restart: %s", got)
			}
		})
	}
}

// What cannot be is refused, and changes nothing.
func TestReplacePhoneRefuses(t *testing.T) {
	d := newDesk(t, "confirm", gateway.DefaultPolicy(), map[string]string{"phones": "mac,users,aors\n" + mac1 + ",alice@example.com,\n00:15:65:aa:00:02,,sip:102@example.com\n"})
	for _, tc := range []struct{ old, next, want string }{
		{heir, "00:15:65:aa:00:78", "is not listed"},
		{mac1, mac1, "cannot take its own place"},
		{mac1, "00:15:65:aa:00:02", "has lines of its own"},
	} {
		err := d.ReplacePhone(mustMAC(t, tc.old), provisioning.Phone{MAC: mustMAC(t, tc.next)})
		var no *gateway.Refusal
		if !errors.As(err, &no) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s by %s: got %v, want %q", tc.old, tc.next, err, tc.want)
		}
	}
	before := d.Pending()
	if err := d.ChangeDirectory(provisioning.Changes{Put: provisioning.Content{Phones: []provisioning.Phone{{MAC: mustMAC(t, heir), Users: []string{"nobody@example.com"}}}}}); err == nil || d.Pending() != before {
		t.Errorf("got %v: want a user that is not there refused", err)
	}
	d.must(d.ChangeDirectory(provisioning.Changes{Put: provisioning.Content{Phones: []provisioning.Phone{{MAC: mustMAC(t, heir), Kind: provisioning.Desk, Users: []string{alice}}}}}))
	d.must(d.Checkpoint(context.Background()))
	d.start()
	if p, ok := d.Directory().Phone(mustMAC(t, heir)); !ok || !slices.Equal(p.Users, []string{alice}) {
		t.Errorf("got %+v, %v", p, ok)
	}
}

// A phone that has only fetched its configuration is nowhere yet: nobody is asked about it in
// the place of the phone that it replaces, whose question is withdrawn.
func TestReplaceUnanswered(t *testing.T) {
	for _, before := range []bool{true, false} {
		d := newDesk(t, "confirm", gateway.DefaultPolicy(), nil)
		d.until("08:05")
		fetch := func() {
			d.Observe(&discovery.Observation{Time: d.Now().Add(time.Second), Kind: discovery.KindFetch, Fetch: &discovery.Fetch{MAC: mustMAC(t, heir), Source: netip.MustParseAddr("10.1.2.40")}})
		}
		if before {
			fetch()
		}
		d.must(d.ReplacePhone(mustMAC(t, mac1), provisioning.Phone{MAC: mustMAC(t, heir)}))
		if !before {
			fetch()
		}
		d.Advance(d.Now().Add(time.Hour))
		q := d.Prompts()
		if len(q) != 1 || q[0].Reason != gateway.Withdrawn {
			t.Errorf("fetched before %v: got %+v", before, q)
		}
	}
}

// A replacement that is taken back before the new phone was heard leaves the old one as it was,
// and the new one, when it is heard after all, gets nothing of it.
func TestReplacePhoneTakenBack(t *testing.T) {
	old, next := mustMAC(t, mac1), mustMAC(t, heir)
	row := provisioning.Phone{MAC: old, Kind: provisioning.Desk, Label: "Alice's desk", Site: "hq", Users: []string{alice}}
	put := func(p provisioning.Phone) provisioning.Changes {
		return provisioning.Changes{Put: provisioning.Content{Phones: []provisioning.Phone{p}}}
	}
	gone := provisioning.Changes{GonePhones: []provisioning.Phone{{MAC: next}}}
	for name, back := range map[string]func(d *desk){
		"replaced back":       func(d *desk) { d.must(d.ReplacePhone(next, provisioning.Phone{MAC: old})) },
		"removed, and listed": func(d *desk) { d.must(d.ChangeDirectory(gone)); d.must(d.ChangeDirectory(put(row))) },
		"listed, and removed": func(d *desk) { d.must(d.ChangeDirectory(put(row))); d.must(d.ChangeDirectory(gone)) },
		"listed, by an import": func(d *desk) {
			d.table("phones", "mac,label,site,users\n"+mac1+",Alice's desk,hq,alice@example.com\n", true)
		},
		"over a restart between": func(d *desk) {
			d.restart()
			d.must(d.ChangeDirectory(gone))
			d.restart()
			d.must(d.ChangeDirectory(put(row)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, "confirm", gateway.DefaultPolicy(), nil)
			d.until("08:05")
			d.must(d.Answer(gateway.Reply{Prompt: 1, Kind: gateway.AnswerConfirm, By: alice}))
			d.until("08:30")
			d.must(d.ReplacePhone(old, provisioning.Phone{MAC: next}))
			if err := d.ReplacePhone(next, provisioning.Phone{MAC: next}); err == nil {
				t.Error("a phone takes its own place")
			}
			back(d)
			d.restart()
			if got := d.inForce(mac1); got != "hq-307" {
				t.Errorf("the old phone is at %q", got)
			}
			d.seen = append(d.seen, another(d.seen, old, next, 2*time.Hour)...)
			d.until("11:00")
			if x := d.Explain(mac1); len(x) != 1 || x[0].Assignment.Location != "hq-307" {
				t.Errorf("when the other one is heard the old phone is %+v", x)
			}
			if len(d.Prompts()) != 1 && name != "listed, by an import" {
				t.Errorf("got %+v", d.Prompts())
			}
		})
	}
	d := newDesk(t, "confirm", gateway.DefaultPolicy(), map[string]string{"phones": "mac,users\n" + mac1 + ",alice@example.com\n00:15:65:aa:00:02,\n"})
	d.until("08:05")
	d.must(d.ReplacePhone(old, provisioning.Phone{MAC: next}))
	if err := d.ReplacePhone(mustMAC(t, "00:15:65:aa:00:02"), provisioning.Phone{MAC: next}); err == nil || !strings.Contains(err.Error(), "is in the place of "+mac1+" already") {
		t.Errorf("two phones in whose place one is: got %v", err)
	}
}
