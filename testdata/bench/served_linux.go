package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// served is a serve that runs, in a session of its own.
type served struct {
	cmd    *exec.Cmd
	out    bytes.Buffer
	dir    string
	sip    int // port
	portal int
}

// startServe starts a serve before PBXs, a list of YAML. In dir there may be a database
// already.
func (b *bench) startServe(upstream, dir string) (*served, error) {
	return b.startServeWith("upstream: ["+upstream+"]", dir)
}

// startServeWith starts a serve with keys of sip.
func (b *bench) startServeWith(sip, dir string) (*served, error) {
	s := &served{dir: dir}
	var err error
	if dir == "" {
		if s.dir, err = os.MkdirTemp(b.dir, "serve"); err != nil {
			return nil, err
		}
	}
	if s.sip, err = freePort(); err != nil {
		return nil, err
	}
	if s.portal, err = freePort(); err != nil {
		return nil, err
	}
	if s.cmd, err = b.serve(s.dir, s.portal, fmt.Sprintf("listen: [\"udp:127.0.0.1:%d\"], %s", s.sip, sip)); err != nil {
		return nil, err
	}
	s.cmd.Stdout, s.cmd.Stderr, s.cmd.WaitDelay = &s.out, &s.out, 5*time.Second
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return s, s.cmd.Start()
}

// serve is what starts a serve in a directory, with its portal at a port and keys of sip.
func (b *bench) serve(dir string, portal int, sip string) (*exec.Cmd, error) {
	conf := fmt.Sprintf("database: %q\nsocket: %q\nsite: campus\nportal: {listen: \"127.0.0.1:%d\"}\nsip: {%s}\n",
		filepath.Join(dir, "perch.db"), filepath.Join(dir, "s.sock"), portal, sip)
	name := filepath.Join(dir, "perch.yaml")
	return exec.Command(b.perch, "serve", "-config", name), os.WriteFile(name, []byte(conf), 0o644)
}

// await waits until it serves.
func (s *served) await() error {
	var err error
	for range 200 {
		if err = s.check(0); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

func (s *served) pid() int { return s.cmd.Process.Pid }

func (s *served) target() *net.UDPAddr { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: s.sip} }

// check asks whether it knows so many phones.
func (s *served) check(phones int) error { return knows(s.portal, phones) }

// knows asks the serve whose portal is at a port whether it knows so many phones.
func knows(portal, phones int) error {
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", portal))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	// Prometheus writes a million as 1e+06.
	if want := "\nperch_phones " + strconv.FormatFloat(float64(phones), 'g', -1, 64) + "\n"; err == nil && !bytes.Contains(text, []byte(want)) {
		at := bytes.Index(text, []byte("\nperch_phones "))
		err = fmt.Errorf("want %q in its metrics, got %q", want, text[max(at, 0):min(max(at, 0)+len(want)+8, len(text))])
	}
	return err
}

// end ends it, and prints what it said if it did not end well.
func (s *served) end() {
	err := s.cmd.Process.Signal(syscall.SIGTERM)
	if err = errors.Join(err, s.cmd.Wait()); err != nil {
		fmt.Fprintf(os.Stderr, "perch serve: %v\n%s", err, s.out.String())
	}
}
