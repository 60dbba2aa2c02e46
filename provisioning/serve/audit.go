package serve

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"sync"
	"time"

	"perch/discovery"
)

// Entry is one thing that the audit log holds: a file that was handed to a phone, or what an
// admin changed of who may have one. No secret stands in it.
type Entry struct {
	Time   time.Time     `json:"time"`
	What   What          `json:"what"`
	MAC    discovery.MAC `json:"mac,omitzero"`
	Name   string        `json:"name,omitempty"` // of the file
	Level  Level         `json:"level,omitzero"` // how the phone proved which it is
	Source string        `json:"source,omitempty"`
	Agent  string        `json:"agent,omitempty"` // User-Agent
	By     string        `json:"by,omitempty"`    // whoever changed it
	Note   string        `json:"note,omitempty"`
	Hash   string        `json:"hash"` // of the line before, and of this one without it
}

// What says what happened.
type What string

// What happens.
const (
	Fetched  What = "fetched"  // a phone has its own file
	Refused  What = "refused"  // it proved which it is, in a way that its site does not let
	Blocked  What = "blocked"  // a source is not heard for a while: it guesses
	WasOpen  What = "opened"   // a window
	WasShut  What = "shut"     // a window
	Added    What = "added"    // a phone, to the directory
	Removed  What = "removed"  // a phone
	Replaced What = "replaced" // a phone, by another one
	Rotated  What = "rotated"  // the secret of a line
	Imported What = "imported" // rows of the directory
)

// Audit is the log: lines of JSON, each with a hash over the line before it and itself, so that
// one that was altered or taken out is found. It keeps the last files of maxAuditFile octets.
type Audit struct {
	mu   sync.Mutex
	name string
	file *os.File
	size int64
	last string // hash
}

const (
	maxAuditFile  = 16 << 20
	maxAuditFiles = 8 // older ones end in .1, .2 and so on
)

// OpenAudit opens the log of a name, to go on from what it holds. Of a last line that is not
// whole, as after a crash, nothing was promised: it is cut off.
func OpenAudit(name string) (*Audit, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	a := &Audit{name: name, file: f}
	b, err := io.ReadAll(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	whole := bytes.LastIndexByte(b, '\n') + 1
	if a.size = int64(whole); whole < len(b) {
		err = f.Truncate(a.size)
	}
	if a.last = lastHash(b[:whole]); a.last == "" { // it was just begun: the chain goes on from the one before
		old, missing := os.ReadFile(auditName(name, 1))
		if missing == nil {
			a.last = lastHash(old)
		}
	}
	if err == nil {
		_, err = f.Seek(a.size, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return a, nil
}

func auditName(name string, n int) string {
	if n == 0 {
		return name
	}
	return name + "." + strconv.Itoa(n)
}

// lastHash is that of the last line.
func lastHash(b []byte) string {
	b = bytes.TrimRight(b, "\n")
	var e Entry
	if err := json.Unmarshal(b[bytes.LastIndexByte(b, '\n')+1:], &e); err != nil {
		return ""
	}
	return e.Hash
}

// Append writes entries; they are on the disk when it returns without an error.
func (a *Audit) Append(entries ...Entry) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var b []byte
	last := a.last
	for i := range entries {
		e := &entries[i]
		e.Time, e.Hash = e.Time.UTC().Truncate(time.Millisecond), ""
		line, err := json.Marshal(e)
		if err != nil {
			return err
		}
		last = hashOf(last, line)
		b = append(append(append(b, line[:len(line)-len(noHash)]...), last...), noHash+"\n"...)
	}
	if a.size > 0 && a.size+int64(len(b)) > maxAuditFile {
		if err := a.turn(); err != nil {
			return err
		}
	}
	_, err := a.file.Write(b)
	if err == nil {
		err = a.file.Sync()
	}
	if err != nil { // what is there of it must not be gone on from
		return errors.Join(err, a.file.Truncate(a.size), seek(a.file, a.size))
	}
	a.size, a.last = a.size+int64(len(b)), last
	return nil
}

func seek(f *os.File, to int64) error {
	_, err := f.Seek(to, io.SeekStart)
	return err
}

// turn begins a new file; the oldest goes.
func (a *Audit) turn() error {
	next := a.name + ".new"
	f, err := os.OpenFile(next, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600) // before any other goes
	if err != nil {
		return err
	}
	for n := maxAuditFiles - 1; n > 0; n-- {
		if err := os.Rename(auditName(a.name, n-1), auditName(a.name, n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(err, f.Close())
		}
	}
	if err := os.Rename(next, a.name); err != nil {
		return errors.Join(err, f.Close())
	}
	err = a.file.Close()
	a.file, a.size = f, 0
	return err
}

// Read is ReadAudit of this log, while nothing is written.
func (a *Audit) Read(f func(Entry)) (altered error, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return ReadAudit(a.name, f)
}

// Close closes the log.
func (a *Audit) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.file.Close()
}

// noHash is what stands behind the hash, which is the last of a line.
const noHash = `"}`

// unhashed is a line as it was without its hash; nil if it is none.
func unhashed(line []byte, hash string) []byte {
	text, ok := bytes.CutSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte(hash+noHash))
	if !ok || hash == "" {
		return nil
	}
	return append(bytes.Clone(text), noHash...)
}

// hashOf is the hash of a line without one, behind another one's.
func hashOf(last string, line []byte) string {
	sum := sha256.Sum256(append(append(make([]byte, 0, len(last)+1+len(line)), last+"\n"...), line...))
	return hex.EncodeToString(sum[:16])
}

// ReadAudit reads the log of a name, the oldest entry first. What was altered is told as an
// error that names the line; it is read all the same. Nothing else is an error but that a file
// cannot be read: a log that is not there is empty.
func ReadAudit(name string, f func(Entry)) (altered error, err error) {
	last, first := "", true
	for n := maxAuditFiles - 1; n >= 0; n-- {
		file, err := os.Open(auditName(name, n))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return altered, err
		}
		lines := bufio.NewReader(file)
		for i := 1; ; i++ {
			line, err := lines.ReadBytes('\n')
			if errors.Is(err, io.EOF) {
				break // the rest is being written
			}
			if err != nil {
				return altered, errors.Join(err, file.Close())
			}
			var e Entry
			bad := json.Unmarshal(line, &e)
			text := unhashed(line, e.Hash)
			if bad == nil && (text == nil || !first && hashOf(last, text) != e.Hash) {
				bad = errors.New("it is not what was written, or the line before it is not")
			}
			if bad != nil && altered == nil {
				altered = fmt.Errorf("%s:%d: %w", auditName(name, n), i, bad)
			}
			last, first = e.Hash, false // of the first line the one before may be gone
			f(e)
		}
		if err := file.Close(); err != nil {
			return altered, err
		}
	}
	return altered, nil
}
