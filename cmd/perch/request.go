package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"perch/gateway"
	"perch/provisioning"
	"perch/provisioning/serve"
)

// request is what a command asks of the database, wherever that is open: in the
// command's own process, or in a running serve, to which it is sent as JSON.
type request interface {
	// carryOut does it, and writes what the command prints.
	carryOut(ctx context.Context, s *session, out *environment) error
}

// requests are the names under which requests travel.
var requests = map[string]func() request{
	"prompts/list":     func() request { return new(promptsListRequest) },
	"prompts/answer":   func() request { return new(answerRequest) },
	"prompts/disown":   func() request { return new(disownRequest) },
	"prompts/object":   func() request { return new(objectRequest) },
	"claims/list":      func() request { return new(claimsListRequest) },
	"claims/review":    func() request { return new(reviewRequest) },
	"alerts/list":      func() request { return new(alertsListRequest) },
	"alerts/ack":       func() request { return new(ackRequest) },
	"alerts/link":      func() request { return new(alertsLinkRequest) },
	"import":           func() request { return new(importRequest) },
	"export":           func() request { return new(exportRequest) },
	"explain":          func() request { return new(explainRequest) },
	"doctor":           func() request { return new(doctorRequest) },
	"provision/render": func() request { return new(renderRequest) },
	"provision/check":  func() request { return new(checkRequest) },
	"provision/lint":   func() request { return new(lintRequest) },
	"provision/open":   func() request { return new(windowRequest) },
	"provision/audit":  func() request { return new(auditRequest) },
	"phones/list":      func() request { return new(phonesListRequest) },
	"phones/waiting":   func() request { return new(waitingRequest) },
	"phones/link":      func() request { return new(phonesLinkRequest) },
	"phones/add":       func() request { return new(addPhoneRequest) },
	"phones/replace":   func() request { return new(replacePhoneRequest) },
	"phones/remove":    func() request { return new(removePhoneRequest) },
	"phones/resync":    func() request { return new(resyncRequest) },
	"lines/rotate":     func() request { return new(rotateRequest) },
}

// missing says what to do when there is no database.
type missing uint8

const (
	refuseMissing  missing = iota
	makeMissing            // make one
	pretendMissing         // do it in memory, for nothing
)

// ask carries out a request in the running serve of the database, or if there is
// none, in this process.
func (f *databaseFlags) ask(env *environment, name string, r request, m missing) (err error) {
	ctx := context.Background()
	c, err := loadConfig(f.Config)
	if err != nil {
		return err
	}
	if asked, err := f.askServe(ctx, env, &c, name, r); asked {
		return err
	}
	there := isThere(f.name(&c))
	if !there && m == refuseMissing {
		return &noDatabase{f.name(&c)}
	}
	s, err := openSession(ctx, c, f.name(&c), !there && m == pretendMissing, f.noMails)
	if err != nil {
		return err
	}
	defer s.close(ctx, &err)
	return r.carryOut(ctx, s, env)
}

// decide carries out a decision, and prints the events that it caused once they
// are durable.
func (s *session) decide(ctx context.Context, env *environment, json bool, do func() error) error {
	if err := s.typed(); err != nil {
		return err
	}
	return s.change(ctx, env, json, do)
}

// change is decide for a database that need not have been served or replayed.
func (s *session) change(ctx context.Context, env *environment, json bool, do func() error) error {
	out := newEventPrinter(env.stdout, json)
	if s.live != nil {
		events, err := s.live.decide(ctx, do)
		for _, ev := range events {
			out.add(ev)
		}
		return errors.Join(err, out.end())
	}
	if err := s.resume(); err != nil {
		return err
	}
	s.engine.OnEvent(out.add)
	if err := do(); err != nil {
		return err
	}
	return errors.Join(s.engine.Checkpoint(ctx), out.end())
}

// askServe has a request carried out by the running serve of the database, if
// there is one.
func (f *databaseFlags) askServe(ctx context.Context, env *environment, c *config, name string, r request) (asked bool, err error) {
	server, running := findServer(f.socket(c), identity(f.name(c)))
	if !running {
		return false, nil
	}
	defer server.close()
	err = server.ask(ctx, name, r, env)
	return !errors.Is(err, errOtherDatabase), err
}

type promptsListRequest struct{ All, JSON bool }

func (r *promptsListRequest) carryOut(ctx context.Context, s *session, env *environment) error {
	if err := s.typed(); err != nil {
		return err
	}
	refused, err := s.undeliverable(ctx)
	if err != nil {
		return err
	}
	return listPrompts(env.stdout, s.engine, refused, r.All, r.JSON)
}

type claimsListRequest struct{ All, JSON bool }

func (r *claimsListRequest) carryOut(_ context.Context, s *session, env *environment) error {
	if err := s.typed(); err != nil {
		return err
	}
	return listClaims(env.stdout, s.engine, r.All, r.JSON)
}

type answerRequest struct {
	Reply gateway.Reply
	JSON  bool
}

func (r *answerRequest) carryOut(ctx context.Context, s *session, env *environment) error {
	return s.decide(ctx, env, r.JSON, func() (err error) {
		if r.Reply.At, err = s.decisionTime(r.Reply.At); err != nil {
			return err
		}
		return s.engine.Answer(r.Reply)
	})
}

// disownRequest says that a phone is not that of somebody who was asked.
type disownRequest struct {
	Prompt int64
	By     string
	At     told
	JSON   bool
}

