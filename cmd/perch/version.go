package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is the release; the build's revision is added from the binary.
const version = "0.1.0-dev"

type versionCmd struct{}

// Run is the command.
func (versionCmd) Run(env *environment) error {
	revision := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				revision = " (" + s.Value[:12] + ")"
			}
		}
	}
	_, err := fmt.Fprintf(env.stdout, "perch %s%s %s %s/%s\n", version, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
