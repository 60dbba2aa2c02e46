package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"perch/discovery"
	"perch/discovery/capture"
	"perch/gateway"
)

// replayCmd runs captures through the engine.
type replayCmd struct {
	databaseFlags
	Map      string   `help:"Directory of CSV files to import first." placeholder:"DIR"`
	JSON     bool     `name:"json" help:"Print one JSON object for each event instead of the story."`
	Mail     string   `help:"Directory to write the mails to: all of the database that it does not hold yet." placeholder:"DIR"`
	Until    told     `help:"Replay up to this time only, and do what falls due until then." placeholder:"TIME"`
	Captures []string `arg:"" name:"capture" help:"pcap or pcapng files, gzip'ed or not; - is standard input."`
}

// Run is the command.
func (c *replayCmd) Run(env *environment) (err error) {
	defer lean(spare, garbagePercent)()
	ctx := context.Background()
	c.noMails = c.DB == "" && c.Mail == ""
	s, err := c.open(ctx, c.DB == "")
	if err != nil {
		return err
	}
	defer s.close(ctx, &err)
	if c.Mail != "" {
		if err := os.MkdirAll(c.Mail, 0o777); err != nil {
			return withHint(err, "name a directory that can be written with -mail")
		}
	}
	r := &replayer{session: s, until: c.Until.Time, out: newEventPrinter(env.stdout, c.JSON), stderr: env.stderr, progress: newProgress(env.stderr)}
	if c.DB != "" {
		if err := s.engine.SetType(gateway.Replayed); err != nil {
			return err
		}
	}
	s.engine.OnEvent(r.out.add)
	if c.Map != "" {
		if err := s.importPaths(c.Map); err != nil {
			return err
		}
	}
	r.mails = c.Mail
	if r.lastMail, err = lastWritten(c.Mail); err != nil {
		return err
	}
	err = r.run(ctx, c.Captures, env.stdin, c.DB != "")
	if err == nil || r.frames > 0 {
		err = errors.Join(err, r.finish(ctx))
	}
	if r.frames > 0 || err == nil {
		fmt.Fprintln(env.stderr, r.totals())
	}
	return err
}

// replayer feeds captures to the engine.
type replayer struct {
	*session
	until    time.Time
	out      *eventPrinter
	stderr   io.Writer
	progress *progress

	frames, observations int
	merge                *capture.Merge
	decoder              *discovery.Decoder
	names                []string  // base names of the sources
	sums                 []string  // their SHA-256, if positions are kept
	known                []bool    // which of them an earlier replay was given, or have begun
	began                time.Time // engine time at the start
	mails                string    // directory to write mails to; empty: none
	lastMail             int64     // id of the last one that was written
	commitNext           time.Time
}

// Effects are committed together: about commitEffects, or what there is after
// commitEvery; where the disk is slow, committing takes at most a fifth of the
// time. It is looked every clockFrames. How effects are grouped decides only
// how much a replay that is killed does over again.
const (
	commitEffects = 1000
	commitEvery   = 50 * time.Millisecond
	commitFrames  = 16384
	clockFrames   = 64
)

// run replays captures, merged by time. Damage to one does not keep the others
// from being replayed; it is the error at the end.
func (r *replayer) run(ctx context.Context, paths []string, stdin io.Reader, keep bool) error {
	r.names = distinct(paths)
	if keep {
		var cleanup func()
		var err error
		if paths, cleanup, err = r.sum(paths, stdin); err != nil {
			return err
		}
		defer cleanup()
		if len(paths) == 0 {
			return nil
		}
	}
	merge, err := capture.Open(paths, stdin)
	if err != nil {
		return err
	}
	defer merge.Close()
	r.merge, r.began = merge, r.engine.Now()
	r.known = make([]bool, len(paths))
	for i, sum := range r.sums {
		at := r.engine.Position(sum)
		r.known[i] = at.SHA256 != ""
		merge.Skip(i, at.Frames)
		r.at(i, 0, false)
	}
	r.decoder = r.newDecoder()
	// A message may have begun before the position and end behind it.
	merge.OnSkipped(func(f *capture.Frame) {
		in := r.frame(f)
		r.decoder.Pass(&in)
	})
	err = r.frameLoop(ctx)
	// A damaged capture is not done: replayed again it is damaged again.
	for _, fault := range capture.Errors(err) {
		for i, p := range paths {
			if p == fault.File {
				r.at(i, 0, false)
			}
		}
	}
	return err
}

