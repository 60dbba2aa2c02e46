package notify

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"perch/gateway"
)

// listener only notes what it is told.
type listener struct {
	gateway.Outbox
	got []gateway.Outcome
}

func (b *listener) Record(_ context.Context, o gateway.Outcome) (bool, error) {
	b.got = append(b.got, o)
	return true, nil
}

// A note that was cut short, as on a full disk, must not take the next one with it.
func TestNoteAfterAShortWrite(t *testing.T) {
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
	var box listener
	if err := j.settle(context.Background(), &box, gateway.Outcome{At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if len(box.got) != 1 || box.got[0].Mail != 2 {
		t.Errorf("the outbox was told %+v, want mail 2", box.got)
	}
}
