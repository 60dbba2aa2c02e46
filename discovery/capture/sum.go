package capture

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
)

// Sum returns the SHA-256 of a capture's octets in hex: the identity of a
// source, whatever its name. A gzip'ed capture is summed as it is, compressed.
// What can be read only once, as a pipe, is refused: see Spool.
func Sum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", unreadable(path, 0, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", unreadable(path, 0, err)
	}
	if !info.Mode().IsRegular() && !info.IsDir() { // a directory says so itself when read
		return "", &Error{File: path, Reason: Unreadable, What: "it is no regular file and can be read only once",
			hint: "give it on standard input, as -, or save it to a file first"}
	}
	h := sha256.New()
	if _, err := io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{f}, make([]byte, leastBuffer)); err != nil {
		return "", unreadable(path, 0, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Spool copies r, standard input, to a file in the system's directory for
// temporary files, so that it can be summed before it is read. The caller gives
// the opened file to Open as its stdin, which keeps the name "-", and calls
// cleanup in the end to remove the file.
func Spool(r io.Reader) (path string, cleanup func(), err error) {
	f, err := os.CreateTemp("", "perch-capture-*")
	if err != nil {
		return "", nil, fmt.Errorf("spool: %w", err)
	}
	cleanup = func() { os.Remove(f.Name()) }
	_, err = io.Copy(f, r)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		cleanup()
		return "", nil, &Error{File: "-", Reason: Unreadable, What: fmt.Sprintf("copy to %s: %v", f.Name(), err), Err: err,
			hint: "free some space, or set TMPDIR to a directory that has it"}
	}
	return f.Name(), cleanup, nil
}