// distinct returns the base names of captures; of several of one name the
// second is name#2: they were not heard on one interface.
func distinct(paths []string) []string {
	seen := map[string]int{}
	out := make([]string, len(paths))
	for i, p := range paths {
		base := filepath.Base(p)
		seen[base]++
		out[i] = base
		if n := seen[base]; n > 1 {
			out[i] = fmt.Sprintf("%s#%d", base, n)
		}
	}
	return out
}

// namesOf returns the names of sources, which they keep whatever others are given
// with them and in whatever order: of several of one base name, they are numbered
// in order of their sums.
func namesOf(paths, sums, of []string) []string {
	order := make([]int, len(paths))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(sums[a], sums[b]) })
	sorted := make([]string, len(paths))
	for i, at := range order {
		sorted[i] = paths[at]
	}
	names := map[string]string{}
	for i, name := range distinct(sorted) {
		names[sums[order[i]]] = name
	}
	out := make([]string, len(of))
	for i, sum := range of {
		out[i] = names[sum]
	}
	return out
}

func (r *replayer) newDecoder() *discovery.Decoder {
	return discovery.NewDecoder(discovery.DecoderConfig{SIPPorts: r.config.SIP.Ports, Panicked: panicsTo(r.stderr)})
}

// frame is a captured frame as the decoder takes it.
func (r *replayer) frame(f *capture.Frame) discovery.Frame {
	out := observed(f)
	out.File = r.names[f.Source]
	return out
}

