package main

import (
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkReplay replays the trunk of figure F5, with its directory in the
// folder map beside it. PERCH_BENCH names it.
func BenchmarkReplay(b *testing.B) {
	path := os.Getenv("PERCH_BENCH")
	if path == "" {
		b.Skip("PERCH_BENCH names no capture")
	}
	out, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer out.Close()
	for b.Loop() {
		env := &environment{stdout: out, stderr: os.Stderr}
		if code := run([]string{"replay", "-config", filepath.Join(filepath.Dir(path), "perch.yaml"), "-json", "-map", filepath.Join(filepath.Dir(path), "map"), path}, env); code != 0 {
			b.Fatalf("got exit code %d, want 0", code)
		}
	}
}
