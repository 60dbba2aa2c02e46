package notify

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"perch/gateway"
)

// inJournal leases a mail and notes that a server took it, as a process does that
// is killed before it tells the outbox.
func inJournal(t *testing.T, name string, box *memory) gateway.Outcome {
	t.Helper()
	now := time.Unix(1_772_438_400, 0).UTC()
	mails, err := box.Lease(t.Context(), now, now.Add(time.Hour), 1)
	if err != nil || len(mails) != 1 {
		t.Fatalf("leased %d mails: %v", len(mails), err)
	}
	j, err := openJournal(name)
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	o := gateway.Outcome{Mail: mails[0].ID, Attempt: mails[0].Attempt, To: mails[0].To, State: gateway.DeliverySent, Reply: "250 taken"}
	if err := j.took(o); err != nil {
		t.Fatal(err)
	}
	return o
}

// settled opens a journal anew and has the outbox told.
func settled(t *testing.T, name string, box *memory) error {
	t.Helper()
	j, err := openJournal(name)
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	return j.settle(t.Context(), box, gateway.Outcome{At: time.Unix(1_772_438_460, 0).UTC()})
}

func backlog(t *testing.T, box *memory) gateway.Backlog {
	t.Helper()
	b, err := box.Backlog(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func size(t *testing.T, name string) int64 {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// TestJournal: what a process noted before it died is told once, and the journal
// is empty then.
func TestJournal(t *testing.T) {
	name := filepath.Join(t.TempDir(), "perch.sent")
	box := newMemory(gateway.Mail{ID: 1, To: "alice@example.com"}, gateway.Mail{ID: 2, To: "bob@example.com"})
	inJournal(t, name, box)
	if err := settled(t, name, box); err != nil {
		t.Fatal(err)
	}
	if b := backlog(t, box); b.Sent != 1 || b.Waiting != 1 {
		t.Errorf("the outbox has %+v, want one mail sent and one waiting", b)
	}
	if n := size(t, name); n != 0 {
		t.Errorf("the journal has %d octets still", n)
	}
}

// TestJournalOfAnotherAttempt: a journal that was left behind, or is that of a
// copy of the database, changes nothing.
func TestJournalOfAnotherAttempt(t *testing.T) {
	name := filepath.Join(t.TempDir(), "perch.sent")
	box := newMemory(gateway.Mail{ID: 1, To: "alice@example.com"})
	o := inJournal(t, name, box)
	if err := box.Free(t.Context()); err != nil { // a start without the journal
		t.Fatal(err)
	}
	now := time.Unix(1_772_438_430, 0).UTC()
	if again, err := box.Lease(t.Context(), now, now.Add(time.Hour), 1); err != nil || len(again) != 1 || again[0].Attempt == o.Attempt {
		t.Fatalf("leased again: %v, %v", again, err)
	}
	if err := settled(t, name, box); err != nil {
		t.Fatal(err)
	}
	if b := backlog(t, box); b.Sent != 0 || b.Waiting != 1 {
		t.Errorf("the outbox has %+v, want the mail waiting", b)
	}
}

// TestJournalCutOff: a line that is not whole is none, and an outbox that fails
// leaves the journal as it is.
func TestJournalCutOff(t *testing.T) {
	name := filepath.Join(t.TempDir(), "perch.sent")
	box := newMemory(gateway.Mail{ID: 1, To: "alice@example.com"})
	inJournal(t, name, box)
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"mail":2,"att`); err != nil {
		t.Fatal(err)
	}
	f.Close()
	box.fail("Record", os.ErrClosed)
	before := size(t, name)
	if err := settled(t, name, box); err == nil || size(t, name) != before {
		t.Errorf("the outbox failed: got %v and %d octets, want an error and %d", err, size(t, name), before)
	}
	box.fail("Record", nil)
	if err := settled(t, name, box); err != nil {
		t.Fatal(err)
	}
	if b := backlog(t, box); b.Sent != 1 {
		t.Errorf("the outbox has %+v, want the mail sent", b)
	}
}
