package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"perch/gateway"
	"perch/store"
	"perch/store/storetest"
)

// with returns a URL with one part changed.
func with(t *testing.T, databaseURL string, change func(*url.URL)) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	change(u)
	return u.String()
}

// statement runs SQL in the database of a URL as any other program would.
func statement(t *testing.T, databaseURL, text string) {
	t.Helper()
	d, err := sql.Open("pgx", databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := d.Exec(text); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func TestPostgresRefused(t *testing.T) {
	server := postgres.Server(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for _, test := range []struct {
		name string
		make func(t *testing.T, good string) string
		want string
		is   error
	}{
		{
			name: "not a URL of a database",
			make: func(*testing.T, string) string { return "mysql://u:" + url.QueryEscape(storetest.Password) + "@h/d" },
			want: "not a URL of the form postgres://",
		},
		{
			name: "a password without escapes",
			make: func(t *testing.T, good string) string {
				return "postgres://perch:" + storetest.Password + "@" + with(t, good, func(u *url.URL) { u.User = nil })[len("postgres://"):]
			},
			want: "write special characters of the password as %XX",
		},
		{
			name: "a port that is none",
			make: func(*testing.T, string) string { return "postgres://perch:s3cret@127.0.0.1:99999/x" },
			want: "not a URL of the form",
		},
		{
			name: "a parameter that is none",
			make: func(t *testing.T, good string) string {
				return with(t, good, func(u *url.URL) { u.RawQuery = "sslmode=perhaps" })
			},
			want: "sslmode is invalid",
		},
		{
			name: "nothing listens",
			make: func(t *testing.T, good string) string {
				return with(t, good, func(u *url.URL) { u.Host = closed.Addr().String() })
			},
			want: "cannot reach the server: " + closed.Addr().String() + ": connect: connection refused",
		},
		{
			name: "no such host",
			make: func(t *testing.T, good string) string {
				return with(t, good, func(u *url.URL) { u.Host = "db.invalid:5432" })
			},
			want: "cannot reach the server: lookup db.invalid",
		},
		{
			name: "a server without TLS",
			make: func(t *testing.T, good string) string {
				return with(t, good, func(u *url.URL) { u.RawQuery = "sslmode=require" })
			},
			want: "refused TLS",
		},
		{
			name: "a wrong password",
			make: func(t *testing.T, good string) string {
				return with(t, good, func(u *url.URL) { u.User = url.UserPassword("perch", storetest.Password+"!") })
			},
			want: "wrong password",
		},
		{
			name: "no such user",
			make: func(t *testing.T, good string) string {
				return with(t, good, func(u *url.URL) { u.User = url.UserPassword("peach", storetest.Password) })
			},
			want: "wrong password", // the server does not tell which
		},
		{
			name: "no such database",
			make: func(t *testing.T, good string) string { return with(t, good, func(u *url.URL) { u.Path = "/nowhere" }) },
			want: `no such database: FATAL: database "nowhere" does not exist`,
		},
		{
			name: "no permission to make tables",
			make: func(t *testing.T, good string) string {
				owned(t, server, good, "ALTER SCHEMA public OWNER TO postgres")
				return good
			},
			want: "user perch may not create tables in schema public",
		},
		{
			name: "no schema",
			make: func(t *testing.T, good string) string {
				owned(t, server, good, "DROP SCHEMA public")
				return good
			},
			want: "no schema for tables",
		},
		{
			name: "another encoding",
			make: func(t *testing.T, good string) string {
				return with(t, good, func(u *url.URL) {
					u.Path += "_latin"
					name := strings.TrimPrefix(u.Path, "/")
					owned(t, server, good, "CREATE DATABASE "+name+" OWNER perch ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
				})
			},
			want: "encoding is LATIN1, want UTF8",
		},
		{
			name: "a database of another program",
			make: func(t *testing.T, good string) string {
				statement(t, good, "CREATE TABLE blog (id integer)")
				return good
			},
			want: "another program",
		},
		{
			name: "a database of another program that has our libraries",
			make: func(t *testing.T, good string) string {
				statement(t, good, `CREATE TABLE meta (key text, value text);
					CREATE TABLE goose_db_version (id integer, version_id bigint, is_applied boolean, tstamp timestamp);
					INSERT INTO goose_db_version VALUES (1, 1, true, now())`)
				return good
			},
			want: "another program",
		},
		{
			name: "a newer schema",
			make: func(t *testing.T, good string) string {
				openPostgres(t, good).Close()
				statement(t, good, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (90000, true)")
				return good
			},
			want: "schema version 90000",
			is:   gateway.ErrNewerSchema,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			good := server.NewURL(t)
			bad := test.make(t, good)
			before := tables(t, good)
			p, err := store.OpenPostgres(t.Context(), bad)
			if err == nil {
				p.Close()
				t.Fatalf("opened, want an error with %q", test.want)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %q, want %q", err, test.want)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("error %q is not %q", err, test.is)
			}
			for _, text := range []string{err.Error(), fmt.Sprintf("%#v", err)} {
				if strings.Contains(text, "s3cret") || strings.Contains(text, url.QueryEscape("p@ss")) {
					t.Errorf("the password is in the error: %s", text)
				}
			}
			if after := tables(t, good); after != before {
				t.Errorf("the database was changed: %s, was %s", after, before)
			}
		})
	}
}

// owned runs statements as the superuser.
func owned(t *testing.T, server *storetest.Server, databaseURL, text string) {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Exec(strings.TrimPrefix(u.Path, "/"), text); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// tables returns the names of a database's tables.
func tables(t *testing.T, databaseURL string) string {
	t.Helper()
	d, err := sql.Open("pgx", databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var names string
	err = d.QueryRow("SELECT coalesce(string_agg(tablename, ' ' ORDER BY tablename), '') FROM pg_tables WHERE tableowner = 'perch'").Scan(&names)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// A server that takes connections and says nothing.
func TestPostgresSilentServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = store.OpenPostgres(t.Context(), "postgres://perch:s3cret@"+l.Addr().String()+"/x?connect_timeout=1&sslmode=disable")
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "cannot reach the server") {
		t.Errorf("got %v, want a timeout", err)
	}
}

func TestPostgresOneHolder(t *testing.T) {
	server := postgres.Server(t)
	databaseURL := server.NewURL(t)
	p := openPostgres(t, databaseURL)
	_, err := store.OpenPostgres(t.Context(), databaseURL)
	if !errors.Is(err, gateway.ErrInUse) || !strings.Contains(err.Error(), "(server process ") ||
		!strings.Contains(err.Error(), ", perch from 127.0.0.1)") {
		t.Errorf("a second open gave %v, want ErrInUse and who holds it", err)
	}
	if err := p.Commit(t.Context(), batch(1)); err != nil {
		t.Errorf("the holder cannot commit any more: %v", err)
	}
	// Another schema of the same database is another Perch's.
	statement(t, databaseURL, "CREATE SCHEMA second")
	second := openPostgres(t, databaseURL+"?search_path=second")
	if got := countMails(t, second); got != 0 {
		t.Errorf("%d mails in the other schema", got)
	}
	p.Close()
	p.Close()
	if err := p.Commit(t.Context(), batch(2)); err == nil {
		t.Error("a commit after Close succeeded")
	}
	openPostgres(t, databaseURL) // without waiting for the server to see the end of the session
}

func TestPostgresHeldByAnotherProcess(t *testing.T) {
	databaseURL := postgres.Server(t).NewURL(t)
	c := startChild(t, holdDatabase, databaseURL, nil)
	if c.said != "open" {
		t.Fatalf("the other process: %s", c.said)
	}
	if _, err := store.OpenPostgres(t.Context(), databaseURL); !errors.Is(err, gateway.ErrInUse) {
		t.Errorf("open gave %v, want ErrInUse", err)
	}
	c.kill(t)
	openPostgres(t, databaseURL)
}

// A first start may be killed between goose's own table and the first migration,
// and between two migrations.
func TestPostgresHalfMade(t *testing.T) {
	databaseURL := postgres.Server(t).NewURL(t)
	statement(t, databaseURL, `CREATE TABLE goose_db_version (
			id integer PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, version_id bigint NOT NULL,
			is_applied boolean NOT NULL, tstamp timestamp NOT NULL DEFAULT now());
		INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true)`)
	p := openPostgres(t, databaseURL)
	if err := p.Commit(t.Context(), batch(1)); err != nil {
		t.Fatal(err)
	}
	p.Close()
	statement(t, databaseURL, `DELETE FROM goose_db_version WHERE version_id > 1;
		DROP TABLE outbox, undeliverable, emergencies, lines; ALTER TABLE mails DROP COLUMN answer_id, DROP COLUMN emergency_id; ALTER TABLE claims DROP COLUMN evidence; ALTER TABLE answers DROP COLUMN rule`)
	p = openPostgres(t, databaseURL)
	if err := p.Commit(t.Context(), batch(2)); err != nil {
		t.Fatal(err)
	}
	if got := countMails(t, p); got != 2 {
		t.Errorf("%d mails, want 2", got)
	}
}

// A database of version 1, as the first release made it, is migrated with all
// that it holds.
func TestMigratedFromVersion1(t *testing.T) {
	path := filepath.Join(t.TempDir(), "perch.db")
	first, err := os.ReadFile("migrations/sqlite/00001_schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	d := raw(t, path)
	for _, text := range []string{
		string(first),
		`CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL,
			is_applied INTEGER NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('now')))`,
		"INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, 1), (1, 1)",
		"INSERT INTO mails VALUES (1, 2, 'prompt', 'ann@example.com', 's', '<1@example.com>', 1, 0, x'00')",
		"INSERT INTO meta VALUES ('type', 'replay'), ('time', '5'), ('last_mail', '1'), ('last_event', '1')",
	} {
		if _, err := d.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
	d.Close()
	s := openSQLite(t, path)
	st, err := s.Load(t.Context())
	if err != nil || st.Counters.Mail != 1 || st.Type != gateway.Replayed {
		t.Errorf("loaded %+v, %v", st, err)
	}
	b := batch(2)
	b.Type = gateway.Replayed
	if err := s.Commit(t.Context(), b); err != nil {
		t.Error(err)
	}
	if got := countMails(t, s); got != 2 {
		t.Errorf("%d mails, want 2", got)
	}
}

func TestPostgresSession(t *testing.T) {
	p := openPostgres(t, postgres.Server(t).NewURL(t))
	for name, want := range map[string]string{
		"application_name": "perch", "synchronous_commit": "on", "client_encoding": "UTF8",
		"statement_timeout": "5min", "idle_in_transaction_session_timeout": "1min", "lock_timeout": "0",
		"tcp_keepalives_idle": "30",
	} {
		if got := store.Setting(t, p, name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}
