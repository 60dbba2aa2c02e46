// Bench measures the figures of docs/performance.md: run it from the root of the
// repository with
//
//	go run ./testdata/bench -perch ./perch [-figure F5,F7]
//
// It makes up a campus: a directory of 20 000 phones, and the capture of an hour
// on a trunk that they are heard on, with all the voice and data around them. The
// frames are composed here from the published formats, apart from the decoders
// that they measure, and depend on nothing but this source. Each replay is checked:
// no frame, message or phone may be missing, and equal input must give equal
// output. CPU is user and system time of the whole child process.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// bench is one run of the program.
type bench struct {
	perch        string // absolute path
	dir          string // of captures and the directory; removed unless it was named
	campus       campus
	frames       int
	tsharkFrames int
	pairs        int
	heapPhones   int // of F4
	trunks       map[int]trunkFile
}

// figure is what can be measured.
type figure struct {
	name    string
	measure func(*bench) error
}

// figures are all of them, in order.
var figures = []figure{
	{"F1", (*bench).f1},
	{"F2", (*bench).f2},
	{"F3", (*bench).f3},
	{"storm", (*bench).storm},
	{"fetch", (*bench).fetch},
	{"harvest", (*bench).harvest},
	{"F4", (*bench).f4},
	{"F5", (*bench).f5},
	{"F6", (*bench).f6},
	{"F7", (*bench).f7},
	{"F8", (*bench).f8},
	{"F9", (*bench).f9},
	{"F10", (*bench).f10},
	{"F11", (*bench).f11},
	{"F12", (*bench).f12},
	{"F13", (*bench).f13},
	{"F15", (*bench).f15},
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run() error {
	b := bench{trunks: map[int]trunkFile{}}
	flag.StringVar(&b.perch, "perch", "./perch", "the `program` to measure")
	flag.StringVar(&b.dir, "dir", "", "keep captures and directory in `DIR` (default: a temporary one, removed at the end)")
	flag.IntVar(&b.frames, "n", 2_000_000, "`frames` of the trunk")
	flag.IntVar(&b.tsharkFrames, "tshark-n", 0, "`frames` of the trunk for F6 (default: those of -n)")
	flag.IntVar(&b.campus.phones, "phones", 20_000, "`phones` on the trunk")
	flag.IntVar(&b.pairs, "pairs", 5, "`pairs` of runs for F5")
	flag.IntVar(&b.heapPhones, "heap-phones", 1_000_000, "`phones` of F4")
	heap := flag.String("heap", "", "measure F4 in this process: `known` or bootstrap")
	chosen := flag.String("figure", "all", "comma-separated `figures` to measure; none only writes the trunk")
	filled := flag.String("fill", "", "make a `database` of -heap-phones phones: F12 runs itself so")
	reader := flag.String("live-reader", "", "listen to an `interface` and say what was heard: F8 runs itself so")
	flag.Parse()
	if *heap != "" {
		return measureHeap(campus{b.heapPhones}, *heap == "bootstrap")
	}
	if *filled != "" {
		return fill(*filled, campus{b.heapPhones})
	}
	if *reader != "" {
		return readLive(*reader)
	}
	if b.tsharkFrames == 0 {
		b.tsharkFrames = b.frames
	}
	if b.campus.phones < 1 || b.campus.phones > maxPhones || b.frames < 1 || b.pairs < 1 {
		return fmt.Errorf("want 1 to %d phones, and at least one frame and one pair", maxPhones)
	}
	names := strings.Split(*chosen, ",")
	for _, name := range names {
		if name != "all" && name != "none" && !slices.ContainsFunc(figures, func(f figure) bool { return f.name == name }) {
			return fmt.Errorf("-figure %s: there is none", name)
		}
	}
	cleanup, err := b.prepare()
	if err != nil {
		return err
	}
	defer cleanup()
	return b.measure(names)
}

// prepare writes the directory that knows the campus.
func (b *bench) prepare() (cleanup func(), err error) {
	if b.perch, err = filepath.Abs(b.perch); err != nil {
		return nil, err
	}
	cleanup = func() {}
	if b.dir == "" {
		if b.dir, err = os.MkdirTemp("", "perch-bench"); err != nil {
			return nil, err
		}
		cleanup = func() { os.RemoveAll(b.dir) }
	} else if b.dir, err = filepath.Abs(b.dir); err != nil {
		return nil, err
	}
	return cleanup, writeDirectory(b.dir, b.campus)
}

// measure prints the chosen figures. One that fails keeps no other from being
// measured.
func (b *bench) measure(chosen []string) error {
	fmt.Println(machine())
	var errs []error
	for _, f := range figures {
		if !slices.Contains(chosen, f.name) && !slices.Contains(chosen, "all") {
			continue
		}
		err := f.measure(b)
		var skip skipped
		switch {
		case errors.As(err, &skip):
			fmt.Printf("%s: skipped: %v\n", f.name, skip)
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", f.name, err))
		}
	}
	if slices.Contains(chosen, "none") {
		_, err := b.trunkFile(b.frames)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// machine says what was measured on and beside.
func machine() string {
	s := fmt.Sprintf("%s %s/%s, %d CPUs", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		s += ", kernel " + strings.TrimSpace(string(b))
	}
	for _, name := range []string{"tcpdump", "tshark"} {
		if version := peerVersion(name); version != "" {
			s += ", " + version
		}
	}
	return s
}

// peerVersion returns a peer with the number that it says of itself.
func peerVersion(name string) string {
	path, err := peer(name)
	if err != nil {
		return ""
	}
	var out strings.Builder
	c := child{args: []string{path, "--version"}, stdout: &out}
	if _, err := c.run(); err != nil {
		return ""
	}
	for _, word := range strings.Fields(out.String() + c.stderr.String()) {
		if '0' <= word[0] && word[0] <= '9' {
			return name + " " + word
		}
	}
	return name
}

// say tells what is being done, apart from the results.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "# "+format+"\n", args...)
}
