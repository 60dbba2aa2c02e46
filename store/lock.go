//go:build unix

package store

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"perch/gateway"
)

// holder is the lock that makes this process the one holder of a database. The
// kernel frees it when the process ends, however it ends.
//
// It is a file of its own, next to the database: closing any descriptor of the
// database itself would drop the locks that SQLite holds there (POSIX locks
// belong to the process, not to the descriptor). The file stays when the lock is
// given up, since a file that is removed can be locked twice.
type holder struct{ file *os.File }

// hold takes the lock of the database at path, or fails at once with
// gateway.ErrInUse.
func hold(path string) (*holder, error) {
	name := path + ".lock"
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, private)
	if err != nil {
		return nil, fmt.Errorf("lock database: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		defer f.Close()
		return nil, fmt.Errorf("%s%s: %w", path, heldBy(f), gateway.ErrInUse)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock database: %s: %w", name, err)
	}
	// For the message above only; what the file says decides nothing.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return &holder{f}, nil
}

// heldBy says which process holds the lock, as far as it wrote that down.
func heldBy(f *os.File) string {
	b := make([]byte, 20)
	n, _ := f.ReadAt(b, 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}

// release gives the lock up.
func (h *holder) release() error { return h.file.Close() }
