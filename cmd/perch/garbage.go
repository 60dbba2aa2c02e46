package main

import (
	"os"
	"runtime/debug"
)

// garbagePercent is how much garbage may lie beside what is known of the phones
// while frames are read, in hundredths of it. Go's default of 100 would double the
// memory; what this costs is a tenth of the time.
const garbagePercent = 50

// lean keeps little garbage until the function that it returns is called. GOGC in
// the environment has the last word.
func lean() (restore func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	before := debug.SetGCPercent(garbagePercent)
	return func() { debug.SetGCPercent(before) }
}
