package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// usage is what a child process and its own children needed.
type usage struct {
	cpu  time.Duration // user and system
	peak int64         // of the resident memory, in octets
}

// child is a command to be measured.
type child struct {
	args   []string
	dir    string
	feed   func(io.Writer) error // fills its standard input while it runs; nil for none
	stdout io.Writer             // nil for the null device
	stderr bytes.Buffer
}

// run runs the child to its end.
func (c *child) run() (usage, error) {
	cmd := exec.Command(c.args[0], c.args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.dir, c.stdout, &c.stderr
	if err := c.start(cmd); err != nil {
		return usage{}, fmt.Errorf("%s: %w\n%s", strings.Join(c.args, " "), err, c.stderr.String())
	}
	s := cmd.ProcessState
	u := usage{cpu: s.UserTime() + s.SystemTime()}
	if r, ok := s.SysUsage().(*syscall.Rusage); ok {
		u.peak = maxRSS(r)
	}
	return u, nil
}

func (c *child) start(cmd *exec.Cmd) error {
	if c.feed == nil {
		return cmd.Run()
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = errors.Join(c.feed(in), in.Close())
	return errors.Join(cmd.Wait(), err) // why it ended says more than that it read no more
}

// maxRSS returns the peak in octets: Linux tells KiB (getrusage(2)), macOS octets.
func maxRSS(r *syscall.Rusage) int64 {
	if runtime.GOOS == "darwin" {
		return int64(r.Maxrss)
	}
	return int64(r.Maxrss) << 10
}

// checkPeak refuses a peak that may be this process's own: on Linux a child
// starts with the peak of the process that made it.
func checkPeak(u usage) error {
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		return err
	}
	if u.peak <= maxRSS(&own) {
		return errors.New("the peak of the child cannot be told from that of this process")
	}
	return nil
}

// output is a file that takes what a child prints. It is read after the child's
// end, so that looking at it takes no CPU from the child.
type output struct{ *os.File }

func newOutput(dir string) (output, error) {
	f, err := os.CreateTemp(dir, "out")
	return output{f}, err
}

// read calls f with the output from its beginning, and returns its SHA-256.
func (o output) read(f func(io.Reader) error) (sum string, err error) {
	if _, err := o.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	h := sha256.New()
	in := io.TeeReader(o, h)
	if err := f(in); err != nil {
		return "", err
	}
	_, err = io.Copy(io.Discard, in) // what f left
	return fmt.Sprintf("%x", h.Sum(nil)), err
}

func (o output) remove() {
	o.Close()
	os.Remove(o.Name())
}
