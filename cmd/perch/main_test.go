package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// asPerch makes the test binary be perch: for tests that need other processes.
const asPerch = "PERCH_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asPerch) != "" {
		main()
	}
	testscript.Main(m, map[string]func(){"perch": main})
}

// perchProcess is a command of its own process.
func perchProcess(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(append(os.Environ(), asPerch+"=1"), env...)
	return cmd
}

// TestScripts runs every command as a user would, bad input included.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			wd, err := os.Getwd()
			if err != nil {
				return err
			}
			env.Setenv("REPLAY", wd+"/"+root+"/testdata/replay")
			return nil
		},
	})
}
