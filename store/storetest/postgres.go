package storetest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Postgres is a real PostgreSQL server that the tests of a package share. The
// first test that needs it starts it, and TestMain stops it:
//
//	var postgres storetest.Postgres
//
//	func TestMain(m *testing.M) {
//		code := m.Run()
//		postgres.Stop()
//		os.Exit(code)
//	}
//
// The zero value is ready. Whatever becomes of the tests, the server does not
// outlive their process.
type Postgres struct {
	mu     sync.Mutex
	server *Server
}

// Server returns the server, started if it was not. Without PostgreSQL's programs
// the test is skipped, or fails if CI is set in the environment.
func (p *Postgres) Server(t testing.TB) *Server {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server == nil {
		s, err := newServer(NoSync)
		if err != nil {
			missing(t, err)
		}
		p.server = s
	}
	return p.server
}

// Stop stops the server and removes its data.
func (p *Postgres) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server != nil {
		p.server.remove()
		p.server = nil
	}
}

// StartPostgres starts a server for one test, which may stop it, kill it and
// start it again.
func StartPostgres(t testing.TB, options ...Option) *Server {
	t.Helper()
	s, err := newServer(options...)
	if err != nil {
		missing(t, err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the server's last words:\n%s", s.log.tail())
		}
		s.remove()
	})
	return s
}

// errMissing reports that PostgreSQL is not installed.
var errMissing = errors.New("PostgreSQL is not installed: Debian package postgresql")

func missing(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, errMissing) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	t.Fatalf("start PostgreSQL: %v", err)
}

// Option is how a server runs.
type Option string

// NoSync runs a server that does not wait for its disk: quicker, and as safe as
// long as the machine stays up.
const NoSync Option = "fsync=off"

// Server is a PostgreSQL server with its data in a directory of its own. It
// listens on a socket there, where everybody may be its superuser, and on a
// loopback port, where users have passwords. As root it runs as an ordinary
// user, since it refuses to be root.
type Server struct {
	dir     string // of data and socket
	bin     string // directory of the programs
	port    int
	as      *syscall.Credential // nil: as we are
	options []Option

	mu        sync.Mutex
	process   *postmaster // nil while it does not run
	log       journal
	databases int
}

// The user of URLs, who owns each database, and whose password needs escapes.
const (
	User     = "perch"
	Password = "s3cret/p@ss:w%rd"

	superuser = "postgres"
)

// newServer makes the data of a server and starts it.
func newServer(options ...Option) (*Server, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, options: options}
	if s.as, err = ordinaryUser(); err != nil {
		return nil, err
	}
	// In the system's own directory, which an ordinary user can reach, and whose
	// name is short enough for that of a socket.
	if s.dir, err = os.MkdirTemp("", "perch-pg"); err != nil {
		return nil, err
	}
	if err := s.create(); err != nil {
		os.RemoveAll(s.dir)
		return nil, err
	}
	if err := s.start(); err != nil {
		os.RemoveAll(s.dir)
		return nil, err
	}
	quoted := "'" + strings.ReplaceAll(Password, "'", "''") + "'"
	if err := s.Exec(superuser, "CREATE ROLE "+User+" LOGIN PASSWORD "+quoted); err != nil {
		s.remove()
		return nil, err
	}
	return s, nil
}

// programs returns the directory of Debian's newest PostgreSQL.
func programs() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		return n
	}
	if len(found) == 0 {
		return "", errMissing
	}
	best := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(best), nil
}

// ordinaryUser returns whom to run as: nil if we are no root.
func ordinaryUser() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("no user to run as: neither postgres nor nobody")
}

// Dir returns the server's directory, which is removed with it.
func (s *Server) Dir() string { return s.dir }

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// create makes the data directory.
func (s *Server) create() error {
	if s.as != nil {
		if err := os.Chown(s.dir, int(s.as.Uid), int(s.as.Gid)); err != nil {
			return err
		}
	}
	cmd := s.command("initdb", "-D", s.data(), "-U", superuser, "-E", "UTF8", "--locale=C.UTF-8",
		"--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync", "--no-instructions")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = sysProcAttr(s.as)
	return cmd
}

// portTries is how often to look for a port, which somebody else may take
// between our finding it free and the server's start.
const portTries = 5

// start starts the server on the port that it had, or else on a free one.
func (s *Server) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		return errors.New("the server runs already")
	}
	var err error
	for range portTries {
		port := s.port
		if port == 0 {
			if port, err = freePort(); err != nil {
				return err
			}
		}
		if s.process, err = s.run(port); err == nil {
			s.port = port
			return nil
		}
		if s.port != 0 || !strings.Contains(s.log.tail(), "Address already in use") {
			break
		}
	}
	return fmt.Errorf("%w\n%s", err, s.log.tail())
}

// Mode is how a server is shut down (PostgreSQL documentation, section 19.5).
type Mode string

// The modes.
const (
	Fast      Mode = "fast"      // transactions are rolled back and sessions ended
	Immediate Mode = "immediate" // all processes quit at once, as after a crash
)

func (m Mode) signal() os.Signal {
	if m == Immediate {
		return syscall.SIGQUIT
	}
	return syscall.SIGINT
}

// Start starts the server again after Stop or Kill.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if err := s.start(); err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
}

// Stop shuts the server down.
func (s *Server) Stop(t testing.TB, mode Mode) {
	t.Helper()
	if err := s.stop(mode.signal()); err != nil {
		t.Fatalf("stop PostgreSQL: %v", err)
	}
}

// Restart shuts the server down and starts it again.
func (s *Server) Restart(t testing.TB, mode Mode) {
	t.Helper()
	s.Stop(t, mode)
	s.Start(t)
}

// Kill kills the server's first process, and waits until its children have
// noticed.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if err := s.stop(syscall.SIGKILL); err != nil {
		t.Fatalf("kill PostgreSQL: %v", err)
	}
}
