package main

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"perch/discovery"
	"perch/provisioning"
	"perch/provisioning/serve"
	"perch/sip"
)

// linesCmd is what becomes of a line's password.
type linesCmd struct {
	Rotate linesRotateCmd `cmd:"" help:"Give a line another password, and have its phones fetch it."`
}

type linesRotateCmd struct {
	databaseFlags
	AOR    string `arg:"" name:"aor" help:"Of a listed line, as 101@example.com."`
	Secret string `help:"File that has the new password in it, - for standard input (default: one is made)." placeholder:"FILE"`
	Show   bool   `help:"Print the password, for a PBX that is to know it."`
	Later  bool   `name:"no-resync" help:"Do not tell its phones: the PBX is to know it first; perch phones resync tells them."`
	JSON   bool   `name:"json" help:"Print it as JSON."`
}

// Run is the command.
func (c *linesRotateCmd) Run(env *environment) error {
	aor, err := provisioning.ParseAOR(c.AOR)
	if err != nil {
		return &usageError{err.Error(), "give a listed line, as 101@example.com"}
	}
	r := &rotateRequest{AOR: aor, By: operator(), Show: c.Show, Later: c.Later, JSON: c.JSON}
	if c.Secret != "" {
		in := env.stdin
		if c.Secret != "-" {
			f, err := os.Open(c.Secret)
			if err != nil {
				return withHint(err, "name a file with the password in it")
			}
			defer f.Close()
			in = f
		}
		b, err := io.ReadAll(io.LimitReader(in, 1<<12))
		if err != nil {
			return err
		}
		if r.Secret = strings.TrimRight(string(b), "\r\n"); r.Secret == "" {
			return withHint(fmt.Errorf("%s: no password in it", c.Secret), "write it into one line")
		}
	}
	return c.ask(env, "lines/rotate", r, refuseMissing)
}

type rotateRequest struct {
	AOR        sip.AOR
	Secret     string // the new one; empty: one is made
	By         string
	Show, JSON bool
	Later      bool // phones are not told
}

func (r *rotateRequest) carryOut(ctx context.Context, s *session, env *environment) (err error) {
	if r.AOR, err = provisioning.ParseAOR(string(r.AOR)); err != nil {
		return withHint(err, "give a listed line, as 101@example.com")
	}
	made, phones, err := s.rotateLine(ctx, r)
	if err != nil {
		return err
	}
	type told struct {
		MAC    discovery.MAC `json:"mac"`
		Answer string        `json:"answer"`
	}
	out := struct {
		AOR    sip.AOR `json:"aor"`
		Secret string  `json:"secret,omitempty"`
		Phones []told  `json:"phones"`
	}{AOR: r.AOR, Phones: []told{}}
	if r.Show {
		out.Secret = made
	}
	if r.Later {
		phones = nil
	}
	for _, m := range phones {
		answer, err := s.resync(ctx, m, false)
		if err != nil {
			answer = strings.TrimPrefix(err.Error(), m.String()+" ") + "; " + hintOf(err)
		}
		out.Phones = append(out.Phones, told{m, answer})
	}
	if r.JSON {
		return json.NewEncoder(env.stdout).Encode(out)
	}
	fmt.Fprintf(env.stdout, "%s has another password\n", r.AOR)
	if r.Show {
		fmt.Fprintln(env.stdout, made)
	}
	for _, x := range out.Phones {
		fmt.Fprintf(env.stdout, "%s: %s\n", x.MAC, x.Answer)
	}
	return nil
}

// rotateLine gives a line another password: the one given, or one that is made. It returns
// the phones that have the old one.
func (s *session) rotateLine(ctx context.Context, r *rotateRequest) (made string, phones []discovery.MAC, err error) {
	var l provisioning.Line
	var listed bool
	s.engine.Read(func(d *provisioning.Directory) {
		l, listed = d.Line(r.AOR)
		phones = slices.Clone(d.PhonesOfAOR(r.AOR))
	})
	switch {
	case !listed:
		return "", nil, withHint(fmt.Errorf("line %s is not listed", strings.TrimPrefix(string(r.AOR), "sip:")), "list it in lines.csv, and import that; perch export lines shows them")
	case len(s.config.SIP.Upstream) > 0 && r.Secret == "" && !r.Show:
		return "", nil, withHint(errors.New("the PBX has to know the new password"), "give one that it knows with -secret FILE, or have it printed with -show; beside either, -no-resync leaves telling the phones for later")
	}
	key, err := s.secretKey()
	if err != nil {
		return "", nil, err
	}
	if made = r.Secret; made == "" {
		var b [20]byte
		_, _ = rand.Read(b[:]) // never fails
		made = strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
	}
	if provisioning.Secret(made).Sealed() || strings.ContainsAny(made, "\r\n\x00") {
		return "", nil, withHint(errors.New("this is no password"), "give the password itself, in one line")
	}
	l.Secret = provisioning.Secret(made)
	if err := key.Seal(&l); err != nil {
		return "", nil, sealFault(err)
	}
	if err := s.decided(ctx, func() error {
		return s.engine.ChangeDirectory(provisioning.Changes{Put: provisioning.Content{Lines: []provisioning.Line{l}}})
	}); err != nil {
		return "", nil, err
	}
	return made, phones, s.record(serve.Entry{What: serve.Rotated, By: r.By, Note: string(r.AOR)})
}
