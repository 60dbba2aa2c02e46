package storetest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
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

// NewDatabase makes an empty database and returns its name.
func (s *Server) NewDatabase(t testing.TB) string {
	t.Helper()
	s.mu.Lock()
	s.databases++
	name := fmt.Sprintf("perch_%d", s.databases)
	s.mu.Unlock()
	if err := s.Exec(superuser, fmt.Sprintf("CREATE DATABASE %s OWNER %s", name, User)); err != nil {
		t.Fatalf("new database: %v", err)
	}
	return name
}

// NewURL makes an empty database and returns its URL.
func (s *Server) NewURL(t testing.TB) string {
	t.Helper()
	return s.URL(s.NewDatabase(t))
}

// Addr returns where the server listens, as host:port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL returns the URL of a database, with user and password, over TCP.
func (s *Server) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(User, Password), Host: s.Addr(), Path: "/" + database}
	return u.String()
}

// Exec runs statements in a database as the superuser.
func (s *Server) Exec(database, statements string) error {
	return s.admin(database, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.PgConn().Exec(ctx, statements).ReadAll()
		return err
	})
}

// admin calls f with a connection of the superuser.
func (s *Server) admin(database string, f func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	config, err := pgx.ParseConfig("")
	if err != nil {
		return err
	}
	config.Host, config.Port, config.TLSConfig, config.Fallbacks = s.dir, uint16(s.port), nil, nil
	config.User, config.Database = superuser, database
	c, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	return f(ctx, c)
}

// Backends returns the server's processes for the sessions of a database, but for
// the one that asks.
func (s *Server) Backends(t testing.TB, database string) []int {
	t.Helper()
	return s.pids(t, "SELECT pid FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid() ORDER BY pid", database)
}

// Terminate ends the sessions of a database, and returns how many they were.
func (s *Server) Terminate(t testing.TB, database string) int {
	t.Helper()
	return len(s.pids(t, `WITH sessions AS MATERIALIZED (
			SELECT pid FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid())
		SELECT pid FROM sessions WHERE pg_terminate_backend(pid)`, database))
}

func (s *Server) pids(t testing.TB, query, database string) (pids []int) {
	t.Helper()
	err := s.admin(superuser, func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, query, database)
		if err != nil {
			return err
		}
		pids, err = pgx.CollectRows(rows, pgx.RowTo[int])
		return err
	})
	if err != nil {
		t.Fatalf("sessions of %s: %v", database, err)
	}
	return pids
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
