package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"perch/gateway"
	"perch/provisioning"
	"perch/provisioning/serve"
)

// phonesCmd is the life of a phone, from the box to the bin.
type phonesCmd struct {
	List    phonesListCmd    `cmd:"" help:"List the phones of the directory: how each proves which it is, and when it fetched its configuration."`
	Waiting phonesWaitingCmd `cmd:"" help:"List phones that wait for you: new ones, and those that have lost their password."`
	Adopt   phonesAdoptCmd   `cmd:"" help:"List a phone that waits, and let it fetch its configuration."`
	Add     phonesAddCmd     `cmd:"" help:"List a phone that is still in its box."`
	Resync  phonesResyncCmd  `cmd:"" help:"Have a phone fetch its configuration again."`
	Reset   phonesResetCmd   `cmd:"" help:"Let a phone that was reset to the factory's settings fetch its configuration without its password."`
	Replace phonesReplaceCmd `cmd:"" help:"Put a phone in the place of another one: its lines, and the answers given for it."`
	Remove  phonesRemoveCmd  `cmd:"" help:"Take a phone out of use."`
	Link    phonesLinkCmd    `cmd:"" help:"Print the link of an admin's page of phones that wait."`
}

type phonesListCmd struct {
	databaseFlags
	Site string `help:"Of this site alone." placeholder:"SITE"`
	JSON bool   `name:"json" help:"Print one JSON object a line, with all that is known."`
}

// Run is the command.
func (c *phonesListCmd) Run(env *environment) error {
	return c.ask(env, "phones/list", &phonesListRequest{c.Site, c.JSON}, refuseMissing)
}

type phonesListRequest struct {
	Site string
	JSON bool
}

// phoneRow is a phone as `phones list -json` prints it.
type phoneRow struct {
	provisioning.Phone
	Levels  []serve.Level  `json:"levels"`           // how its site lets it prove which it is
	Proof   serve.Level    `json:"proof,omitzero"`   // how it did last
	Fetched *gateway.Stamp `json:"fetched,omitzero"` // when
	Source  string         `json:"source,omitempty"` // from where
	Window  *serve.Window  `json:"window,omitempty"` // open now
}

func (r *phonesListRequest) carryOut(_ context.Context, s *session, env *environment) error {
	last, err := s.lastFetches()
	if err != nil {
		return err
	}
	var windows []serve.Window
	if s.beside != "" {
		w, err := s.openWindows()
		if err != nil {
			return err
		}
		windows = w.List(time.Now())
	}
	table := list[phoneRow]{what: "phones", header: "MAC\tVENDOR\tMODEL\tLABEL\tSITE\tLINES\tPROVED BY\tFETCHED", cells: phoneRow.cells}
	s.engine.Read(func(d *provisioning.Directory) {
		for _, p := range d.Phones() {
			if r.Site != "" && p.Site != r.Site {
				continue
			}
			row := phoneRow{Phone: p, Levels: s.config.Provision.of(p.Site).Levels}
			if e, ok := last(p.MAC); ok {
				row.Proof, row.Fetched, row.Source = e.Level, stampOrNone(e.Time), e.Source
			}
			if i := slices.IndexFunc(windows, func(w serve.Window) bool { return w.MAC == p.MAC }); i >= 0 {
				row.Window = &windows[i]
			}
			table.rows = append(table.rows, row)
		}
	})
	return table.print(env.stdout, r.JSON, true)
}

func (r phoneRow) cells() []any {
	var lines []string
	for _, a := range r.AORs {
		lines = append(lines, strings.TrimPrefix(string(a), "sip:"))
	}
	proof, fetched := "-", "never"
	if r.Fetched != nil {
		proof, fetched = r.Proof.String(), stampOf(*r.Fetched)
	}
	if r.Window != nil {
		fetched += ", window open until " + stamp(r.Window.Until)
	}
	return []any{r.MAC, dash(string(r.Vendor)), dash(r.Model), dash(r.Label), dash(r.Site), dash(strings.Join(lines, " ")), proof, fetched}
}

type phonesWaitingCmd struct {
	databaseFlags
	JSON bool `name:"json" help:"Print one JSON object a line."`
}

// Run is the command.
func (c *phonesWaitingCmd) Run(env *environment) error {
	return c.ask(env, "phones/waiting", &waitingRequest{c.JSON}, refuseMissing)
}

type waitingRequest struct{ JSON bool }

func (r *waitingRequest) carryOut(_ context.Context, s *session, env *environment) error {
	table := list[waitingPhone]{what: "phones wait", header: "MAC\tWHY\tVENDOR\tMODEL\tFIRMWARE\tSITE\tFROM\tASKED BY\tLAST\tLABEL", cells: waitingPhone.cells}
	if s.live == nil && !r.JSON {
		fmt.Fprintln(env.stderr, "perch serve does not run: who asks for its configuration is not known, only who was heard")
	}
	all := 0
	if table.rows, all = s.waiting(time.Now()); all > len(table.rows) && !r.JSON {
		fmt.Fprintf(env.stderr, "%d phones wait; these are the first\n", all)
	}
	return table.print(env.stdout, r.JSON, true)
}

func (w waitingPhone) cells() []any {
	from := "-"
	if w.Source.IsValid() {
		from = w.Source.String()
	}
	return []any{w.MAC, w.Why, w.Vendor, dash(w.Model), dash(w.Firmware), dash(w.Site), from, w.By, stamp(w.Last), dash(w.Label)}
}

type phonesLinkCmd struct {
	databaseFlags
	For string `required:"" help:"Email of the admin." placeholder:"EMAIL"`
}

// Run is the command.
func (c *phonesLinkCmd) Run(env *environment) error {
	return c.ask(env, "phones/link", &phonesLinkRequest{strings.ToLower(strings.TrimSpace(c.For))}, refuseMissing)
}

type phonesLinkRequest struct{ For string }

func (r *phonesLinkRequest) carryOut(_ context.Context, s *session, env *environment) error {
	return s.printLink(env, "w", gateway.PhonesLink(r.For), withHint(fmt.Errorf("%q is no admin", r.For), "list them in users.csv with the role admin, and import that"))
}

// printLink prints the link of a page that is one person's; others get an error.
func (s *session) printLink(env *environment, path string, l gateway.Link, others error) error {
	key := s.engine.Key()
	if key.IsZero() {
		return withHint(errors.New("this database has no links"), "serve makes a database that has: perch serve")
	}
	if !slices.Contains(s.engine.Readers(l.Purpose, 0), l.User) {
		return others
	}
	_, err := fmt.Fprintf(env.stdout, "%s/%s/%s\n", strings.TrimRight(s.config.Portal.URL, "/"), path, key.Token(l))
	return err
}
