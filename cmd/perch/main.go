// Perch knows where every desk phone has landed.
//
// It reads SIP REGISTERs, DHCP, LLDP, CDP and ARP out of captures, learns each
// phone's IP, MAC, switch and port, matches that against registered locations,
// and asks the phone's owner by mail for an emergency address when the phone
// appears on a network that nobody has reported.
//
// This package is the command line: it reads the configuration, composes the
// other packages and is the only place that asks the wall clock. It decides
// nothing about any phone.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

// grammar is the command line.
type grammar struct {
	Demo      demoCmd      `cmd:"" help:"The whole product on a bundled capture, with an inbox: open the pages in a browser."`
	Replay    replayCmd    `cmd:"" help:"Run captures through the engine, at capture time."`
	Decode    decodeCmd    `cmd:"" help:"Print one JSON object for each observation in captures."`
	Serve     serveCmd     `cmd:"" help:"Serve a database: mails, the pages behind their links, and commands."`
	Doctor    doctorCmd    `cmd:"" help:"Tell what is heard on each interface, what is not, and what to do about it."`
	Import    importCmd    `cmd:"" help:"Import sites, locations, wiremap, users, phones and lines from CSV."`
	Export    exportCmd    `cmd:"" help:"Print one kind of row as CSV."`
	Explain   explainCmd   `cmd:"" help:"Tell what was seen of a phone, which rules were tried, what won and why."`
	Prompts   promptsCmd   `cmd:"" help:"List and answer prompts."`
	Claims    claimsCmd    `cmd:"" help:"List, approve and reject claims."`
	Alerts    alertsCmd    `cmd:"" help:"List and acknowledge calls for help."`
	Phones    phonesCmd    `cmd:"" help:"List phones, adopt those that wait, replace, restart and remove them."`
	Lines     linesCmd     `cmd:"" help:"Give a line another password."`
	Provision provisionCmd `cmd:"" help:"Show and check what phones are told when they fetch their configuration."`
	Config    configCmd    `cmd:"" help:"Print or check the configuration."`
	Version   versionCmd   `cmd:"" help:"Print the version."`
	SIPPath   sipPathCmd   `cmd:"" name:"sip-path" hidden:""`
}

// environment is what a command may touch outside its database and files.
type environment struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

// Exit codes of every command.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	os.Exit(run(os.Args[1:], &environment{os.Stdin, os.Stdout, os.Stderr}))
}

// exitNow carries an exit code out of the command line parser, which wants to
// end the process by itself after printing help.
type exitNow int

// run carries out one command line and returns its exit code.
func run(args []string, env *environment) (code int) {
	defer func() {
		if r := recover(); r != nil {
			c, ok := r.(exitNow)
			if !ok {
				panic(r)
			}
			code = int(c)
		}
	}()
	var g grammar
	parser, err := kong.New(&g,
		kong.Name("perch"),
		kong.Description("Perch knows where every desk phone has landed, and asks its owner once for an emergency address."),
		kong.Writers(env.stdout, env.stderr),
		kong.Exit(func(c int) { panic(exitNow(c)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: false}),
	)
	if err != nil {
		panic(err) // the grammar is a constant of this program
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	ctx, err := parser.Parse(longFlags(args))
	if err != nil {
		report(env.stderr, withHint(err, "see perch --help, or perch COMMAND --help"))
		return exitUsage
	}
	if err := ctx.Run(env); err != nil {
		report(env.stderr, err)
		if errors.As(err, new(*usageError)) {
			return exitUsage
		}
		return exitFailed
	}
	return exitDone
}

// longFlags lets flags be written with one dash, as in this program's
// documentation, or with two. A lone "-" is standard input.
func longFlags(args []string) []string {
	out := make([]string, len(args))
	for i, a := range args {
		if len(a) > 2 && a[0] == '-' && a[1] != '-' {
			a = "-" + a
		}
		out[i] = a
	}
	return out
}

// hinter is an error that says what to do about it.
type hinter interface{ Hint() string }

// hinted adds a hint to an error.
type hinted struct {
	error
	hint string
}

func (h *hinted) Hint() string  { return h.hint }
func (h *hinted) Unwrap() error { return h.error }

func withHint(err error, hint string) error { return &hinted{err, hint} }

// usageError is a wrong use of a command that the grammar does not catch.
type usageError struct{ what, hint string }

func (u *usageError) Error() string { return u.what }
func (u *usageError) Hint() string  { return u.hint }

// report prints an error for people: one "error:" line for each thing that is
// wrong, then one "hint:" line.
func report(w io.Writer, err error) {
	for _, e := range flatten(err) {
		fmt.Fprintf(w, "error: %s\n", oneLine(e.Error()))
	}
	fmt.Fprintf(w, "hint: %s\n", oneLine(hintOf(err)))
}

// hintOf says what to do about an error.
func hintOf(err error) string {
	var h hinter
	if errors.As(err, &h) {
		return h.Hint()
	}
	return "run the command again with --help to see how it is used"
}

// flatten takes joined errors apart.
func flatten(err error) []error {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return []error{err}
	}
	var out []error
	for _, e := range joined.Unwrap() {
		out = append(out, flatten(e)...)
	}
	return out
}

func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
