package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// newRegistrarSite is a site without a PBX: its lines are in lines.csv.
func newRegistrarSite(t *testing.T) *sipSite {
	t.Helper()
	need(t, "sipp", "sip-tester")
	s := &sipSite{t: t, dir: t.TempDir(), perch: freeAddress(t)}
	s.config = serveConfig(t, s.dir, filepath.Join(s.dir, "perch.db"), "")
	s.add("sip: {listen: [\"udp:%s\"], registrar: {realm: example.com}, sites: [{prefix: 127.0.0.0/8, site: hq}]}\n", s.perch)
	s.write("sites.csv", "id,name,subnets\nhq,Headquarters,127.0.0.0/24\n")
	s.write("lines.csv", "aor,auth_user,secret\nalice@example.com,,not-a-secret\nbob@example.com,,not-a-secret\ncarol@example.com,,another\n")
	s.command("import", filepath.Join(s.dir, "map"))
	var err error
	if s.log, err = os.Create(filepath.Join(s.dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.log.Close() })
	return s
}

// write writes a file of the map.
func (s *sipSite) write(name, text string) {
	s.t.Helper()
	maps := filepath.Join(s.dir, "map")
	if err := os.MkdirAll(maps, 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(maps, name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// Phones register with serve itself and call one another, also after the SIP path was
// killed; no password is to be found in any file or log.
func TestRegistrar(t *testing.T) {
	s := newRegistrarSite(t)
	exported := s.command("export", "lines")
	if !strings.Contains(exported, "sip:alice@example.com,,sealed:") {
		t.Errorf("got\n%s", exported)
	}
	s.write("lines.csv", exported)
	if got := s.command("import", filepath.Join(s.dir, "map", "lines.csv")); !strings.Contains(got, "changed: nothing") {
		t.Errorf("what was exported is not the same: %s", got)
	}
	serve := s.serve()
	_, alice, _ := net.SplitHostPort(freeAddress(t))
	_, bob, _ := net.SplitHostPort(freeAddress(t))
	register := func(user, port string) {
		s.done(s.sipp("register", user, port, "-key", "mac", "none", "-key", "expires", "600"))
	}
	register("alice", alice)
	register("bob", bob)
	call := func() {
		t.Helper()
		answer := s.sipp("answered", "bob", bob)
		s.done(s.sipp("help", "alice", alice, "-key", "number", "bob"))
		s.done(answer)
	}
	call()
	phones := filepath.Join(s.dir, "s.sip.phones.json")
	s.await("the file of phones", func() bool {
		b, err := os.ReadFile(phones)
		return err == nil && strings.Contains(string(b), "sip:bob@127.0.0.1:"+bob)
	})
	path := s.path()
	if err := syscall.Kill(path, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.await("another SIP path", func() bool { p := s.path(); return p != 0 && p != path })
	call()

	// A line that comes is known at once, one that goes likewise.
	_, dave, _ := net.SplitHostPort(freeAddress(t))
	s.write("lines.csv", exported+"dave@example.com,,not-a-secret,,\n")
	s.command("import", filepath.Join(s.dir, "map", "lines.csv"))
	s.await("dave's line", func() bool {
		return s.sipp("register", "dave", dave, "-key", "mac", "none", "-key", "expires", "60", "-base_cseq", "5").Wait() == nil
	})
	s.write("lines.csv", exported)
	s.command("import", "-replace", filepath.Join(s.dir, "map", "lines.csv"))
	s.await("the end of dave's line", func() bool {
		return s.sipp("register", "dave", dave, "-key", "mac", "none", "-key", "expires", "60", "-base_cseq", "9").Wait() != nil
	})
	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := serve.Wait(); err != nil {
		t.Errorf("serve ended with %v", err)
	}
	err := filepath.WalkDir(s.dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(name)
		if strings.Contains(string(b), "not-a-secret") {
			t.Errorf("%s has a password in it", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if i, err := os.Stat(filepath.Join(s.dir, "s.key")); err != nil || i.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", i, err)
	}
}

// A secret that was sealed with another key is refused, and told what to do.
func TestAnotherKey(t *testing.T) {
	s := newRegistrarSite(t)
	exported := s.command("export", "lines")
	if err := os.WriteFile(filepath.Join(s.dir, "s.key"), []byte(strings.Repeat("0a", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.write("lines.csv", exported)
	got := s.fails("import", filepath.Join(s.dir, "map", "lines.csv"))
	if !strings.Contains(got, "error: line sip:alice@example.com: its secret was sealed with another key\nhint: put the key back") {
		t.Errorf("got\n%s", got)
	}
}
