// Command gen writes the captures of testdata/replay: run it from the root of
// the repository with
//
//	go run ./testdata/gen [CASE...]
//	go run ./testdata/gen -crowd DIR   what the kill loops replay, in a directory
//
// Each case is a timeline of what phones, switches and relays sent, told by the
// actors of phone.go and network.go and caught on the interfaces of story.go. Frames
// are composed here from the published formats, byte by byte and apart from the
// decoders that they test. The bytes depend on nothing but this source.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// A timeline is one case: its name is that of its directory.
type timeline struct {
	name string
	tell func(*story)
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "-crowd" {
		if err := crowd(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			os.Exit(1)
		}
		return
	}
	if err := write(filepath.Join("testdata", "replay"), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		fmt.Fprintln(os.Stderr, "hint: run it from the root of the repository: go run ./testdata/gen [CASE...]")
		os.Exit(1)
	}
}

// write tells the named timelines, or all, and leaves each in dir/NAME/in.pcapng.
func write(dir string, names []string) error {
	if _, err := os.Stat("go.mod"); err != nil {
		return err
	}
	all := slices.Concat(arrivals, moves, voices, links, sharers, remotes, identities, registrations, answers, claims, changes, nuisances, forgeries, families)
	for _, name := range names {
		if !slices.ContainsFunc(all, func(t timeline) bool { return t.name == name }) {
			return fmt.Errorf("no case %q", name)
		}
	}
	for _, t := range all {
		if len(names) > 0 && !slices.Contains(names, t.name) {
			continue
		}
		var s story
		t.tell(&s)
		path := filepath.Join(dir, t.name)
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(path, "in.pcapng"), s.pcapng(), 0o644); err != nil {
			return err
		}
	}
	return nil
}
