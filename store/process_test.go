package store_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"perch/gateway"
	"perch/store"
	"perch/store/storetest"
)

// The variables that make the test binary another process: one that opens the
// database of that name, says how it went, and holds it until its input ends;
// and one that commits to it without end, saying which batch is durable.
const (
	holdDatabase = "PERCH_TEST_HOLD"
	fillDatabase = "PERCH_TEST_FILL"

	// servePostgres starts a server, says the URL of a database and the
	// directory of its data, and waits to be killed.
	servePostgres = "PERCH_TEST_POSTGRES"
)

func TestMain(m *testing.M) {
	if path, ok := os.LookupEnv(holdDatabase); ok {
		hold(path)
	} else if path, ok := os.LookupEnv(fillDatabase); ok {
		fillUp(path)
	} else if _, ok := os.LookupEnv(servePostgres); ok {
		serve(m)
	} else {
		code := m.Run()
		postgres.Stop()
		os.Exit(code)
	}
}

// database is a store with its outbox.
type database interface {
	gateway.Store
	gateway.Outbox
	Conn() *sql.DB
}

// openAny opens the database at a path or a URL.
func openAny(name string) (database, error) {
	if strings.HasPrefix(name, "postgres://") {
		return store.OpenPostgres(context.Background(), name)
	}
	return store.OpenSQLite(context.Background(), name)
}

func hold(path string) {
	s, err := openAny(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("open")
	_, _ = io.Copy(io.Discard, os.Stdin)
	s.Close()
}

// serve has a test of its own, since only tests start servers.
func serve(m *testing.M) {
	os.Args = []string{os.Args[0], "-test.run=^TestServe$"}
	m.Run()
}

func TestServe(t *testing.T) {
	if _, ok := os.LookupEnv(servePostgres); !ok {
		return
	}
	s := storetest.StartPostgres(t)
	fmt.Println(s.NewURL(t))
	fmt.Println(s.Dir())
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func fillUp(path string) {
	s, err := openAny(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	st, err := s.Load(context.Background())
	for n := st.Counters.Event + 1; err == nil; n++ {
		if err = s.Commit(context.Background(), batch(n)); err == nil {
			fmt.Println(n)
		}
	}
	fmt.Println(err)
}

// child is another process that opened a database, or tried to.
type child struct {
	cmd  *exec.Cmd
	out  *bufio.Reader
	said string // its first line: "open", a number, or an error
}

func startChild(t *testing.T, variable, path string, as *syscall.Credential) *child {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), variable+"="+path)
	cmd.Stderr = os.Stderr
	cmd.Dir = "/"
	if as != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	c := &child{cmd: cmd, out: bufio.NewReader(out)}
	c.said = c.line(t)
	return c
}

// line returns the next line that the process says.
func (c *child) line(t *testing.T) string {
	t.Helper()
	s, err := c.out.ReadString('\n')
	if err != nil {
		t.Fatalf("the other process said nothing: %v", err)
	}
	return strings.TrimSpace(s)
}

// kill ends the process as a power cut would.
func (c *child) kill(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.cmd.Wait()
}

func TestHeldByAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "perch.db")
	c := startChild(t, holdDatabase, path, nil)
	if c.said != "open" {
		t.Fatalf("the other process: %s", c.said)
	}
	_, err := store.OpenSQLite(t.Context(), path)
	if !errors.Is(err, gateway.ErrInUse) || !strings.Contains(err.Error(), fmt.Sprintf("process %d", c.cmd.Process.Pid)) {
		t.Errorf("open gave %v, want ErrInUse and the process", err)
	}
	c.kill(t)
	s := openSQLite(t, path) // the kernel freed the lock
	if err := s.Commit(t.Context(), batch(1)); err != nil {
		t.Error(err)
	}
}

// A process killed at any moment loses nothing that was committed, and leaves
// no part of a batch.
func TestKilled(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "perch.db")
		killed(t, path, func() {
			if got := query(t, path, "PRAGMA integrity_check"); got != "ok" {
				t.Fatalf("integrity check: %s", got)
			}
		})
	})
	t.Run("PostgreSQL", func(t *testing.T) { killed(t, postgres.Server(t).NewURL(t), func() {}) })
}

// killed kills processes that fill a database, and calls check after each.
func killed(t *testing.T, name string, check func()) {
	var durable int64
	for round := range 8 {
		c := startChild(t, fillDatabase, name, nil)
		for said := c.said; ; said = c.line(t) {
			n, err := strconv.ParseInt(said, 10, 64)
			if err != nil || n != durable+1 {
				t.Fatalf("the other process said %q, want %d", said, durable+1)
			}
			durable = n
			if n%17 == int64(round) {
				break
			}
		}
		c.kill(t)
		left := ""
		if !strings.HasPrefix(name, "postgres://") { // whose server may be committing still
			left = storetest.DumpOf(t, name)
		}
		s, err := openAny(name)
		if err != nil {
			t.Fatal(err)
		}
		st, err := s.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := st.Counters.Event
		if got < durable {
			t.Fatalf("%d batches are left, but %d were durable", got, durable)
		}
		holdsBatches(t, s, got)
		durable = got
		s.Close()
		if now := storetest.DumpOf(t, name); left != "" && now != left {
			t.Errorf("opening changed what was left:\n%s\nis now\n%s", left, now)
		}
		check()
	}
}
