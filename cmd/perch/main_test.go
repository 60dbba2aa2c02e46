package main

import (
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// asPerch makes the test binary be perch: for tests that need other processes.
const asPerch = "PERCH_TEST_MAIN"

// peakFile names a file to which such a process writes its /proc/self/status at
// its end. What wait4 reports as peak memory includes the parent's.
const peakFile = "PERCH_TEST_PEAK"

func TestMain(m *testing.M) {
	if os.Getenv(asPerch) != "" {
		code := run(os.Args[1:], &environment{os.Stdin, os.Stdout, os.Stderr})
		if name := os.Getenv(peakFile); name != "" {
			status, _ := os.ReadFile("/proc/self/status")
			if err := os.WriteFile(name, status, 0o666); err != nil {
				panic(err)
			}
		}
		os.Exit(code)
	}
	testscript.Main(tests{m}, map[string]func(){"perch": main, "cut": cut})
}

// tests runs the tests and tidies up behind them.
type tests struct{ *testing.M }

// Run is testing.M's.
func (m tests) Run() int {
	code := m.M.Run()
	postgres.Stop()
	removeBuilt()
	return code
}

// cut copies the first octets of a file: cut N FROM TO.
func cut() {
	n, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	b, err := os.ReadFile(os.Args[2])
	if err != nil {
		panic(err)
	}
	if err := os.WriteFile(os.Args[3], b[:n], 0o666); err != nil {
		panic(err)
	}
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