func (r *replayer) frameLoop(ctx context.Context) error {
	observe := func(o *discovery.Observation) {
		r.observations++
		r.engine.Observe(o)
	}
	var in discovery.Frame
	for {
		f, err := r.merge.Next()
		for _, i := range r.merge.Ended() {
			r.ended(i)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !r.until.IsZero() && f.Time.After(r.until) {
			return nil
		}
		if err := r.checkStart(f); err != nil {
			return err
		}
		r.frames++
		if r.decoder.Sift(uint16(f.LinkType), f.Data) {
			in = r.frame(f)
			r.decoder.Decode(&in, observe)
		}
		r.at(f.Source, f.Number, false)
		if err := r.commitInTime(ctx); err != nil {
			return err
		}
	}
}

// checkStart refuses captures that start before engine time, by their first
// frame: their frames would come too late. One that an earlier replay was given
// goes on.
func (r *replayer) checkStart(f *capture.Frame) error {
	if r.known[f.Source] {
		return nil
	}
	r.known[f.Source] = true
	now := r.began
	if !f.Time.Before(now) {
		return nil
	}
	return withHint(fmt.Errorf("%s starts at %s, before engine time %s", f.File, stamp(f.Time), stamp(now)),
		"give captures of one period in one command, or replay them all into another database: -db FILE")
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

// ended notes that a source has delivered its last frame.
func (r *replayer) ended(source int) {
	r.engine.Pause(r.names[source])
	r.decoder.Forget(source)
	r.at(source, 0, true)
}

// at notes how far a source was replayed.
func (r *replayer) at(source, frame int, done bool) {
	if r.sums == nil {
		return
	}
	p := r.engine.Position(r.sums[source])
	p.SHA256, p.Done = r.sums[source], done
	if frame > 0 {
		p.Frames = frame
	}
	r.engine.SetPosition(p)
}

// sum computes what each source is known by; standing input is spooled first.
func (r *replayer) sum(paths []string, stdin io.Reader) ([]string, func(), error) {
	cleanup := func() {}
	out := make([]string, 0, len(paths))
	all := make([]string, 0, len(paths))
	kept := make([]string, 0, len(paths))
	for _, p := range paths {
		if p == "-" {
			spooled, done, err := capture.Spool(stdin)
			if err != nil {
				return nil, cleanup, err
			}
			before := cleanup
			cleanup = func() { before(); done() }
			p = spooled
		}
		sum, err := capture.Sum(p)
		if err != nil {
			return nil, cleanup, err
		}
		all = append(all, sum)
		if r.engine.Position(sum).Done {
			continue // replayed before: nothing in it is new
		}
		r.sums = append(r.sums, sum)
		out = append(out, p)
		kept = append(kept, sum)
	}
	r.names = namesOf(paths, all, kept)
	if len(out) == 0 {
		r.sums = nil
	}
	return out, cleanup, nil
}

// commitInTime commits when there is enough to commit, or enough time has passed.
func (r *replayer) commitInTime(ctx context.Context) error {
	if r.frames%clockFrames != 0 {
		return nil
	}
	enough := commitEffects
	switch {
	case r.frames%commitFrames == 0:
		r.progress.set(r.frames, r.engine.Now())
		enough = 1
	case r.sums != nil && !time.Now().Before(r.commitNext):
		enough = 1
	}
	if r.engine.Pending() < enough {
		return nil
	}
	began := time.Now()
	err := r.commit(ctx)
	now := time.Now()
	r.commitNext = now.Add(max(commitEvery, 4*now.Sub(began)))
	return err
}

// commit commits what is pending, and lets out what is durable.
func (r *replayer) commit(ctx context.Context) error {
	// In a database each commit holds all that is needed to go on from its
	// position: a replay that is killed is started again from the last one.
	if err := r.engine.Checkpoint(ctx); err != nil {
		return err
	}
	return r.letOut(ctx)
}

// letOut prints the events and writes the mails that were committed.
func (r *replayer) letOut(ctx context.Context) error {
	if r.mails == "" {
		return r.out.flush()
	}
	err := r.store.Mails(ctx, r.lastMail, func(m gateway.Mail) error {
		r.lastMail = m.ID
		return writeWhole(filepath.Join(r.mails, fmt.Sprintf("%04d-%s.eml", m.ID, m.Purpose)), m.Body)
	})
	return errors.Join(err, r.out.flush())
}

// lastWritten returns the highest id of a mail in a directory; 0 if there is none.
// A replay that is started again after it was killed goes on from there.
func lastWritten(dir string) (int64, error) {
	if dir == "" {
		return 0, nil
	}
	names, err := filepath.Glob(filepath.Join(dir, "[0-9]*-*.eml"))
	var last int64
	for _, name := range names {
		if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() {
			continue
		}
		number, _, _ := strings.Cut(filepath.Base(name), "-")
		if n, err := strconv.ParseInt(number, 10, 64); err == nil {
			last = max(last, n)
		}
	}
	return last, err
}

// writeWhole writes a file that is whole wherever it is there.
func writeWhole(name string, content []byte) error {
	part := name + ".part"
	if err := os.WriteFile(part, content, 0o666); err != nil {
		return err
	}
	return os.Rename(part, name)
}

// finish does what follows the last frame.
func (r *replayer) finish(ctx context.Context) error {
	if r.until.IsZero() {
		r.engine.Settle()
	} else {
		r.engine.Advance(r.until)
	}
	r.progress.done()
	if err := r.engine.Checkpoint(ctx); err != nil {
		return err
	}
	return errors.Join(r.letOut(ctx), r.out.end())
}

func (r *replayer) totals() string {
	s := fmt.Sprintf("%d frames, %d observations, %d events", r.frames, r.observations, r.out.count)
	if n := r.engine.Late(); n > 0 {
		s += fmt.Sprintf(", %d observations more than 2 s late", n)
	}
	if r.decoder != nil {
		s += unread(r.decoder.Stats())
	}
	return s
}
