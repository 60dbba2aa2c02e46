package gateway_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"perch/discovery"
	"perch/gateway"
	"perch/notify"
	"perch/provisioning"
)

// frontOffice is a site with one phone whose place is known, and an engine whose alarms
// are as a test wants them.
type frontOffice struct {
	t      *testing.T
	store  *gateway.Memory
	engine *gateway.Engine
	alarm  gateway.Alarm
	events []string // of calls for help and mails, as the story tells them
	log    strings.Builder
}

var callFrom = discovery.PhoneID{MAC: discovery.MAC{0x00, 0x15, 0x65, 0xaa, 0x00, 0x01}}

func newFrontOffice(t *testing.T, alarm gateway.Alarm) *frontOffice {
	t.Helper()
	d := &frontOffice{t: t, store: &gateway.Memory{}, alarm: alarm}
	d.start()
	files, err := provisioning.ReadPaths("../testdata/replay/confirm/map")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.engine.Import(files, false); err != nil {
		t.Fatal(err)
	}
	d.users("carol@example.com,Carol,admin,hq\ndora@example.com,Dora,admin,")
	for _, o := range observations(t, "confirm") {
		d.engine.Observe(o)
	}
	d.engine.Settle()
	d.commit()
	d.events = nil
	return d
}

// start makes an engine of what is stored.
func (d *frontOffice) start() {
	d.t.Helper()
	r, err := notify.New(notify.Config{From: "perch@example.com", URL: "https://perch.example.com"})
	if err != nil {
		d.t.Fatal(err)
	}
	d.engine, err = gateway.New(d.t.Context(), gateway.Config{
		Discovery: discovery.Config{Site: "hq"}, Policy: gateway.DefaultPolicy(), Renderer: r, Alarm: d.alarm, Log: slog.New(slog.NewTextHandler(&d.log, nil)),
	}, d.store)
	if err != nil {
		d.t.Fatal(err)
	}
	d.engine.OnEvent(func(ev gateway.Event) {
		if strings.HasPrefix(ev.Name, "emergency.") || strings.Contains(string(ev.Data), `"purpose":"emergency"`) {
			var s strings.Builder
			story := gateway.NewStory(&s)
			story.Add(ev)
			if err := story.Flush(); err != nil {
				d.t.Error(err)
			}
			_, line, _ := strings.Cut(s.String(), "\n")
			d.events = append(d.events, strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(line[len(time.TimeOnly):], " "+callFrom.String()), " - ")))
		}
	})
}

func (d *frontOffice) users(rows string) {
	d.t.Helper()
	f, err := provisioning.ReadFile("users.csv", strings.NewReader("email,name,role,site\n"+rows+"\n"))
	if err != nil {
		d.t.Fatal(err)
	}
	if _, err := d.engine.Import([]provisioning.File{f}, false); err != nil {
		d.t.Fatal(err)
	}
}

func (d *frontOffice) commit() {
	d.t.Helper()
	if err := d.engine.Commit(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
}

// pass lets time pass, as serve does: from one thing that is due to the next.
func (d *frontOffice) pass(by time.Duration) {
	d.t.Helper()
	end := d.engine.Now().Add(by)
	for {
		at, ok := d.engine.Next()
		if !ok || at.After(end) {
			break
		}
		d.engine.Advance(at)
	}
	d.engine.Advance(end)
	d.commit()
}

// call is one from the desk as the SIP path knows it when it goes out.
func (d *frontOffice) call(name string) gateway.EmergencyCall {
	d.t.Helper()
	var c gateway.Caller
	d.engine.WatchCallers()
	d.engine.TakeCallers(100, func(x gateway.Caller, gone bool) {
		if x.Phone == callFrom && !gone {
			c = x
		}
	})
	if c.Location == "" {
		d.t.Fatal("the phone has no location")
	}
	return gateway.EmergencyCall{
		Name: name, Time: d.engine.Now(), Dialled: "911", Site: "hq", AOR: "sip:1001@pbx.example.com", From: netip.MustParseAddrPort("10.1.2.3:5060"), Found: "source",
		Phone: c.Phone, Label: c.Label, Network: c.Network.String(), Since: c.Since, Heard: c.Heard,
		Location: c.Location, Address: strings.Join(c.Address.Lines(), "\n"), Source: c.Assignment.Source,
		Sent: "<presence/>", PBX: netip.MustParseAddrPort("10.1.0.1:5060"),
	}
}

// tell tells the engine of a call, now.
func (d *frontOffice) tell(c gateway.EmergencyCall) int64 {
	d.t.Helper()
	id := d.engine.Emergency(c, d.engine.Now())
	d.commit()
	return id
}

// said returns what was told since the last time, and fails unless that is want.
func (d *frontOffice) said(want ...string) {
	d.t.Helper()
	if !slices.Equal(d.events, want) {
		d.t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(d.events, "\n\t"), strings.Join(want, "\n\t"))
	}
	d.events = nil
}

