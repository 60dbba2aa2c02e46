package store_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"perch/gateway"
	"perch/store/storetest"
)

// Equal contents give equal dumps on both databases, before and after each is
// closed.
func TestDumps(t *testing.T) {
	path, url := filepath.Join(t.TempDir(), "perch.db"), postgres.Server(t).NewURL(t)
	s, p := openSQLite(t, path), openPostgres(t, url)
	for name, held := range map[string]database{path: s, url: p} {
		if err := storetest.Fill(t.Context(), held); err != nil {
			t.Fatal(err)
		}
		b := batch(100)
		b.Mails[0].Body = []byte("caf\xe9\x00\r\n")
		if err := held.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		got, err := held.Lease(t.Context(), b.Time, b.Time.Add(time.Minute), 2)
		if err == nil {
			_, err = held.Record(t.Context(), gateway.Outcome{
				Mail: got[0].ID, Attempt: 1, To: "a@example.com", State: gateway.DeliveryRefused, At: b.Time, Reply: "550 no",
			})
		}
		if err != nil {
			t.Fatal(err)
		}
		if storetest.DumpOf(t, name) == "" {
			t.Errorf("%s: an open database cannot be dumped", name)
		}
		held.Close()
	}
	a, b := storetest.DumpOf(t, path), storetest.DumpOf(t, url)
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("dumps (-SQLite +PostgreSQL):\n%s", diff)
	}
	for _, want := range []string{
		"\nsites (id, name, ", "\nwiremap (rule_key, ", "\nundeliverable (email, since, reply)\n\"a@example.com\" ",
		`b"caf\xe9\x00\r\n"`, "\"instance_key\" \"secret\"\n",
	} {
		if !strings.Contains(a, want) {
			t.Errorf("dump lacks %q:\n%s", want, a)
		}
	}
	if strings.Contains(a, "goose") || strings.Contains(a, "01fe00") {
		t.Errorf("dump tells of migrations or the secret:\n%s", a)
	}
	if got := strings.Count("\n"+a, "\n") - 1; got < 15+10 {
		t.Errorf("dump has %d lines only:\n%s", got, a)
	}
}
