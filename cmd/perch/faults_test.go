package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"perch/store/storetest"
)

// How much the tests of this file and its neighbours do: a little in `make test`,
// all that docs/reliability.md reports in `make faults`.
var (
	replayKills = flag.Int("replay-kills", 8, "how often a replay is killed, on each database")
	mailKills   = flag.Int("mail-kills", 20, "how often serve is killed while it mails")
	mailCount   = flag.Int("mails", 120, "how many mails it has to send meanwhile")
	faultsFile  = flag.String("faults", "", "append the table of results to `FILE`")
)

// postgres is the server that the tests of this package share.
var postgres storetest.Postgres

// finding notes a result for the table of `make faults`.
func finding(t *testing.T, what, format string, args ...any) {
	t.Helper()
	line := fmt.Sprintf("| %s | %s |\n", what, fmt.Sprintf(format, args...))
	t.Log(strings.TrimSpace(line))
	if *faultsFile == "" {
		return
	}
	f, err := os.OpenFile(*faultsFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(line); err != nil {
		t.Fatal(err)
	}
}

// built is the program as users have it, built once for all tests.
var built = sync.OnceValues(func() (string, error) {
	wasBuilt.Store(true)
	dir, err := os.MkdirTemp("", "perch-test-")
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "perch")
	cmd := exec.Command("go", "build", "-trimpath", "-o", name, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return name, nil
})

func builtPerch(t testing.TB) string {
	t.Helper()
	name, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

var wasBuilt atomic.Bool

// removeBuilt removes what built has made.
func removeBuilt() {
	if !wasBuilt.Load() {
		return
	}
	if name, err := built(); err == nil {
		_ = os.RemoveAll(filepath.Dir(name))
	}
}

// eachDatabase runs a test on SQLite and on PostgreSQL; fresh gives the name of a
// new database.
func eachDatabase(t *testing.T, test func(t *testing.T, fresh func() string)) {
	t.Run("SQLite", func(t *testing.T) {
		n, dir := 0, memoryDir(t)
		test(t, func() string {
			n++
			return filepath.Join(dir, fmt.Sprintf("perch-%d.db", n))
		})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		server := postgres.Server(t)
		test(t, func() string { return server.NewURL(t) })
	})
}

// memoryDir is a directory in memory, where there is one: a process that is killed
// leaves the same there as on a disk, and nobody waits for other tests' disk.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "perch-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// crowd is the directory with what the kill loops replay.
func crowd(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("go", "run", "./testdata/gen", "-crowd", dir)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("gen: %v\n%s", err, out)
	}
	return dir
}

// killed is a replay of the crowd in three parts with decisions in between.
type killed struct {
	t     *testing.T
	perch string
	dir   string
	rand  *rand.Rand

	kills   int // in the middle of a replay
	between int // and of a decision
	resumed int // starts that went on from a position
}

// run carries out a command of the built program, and returns what it printed.
func (k *killed) run(args ...string) string {
	k.t.Helper()
	out, err := k.try(args...)
	if err != nil {
		k.t.Fatalf("perch %s: %v", strings.Join(args, " "), err)
	}
	return out
}

func (k *killed) try(args ...string) (string, error) {
	var out, errs bytes.Buffer
	cmd := exec.Command(k.perch, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = k.dir, &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, errs.String())
	}
	return out.String(), nil
}

