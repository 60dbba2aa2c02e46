package store_test

import (
	"database/sql"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"perch/store"
)

// fillOutbox writes mails and their parcels: sent ones, and then some that wait.
func fillOutbox(t testing.TB, d *sql.DB, sent, waiting int) {
	t.Helper()
	for _, statement := range []struct {
		text string
		args []any
	}{
		{`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
			INSERT INTO mails (id, time, purpose, recipient, subject, message_id, prompt_id, claim_id, body, answer_id)
			SELECT i, i, 'prompt', 'ann@example.com', 's', 'm', 1, 0, $2, 0 FROM n`, []any{sent + waiting, []byte{}}},
		{`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
			INSERT INTO outbox SELECT i, 'sent', 1, 0, i, i, '250 2.0.0 Ok: queued as 4Bz7', 1 FROM n`, []any{sent + waiting}},
		{"UPDATE outbox SET state = 'waiting' WHERE mail_id > $1", []any{sent}},
		{"ANALYZE outbox", nil},
	} {
		if _, err := d.Exec(statement.text, statement.args...); err != nil {
			t.Fatal(err)
		}
	}
}

// A statement of the outbox looks at the mails that wait or at one mail, however
// many were sent.
func TestOutboxPlans(t *testing.T) {
	s, p := openSQLite(t, filepath.Join(t.TempDir(), "perch.db")), openPostgres(t, postgres.Server(t).NewURL(t))
	for _, test := range []struct {
		name, explain string
		db            *sql.DB
		scan          *regexp.Regexp // what no plan may have
	}{
		// SQLite says SCAN for a whole table or index, and SEARCH for a part. The
		// indexes besides that of the key have only what waits, or is refused.
		{"SQLite", "EXPLAIN QUERY PLAN ", s.Conn(), regexp.MustCompile(`SCAN outbox( USING (COVERING )?INDEX sqlite_autoindex\w*)?$`)},
		{"PostgreSQL", "EXPLAIN ", p.Conn(), regexp.MustCompile(`Seq Scan on outbox|Scan using outbox_pkey on outbox \w* *\(.*rows=\d{2}`)},
	} {
		t.Run(test.name, func(t *testing.T) {
			fillOutbox(t, test.db, 40_000, 2_000)
			for name, statement := range store.OutboxStatements {
				lines := plan(t, test.db, test.explain+statement.SQL, statement.Args)
				for _, line := range lines {
					if test.scan.MatchString(line) {
						t.Errorf("%s looks at all mails: %s", name, line)
					}
				}
				if !strings.Contains(strings.Join(lines, "\n"), "outbox") {
					t.Errorf("%s has a plan without the outbox: %q", name, lines)
				}
				t.Logf("%s:\n%s", name, strings.Join(lines, "\n"))
			}
		})
	}
}

// plan returns the lines of a statement's plan.
func plan(t *testing.T, d *sql.DB, text string, args []any) (lines []string) {
	t.Helper()
	rows, err := d.Query(text, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		into := make([]any, len(names))
		for i := range into {
			into[i] = new(sql.RawBytes)
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(*into[len(into)-1].(*sql.RawBytes))) // SQLite's detail comes last
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}
