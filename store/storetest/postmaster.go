package storetest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// postmaster is the server's first process.
type postmaster struct {
	process *os.Process
	gone    <-chan struct{} // closed when it and all its children have ended
}

// startTimeout is how long the server may take to be ready, recovery included.
const startTimeout = time.Minute

// run starts the server and waits until it is ready.
func (s *Server) run(port int) (*postmaster, error) {
	args := []string{
		"-D", s.data(), "-p", strconv.Itoa(port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=" + s.dir,
		"-c", "max_connections=40", "-c", "log_line_prefix=",
	}
	for _, o := range s.options {
		args = append(args, "-c", string(o))
	}
	cmd := s.command("postgres", args...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	started := make(chan error, 1)
	ready, gone := make(chan struct{}), make(chan struct{})
	go func() {
		// The kernel kills the server when the thread that started it ends, so
		// that thread stays for as long as the server runs.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		// Its children have the pipe as well: it ends when the last one does.
		s.log.follow(stderr, ready)
		_ = cmd.Wait()
		close(gone)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	p := &postmaster{cmd.Process, gone}
	patience, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	select {
	case <-ready:
		return p, nil
	case <-gone:
		return nil, errors.New("the server ended")
	case <-patience.Done():
		_ = p.process.Kill()
		<-gone
		return nil, errors.New("the server was not ready in time")
	}
}

// stop sends the server a signal and waits until it is gone.
func (s *Server) stop(sig os.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return errors.New("the server does not run")
	}
	if err := s.process.process.Signal(sig); err != nil {
		return err
	}
	<-s.process.gone
	s.process = nil
	return nil
}

func (s *Server) remove() {
	_ = s.stop(Immediate.signal())
	_ = os.RemoveAll(s.dir)
}

// journal keeps the end of what the server says.
type journal struct {
	mu   sync.Mutex
	last []string
}

const journalLines = 40

// follow reads until the end, and closes ready when the server is.
func (j *journal) follow(r io.Reader, ready chan<- struct{}) {
	lines := bufio.NewReader(r)
	for open := true; ; {
		line, err := lines.ReadString('\n')
		j.mu.Lock()
		j.last = append(j.last, line)
		j.last = j.last[max(0, len(j.last)-journalLines):]
		j.mu.Unlock()
		if open && strings.Contains(line, "database system is ready to accept connections") {
			close(ready)
			open = false
		}
		if err != nil {
			return
		}
	}
}

func (j *journal) tail() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var b bytes.Buffer
	for _, line := range j.last {
		b.WriteString(line)
	}
	return b.String()
}
