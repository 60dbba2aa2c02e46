package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"perch/sip/proxy"
)

// usedRoll is what is used of a roll.
type usedRoll struct{ callers, places []string }

func (u *usedRoll) SetCallers(list []proxy.Caller) {
	u.callers = nil
	for _, c := range list {
		u.callers = append(u.callers, c.Phone+"="+c.Location)
	}
}

func (u *usedRoll) SetPlaces(list []proxy.Place) {
	u.places = nil
	for _, p := range list {
		u.places = append(u.places, p.Site+"@"+p.Location)
	}
}

func TestRoll(t *testing.T) {
	file := filepath.Join(t.TempDir(), "roll.json")
	use := &usedRoll{}
	expect := func(what, want string) {
		t.Helper()
		if got := strings.Join(append(use.callers, use.places...), " "); got != want {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
	r := newRoll(file, use, slog.New(slog.DiscardHandler))
	expect("at first", "")
	r.take(&callerNews{Begin: true, Put: []proxy.Caller{{Phone: "b", Location: "1"}}})
	expect("half of all", "")
	r.take(&callerNews{Put: []proxy.Caller{{Phone: "a", Location: "1"}}, End: true})
	expect("all", "a=1 b=1")
	r.take(&callerNews{Put: []proxy.Caller{{Phone: "a", Location: "2"}, {Phone: "c"}}, Gone: []string{"b"}, End: true, Places: &[]proxy.Place{{Site: "hq", Location: "x"}}})
	expect("a change", "a=2 c= hq@x")
	r.write()
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("got %v, %v, want a file for nobody else", info, err)
	}

	r = newRoll(file, use, slog.New(slog.DiscardHandler))
	expect("after a restart", "a=2 c= hq@x")
	r.take(&callerNews{Begin: true, Put: []proxy.Caller{{Phone: "d"}}})
	expect("while it is told anew", "a=2 c= hq@x")
	r.take(&callerNews{End: true})
	expect("after that", "d= hq@x")

	if err := os.WriteFile(file, []byte(`[{"phone":"a","addr`), 0o600); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	newRoll(file, use, slog.New(slog.NewTextHandler(&log, nil)))
	if expect("of a broken file", ""); !strings.Contains(log.String(), "not known until serve tells it") {
		t.Errorf("the log says %q", log.String())
	}
}

// A key is made once, and what is none is said to be none.
func TestKeyBeside(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sip.key")
	key, err := keyBeside(file)
	if again, err2 := keyBeside(file); err != nil || err2 != nil || again != key || key == [32]byte{} {
		t.Errorf("got %x, %v, then %x, %v", key, err, again, err2)
	}
	for _, text := range []string{"", "abcd", strings.Repeat("z", 64), strings.Repeat("ab", 40)} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := keyBeside(file); err == nil || !strings.Contains(err.Error(), "holds no key") {
			t.Errorf("%q: got %v", text, err)
		}
	}
}
