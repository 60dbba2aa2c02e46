package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"perch/discovery"
	"perch/discovery/capture"
	"perch/gateway"
	"perch/notify"
	"perch/provisioning"
)

// heapUse is what a process has of an engine in its memory, in octets: live
// objects after collection, and its proportional share of resident pages.
type heapUse struct {
	Directory, Phones       int64 // live heap that the import and the phones added
	DirectoryPSS, PhonesPSS int64
	Tracked, Located        int
}

// f4 measures what a registered and tracked phone adds to the live heap, in a
// process of its own: once on a campus whose networks are known, where nobody is
// asked, and once where each phone has an open question.
func (b *bench) f4() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	known, err := b.heap(self, "known")
	if err != nil {
		return err
	}
	asked, err := b.heap(self, "bootstrap")
	if err != nil {
		return err
	}
	n := float64(b.heapPhones)
	per := float64(known.Phones) / n
	fmt.Printf("F4: %.0f octets of live heap for each phone, known campus %s\n", per, bound(per, 1536, "1536"))
	fmt.Printf("    %d phones with line, lease and port: tracker, engine and location in force; PSS %.0f octets for each\n",
		known.Tracked, float64(known.PhonesPSS)/n)
	fmt.Printf("    %.0f octets for each with an open question (bootstrap), PSS %.0f\n", float64(asked.Phones)/n, float64(asked.PhonesPSS)/n)
	fmt.Printf("    apart from that the directory: %.0f octets for each phone's rows (phone, user, rules, room), PSS %.0f\n",
		float64(known.Directory)/n, float64(known.DirectoryPSS)/n)
	return nil
}

func (b *bench) heap(self, how string) (heapUse, error) {
	b.say("%d phones, %s", b.heapPhones, how)
	var out strings.Builder
	c := child{args: []string{self, "-heap", how, "-heap-phones", strconv.Itoa(b.heapPhones)}, dir: b.dir, stdout: &out}
	if _, err := c.run(); err != nil {
		return heapUse{}, err
	}
	var u heapUse
	if err := json.Unmarshal([]byte(out.String()), &u); err != nil {
		return u, err
	}
	if u.Tracked != b.heapPhones || u.Located != b.heapPhones {
		return u, fmt.Errorf("%d phones tracked and %d located, want %d", u.Tracked, u.Located, b.heapPhones)
	}
	return u, nil
}

// measureHeap takes all phones of a campus through an engine, frame by frame, and
// prints a heapUse.
func measureHeap(c campus, bootstrap bool) error {
	e, err := newEngine(bootstrap)
	if err != nil {
		return err
	}
	debug.SetGCPercent(400) // it is live that counts, however long garbage lies about
	before, beforePSS := live()
	if err := importCampus(e, c); err != nil {
		return err
	}
	imported, importedPSS := live()
	count := map[string]int{}
	e.OnEvent(func(ev gateway.Event) {
		if ev.Name != "assignment.changed" || bytes.Contains(ev.Data, []byte(`"source":"wiremap"`)) {
			count[ev.Name]++
		}
	})
	if err := hear(e, c, 0); err != nil {
		return err
	}
	after, afterPSS := live()
	u := heapUse{
		Directory: imported - before, Phones: after - imported,
		DirectoryPSS: importedPSS - beforePSS, PhonesPSS: afterPSS - importedPSS,
	}
	u.Tracked, u.Located = count["phone.appeared"], count["assignment.changed"]
	runtime.KeepAlive(e)
	return json.NewEncoder(os.Stdout).Encode(u)
}

func newEngine(bootstrap bool) (*gateway.Engine, error) {
	renderer, err := notify.New(notify.Config{From: "perch@example.com", URL: "https://perch.example.com"})
	if err != nil {
		return nil, err
	}
	policy := gateway.DefaultPolicy()
	policy.NoBootstrap = !bootstrap
	return gateway.New(context.Background(), gateway.Config{
		Discovery: discovery.Config{Site: "campus"}, Policy: policy, Renderer: renderer, NoMails: true,
	}, &gateway.Stream{})
}

// importCampus imports the CSV files of the campus.
func importCampus(e *gateway.Engine, c campus) error {
	dir, err := os.MkdirTemp("", "perch-heap")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := writeDirectory(dir, c); err != nil {
		return err
	}
	files, err := provisioning.ReadPaths(filepath.Join(dir, "map"))
	if err != nil {
		return err
	}
	if _, err := e.Import(files, false); err != nil {
		return err
	}
	return e.Commit(context.Background())
}

// hearing is the trunk as an engine hears it.
type hearing struct {
	engine  *gateway.Engine
	decoder *discovery.Decoder
	frames  int
	later   time.Duration // than the trunk's own time
}

// WriteFrame observes a frame.
func (h *hearing) WriteFrame(t time.Time, frame []byte, _ int) error {
	h.frames++
	h.decoder.Decode(&discovery.Frame{
		Time: t.Add(h.later), Number: h.frames, File: "trunk", LinkType: uint16(capture.Ethernet), Data: frame,
	}, h.engine.Observe)
	if h.frames%4096 == 0 {
		return h.Flush()
	}
	return nil
}

// Flush commits.
func (h *hearing) Flush() error { return h.engine.Commit(context.Background()) }

// hear has each phone take its lease through its relay and register, and waits
// until all have settled; all that so much later than the trunk's own time.
func hear(e *gateway.Engine, c campus, later time.Duration) error {
	h := &hearing{engine: e, later: later, decoder: discovery.NewDecoder(discovery.DecoderConfig{})}
	t := newTrunk(c, h, 8*c.phones, 100*time.Microsecond)
	for p := range c.phones {
		t.sip.number = p
		t.leaseOf(p)
		t.register(p)
	}
	for at := t.clock; at.Before(t.clock.Add(10 * time.Minute)); at = at.Add(time.Second) {
		e.Advance(at.Add(later))
		if err := h.Flush(); err != nil {
			return err
		}
	}
	if t.err != nil || t.tally.phones() != c.phones {
		return errors.Join(t.err, fmt.Errorf("%d of %d phones were heard", t.tally.phones(), c.phones))
	}
	return nil
}

// live returns the live heap and the process's proportional share of its
// resident pages.
func live() (heap, pss int64) {
	runtime.GC()
	debug.FreeOSMemory() // collects once more
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		return int64(m.HeapAlloc), 0
	}
	for line := range strings.Lines(string(b)) {
		var kib int64
		if _, err := fmt.Sscanf(line, "Pss: %d kB", &kib); err == nil {
			pss = kib << 10
		}
	}
	return int64(m.HeapAlloc), pss
}
