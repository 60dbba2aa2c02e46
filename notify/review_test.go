package notify

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"perch/gateway"
)

// reviewBox only notes what it is told.
type reviewBox struct {
	gateway.Outbox
	got []gateway.Outcome
}

func (b *reviewBox) Record(_ context.Context, o gateway.Outcome) (bool, error) {
	b.got = append(b.got, o)
	return true, nil
}

// A note that was cut short, as on a full disk, must not take the next one with it.
func TestReviewNoteAfterAShortWrite(t *testing.T) {
	name := filepath.Join(t.TempDir(), "p.sent")
	j, err := openJournal(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.file.WriteString(`{"mail":1,"attempt":1,"to":"a@exam`); err != nil { // what write(2) took of it
		t.Fatal(err)
	}
	if err := j.took(gateway.Outcome{Mail: 2, Attempt: 1, To: "b@example.com"}); err != nil {
		t.Fatal(err)
	}
	j.close() // killed
	if j, err = openJournal(name); err != nil {
		t.Fatal(err)
	}
	defer j.close()
	var box reviewBox
	if err := j.settle(context.Background(), &box, gateway.Outcome{At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if len(box.got) != 1 || box.got[0].Mail != 2 {
		t.Errorf("the outbox was told %+v, want mail 2", box.got)
	}
}

// A journal belongs to one outbox: what it says of another's mail 1 is not so.
func TestReviewJournalOfAnotherOutbox(t *testing.T) {
	name := filepath.Join(t.TempDir(), "perch.sent") // of every PostgreSQL database used in this directory
	j, _ := openJournal(name)
	_ = j.took(gateway.Outcome{Mail: 1, Attempt: 1, To: "alice@a.example"})
	j.close() // serve of database A is killed
	j, _ = openJournal(name)
	defer j.close()
	var box reviewBox // of database B, killed as well: mail 1 is leased there, attempt 1, to bob@b.example
	_ = j.settle(context.Background(), &box, gateway.Outcome{At: time.Now()})
	if len(box.got) != 0 {
		t.Errorf("database B is told that its mail %d was sent (to %s)", box.got[0].Mail, box.got[0].To)
	}
}