func (r *disownRequest) carryOut(ctx context.Context, s *session, env *environment) error {
	return s.decide(ctx, env, r.JSON, func() error {
		at, err := s.decisionTime(r.At.Time)
		if err != nil {
			return err
		}
		return s.engine.Disown(r.Prompt, r.By, at)
	})
}

// objectRequest withdraws the answer that closed a prompt.
type objectRequest struct {
	Prompt int64
	By     string
	At     told
	JSON   bool
}

func (r *objectRequest) carryOut(ctx context.Context, s *session, env *environment) error {
	return s.decide(ctx, env, r.JSON, func() error {
		at, err := s.decisionTime(r.At.Time)
		if err != nil {
			return err
		}
		answer, ok := s.engine.AnswerTo(r.Prompt)
		if !ok {
			return withHint(fmt.Errorf("prompt %d has no answer", r.Prompt), "list them all: perch prompts list -all")
		}
		return s.engine.Object(answer.ID, r.By, at)
	})
}

type reviewRequest struct {
	Decision gateway.Decision
	JSON     bool
}

func (r *reviewRequest) carryOut(ctx context.Context, s *session, env *environment) error {
	return s.decide(ctx, env, r.JSON, func() (err error) {
		if r.Decision.At, err = s.decisionTime(r.Decision.At); err != nil {
			return err
		}
		return s.engine.Review(r.Decision)
	})
}

// importRequest holds the files themselves: serve may not be allowed to read
// what the admin is.
type importRequest struct {
	Files                 []csvText
	Replace, DryRun, JSON bool
	By                    string
}

type csvText struct{ Name, Text string }

func (r *importRequest) carryOut(ctx context.Context, s *session, env *environment) error {
	var files []provisioning.File
	var errs []error
	for _, f := range r.Files {
		file, err := provisioning.ReadFile(f.Name, strings.NewReader(f.Text))
		errs = append(errs, err)
		files = append(files, file)
	}
	if err := errors.Join(errs...); err != nil {
		return withHint(err, importHint)
	}
	var changes provisioning.Changes
	err := s.change(ctx, env, r.JSON, func() (err error) {
		changes, err = s.importInto(files, r.Replace, r.DryRun)
		return err
	})
	if err != nil {
		return err
	}
	verb := "changed"
	if r.DryRun {
		verb = "would change"
	}
	if _, err = fmt.Fprintf(env.stderr, "%s: %s\n", verb, summary(changes)); err != nil || r.DryRun || changes.Empty() {
		return err
	}
	return s.record(imported(&changes, r.By)...)
}

// maxImported is how many phones of one import the audit log names.
const maxImported = 1000

// imported are the entries of an import: what it changed in all, and which phones went.
func imported(c *provisioning.Changes, by string) []serve.Entry {
	out := []serve.Entry{{What: serve.Imported, By: by, Note: summary(*c)}}
	for _, p := range c.GonePhones[:min(len(c.GonePhones), maxImported)] {
		out = append(out, serve.Entry{What: serve.Removed, MAC: p.MAC, By: by, Note: "by an import"})
	}
	for _, l := range c.Put.Lines[:min(len(c.Put.Lines), maxImported)] {
		out = append(out, serve.Entry{What: serve.Rotated, By: by, Note: string(l.AOR) + ", by an import"})
	}
	return out
}

type exportRequest struct{ Kind string }

func (r *exportRequest) carryOut(_ context.Context, s *session, env *environment) error {
	table, err := provisioning.ParseTable(r.Kind)
	if err != nil {
		return err
	}
	var content provisioning.Content
	s.engine.Read(func(d *provisioning.Directory) { content = d.Content() })
	return provisioning.Export(env.stdout, table, content)
}

type explainRequest struct{ Query string }

func (r *explainRequest) carryOut(ctx context.Context, s *session, env *environment) error {
	return explain(ctx, env.stdout, s, r.Query)
}

// result is what a request gave, as serve sends it back.
type result struct {
	Stdout, Stderr string
	Errors         []string // what is wrong
	Hint           string
}

// newResult takes down an error in the words in which the command reports it.
func newResult(stdout, stderr string, err error) result {
	r := result{Stdout: stdout, Stderr: stderr}
	if err == nil {
		return r
	}
	for _, e := range flatten(err) {
		r.Errors = append(r.Errors, e.Error())
	}
	r.Hint = hintOf(err)
	return r
}

// err returns the error that was taken down.
func (r *result) err() error {
	if len(r.Errors) == 0 {
		return nil
	}
	errs := make([]error, len(r.Errors))
	for i, e := range r.Errors {
		errs[i] = errors.New(e)
	}
	return withHint(errors.Join(errs...), r.Hint)
}

// print writes what the request printed.
func (r *result) print(env *environment) error {
	_, err := io.WriteString(env.stdout, r.Stdout)
	_, errE := io.WriteString(env.stderr, r.Stderr)
	return errors.Join(err, errE)
}

// decode reads a request that travelled.
func decodeRequest(name string, body io.Reader) (request, error) {
	make, ok := requests[name]
	if !ok {
		return nil, withHint(fmt.Errorf("no request %q", name), "use the perch that serve runs: perch version")
	}
	r := make()
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	err := d.Decode(r)
	if wrong, is := errors.AsType[*json.UnmarshalTypeError](err); is {
		err = fmt.Errorf("%s takes no %s", strings.ToLower(wrong.Field), wrong.Value)
	}
	if err != nil {
		return nil, withHint(fmt.Errorf("request %s: %w", name, err), "use the perch that serve runs: perch version")
	}
	return r, nil
}
