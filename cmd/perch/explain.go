package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"perch/discovery"
	"perch/gateway"
	"perch/location"
	"perch/provisioning"
)

// explainCmd tells how a phone's location came about.
type explainCmd struct {
	databaseFlags
	Query string `arg:"" name:"phone" help:"A MAC, an IP, an AOR, or a provisional phone's name."`
}

// Run is the command.
func (c *explainCmd) Run(env *environment) error {
	return c.ask(env, "explain", &explainRequest{c.Query}, refuseMissing)
}

// explain writes what is known of all phones that a query means.
func explain(ctx context.Context, out io.Writer, s *session, query string) error {
	found := s.engine.Explain(query)
	if mac, err := discovery.ParseMAC(query); err == nil && len(found) == 0 {
		listed := false
		s.engine.Read(func(d *provisioning.Directory) { _, listed = d.Phone(mac) })
		if listed {
			return withHint(fmt.Errorf("%s is listed, but was never heard", mac),
				"see that a capture shows its traffic: perch decode CAPTURE")
		}
	}
	if len(found) == 0 {
		return withHint(fmt.Errorf("%s: no such phone was seen", query),
			"give a MAC, an IP, or an AOR such as sip:alice@example.com, as perch decode prints them")
	}
	refused, err := s.undeliverable(ctx)
	if err != nil {
		return err
	}
	last, err := s.lastFetches()
	if err != nil {
		return err
	}
	for i := range found {
		if i > 0 {
			fmt.Fprintln(out)
		}
		s.engine.Read(func(d *provisioning.Directory) { err = printExplanation(out, d, &found[i], refused) })
		if err != nil {
			return err
		}
		if e, ok := last(found[i].Phone.MAC); ok {
			fmt.Fprintf(out, "  configuration fetched %s from %s, by its %s\n", stamp(e.Time), e.Source, e.Level)
		}
	}
	return nil
}

// printExplanation writes what is known of one phone, from what was seen to
// what follows from it.
func printExplanation(out io.Writer, dir *provisioning.Directory, x *gateway.Explanation, refused map[string]gateway.Undeliverable) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }

	title := x.Phone.String()
	if x.Label != "" {
		title += "  " + x.Label
	}
	fmt.Fprintln(w, title)
	row("  kind", "%s%s", x.Kind, inParens(x.Identity.Name()))
	printIdentity(row, &x.Identity)
	row("  users", "%s", dash(strings.Join(x.Users, " ")))
	for _, u := range x.Users {
		if r, ok := refused[u]; ok {
			row("    mail to "+u, "is refused since %s: %s", stamp(r.Since), r.Reply)
		}
	}
	var aors []string
	for _, a := range x.AORs {
		aors = append(aors, string(a))
	}
	row("  lines", "%s", dash(strings.Join(aors, " ")))
	if x.Network.Level == discovery.LevelNone {
		row("  on", "no network yet, last heard %s%s", stamp(x.LastSeen), states(x))
	} else {
		row("  on", "%s since %s, last heard %s%s", x.Network, stamp(x.Arrived), stamp(x.LastSeen), states(x))
	}
	for _, e := range x.Evidence {
		row("    "+e.Field, "%s, from the %s, %s", e.Value, e.Source, stamp(e.Seen))
	}
	if !x.Settles.IsZero() {
		row("  settles", "%s", stamp(x.Settles))
	}
	row("  in force", "%s", inForce(dir, x.Assignment))
	if x.Prompt != nil {
		row("  prompt", "%d (%s), to %s, since %s", x.Prompt.ID, x.Prompt.Kind, strings.Join(x.Prompt.To, " "), stamp(x.Prompt.Opened))
		if !x.MailAt.IsZero() {
			row("    by mail", "%s, if the phone is still there: earlier mails about it were not answered", stamp(x.MailAt))
		}
	}
	fmt.Fprintln(w, "  networks known for it")
	if len(x.Networks) == 0 {
		fmt.Fprintln(w, "    none")
	}
	for _, k := range x.Networks {
		mark := ""
		if k.Current {
			mark = ", the one last acted on"
		}
		row("    "+k.Network.String(), "%s%s; the attachment is %s", k.Because, mark, relation(k.Relation))
	}
	fmt.Fprintln(w, "  rules tried")
	if x.Match.Match.Ignored.IsValid() {
		row("    "+x.Match.Match.Ignored.String(), "on the ignore list: no location, nobody is asked")
	}
	if len(x.Match.Tried) == 0 {
		fmt.Fprintln(w, "    none: no rule names this switch, port, circuit, subnet or public IP")
	}
	for _, t := range x.Match.Tried {
		row("    "+t.Rule.String()+" -> "+string(t.Rule.Location), "%s", t.Reason)
	}
	return w.Flush()
}

// printIdentity writes what the phone says of itself, and in which way.
func printIdentity(row func(name, format string, args ...any), id *discovery.Identity) {
	if len(id.Fields)+len(id.Programs)+len(id.Unread) == 0 {
		return
	}
	row("  identity", "what it says of itself, which proves nothing")
	for _, f := range id.Fields {
		var by []string
		for _, w := range f.Words {
			s := w.By.String()
			if w.Value != f.Words[0].Value {
				s += " (" + w.Value + ")"
			}
			by = append(by, s)
		}
		row("    "+f.Name, "%s, from its %s%s", f.Words[0].Value, strings.Join(by, ", "), since(f.Words[0].Since))
	}
	for _, w := range id.Programs {
		row("    program", "%s, from its %s%s", w.Value, w.By, since(w.Since))
	}
	for _, w := range id.Unread {
		row("    says", "%q, in its %s%s", w.Value, w.By, since(w.Since))
	}
	for i := 0; i < len(id.Contradictions); {
		c := id.Contradictions[i]
		a, b := c.Words[0], c.Words[1]
		by := []string{b.By.String()}
		for i++; i < len(id.Contradictions) && id.Contradictions[i].Words[1].Value == b.Value; i++ {
			by = append(by, id.Contradictions[i].Words[1].By.String())
			if s := id.Contradictions[i].Since; s.Before(c.Since) {
				c.Since = s
			}
		}
		row("    contradiction", "%s by its %s, but %s by its %s%s", a.Value, a.By, b.Value, strings.Join(by, ", "), since(c.Since))
	}
}

// since writes a time that may not be known.
func since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return ", since " + stamp(t)
}

func states(x *gateway.Explanation) string {
	var s []string
	for _, st := range []struct {
		is   bool
		name string
	}{{x.Moving, "moving"}, {x.Flapping, "flapping"}, {x.Gone, "vanished"}} {
		if st.is {
			s = append(s, st.name)
		}
	}
	if len(s) == 0 {
		return ""
	}
	return " (" + strings.Join(s, ", ") + ")"
}

func inParens(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

func relation(r discovery.Relation) string {
	switch r {
	case discovery.Same:
		return "the same"
	case discovery.Upgraded:
		return "the same, known better"
	case discovery.Degraded:
		return "the same, known less well"
	}
	return "another"
}

// inForce describes an assignment with the address that would be sent.
func inForce(dir *provisioning.Directory, a gateway.Assignment) string {
	s := gateway.LineAssignment(a).String()
	if a == (gateway.Assignment{}) {
		return "nothing: it has not been acted on"
	}
	if l, ok := dir.Location(a.Location); ok {
		if l.Kind == location.Personal {
			return s + ", a personal location of " + l.Owner
		}
		return s + ", " + dir.Tree().Complete(a.Location).String()
	}
	return s
}
