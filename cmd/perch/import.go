package main

import (
	"errors"
	"fmt"
	"os"

	"perch/gateway"
	"perch/provisioning"
)

// importCmd imports CSV files in one transaction.
type importCmd struct {
	databaseFlags
	Replace bool     `help:"Remove rows that are absent from a file of their kind; locations are retired."`
	DryRun  bool     `name:"dry-run" help:"Check everything and change nothing."`
	JSON    bool     `name:"json" help:"Print one JSON object for each event."`
	Paths   []string `arg:"" name:"file" help:"sites.csv, locations.csv, wiremap.csv, users.csv, phones.csv, lines.csv, or directories of them."`
}

// Run is the command.
func (c *importCmd) Run(env *environment) error {
	names, err := provisioning.ListPaths(c.Paths...)
	if err != nil {
		return withHint(err, importHint)
	}
	r := &importRequest{Replace: c.Replace, DryRun: c.DryRun, JSON: c.JSON, By: operator()}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return withHint(err, importHint)
		}
		r.Files = append(r.Files, csvText{name, string(b)})
	}
	if c.DryRun {
		return c.ask(env, "import", r, pretendMissing)
	}
	return c.ask(env, "import", r, makeMissing)
}

const importHint = "correct what is named above; nothing was imported"

// importInto lets the engine take files over, or only check them.
func (s *session) importInto(files []provisioning.File, replace, dryRun bool) (provisioning.Changes, error) {
	take := s.engine.Import
	if dryRun {
		take = s.engine.Preview
	}
	if err := s.seal(files); err != nil {
		return provisioning.Changes{}, err
	}
	changes, err := take(files, replace)
	if err != nil && !errors.As(err, new(*gateway.Refusal)) {
		err = withHint(err, importHint)
	}
	return changes, err
}

// importPaths reads CSV files into the engine.
func (s *session) importPaths(paths ...string) error {
	files, err := provisioning.ReadPaths(paths...)
	if err != nil {
		return withHint(err, importHint)
	}
	_, err = s.importInto(files, false, false)
	return err
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
	add(len(c.Put.Lines), "lines")
	add(retired, "locations retired")
	add(len(c.GoneSites), "sites removed")
	add(len(c.GoneRules), "rules removed")
	add(len(c.GoneUsers), "users removed")
	add(len(c.GonePhones), "phones removed")
	add(len(c.GoneLines), "lines removed")
	if s == "" {
		return "nothing"
	}
	return s
}

// exportCmd prints one kind of row as CSV, ready to be imported again.
type exportCmd struct {
	databaseFlags
	Kind string `arg:"" help:"sites, locations, wiremap, users, phones or lines."`
}

// Run is the command.
func (c *exportCmd) Run(env *environment) error {
	if _, err := provisioning.ParseTable(c.Kind); err != nil {
		return &usageError{err.Error(), "one of sites, locations, wiremap, users, phones, lines"}
	}
	return c.ask(env, "export", &exportRequest{c.Kind}, refuseMissing)
}