func (d *frontOffice) stored() []gateway.Emergency {
	d.t.Helper()
	s, err := d.store.Load(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	return s.Emergencies
}

func (d *frontOffice) acknowledge(id int64, name, by string) error {
	d.t.Helper()
	err := d.engine.Acknowledge(gateway.Acknowledgement{Emergency: id, Name: name, By: by})
	d.commit()
	return err
}

var frontDesk = gateway.Alarm{
	Repeat: 2 * time.Minute, Retention: 48 * time.Hour,
	Contacts: []gateway.Contact{
		{Site: "hq", To: []string{"desk@example.com"}, Escalate: []string{"boss@example.com"}},
		{To: []string{"all@example.com"}},
	},
}

// A call is told of at once, kept with all that was sent, and updated by its name.
func TestEmergency(t *testing.T) {
	d := newFrontOffice(t, frontDesk)
	c := d.call("abc")
	if id := d.tell(c); id != 1 {
		t.Errorf("the first call has the id %d", id)
	}
	d.said("emergency 1 911 dialled by sip:1001@pbx.example.com, sent hq-307 version 1", "mail 2 emergency to desk@example.com")
	x := d.stored()[0]
	if x.Version != 1 || x.Place != "Room 307" || x.On.CircuitID == "" || !strings.Contains(x.Address, "Room 307") || x.Sent != "<presence/>" || x.Status != 0 || x.Opened != d.engine.Now() {
		t.Errorf("kept is %+v", x)
	}
	c.Status = 180
	d.pass(time.Second)
	d.tell(c)
	before := d.stored()[0]
	d.pass(time.Second)
	d.tell(c) // nothing new
	if x = d.stored()[0]; x != before || x.Status != 180 || !x.Changed.After(x.Opened) {
		t.Errorf("kept is %+v, was %+v", x, before)
	}
	// The PBX refuses it with the location, and the call goes out without.
	c.Sent, c.Why, c.Status = "", "the PBX refused it with the location", 200
	d.tell(c)
	if x = d.stored()[0]; x.Sent != "<presence/>" || x.Why == "" || x.Status != 200 || x.Version != 1 {
		t.Errorf("kept is %+v, and what was sent first is gone", x)
	}
	d.said()
	// The same name long after is another call.
	d.pass(time.Hour)
	d.events = nil
	if id := d.tell(c); id != 2 {
		t.Errorf("a call an hour later has the id %d, want one of its own", id)
	}
}

// A call is reminded of until it is acknowledged, by name and by who may.
func TestEmergencyReminders(t *testing.T) {
	d := newFrontOffice(t, frontDesk)
	id := d.tell(d.call("abc"))
	d.events = nil
	d.pass(2*time.Minute - time.Second)
	d.said()
	d.pass(time.Second)
	d.said("mail 3 emergency to boss@example.com", "mail 4 emergency to desk@example.com")
	d.pass(2 * time.Minute)
	d.said("mail 5 emergency to boss@example.com", "mail 6 emergency to desk@example.com")
	for _, tt := range []struct {
		id       int64
		name, by string
		want     string
	}{
		{9, "Bob", "desk@example.com", "no such call"},
		{id, " \n ", "desk@example.com", "by name"},
		{id, "Bob", "all@example.com", "no contact"},
		{id, "Bob", "alice@example.com", "no contact"},
	} {
		var no *gateway.Refusal
		if err := d.acknowledge(tt.id, tt.name, tt.by); !errors.As(err, &no) || !strings.Contains(err.Error(), tt.want) || no.Hint() == "" {
			t.Errorf("%q by %s: got %v, want a refusal with %q", tt.name, tt.by, err, tt.want)
		}
	}
	d.said()
	if err := d.acknowledge(id, " Bob\nBrown ", "desk@example.com"); err != nil {
		t.Fatal(err)
	}
	d.said("emergency 1 acknowledged by Bob Brown")
	if x := d.stored()[0]; x.Waits() || x.By != "Bob Brown" || x.Via != "desk@example.com" || x.Acknowledged != d.engine.Now() || !x.Next.IsZero() {
		t.Errorf("kept is %+v", x)
	}
	if err := d.acknowledge(id, "Carl", "boss@example.com"); err == nil || !strings.Contains(err.Error(), "by Bob Brown already") {
		t.Errorf("acknowledged twice: got %v", err)
	}
	d.pass(time.Hour)
	d.said()
}

// Reminding ends, is told of, and goes on from where it was after a restart.
func TestEmergencyRestart(t *testing.T) {
	d := newFrontOffice(t, frontDesk)
	id := d.tell(d.call("abc"))
	d.pass(5 * time.Minute) // two reminders
	if x := d.stored()[0]; x.Reminders != 2 {
		t.Fatalf("%d reminders, want 2", x.Reminders)
	}
	now := d.engine.Now()
	d.start()
	d.engine.Resume(now.Add(3 * time.Hour)) // serve was down
	d.commit()
	if x := d.stored()[0]; x.Reminders != 3 {
		t.Errorf("%d reminders after a restart, want 3: one for all the time that it was down", x.Reminders)
	}
	// A machine that slept wakes up to one as well.
	d.engine.Advance(d.engine.Now().Add(3 * time.Hour))
	d.commit()
	if x := d.stored()[0]; x.Reminders != 4 {
		t.Errorf("%d reminders after a sleep, want 4", x.Reminders)
	}
	d.events = nil
	d.pass(3 * time.Hour)
	x := d.stored()[0]
	last := len(d.events) - 1
	if x.Reminders != 15 || !x.Next.IsZero() || !x.Waits() || len(d.events) != 2*11+1 || !slices.Contains(d.events, "emergency 1 not acknowledged after 15 reminders") {
		t.Errorf("kept is %+v, and %d events, the last %q", x, last+1, d.events[last])
	}
	if !strings.Contains(d.log.String(), "nobody has acknowledged an emergency call") {
		t.Errorf("the log says\n%s", d.log.String())
	}
	d.start()
	d.events = nil
	if err := d.acknowledge(id, "Bob", "cli:root"); err != nil {
		t.Errorf("after the last reminder: %v", err)
	}
	d.said("emergency 1 acknowledged by Bob")
}

// A test is kept and shown, and wakes nobody.
func TestEmergencyTest(t *testing.T) {
	d := newFrontOffice(t, frontDesk)
	c := d.call("abc")
	c.Test, c.Dialled = true, "933"
	id := d.tell(c)
	d.pass(time.Hour)
	d.said("emergency 1 (a test) 933 dialled by sip:1001@pbx.example.com, sent hq-307 version 1")
	if err := d.acknowledge(id, "Bob", "desk@example.com"); err == nil || !strings.Contains(err.Error(), "was a test") {
		t.Errorf("got %v", err)
	}
	a, ok := d.engine.Alerts("desk@example.com")
	if !ok || len(a.Waiting) != 0 || len(a.Recent) != 1 || a.Recent[0].Sent == "" {
		t.Errorf("shown is %+v", a)
	}
	if n := d.engine.Count(); n.Waiting != 0 || n.Emergencies != 1 {
		t.Errorf("counted is %+v", n)
	}
}

// What the address was is what was sent, whatever it is now; its version is told
// only if it is that one's.
func TestEmergencyVersion(t *testing.T) {
	d := newFrontOffice(t, frontDesk)
	c := d.call("abc")
	f, err := provisioning.ReadFile("locations.csv", strings.NewReader("id,parent_id,kind,name,site,country,state,city,street,house_number,building,floor,room\n"+
		"hq-307,hq-3f,company,Room 307,hq,US,IL,Springfield,Main Street,100,A,3,309\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.engine.Import([]provisioning.File{f}, false); err != nil {
		t.Fatal(err)
	}
	d.tell(c) // serve was away when the call went out
	if x := d.stored()[0]; x.Version != 0 || !strings.Contains(x.Address, "Room 307") {
		t.Errorf("kept is version %d of %q", x.Version, x.Address)
	}
	d.tell(d.call("def"))
	if x := d.stored()[1]; x.Version != 2 || !strings.Contains(x.Address, "Room 309") {
		t.Errorf("kept is version %d of %q", x.Version, x.Address)
	}
}

// Who is told: the site's contact, that of all others, else the admins.
func TestEmergencyContacts(t *testing.T) {
	unknown := gateway.EmergencyCall{Name: "x", Dialled: "112", AOR: "sip:1@pbx.example.com", Why: "the caller is not known"}
	t.Run("another site", func(t *testing.T) {
		d := newFrontOffice(t, frontDesk)
		d.tell(unknown)
		d.said("emergency 1 112 dialled by sip:1@pbx.example.com, no location sent", "mail 2 emergency to all@example.com")
		if a, _ := d.engine.Alerts("desk@example.com"); len(a.Waiting) != 0 {
			t.Errorf("another site's contact is shown %+v", a)
		}
		if a, ok := d.engine.Alerts("all@example.com"); !ok || len(a.Waiting) != 1 || !slices.Equal(a.Sites, []string{""}) {
			t.Errorf("its own contact is shown %+v", a)
		}
	})
	t.Run("admins", func(t *testing.T) {
		d := newFrontOffice(t, gateway.Alarm{})
		d.tell(d.call("abc"))
		d.said("emergency 1 911 dialled by sip:1001@pbx.example.com, sent hq-307 version 1", "mail 2 emergency to carol@example.com", "mail 3 emergency to dora@example.com")
		d.tell(unknown)
		d.said("emergency 2 112 dialled by sip:1@pbx.example.com, no location sent", "mail 4 emergency to dora@example.com")
		if got := d.engine.Readers(gateway.MailEmergency, 0); !slices.Equal(got, []string{"carol@example.com", "dora@example.com"}) {
			t.Errorf("links are made for %s", got)
		}
		if _, ok := d.engine.Alerts("alice@example.com"); ok {
			t.Error("a user is shown the calls")
		}
		// Who is no contact any more has no link any more.
		d.users("carol@example.com,Carol,user,hq")
		if _, ok := d.engine.Alerts("carol@example.com"); ok || slices.Contains(d.engine.Readers(gateway.MailEmergency, 0), "carol@example.com") {
			t.Error("who was a contact is one still")
		}
	})
	t.Run("nobody", func(t *testing.T) {
		d := newFrontOffice(t, gateway.Alarm{Contacts: []gateway.Contact{{Site: "hq", To: []string{"desk@example.com"}}}})
		d.users("dora@example.com,Dora,user,")
		d.tell(unknown)
		d.said("emergency 1 112 dialled by sip:1@pbx.example.com, no location sent")
		if !strings.Contains(d.log.String(), "nobody is told") || d.engine.AlarmReaches("") || !d.engine.AlarmReaches("hq") {
			t.Errorf("the log says %q", d.log.String())
		}
	})
}

// What was kept for long enough goes, some at a time, and with it its reminders.
func TestEmergencyRetention(t *testing.T) {
	d := newFrontOffice(t, frontDesk)
	c := d.call("0")
	c.Test = true
	for i := range 250 {
		c.Name = fmt.Sprint(i)
		d.tell(c)
	}
	d.pass(time.Hour)
	c.Name, c.Test = "last", false
	last := d.tell(c)
	d.pass(47*time.Hour - time.Microsecond)
	if n := len(d.stored()); n != 251 {
		t.Fatalf("%d are kept, want 251", n)
	}
	for _, want := range []int{151, 51, 1} {
		d.engine.Advance(d.engine.Now().Add(time.Second))
		d.commit()
		if n := len(d.stored()); n != want {
			t.Errorf("%d are kept, want %d", n, want)
		}
	}
	if x := d.stored()[0]; x.ID != last {
		t.Errorf("kept is %+v", x)
	}
	d.start() // what is planned does not depend on what was planned
	d.engine.Resume(d.engine.Now().Add(time.Minute))
	d.pass(2 * time.Hour)
	if n := len(d.stored()); n != 0 {
		t.Errorf("%d are kept, want none", n)
	}
	if at, ok := d.engine.Next(); ok && at.Before(d.engine.Now()) {
		t.Errorf("something is due at %s", at)
	}
	if id := d.tell(d.call("0")); id != last+1 {
		t.Errorf("the next has the id %d, want %d", id, last+1)
	}
}

// A flood of calls is shown and told of by a bounded number of mails, and texts
// from the wire are such that every database holds them.
func TestEmergencyFlood(t *testing.T) {
	d := newFrontOffice(t, frontDesk)
	c := d.call("0")
	bad := "\x00\xff\r\n" + strings.Repeat("ä", 4000)
	for i := range 60 {
		c.Name, c.AOR, c.Why, c.Sent = fmt.Sprint(i), bad, bad, strings.Repeat("x", 1<<20)
		d.tell(c)
	}
	mails := 0
	for _, e := range d.events {
		if strings.HasPrefix(e, "mail ") {
			mails++
		}
	}
	if mails != 50 {
		t.Errorf("%d mails, want 50", mails)
	}
	if a, _ := d.engine.Alerts("desk@example.com"); len(a.Waiting) != 60 || a.Waiting[0].Name != "59" {
		t.Errorf("%d are shown, want 60, the latest first", len(a.Waiting))
	}
	for _, x := range d.stored() {
		if len(x.AOR) > 512 || len(x.Sent) > 16<<10 || strings.ContainsAny(x.AOR+x.Why, "\x00\r\n") || strings.ToValidUTF8(x.AOR, "") != x.AOR {
			t.Fatalf("kept is %d octets %q", len(x.AOR), x.AOR)
		}
	}
}

// The number of a line that is listed is told, as it is listed now.
func TestEmergencyCallback(t *testing.T) {
	d := newFrontOffice(t, frontDesk)
	number := func(text string) string {
		t.Helper()
		f, err := provisioning.ReadFile("lines.csv", strings.NewReader("aor,callback\n"+text))
		if err == nil {
			_, err = d.engine.Import([]provisioning.File{f}, false)
		}
		if err != nil {
			t.Fatal(err)
		}
		a, _ := d.engine.Alerts("desk@example.com")
		return a.Callbacks["sip:1001@pbx.example.com"]
	}
	d.tell(d.call("abc"))
	if got := number("1002@pbx.example.com,+1 555 0102\n"); got != "" {
		t.Errorf("got %q for a line that is not listed", got)
	}
	if got := number("1001@pbx.example.com,+1 555 0101\n"); got != "+1 555 0101" {
		t.Errorf("got %q", got)
	}
}
