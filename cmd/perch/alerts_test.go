package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"perch/gateway"
	"perch/location"
	"perch/sip/proxy"
)

// A call for help, from what the SIP path tells to what the commands print, in a
// database that is not served.
func TestAlertsCommands(t *testing.T) {
	db := filepath.Join(t.TempDir(), "p.db")
	liveDatabase(t, db, "confirm")
	conf := defaults()
	conf.SIP.Sites = []sipSiteConfig{{netip.MustParsePrefix("10.1.0.0/16"), "hq"}}
	conf.Alarm.Contacts = []contactConfig{{Site: "hq", To: []string{"desk@example.com"}}}
	k, err := newSIPKeeper(&conf, strings.TrimSuffix(db, ".db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s, err := openSession(t.Context(), conf, db, false, false)
	if err != nil {
		t.Fatal(err)
	}
	k.help = func(c gateway.EmergencyCall) { s.engine.Emergency(c, s.engine.Now()) }
	known := proxy.EmergencyCall{
		ID: "a", Time: s.engine.Now(), Dialled: "911", Site: "hq", AOR: "sip:1001@pbx.example.com", From: netip.MustParseAddrPort("10.1.2.3:5060"), Found: "source",
		Caller: &proxy.Caller{
			Phone: "00:15:65:aa:00:01", Label: "Alice's desk", Location: "hq-307", Source: "confirmed", Network: "hq sw-3fl/Gi1/0/7", Moving: true,
			Address: location.CivicAddress{Country: "US", State: "IL", City: "Springfield", Street: "Main Street", HouseNumber: "100", Building: "A", Floor: "3", Room: "307"},
		},
		Sent: "<presence/>", To: netip.MustParseAddrPort("10.1.0.1:5060"),
	}
	k.emergency(&known)
	k.emergency(&proxy.EmergencyCall{ID: "b", Time: s.engine.Now(), Dialled: "112", Site: "hq", AOR: "sip:x@y", From: netip.MustParseAddrPort("10.1.9.9:5060"), Why: "the caller is not known"})
	k.emergency(&proxy.EmergencyCall{ID: "c", Time: s.engine.Now(), Dialled: "933", Test: true, AOR: "sip:x@y", From: netip.MustParseAddrPort("192.0.2.1:5060"), Why: "the caller is not known"})
	known.Status = 200
	k.emergency(&known)
	k.tellRest()
	err = nil
	s.close(t.Context(), &err)
	if err != nil {
		t.Fatal(err)
	}

	perch := func(args ...string) string {
		t.Helper()
		code, out, errs := perchRun(t, append(args, "-db", db)...)
		if code != exitDone {
			t.Fatalf("perch %s: exit %d: %s", args, code, errs)
		}
		return out
	}
	got := perch("alerts", "list")
	for _, want := range []string{
		" 911      sip:1001@pbx.example.com  00:15:65:aa:00:01 Alice's desk  hq-307 v1  location                          200     waits",
		" 112      sip:x@y                   -                               -          nothing: the caller is not known  -       waits",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%swant a line with\n%s", got, want)
		}
	}
	if strings.Contains(got, "933") {
		t.Errorf("a test waits:\n%s", got)
	}
	got = perch("alerts", "list", "-all", "-json")
	for _, want := range []string{
		`{"id":1,"call":"a","time":"`, `"dialled":"911","state":"waits","site":"hq","aor":"sip:1001@pbx.example.com","from":"10.1.2.3:5060","found":"source"`,
		`"location":"hq-307","version":1,"place":"Room 307","address":"100 Main Street, Building A, Floor 3, Room 307, Springfield, IL, US","source":"confirmed","moving":true,"sent":"<presence/>"`,
		`"pbx":"10.1.0.1:5060","status":200`, `"state":"waits","site":"hq","aor":"sip:x@y","from":"10.1.9.9:5060"`, `"state":"test","aor"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%swant a line with\n%s", got, want)
		}
	}
	perch("alerts", "ack", "1", "-by", "Frida Front")
	if got := perch("alerts", "list", "-all"); !strings.Contains(got, "acknowledged by Frida Front") {
		t.Errorf("got\n%s", got)
	}
	if code, _, errs := perchRun(t, "alerts", "ack", "1", "-by", "Bob", "-db", db); code != exitFailed || !strings.Contains(errs, "was acknowledged by Frida Front already") {
		t.Errorf("exit %d: %s", code, errs)
	}
	if code, _, errs := perchRun(t, "alerts", "link", "-for", "Mallory@example.com", "-db", db); code != exitFailed || !strings.Contains(errs, `"mallory@example.com" is no contact`) || !strings.Contains(errs, "hint: ") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

// While the database cannot be written a call is seen and acknowledged, and its mail
// waits; then both are stored.
func TestAlertWhileFailing(t *testing.T) {
	store := &brokenStore{}
	conf := defaults()
	conf.Alarm.Contacts = []contactConfig{{To: []string{"desk@example.com"}}}
	ec, err := conf.engine()
	if err != nil {
		t.Fatal(err)
	}
	e, err := gateway.New(t.Context(), ec, store)
	if err != nil {
		t.Fatal(err)
	}
	clock, err := newClock(e.Now())
	if err != nil {
		t.Fatal(err)
	}
	l := newLive(e, clock, slog.New(slog.NewTextHandler(io.Discard, nil)), nil)
	o := &office{e, l}
	store.broken = true
	now := time.Now()
	l.help(gateway.EmergencyCall{Name: "a", Time: now, Dialled: "911", AOR: "sip:x@y"})
	checkpoint := now.Add(time.Hour)
	if err := l.commit(t.Context(), &checkpoint); err == nil {
		t.Fatal("the store is not broken")
	}
	if a, ok := o.Alerts("desk@example.com"); !ok || len(a.Waiting) != 1 {
		t.Errorf("shown is %+v", a)
	}
	if err := o.Acknowledge(t.Context(), gateway.Acknowledgement{Emergency: 1, Name: "Frida", By: "desk@example.com"}); err != nil {
		t.Errorf("acknowledged: %v", err)
	}
	if a, _ := o.Alerts("desk@example.com"); len(a.Waiting) != 0 || len(a.Recent) != 1 {
		t.Errorf("shown is %+v", a)
	}
	if err := o.Acknowledge(t.Context(), gateway.Acknowledgement{Emergency: 1, Name: "Frida", By: "desk@example.com"}); err == nil {
		t.Error("acknowledged twice")
	}
	mails := func() (n int) {
		if err := store.Mails(t.Context(), 0, func(gateway.Mail) error { n++; return nil }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := mails(); n != 0 {
		t.Errorf("%d mails left before their commit", n)
	}
	store.broken = false
	if err := l.commit(t.Context(), &checkpoint); err != nil {
		t.Fatal(err)
	}
	st, err := store.Load(t.Context())
	if err != nil || len(st.Emergencies) != 1 || st.Emergencies[0].By != "Frida" || mails() != 1 {
		t.Errorf("stored are %+v, %v, and %d mails", st.Emergencies, err, mails())
	}
}

// brokenStore is a store whose commits fail for as long as it is broken.
type brokenStore struct {
	gateway.Memory
	broken bool
}

func (s *brokenStore) Commit(ctx context.Context, b *gateway.Batch) error {
	if s.broken {
		return errors.New("disk full")
	}
	return s.Memory.Commit(ctx, b)
}

// doctor speaks of calls that wait, of contacts whom no mail reaches, and of sites of
// which nobody would be told.
func TestAlarmAilments(t *testing.T) {
	db := filepath.Join(t.TempDir(), "p.db")
	liveDatabase(t, db, "confirm")
	conf := defaults()
	conf.Site = "hq"
	conf.Alarm.Contacts = []contactConfig{{Site: "elsewhere", To: []string{"desk@example.com"}}}
	s, err := openSession(t.Context(), conf, db, false, false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.store.Close()
	said := func(want ...string) {
		t.Helper()
		var got []string
		for _, a := range alarmAilments(t.Context(), s) {
			if a.Remedy == "" {
				t.Errorf("%q has no remedy", a.What)
			}
			got = append(got, a.What)
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	unknown := `alarm.contacts names site "elsewhere", which is not in the directory`
	nobody := []string{"nobody is told by mail of an emergency call from a site that is not known", `nobody is told by mail of an emergency call from site "hq"`}
	said(unknown, nobody[0], nobody[1])
	s.engine.Emergency(gateway.EmergencyCall{Name: "a", Dialled: "911", Site: "elsewhere"}, s.engine.Now())
	if err := s.engine.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	box := s.store.(gateway.Outbox)
	at := s.engine.Now()
	mails, err := box.Lease(t.Context(), at, at.Add(time.Minute), 9)
	if err != nil || len(mails) == 0 || mails[0].Purpose != gateway.MailEmergency {
		t.Fatalf("leased %+v, %v", mails, err)
	}
	if _, err := box.Record(t.Context(), gateway.Outcome{
		Mail: mails[0].ID, Attempt: mails[0].Attempt, To: mails[0].To, State: gateway.DeliveryRefused, At: at, Reply: "550 no such user",
	}); err != nil {
		t.Fatal(err)
	}
	said("1 emergency call has not been acknowledged", "mail to desk@example.com, a contact for emergency calls, is refused: 550 no such user", unknown, nobody[0], nobody[1])
}