// kill starts a command and kills it within a time; true if it ended before.
func (k *killed) kill(within time.Duration, args ...string) bool {
	k.t.Helper()
	var errs bytes.Buffer
	cmd := exec.Command(k.perch, args...)
	cmd.Dir, cmd.Stderr = k.dir, &errs
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	timer := time.AfterFunc(time.Duration(k.rand.Int64N(int64(within))), func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	timer.Stop()
	if err == nil {
		return true
	}
	if !strings.Contains(err.Error(), "killed") {
		k.t.Fatalf("perch %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	k.kills++
	return false
}

// part is one replay, up to a time, and the decisions that follow it.
type part struct {
	until     string
	decisions [][]string
	took      time.Duration
}

func (k *killed) replay(db string, p *part) []string {
	args := []string{"replay", "-config", "perch.yaml", "-map", "map", "-db", db}
	if p.until != "" {
		args = append(args, "-until", p.until)
	}
	return append(args, "crowd-1.pcapng", "crowd-2.pcapng")
}

// decide makes up decisions of every kind about the prompts that are open, and
// about the claims that this opens.
func (k *killed) decide(db string, at time.Time) [][]string {
	k.t.Helper()
	var out [][]string
	add := func(args ...string) {
		at = at.Add(time.Second)
		args = append(args, "-db", db, "-config", "perch.yaml", "-at", at.Format(time.RFC3339))
		k.run(args...)
		out = append(out, args)
	}
	type row struct {
		ID   int
		Kind string
		To   []string
	}
	list := func(what string) (rows []row) {
		dec := json.NewDecoder(strings.NewReader(k.run(what, "list", "-json", "-db", db, "-config", "perch.yaml")))
		for dec.More() {
			var r row
			if err := dec.Decode(&r); err != nil {
				k.t.Fatal(err)
			}
			rows = append(rows, r)
		}
		return rows
	}
	for i, q := range list("prompts") {
		if i%21 != 0 {
			continue
		}
		id, by := fmt.Sprint(q.ID), q.To[0]
		switch i / 21 % 6 {
		case 0:
			add("prompts", "answer", id, "-company", "hq-4f", "-by", by)
		case 1:
			add("prompts", "answer", id, "-propose", fmt.Sprintf("city=Springfield,street=Mill Lane,house_number=%d", q.ID), "-by", by)
		case 2:
			add("prompts", "answer", id, "-add-personal", "city=Springfield,street=Oak Street,house_number=12", "-by", by)
		case 3:
			add("prompts", "answer", id, "-not-mine", "-by", by)
		case 4:
			add("prompts", "answer", id, "-company", "hq-307", "-by", by)
			add("prompts", "object", id, "-by", by)
		case 5:
			add("prompts", "answer", id, "-company", "hq-3f")
		}
	}
	for i, c := range list("claims") {
		id := fmt.Sprint(c.ID)
		switch i % 3 {
		case 0:
			add("claims", "approve", id)
		case 1:
			add("claims", "reject", id, "-reason", "no such place")
		}
	}
	return out
}

// TestKilledReplay kills a replay with SIGKILL again and again, at any moment,
// and starts it anew each time: in the end every table, every event and every
// mail is what an uninterrupted run leaves.
func TestKilledReplay(t *testing.T) {
	dir := crowd(t)
	eachDatabase(t, func(t *testing.T, fresh func() string) {
		k := &killed{t: t, perch: builtPerch(t), dir: dir, rand: rand.New(rand.NewPCG(7, 11))}
		parts := []part{{until: "2026-03-02T08:30:00Z"}, {until: "2026-03-02T09:20:00Z"}, {}}
		whole := fresh()
		prompts := 0
		for i := range parts {
			began := time.Now()
			k.run(k.replay(whole, &parts[i])...)
			parts[i].took = time.Since(began)
			if parts[i].until != "" {
				at, err := time.Parse(time.RFC3339, parts[i].until)
				if err != nil {
					t.Fatal(err)
				}
				parts[i].decisions = k.decide(whole, at)
			}
		}
		want := storetest.DumpOf(t, whole)
		prompts = strings.Count(k.run("prompts", "list", "-all", "-json", "-db", whole), "\n")
		if prompts < 300 || !strings.Contains(want, "claim.rejected") {
			t.Fatalf("only %d prompts: this proves nothing", prompts)
		}
		runs := 0
		for k.kills < *replayKills {
			runs++
			db := fresh()
			k.interrupted(whole, db, parts)
			if got := storetest.DumpOf(t, db); got != want {
				t.Fatalf("after %d kills in %d runs the database differs:\n%s", k.kills, runs, firstDifference(got, want))
			}
		}
		finding(t, "replay killed with SIGKILL, "+filepath.Base(t.Name()),
			"%d kills, and %d in the middle of a decision, in %d runs of %d phones and %d prompts: every table as after an uninterrupted run; %d parts were ended from a stored position",
			k.kills, k.between, runs, 240, prompts, k.resumed)
	})
}

// interrupted does what the parts say on another database, killed several times
// in each.
func (k *killed) interrupted(whole, db string, parts []part) {
	k.t.Helper()
	most := 16 // kills in one part
	if *replayKills < 48 {
		most = max(1, *replayKills/3)
	}
	for i := range parts {
		p := &parts[i]
		for range 1 + k.rand.IntN(most) {
			if k.kill(p.took, k.replay(db, p)...) {
				break
			}
		}
		out := k.frames(k.replay(db, p)...)
		if i == 0 && out < crowdFrames || i > 0 {
			k.resumed++
		}
		for _, d := range p.decisions {
			args := slices.Clone(d)
			args[slices.Index(args, whole)] = db
			if k.rand.IntN(4) == 0 {
				if k.kill(40*time.Millisecond, args...) {
					continue
				}
				k.kills-- // counted apart
				k.between++
			}
			if _, err := k.try(args...); err != nil && !alreadyDone(err) {
				k.t.Fatal(err)
			}
		}
	}
}

// alreadyDone reports whether a decision was made by the command that was killed.
func alreadyDone(err error) bool {
	for _, s := range []string{"is closed (answered)", "is approved already", "is rejected already", "does not stand any more", "is not a user of"} {
		if strings.Contains(err.Error(), s) {
			return true
		}
	}
	return false
}

// crowdFrames is more frames than any part of the crowd's replay has.
const crowdFrames = 1 << 20

// frames runs a replay to its end and returns how many frames it had left.
func (k *killed) frames(args ...string) int {
	k.t.Helper()
	var errs bytes.Buffer
	cmd := exec.Command(k.perch, args...)
	cmd.Dir, cmd.Stderr = k.dir, &errs
	if err := cmd.Run(); err != nil {
		k.t.Fatalf("perch %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	var n int
	if _, err := fmt.Sscanf(errs.String(), "%d frames", &n); err != nil {
		k.t.Fatalf("totals %q: %v", errs.String(), err)
	}
	return n
}

// firstDifference shows the first line in which two texts differ.
func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d\ngot  %.900s\nwant %.900s", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("got %d lines, want %d", len(g), len(w))
}
