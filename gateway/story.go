package gateway

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// Story tells events as lines that read as a story: one line for each phone and
// instant.
type Story struct {
	tell  func(at time.Time, phone, what string) error
	line  Line // the line being gathered
	parts []string
	err   error
}

// NewStory returns a story written to w, with the date whenever it changes. Flush
// it at the end.
func NewStory(w io.Writer) *Story {
	day := ""
	return StoryTo(func(at time.Time, phone, what string) error {
		if d := at.Format(time.DateOnly); d != day {
			day = d
			if _, err := fmt.Fprintln(w, d); err != nil {
				return err
			}
		}
		if phone == "" {
			phone = "-" // it is not known which
		}
		_, err := fmt.Fprintf(w, "%s %s %s\n", at.Format(time.TimeOnly), phone, what)
		return err
	})
}

// StoryTo returns a story that is told line by line. Flush it at the end.
func StoryTo(tell func(at time.Time, phone, what string) error) *Story { return &Story{tell: tell} }

// Add takes the next event.
func (s *Story) Add(ev Event) {
	var l Line
	if err := json.Unmarshal(ev.Data, &l); err != nil {
		s.err = fmt.Errorf("event %d: %w", ev.ID, err)
		return
	}
	if len(s.parts) > 0 && (l.Phone != s.line.Phone || !time.Time(l.Time).Equal(time.Time(s.line.Time))) {
		s.write()
	}
	s.line = l
	s.parts = append(s.parts, l.clause())
}

// Flush writes the last line and returns the first error.
func (s *Story) Flush() error {
	if len(s.parts) > 0 {
		s.write()
	}
	return s.err
}

func (s *Story) write() {
	if err := s.tell(time.Time(s.line.Time), s.line.Phone, strings.Join(s.parts, ", ")); err != nil && s.err == nil {
		s.err = err
	}
	s.parts = s.parts[:0]
}

// clause is what the story says of one event.
func (l *Line) clause() string {
	what := strings.TrimPrefix(l.Event, "phone.")
	switch l.Event {
	case "phone.moved":
		return fmt.Sprintf("moved %s -> %s", l.From, l.Network)
	case "phone.appeared", "phone.returned", "phone.upgraded", "phone.degraded":
		return fmt.Sprintf("%s %s", what, l.Network)
	case "prompt.opened":
		s := fmt.Sprintf("prompt %d %s", l.Prompt.ID, l.Prompt.Kind)
		if l.Prompt.Location != "" {
			s += " " + string(l.Prompt.Location)
		}
		return s + " to " + strings.Join(l.Prompt.To, " ")
	case "prompt.closed":
		return fmt.Sprintf("prompt %d closed %s", l.Prompt.ID, l.Reason)
	case "claim.opened":
		return fmt.Sprintf("claim %d opened %s by %s", l.Claim.ID, l.Claim.Location, l.Claim.By)
	case "claim.approved":
		return fmt.Sprintf("claim %d approved", l.Claim.ID)
	case "claim.rejected":
		return fmt.Sprintf("claim %d rejected (%s)", l.Claim.ID, l.Claim.Reason)
	case "emergency.opened":
		return l.Emergency.clause()
	case "emergency.acknowledged":
		return fmt.Sprintf("emergency %d acknowledged by %s", l.Emergency.ID, l.Emergency.By)
	case "emergency.unanswered":
		return fmt.Sprintf("emergency %d not acknowledged after %d reminders", l.Emergency.ID, l.Emergency.Reminders)
	case "assignment.changed":
		return "in force " + l.Assignment.String()
	case "mail.queued":
		return fmt.Sprintf("mail %d %s to %s", l.Mail.ID, l.Mail.Purpose, l.Mail.To)
	}
	return what
}

// clause is what the story says of a call for help.
func (x *LineEmergency) clause() string {
	s := fmt.Sprintf("emergency %d", x.ID)
	if x.Test {
		s += " (a test)"
	}
	s += fmt.Sprintf(" %s dialled by %s", x.Dialled, x.AOR)
	switch {
	case x.Sent && x.Version > 0:
		s += fmt.Sprintf(", sent %s version %d", x.Location, x.Version)
	case x.Sent:
		s += fmt.Sprintf(", sent %s", x.Location)
	default:
		s += ", no location sent"
	}
	return s
}

// String describes an assignment: its location and, in parentheses, what it
// rests on.
func (a LineAssignment) String() string {
	s := string(a.Location)
	if s == "" {
		s = "nothing"
	}
	s += " (" + a.Source.String()
	if a.Unapproved {
		s += ", unapproved"
	}
	if a.Unlocated {
		s += ", unlocated"
	}
	return s + ")"
}
