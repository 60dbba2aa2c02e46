package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"perch/gateway"
	"perch/location"
)

// alertsCmd lists and acknowledges calls for help.
type alertsCmd struct {
	List alertsListCmd `cmd:"" help:"List calls for help that nobody has acknowledged."`
	Ack  alertsAckCmd  `cmd:"" help:"Acknowledge a call: somebody sees to it."`
	Link alertsLinkCmd `cmd:"" help:"Print the link of a contact's page of calls for help."`
}

type alertsListCmd struct {
	databaseFlags
	All  bool `help:"List acknowledged calls and tests too."`
	JSON bool `name:"json" help:"Print one JSON object a line, with all that is kept."`
}

// alertRow is a call for help as `alerts list -json` prints it.
type alertRow struct {
	ID           int64          `json:"id"`
	Call         string         `json:"call"`
	Time         gateway.Stamp  `json:"time"`
	Dialled      string         `json:"dialled"`
	State        string         `json:"state"` // waits, acknowledged, test
	Site         string         `json:"site,omitempty"`
	AOR          string         `json:"aor"`
	From         string         `json:"from"`
	Found        string         `json:"found,omitempty"`
	Phone        string         `json:"phone,omitempty"`
	Label        string         `json:"label,omitempty"`
	Network      string         `json:"network,omitempty"`
	Since        *gateway.Stamp `json:"since,omitempty"`
	Heard        *gateway.Stamp `json:"heard,omitempty"`
	Location     location.ID    `json:"location,omitempty"`
	Version      int            `json:"version,omitempty"`
	Place        string         `json:"place,omitempty"`
	Address      string         `json:"address,omitempty"`
	Source       string         `json:"source,omitempty"`
	Moving       bool           `json:"moving,omitempty"`
	Unapproved   bool           `json:"unapproved,omitempty"`
	Unlocated    bool           `json:"unlocated,omitempty"`
	Sent         string         `json:"sent,omitempty"`
	Why          string         `json:"why,omitempty"`
	ELIN         string         `json:"elin,omitempty"`
	PBX          string         `json:"pbx,omitempty"`
	Status       int            `json:"status,omitempty"`
	Reminders    int            `json:"reminders,omitempty"`
	Acknowledged *gateway.Stamp `json:"acknowledged,omitempty"`
	By           string         `json:"by,omitempty"`
	Via          string         `json:"via,omitempty"`
}

// Run is the command.
func (c *alertsListCmd) Run(env *environment) error {
	return c.ask(env, "alerts/list", &alertsListRequest{c.All, c.JSON}, refuseMissing)
}

type alertsListRequest struct{ All, JSON bool }

func (r *alertsListRequest) carryOut(_ context.Context, s *session, env *environment) error {
	if err := s.typed(); err != nil {
		return err
	}
	return listAlerts(env.stdout, s.engine.Emergencies(), r.All, r.JSON)
}

func listAlerts(out io.Writer, calls []gateway.Emergency, all, json bool) error {
	table := list[alertRow]{
		what: "emergency calls", header: "ID\tTIME\tDIALLED\tLINE\tPHONE\tLOCATION\tSENT\tSTATUS\tSTATE", cells: alertRow.cells,
	}
	for _, x := range calls {
		if x.Waits() || all {
			table.rows = append(table.rows, newAlertRow(&x))
		}
	}
	return table.print(out, json, all)
}

func newAlertRow(x *gateway.Emergency) alertRow {
	row := alertRow{
		ID: x.ID, Call: x.Name, Time: gateway.Stamp(x.Time), Dialled: x.Dialled, State: "acknowledged", Site: x.Site, AOR: x.AOR, From: x.From.String(), Found: x.Found,
		Phone: x.Phone.String(), Label: x.Label, Network: x.Network, Since: stampOrNone(x.Since), Heard: stampOrNone(x.Heard),
		Location: x.Location, Version: x.Version, Place: x.Place, Address: strings.ReplaceAll(x.Address, "\n", ", "), Source: x.Source.String(),
		Moving: x.Moving, Unapproved: x.Unapproved, Unlocated: x.Unlocated, Sent: x.Sent, Why: x.Why, ELIN: x.ELIN, Status: x.Status,
		Reminders: x.Reminders, Acknowledged: stampOrNone(x.Acknowledged), By: x.By, Via: x.Via,
	}
	if x.PBX.IsValid() {
		row.PBX = x.PBX.String()
	}
	switch {
	case x.Test:
		row.State = "test"
	case x.Waits():
		row.State = "waits"
	}
	return row
}

func stampOrNone(t time.Time) *gateway.Stamp {
	if t.IsZero() {
		return nil
	}
	s := gateway.Stamp(t)
	return &s
}

