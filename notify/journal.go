package notify

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"

	"perch/gateway"
)

// journal is a small file beside the database in which it is noted that a server
// took a mail, at once and before the outbox is told. Telling the outbox is a
// commit, which waits for the disk and for other commits; a process that is killed
// meanwhile would send the mail again. A note is one write, which the kernel keeps
// though the process dies, so that a copy is made only if it dies between the final
// dot and the 250, or the whole machine does. The file is empty whenever the
// outbox knows everything.
type journal struct {
	mu   sync.Mutex
	file *os.File
	open int // notes that the outbox does not know yet
}

// note is a line of the journal: attempt and mail tell it from all others.
type note struct {
	Mail    int64  `json:"mail"`
	Attempt int    `json:"attempt"`
	To      string `json:"to"`
	Reply   string `json:"reply"`
}

// openJournal opens a journal, made if it is not there.
func openJournal(name string) (*journal, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("journal of mails: %w", err)
	}
	return &journal{file: f}, nil
}

// settle tells the outbox what an earlier process noted and did not come to tell,
// and empties the journal. It comes before the leases of that process end.
func (j *journal) settle(ctx context.Context, box gateway.Outbox, o gateway.Outcome) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	b, err := os.ReadFile(j.file.Name())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	lines := bufio.NewScanner(bytes.NewReader(b))
	for lines.Scan() {
		var n note
		if json.Unmarshal(lines.Bytes(), &n) != nil {
			continue // empty, or cut off
		}
		o.Mail, o.Attempt, o.To, o.Reply, o.State = n.Mail, n.Attempt, n.To, n.Reply, gateway.DeliverySent
		if _, err := box.Record(ctx, o); err != nil { // false: it was told, or another attempt was made since
			return err
		}
	}
	return j.file.Truncate(0)
}

// took notes that a server took a mail.
func (j *journal) took(o gateway.Outcome) error {
	b, err := json.Marshal(note{o.Mail, o.Attempt, o.To, o.Reply})
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.open++
	// A line of its own, whatever a write that failed has left.
	_, err = j.file.Write(slices.Concat([]byte("\n"), b, []byte("\n")))
	return err
}

// told forgets a note that the outbox knows of.
func (j *journal) told() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.open--; j.open > 0 {
		return nil
	}
	return j.file.Truncate(0)
}

func (j *journal) close() error { return j.file.Close() }
