package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestDemoCaptureIsReal: the bundled capture is the recorded one.
func TestDemoCaptureIsReal(t *testing.T) {
	for _, name := range []string{"swp7.pcap", "swp9.pcap"} {
		bundled, err := demoFiles.ReadFile("demo/" + name)
		if err != nil {
			t.Fatal(err)
		}
		recorded, err := os.ReadFile(filepath.Join(root, "testdata", "replay", "real-move-two-links", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(bundled, recorded) {
			t.Errorf("demo/%s is not the recorded capture: copy it again", name)
		}
	}
}
