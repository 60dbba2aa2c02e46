package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"perch/discovery"
	"perch/gateway"
	"perch/location"
	"perch/provisioning"
)

// claimsCmd lists and reviews claims.
type claimsCmd struct {
	List    claimsListCmd    `cmd:"" help:"List open claims, with the rule that approving would make."`
	Approve claimsApproveCmd `cmd:"" help:"Approve a claim."`
	Reject  claimsRejectCmd  `cmd:"" help:"Reject a claim."`
}

type claimsListCmd struct {
	databaseFlags
	All  bool `help:"List closed claims too."`
	JSON bool `name:"json" help:"Print one JSON object a line."`
}

// claimRow is a claim as `claims list -json` prints it.
type claimRow struct {
	ID       int64                 `json:"id"`
	Phone    string                `json:"phone"`
	Network  discovery.Network     `json:"network"`
	Location location.ID           `json:"location"`
	Address  location.CivicAddress `json:"address"`
	By       string                `json:"by"`
	Opened   gateway.Stamp         `json:"opened"`
	State    gateway.ClaimState    `json:"state"`
	Rule     *claimRule            `json:"rule,omitempty"`
}

// claimRule is the rule that an approval makes, or would make.
type claimRule struct {
	Level    discovery.Level `json:"level"`
	Location location.ID     `json:"location"`

	replaces location.ID // of the rule that stands in its place now
}

// Run is the command.
func (c *claimsListCmd) Run(env *environment) error {
	return c.ask(env, "claims/list", &claimsListRequest{c.All, c.JSON}, refuseMissing)
}

func listClaims(out io.Writer, e *gateway.Engine, all, json bool) error {
	table := list[claimRow]{
		what: "claims", header: "ID\tPHONE\tNETWORK\tLOCATION\tADDRESS\tBY\tOPENED\tSTATE\tRULE", cells: claimRow.cells,
	}
	for _, x := range e.Claims() {
		if x.State == gateway.ClaimOpen || all {
			table.rows = append(table.rows, newClaimRow(e, x))
		}
	}
	return table.print(out, json, all)
}

func newClaimRow(e *gateway.Engine, x gateway.Claim) claimRow {
	row := claimRow{
		ID: x.ID, Phone: x.Phone.String(), Network: x.Attachment.Network(), Location: x.Location,
		By: x.By, Opened: gateway.Stamp(x.Opened), State: x.State,
	}
	e.Read(func(d *provisioning.Directory) { row.Address = d.Tree().Complete(x.Location) })
	level := x.Level
	if level == discovery.LevelNone && x.State == gateway.ClaimOpen {
		level = row.Network.Level
	}
	if rule, made, old, exists := e.RuleOf(x, level); made && level != discovery.LevelNone {
		row.Rule = &claimRule{Level: level, Location: rule.Location}
		if exists && x.State == gateway.ClaimOpen && old.Location != rule.Location {
			row.Rule.replaces = old.Location
		}
	}
	return row
}

func (r claimRow) cells() []any {
	rule := "none: stays this phone's"
	if r.Rule != nil {
		rule = fmt.Sprintf("%s -> %s", r.Rule.Level, r.Rule.Location)
		if r.Rule.replaces != "" {
			rule += fmt.Sprintf(", instead of %s", r.Rule.replaces)
		}
	}
	return []any{r.ID, r.Phone, r.Network, r.Location, r.Address.String(), r.By, stampOf(r.Opened), r.State, rule}
}

type claimsApproveCmd struct {
	databaseFlags
	ID      int64  `arg:"" help:"The claim's id."`
	Level   string `help:"Level of the rule to make: port, bssid, chassis, subnet or public_ip (default: the network's)." placeholder:"LEVEL"`
	Address string `help:"Approve a new address with this one instead of the proposed: one CSV record of column=value cells." placeholder:"ADDRESS"`
	By      string `help:"Email of the reviewer (default: the user of this computer)." placeholder:"EMAIL"`
	At      told   `help:"When (default: engine time in a replay database)." placeholder:"TIME"`
	JSON    bool   `name:"json" help:"Print one JSON object for each event."`
}

// Run is the command.
func (c *claimsApproveCmd) Run(env *environment) error {
	d := gateway.Decision{Claim: c.ID, Approve: true, By: reviewer(c.By)}
	if c.Level != "" {
		var ok bool
		if d.Level, ok = discovery.ParseLevel(c.Level); !ok {
			return &usageError{fmt.Sprintf("level %q", c.Level), "one of port, bssid, chassis, subnet, public_ip"}
		}
	}
	if c.Address != "" {
		l, err := location.ParseRecord(c.Address)
		if err != nil {
			return withHint(fmt.Errorf("address: %w", err), addressHint)
		}
		d.Edit = &l.Address
	}
	d.At = c.At.Time
	return c.ask(env, "claims/review", &reviewRequest{d, c.JSON}, refuseMissing)
}

type claimsRejectCmd struct {
	databaseFlags
	ID     int64  `arg:"" help:"The claim's id."`
	Reason string `required:"" help:"Why; the user reads it." placeholder:"TEXT"`
	By     string `help:"Email of the reviewer (default: the user of this computer)." placeholder:"EMAIL"`
	At     told   `help:"When (default: engine time in a replay database)." placeholder:"TIME"`
	JSON   bool   `name:"json" help:"Print one JSON object for each event."`
}

// Run is the command.
func (c *claimsRejectCmd) Run(env *environment) error {
	if strings.TrimSpace(c.Reason) == "" {
		return &usageError{"a rejection needs a reason", "say why with -reason TEXT; the user reads it"}
	}
	d := gateway.Decision{Claim: c.ID, Reason: strings.TrimSpace(c.Reason), By: reviewer(c.By), At: c.At.Time}
	return c.ask(env, "claims/review", &reviewRequest{d, c.JSON}, refuseMissing)
}

func reviewer(by string) string {
	if by == "" {
		return operator()
	}
	return strings.ToLower(by)
}

func stampOf(s gateway.Stamp) string { return stamp(time.Time(s)) }
