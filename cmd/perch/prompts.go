package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os/user"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"

	"perch/discovery"
	"perch/gateway"
	"perch/location"
)

// promptsCmd lists and answers prompts.
type promptsCmd struct {
	List   promptsListCmd   `cmd:"" help:"List open prompts."`
	Answer promptsAnswerCmd `cmd:"" help:"Answer a prompt."`
	Object promptsObjectCmd `cmd:"" help:"Withdraw the answer to a prompt; the users are asked once more."`
}

type promptsListCmd struct {
	databaseFlags
	All  bool `help:"List closed prompts too."`
	JSON bool `name:"json" help:"Print one JSON object a line."`
}

// promptRow is a prompt as `prompts list -json` prints it.
type promptRow struct {
	ID       int64              `json:"id"`
	Phone    string             `json:"phone"`
	Kind     gateway.PromptKind `json:"kind"`
	Network  discovery.Network  `json:"network"`
	Location location.ID        `json:"location,omitempty"`
	To       []string           `json:"to,omitempty"`
	Opened   gateway.Stamp      `json:"opened"`
	State    string             `json:"state"`

	refused map[string]gateway.Undeliverable // whose mail is refused for good
}

// Run is the command.
func (c *promptsListCmd) Run(env *environment) error {
	return c.ask(env, "prompts/list", &promptsListRequest{c.All, c.JSON}, refuseMissing)
}

func listPrompts(out io.Writer, e *gateway.Engine, refused map[string]gateway.Undeliverable, all, json bool) error {
	table := list[promptRow]{
		what: "prompts", header: "ID\tPHONE\tKIND\tNETWORK\tLOCATION\tTO\tOPENED\tSTATE", cells: promptRow.cells,
	}
	for _, p := range e.Prompts() {
		if !p.Open() && !all {
			continue
		}
		state := "open"
		if !p.Open() {
			state = p.Reason.String()
		}
		table.rows = append(table.rows, promptRow{
			p.ID, p.Phone.String(), p.Kind, p.Attachment.Network(), p.Location, p.To, gateway.Stamp(p.Opened), state,
			refused,
		})
	}
	return table.print(out, json, all)
}

func (r promptRow) cells() []any {
	to := slices.Clone(r.To)
	for i, email := range to {
		if _, ok := r.refused[email]; ok {
			to[i] += " (refused)"
		}
	}
	return []any{r.ID, r.Phone, r.Kind, r.Network, dash(string(r.Location)), dash(strings.Join(to, " ")), stampOf(r.Opened), r.State}
}

// list is rows that are printed as a table for people or as JSON for programs.
type list[T any] struct {
	what, header string
	cells        func(T) []any
	rows         []T
}

func (l *list[T]) print(out io.Writer, json, all bool) error {
	switch {
	case json:
		return printJSON(out, l.rows)
	case len(l.rows) == 0 && all:
		_, err := fmt.Fprintf(out, "no %s\n", l.what)
		return err
	case len(l.rows) == 0:
		_, err := fmt.Fprintf(out, "no open %s\n", l.what)
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, l.header)
	for _, row := range l.rows {
		for i, cell := range l.cells(row) {
			if i > 0 {
				fmt.Fprint(w, "\t")
			}
			fmt.Fprint(w, printable(fmt.Sprint(cell)))
		}
		fmt.Fprintln(w)
	}
	return w.Flush() // a tabwriter keeps the first error for Flush
}

func printJSON[T any](w io.Writer, rows []T) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, r := range rows {
		if err := enc.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

// printable leaves out what would act on a terminal: much of what is printed others have said.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return -1
		}
		return c
	}, s)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

