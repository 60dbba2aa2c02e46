package main

import (
	"context"
	"errors"
	"fmt"

	"perch/gateway"
	"perch/provisioning"
)

// importCmd imports CSV files in one transaction.
type importCmd struct {
	databaseFlags
	Replace bool     `help:"Remove rows that are absent from a file of their kind; locations are retired."`
	DryRun  bool     `name:"dry-run" help:"Check everything and change nothing."`
	JSON    bool     `name:"json" help:"Print one JSON object for each event."`
	Paths   []string `arg:"" name:"file" help:"sites.csv, locations.csv, wiremap.csv, users.csv, phones.csv, or directories of them."`
}

// Run is the command.
func (c *importCmd) Run(env *environment) (err error) {
	ctx := context.Background()
	s, err := c.openExisting(ctx)
	if errors.As(err, new(*noDatabase)) {
		s, err = c.open(ctx, c.DryRun)
	}
	if err != nil {
		return err
	}
	defer s.close(ctx, &err)
	out := newEventPrinter(env.stdout, c.JSON)
	s.engine.OnEvent(out.add)
	changes, err := importFiles(s.engine, c.Paths, c.Replace, c.DryRun)
	if err != nil {
		return err
	}
	if err := errors.Join(s.engine.Checkpoint(ctx), out.end()); err != nil {
		return err
	}
	verb := "changed"
	if c.DryRun {
		verb = "would change"
	}
	_, err = fmt.Fprintf(env.stderr, "%s: %s\n", verb, summary(changes))
	return err
}

// importFiles reads CSV files and lets the engine take them over, or only check
// them.
func importFiles(e *gateway.Engine, paths []string, replace, dryRun bool) (provisioning.Changes, error) {
	const hint = "correct what is named above; nothing was imported"
	files, err := provisioning.ReadPaths(paths...)
	if err != nil {
		return provisioning.Changes{}, withHint(err, hint)
	}
	take := e.Import
	if dryRun {
		take = e.Preview
	}
	changes, err := take(files, replace)
	if err != nil && !errors.As(err, new(*gateway.Refusal)) {
		err = withHint(err, hint)
	}
	return changes, err
}

// summary counts the rows of changes by kind.
func summary(c provisioning.Changes) string {
	s := ""
	add := func(n int, what string) {
		if n > 0 {
			if s != "" {
				s += ", "
			}
			s += fmt.Sprintf("%d %s", n, what)
		}
	}
	retired := 0
	for _, l := range c.Put.Locations {
		if l.Retired {
			retired++
		}
	}
	add(len(c.Put.Sites), "sites")
	add(len(c.Put.Locations)-retired, "locations")
	add(len(c.Put.Rules), "rules")
	add(len(c.Put.Users), "users")
	add(len(c.Put.Phones), "phones")
	add(retired, "locations retired")
	add(len(c.GoneSites), "sites removed")
	add(len(c.GoneRules), "rules removed")
	add(len(c.GoneUsers), "users removed")
	add(len(c.GonePhones), "phones removed")
	if s == "" {
		return "nothing"
	}
	return s
}

// exportCmd prints one kind of row as CSV, ready to be imported again.
type exportCmd struct {
	databaseFlags
	Kind string `arg:"" help:"sites, locations, wiremap, users or phones."`
}

// Run is the command.
func (c *exportCmd) Run(env *environment) (err error) {
	table, err := provisioning.ParseTable(c.Kind)
	if err != nil {
		return &usageError{err.Error(), "one of sites, locations, wiremap, users, phones"}
	}
	ctx := context.Background()
	s, err := c.openExisting(ctx)
	if err != nil {
		return err
	}
	defer s.close(ctx, &err)
	return provisioning.Export(env.stdout, table, s.engine.Directory().Content())
}
