package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"

	"perch/discovery"
	"perch/provisioning/serve"
)

type provisionAuditCmd struct {
	databaseFlags
	MAC    string `arg:"" optional:"" name:"mac" help:"Of this phone alone."`
	Verify bool   `help:"Only tell whether the log is as it was written."`
	JSON   bool   `name:"json" help:"Print one JSON object a line."`
}

// Run is the command.
func (c *provisionAuditCmd) Run(env *environment) error {
	r := &auditRequest{Verify: c.Verify, JSON: c.JSON}
	if c.MAC != "" {
		m, err := parseMAC(c.MAC)
		if err != nil {
			return err
		}
		r.MAC = m
	}
	return c.ask(env, "provision/audit", r, refuseMissing)
}

type auditRequest struct {
	MAC          discovery.MAC
	Verify, JSON bool
}

func (r *auditRequest) carryOut(_ context.Context, s *session, env *environment) error {
	w := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
	out := json.NewEncoder(env.stdout)
	out.SetEscapeHTML(false)
	n, last := 0, ""
	if !r.Verify && !r.JSON {
		fmt.Fprintln(w, "TIME\tWHAT\tPHONE\tPROVED BY\tFROM\tBY\tFILE, OR MORE")
	}
	var failed error
	read := func(f func(serve.Entry)) (error, error) { return serve.ReadAudit(s.auditFile(), f) }
	if s.audit != nil { // while which it is not turned
		read = s.audit.file.Read
	}
	altered, err := read(func(e serve.Entry) {
		n, last = n+1, e.Hash
		switch {
		case r.Verify || !r.MAC.Nobody() && r.MAC != e.MAC || failed != nil:
		case r.JSON:
			failed = out.Encode(e)
		default:
			phone, by := "-", "-"
			if !e.MAC.Nobody() {
				phone = e.MAC.String()
			}
			if e.Level != 0 {
				by = e.Level.String()
			}
			_, failed = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", stamp(e.Time), e.What, phone, by, dash(e.Source), dash(e.By), dash(printable(e.Name+e.Note)))
		}
	})
	if err := errors.Join(err, failed, w.Flush()); err != nil {
		return err
	}
	if altered != nil {
		return withHint(altered, "from that line on it is not what Perch wrote: compare it with your backup")
	}
	if r.Verify {
		fmt.Fprintf(env.stdout, "%s, as they were written; the last has the hash %s: keep that elsewhere\n", few(n, "entry", "entries"), dash(last))
	}
	return nil
}

// lastFetches tells of each phone what it fetched last.
func (s *session) lastFetches() (func(discovery.MAC) (serve.Entry, bool), error) {
	if s.audit != nil {
		return s.audit.lastOf, nil
	}
	a := auditor{last: map[discovery.MAC]serve.Entry{}}
	if s.beside == "" {
		return a.lastOf, nil
	}
	_, err := serve.ReadAudit(s.auditFile(), a.took)
	return a.lastOf, err
}
