package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"perch/discovery"
	"perch/provisioning"
	"perch/provisioning/settings"
)

type provisionLintCmd struct {
	databaseFlags
	JSON bool `name:"json" help:"Print one JSON object a line."`
}

// Run is the command.
func (c *provisionLintCmd) Run(env *environment) error {
	return c.ask(env, "provision/lint", &lintRequest{c.JSON}, refuseMissing)
}

type lintRequest struct{ JSON bool }

// risky is a risk, and the phones that have it.
type risky struct {
	Risk   string          `json:"risk"`
	Remedy string          `json:"remedy"`
	Phones []discovery.MAC `json:"phones"`
}

// shownPhones is how many phones of a risk people are told.
const shownPhones = 5

func (r *lintRequest) carryOut(_ context.Context, s *session, env *environment) error {
	files, err := s.phoneFiles()
	if err != nil {
		return err
	}
	var all []*risky
	by := map[settings.Risk]*risky{}
	note := func(x settings.Risk, m discovery.MAC) {
		if by[x] == nil {
			by[x] = &risky{Risk: x.What, Remedy: x.Remedy}
			all = append(all, by[x])
		}
		by[x].Phones = append(by[x].Phones, m)
	}
	seen, err := s.behaviour()
	if err != nil {
		return err
	}
	n := 0
	for _, p := range s.devices(&files) {
		if p.Kind != provisioning.Desk {
			continue
		}
		n++
		for _, x := range seen.risks(&p.Phone) {
			note(x, p.MAC)
		}
		if p.Vendor == "" {
			note(settings.Risk{What: "its vendor is not known: what it is told is not Perch's", Remedy: "fill in vendor, and model, in phones.csv"}, p.MAC)
			continue
		}
		set, err := p.settings(&files)
		if err != nil {
			note(settings.Risk{What: "its file cannot be made: " + strings.ReplaceAll(err.Error(), "\n", "; "), Remedy: "perch provision check tells of all phones"}, p.MAC)
			continue
		}
		for _, x := range set.Risks() {
			note(x, p.MAC)
		}
	}
	if r.JSON {
		e := json.NewEncoder(env.stdout)
		e.SetEscapeHTML(false)
		for _, f := range all {
			if err := e.Encode(f); err != nil {
				return err
			}
		}
	} else {
		for _, f := range all {
			var names []string
			for _, m := range f.Phones[:min(shownPhones, len(f.Phones))] {
				names = append(names, m.String())
			}
			if more := len(f.Phones) - shownPhones; more > 0 {
				names = append(names, fmt.Sprintf("and %d more", more))
			}
			fmt.Fprintf(env.stdout, "- %s\n  %s\n  %s: %s\n", f.Risk, f.Remedy, few(len(f.Phones), "phone", "phones"), strings.Join(names, ", "))
		}
		fmt.Fprintf(env.stdout, "%s looked at, %s\n", few(n, "desk phone", "desk phones"), few(len(all), "finding", "findings"))
	}
	if len(all) > 0 {
		return withHint(errors.New("there are risks"), "each is told with what to do about it")
	}
	return nil
}