func (r alertRow) cells() []any {
	place, sent, status, state := string(r.Location), "location", "-", r.State
	if r.Version > 0 {
		place += fmt.Sprintf(" v%d", r.Version)
	}
	switch {
	case r.Sent == "":
		sent = "nothing: " + r.Why
	case r.Why != "":
		sent = "nothing in the end: " + r.Why
	}
	if r.Status > 0 {
		status = fmt.Sprint(r.Status)
	}
	if r.By != "" {
		state += " by " + r.By
	}
	phone := r.Phone
	if r.Label != "" {
		phone += " " + r.Label
	}
	return []any{r.ID, stampOf(r.Time), r.Dialled, r.AOR, dash(phone), dash(place), sent, status, state}
}

type alertsAckCmd struct {
	databaseFlags
	ID   int64  `arg:"" help:"The call's id."`
	By   string `required:"" help:"Name of who sees to it." placeholder:"NAME"`
	At   told   `help:"When (default: engine time in a replay database)." placeholder:"TIME"`
	JSON bool   `name:"json" help:"Print one JSON object for each event."`
}

// Run is the command.
func (c *alertsAckCmd) Run(env *environment) error {
	if strings.TrimSpace(c.By) == "" {
		return &usageError{"a call is acknowledged by name", "say who sees to it with -by NAME"}
	}
	a := gateway.Acknowledgement{Emergency: c.ID, Name: c.By, By: operator(), At: c.At.Time}
	return c.ask(env, "alerts/ack", &ackRequest{a, c.JSON}, refuseMissing)
}

type ackRequest struct {
	Acknowledgement gateway.Acknowledgement
	JSON            bool
}

func (r *ackRequest) carryOut(ctx context.Context, s *session, env *environment) error {
	return s.decide(ctx, env, r.JSON, func() (err error) {
		if r.Acknowledgement.At, err = s.decisionTime(r.Acknowledgement.At); err != nil {
			return err
		}
		return s.engine.Acknowledge(r.Acknowledgement)
	})
}

type alertsLinkCmd struct {
	databaseFlags
	For string `required:"" help:"Email of the contact." placeholder:"EMAIL"`
}

// Run is the command.
func (c *alertsLinkCmd) Run(env *environment) error {
	return c.ask(env, "alerts/link", &alertsLinkRequest{strings.ToLower(strings.TrimSpace(c.For))}, refuseMissing)
}

type alertsLinkRequest struct{ For string }

func (r *alertsLinkRequest) carryOut(_ context.Context, s *session, env *environment) error {
	return s.printLink(env, "e", gateway.AlertsLink(r.For), withHint(fmt.Errorf("%q is no contact for emergency calls", r.For), "name them in alarm: {contacts: [...]}, and start serve again"))
}

// alarmAilments says what is amiss with calls for help: those that wait, contacts
// whom no mail reaches, and sites of which nobody would be told.
func alarmAilments(ctx context.Context, s *session) []symptom {
	var out []symptom
	if n := s.engine.Count().Waiting; n > 0 {
		out = append(out, symptom{few(n, "emergency call has not been acknowledged", "emergency calls have not been acknowledged"), "see to them: perch alerts list; perch alerts ack ID -by NAME"})
	}
	refused, err := s.undeliverable(ctx)
	if err != nil {
		out = append(out, symptom{"it is not known whether mail reaches the contacts for emergency calls: " + err.Error(), "see the log of serve"})
	}
	for _, email := range s.engine.Readers(gateway.MailEmergency, 0) {
		if u, is := refused[email]; is {
			out = append(out, symptom{fmt.Sprintf("mail to %s, a contact for emergency calls, is refused: %s", email, u.Reply), "correct the address in alarm: {contacts: ...} or users.csv, or name somebody else"})
		}
	}
	for _, c := range s.config.Alarm.Contacts {
		if c.Site != "" && !s.hasSite(c.Site) {
			out = append(out, symptom{fmt.Sprintf("alarm.contacts names site %q, which is not in the directory", c.Site), "correct it in perch.yaml, or add it to sites.csv and import that"})
		}
	}
	if !s.engine.AlarmReaches("") {
		out = append(out, symptom{"nobody is told by mail of an emergency call from a site that is not known", "name a contact without a site in alarm: {contacts: ...}, or list an admin of all sites in users.csv"})
	}
	for _, site := range s.config.sites() {
		if !s.engine.AlarmReaches(site) {
			out = append(out, symptom{fmt.Sprintf("nobody is told by mail of an emergency call from site %q", site), "name a contact in alarm: {contacts: ...}, or list an admin of the site in users.csv"})
		}
	}
	return out
}