type promptsAnswerCmd struct {
	databaseFlags
	ID          int64  `arg:"" help:"The prompt's id."`
	Confirm     bool   `help:"The detected location is right; with -company, exactly there within it."`
	Company     string `help:"It is this company location." placeholder:"LOCATION"`
	Propose     string `help:"It is a new company address: one CSV record of column=value cells." placeholder:"ADDRESS"`
	Personal    string `help:"It is this personal location of the user given with -by." placeholder:"LOCATION"`
	AddPersonal string `help:"It is a new personal location of the user given with -by." placeholder:"ADDRESS"`
	NotMoved    bool   `name:"not-moved" help:"It has not moved: what was answered for the network before still holds."`
	NotMine     bool   `name:"not-mine" help:"It is not the phone of the user given with -by, who is not asked about it any more."`
	By          string `help:"Email of the user who answers (default: the user of this computer)." placeholder:"EMAIL"`
	At          told   `help:"When (default: engine time in a replay database)." placeholder:"TIME"`
	JSON        bool   `name:"json" help:"Print one JSON object for each event."`
}

// reply turns the flags into an answer.
func (c *promptsAnswerCmd) reply() (gateway.Reply, error) {
	r := gateway.Reply{Prompt: c.ID, By: strings.ToLower(c.By)}
	given := 0
	for _, f := range []struct {
		set  bool
		kind gateway.AnswerKind
		text string
	}{
		{c.Confirm, gateway.AnswerConfirm, c.Company},
		{c.Company != "" && !c.Confirm, gateway.AnswerCompany, c.Company},
		{c.Propose != "", gateway.AnswerPropose, c.Propose},
		{c.Personal != "", gateway.AnswerPersonal, c.Personal},
		{c.AddPersonal != "", gateway.AnswerAddPersonal, c.AddPersonal},
		{c.NotMoved, gateway.AnswerNotMoved, ""},
		{c.NotMine, 0, ""},
	} {
		if !f.set {
			continue
		}
		given++
		r.Kind = f.kind
		switch f.kind {
		case gateway.AnswerPropose, gateway.AnswerAddPersonal:
			l, err := location.ParseRecord(f.text)
			if err != nil {
				return r, withHint(fmt.Errorf("address: %w", err), addressHint)
			}
			r.Address = l
		default:
			r.Location = location.ID(f.text)
		}
	}
	if given != 1 {
		return r, &usageError{"give exactly one answer", "one of -confirm [-company CHILD], -company, -propose, -personal, -add-personal, -not-moved, -not-mine"}
	}
	if r.By == "" {
		if c.NotMine {
			return r, &usageError{"it is not whose phone?", "give the email of the user with -by"}
		}
		if r.Kind == gateway.AnswerPersonal || r.Kind == gateway.AnswerAddPersonal {
			return r, &usageError{"a personal location needs the user who answers", "give the email of a user of the phone with -by"}
		}
		r.By = operator()
	}
	return r, nil
}

// addressHint says how ADDRESS is written.
const addressHint = `write it as column=value cells: "street=Main Street, East",house_number=1,city=Springfield`

// operator names who runs the command, for the record.
func operator() string {
	u, err := user.Current()
	if err != nil || u.Username == "" {
		return "cli:unknown"
	}
	return "cli:" + u.Username
}

// Run is the command.
func (c *promptsAnswerCmd) Run(env *environment) error {
	r, err := c.reply()
	if err != nil {
		return err
	}
	if c.NotMine {
		return c.ask(env, "prompts/disown", &disownRequest{c.ID, r.By, c.At, c.JSON}, refuseMissing)
	}
	r.At = c.At.Time
	return c.ask(env, "prompts/answer", &answerRequest{r, c.JSON}, refuseMissing)
}

type promptsObjectCmd struct {
	databaseFlags
	ID   int64  `arg:"" help:"The prompt's id."`
	By   string `help:"Email of a user of the phone (default: the user of this computer)." placeholder:"EMAIL"`
	At   told   `help:"When (default: engine time in a replay database)." placeholder:"TIME"`
	JSON bool   `name:"json" help:"Print one JSON object for each event."`
}

// Run is the command.
func (c *promptsObjectCmd) Run(env *environment) error {
	return c.ask(env, "prompts/object", &objectRequest{c.ID, reviewer(c.By), c.At, c.JSON}, refuseMissing)
}
