package storetest

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"
)

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
