package gateway

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"perch/discovery"
	"perch/location"
)

// Line is an event as it is printed and stored: one JSON object. Its fields are
// those of the command line's contract, in their order.
type Line struct {
	ID         int64              `json:"id"`
	Time       Stamp              `json:"time"`
	Event      string             `json:"event"`
	Phone      string             `json:"phone,omitempty"`
	Attachment *LineAttachment    `json:"attachment,omitempty"`
	Network    *discovery.Network `json:"network,omitempty"`
	From       *discovery.Network `json:"from,omitempty"`
	Prompt     *LinePrompt        `json:"prompt,omitempty"`
	Reason     CloseReason        `json:"reason,omitzero"`
	Claim      *LineClaim         `json:"claim,omitempty"`
	Emergency  *LineEmergency     `json:"emergency,omitempty"`
	Assignment *LineAssignment    `json:"assignment,omitempty"`
	Mail       *LineMail          `json:"mail,omitempty"`
}

// Stamp is a time in events: RFC 3339, microseconds, UTC.
type Stamp time.Time

const stampFormat = "2006-01-02T15:04:05.000000Z"

// MarshalText writes the stamp.
func (s Stamp) MarshalText() ([]byte, error) {
	return time.Time(s).UTC().AppendFormat(nil, stampFormat), nil
}

// UnmarshalText reads what MarshalText writes.
func (s *Stamp) UnmarshalText(b []byte) error {
	t, err := time.Parse(stampFormat, string(b))
	*s = Stamp(t)
	return err
}

// LineAttachment is what an attachment has, as events print it.
type LineAttachment struct {
	Site      string        `json:"site,omitempty"`
	ChassisID string        `json:"chassis_id,omitempty"`
	PortID    string        `json:"port_id,omitempty"`
	RemoteID  discovery.Hex `json:"remote_id,omitempty"`
	CircuitID discovery.Hex `json:"circuit_id,omitempty"`
	BSSID     discovery.MAC `json:"bssid,omitzero"`
	VLAN      uint16        `json:"vlan,omitempty"`
	Subnet    netip.Prefix  `json:"subnet,omitzero"`
	IP        netip.Addr    `json:"ip,omitzero"`
	PublicIP  netip.Addr    `json:"public_ip,omitzero"`
}

// LinePrompt is a prompt in an event.
type LinePrompt struct {
	ID       int64       `json:"id"`
	Kind     PromptKind  `json:"kind"`
	Location location.ID `json:"location,omitempty"`
	To       []string    `json:"to,omitempty"`
}

// LineClaim is a claim in an event.
type LineClaim struct {
	ID       int64       `json:"id"`
	Location location.ID `json:"location"`
	By       string      `json:"by,omitempty"`
	Reason   string      `json:"reason,omitempty"`
}

// LineEmergency is a call for help in an event.
type LineEmergency struct {
	ID        int64       `json:"id"`
	Dialled   string      `json:"dialled"`
	Test      bool        `json:"test,omitempty"`
	Site      string      `json:"site,omitempty"`
	AOR       string      `json:"aor,omitempty"`
	Location  location.ID `json:"location,omitempty"`
	Version   int64       `json:"version,omitempty"`
	Sent      bool        `json:"sent,omitempty"` // the location went along
	Why       string      `json:"why,omitempty"`  // why not, or not any more
	Status    int64       `json:"status,omitempty"`
	By        string      `json:"by,omitempty"` // who acknowledged it
	Reminders int64       `json:"reminders,omitempty"`
}

func (x *Emergency) line() *LineEmergency {
	return &LineEmergency{
		x.ID, x.Dialled, x.Test, x.Site, x.AOR, x.Location, int64(x.Version), x.Sent != "", x.Why, int64(x.Status), x.By, int64(x.Reminders),
	}
}

// LineAssignment is an assignment in an event.
type LineAssignment struct {
	Location   location.ID      `json:"location,omitempty"`
	Source     AssignmentSource `json:"source"`
	Unapproved bool             `json:"unapproved,omitempty"`
	Unlocated  bool             `json:"unlocated,omitempty"`
}

// LineMail is a queued mail in an event.
type LineMail struct {
	ID        int64   `json:"id"`
	To        string  `json:"to"`
	Subject   string  `json:"subject"`
	MessageID string  `json:"message_id"`
	Purpose   Purpose `json:"purpose"`
}

// eventOrder is the order of events of one phone within one instant.
var eventOrder = [...]string{"phone.", "prompt.closed", "prompt.opened", "claim.", "incident.", "emergency.", "assignment.", "mail."}

func orderOf(event string) int {
	return slices.IndexFunc(eventOrder[:], func(prefix string) bool {
		return len(event) >= len(prefix) && event[:len(prefix)] == prefix
	})
}

// transaction collects the events of one instant, to be put in order and
// numbered at its end.
type transaction struct {
	lines []txLine
	json  []byte            // what is free of the block that the events' octets are cut from
	spelt discovery.PhoneID // the last phone that an event was about
	phone string            // and how events write it

	// The last attachment that was told of, with what lines say of it: the events
	// of one phone mostly tell of one attachment.
	told *discovery.Attached
	at   *LineAttachment
	in   *discovery.Network
}

// place returns what lines say of an attachment.
func (tx *transaction) place(at *discovery.Attached) (*LineAttachment, *discovery.Network) {
	if tx.told != at {
		a := at.Attachment()
		n := a.Network()
		tx.told, tx.in = at, &n
		tx.at = &LineAttachment{
			a.Site, a.ChassisID, a.PortID, a.RemoteID, a.CircuitID, a.BSSID, a.VLAN, a.Subnet, a.IP, a.PublicIP,
		}
	}
	return tx.at, tx.in
}

// name returns how events write a phone.
func (tx *transaction) name(id discovery.PhoneID) string {
	if tx.phone == "" || tx.spelt != id {
		tx.spelt, tx.phone = id, id.String()
	}
	return tx.phone
}

// jsonBlock is how many octets of events are made room for at a time. Events are
// let go soon after they were committed, a block with its last.
const jsonBlock = 16 << 10

// encode returns a line as JSON, which the caller may keep.
func (tx *transaction) encode(l *Line) []byte {
	before := len(tx.json)
	tx.json = l.appendJSON(tx.json)
	out := tx.json[before:len(tx.json):len(tx.json)]
	if cap(tx.json)-len(tx.json) < jsonBlock/16 {
		tx.json = make([]byte, 0, jsonBlock)
	}
	return out
}

type txLine struct {
	phone discovery.PhoneID
	line  Line
}

func (e *Engine) begin() { e.tx.lines = e.tx.lines[:0] }

// emit adds an event about a phone; fill adds its own objects.
func (e *Engine) emit(p *phone, event string, fill func(*Line)) {
	l := Line{Event: event, Phone: e.tx.name(p.id())}
	if p.track != nil && p.track.Attachment().Level() != discovery.LevelNone {
		l.Attachment, l.Network = e.tx.place(p.track.Attached())
	}
	if fill != nil {
		fill(&l)
	}
	e.tx.lines = append(e.tx.lines, txLine{p.id(), l})
}

// end numbers the events of the instant, phones in order and within a phone by
// kind, and queues them.
func (e *Engine) end() {
	if len(e.tx.lines) == 0 {
		return
	}
	slices.SortStableFunc(e.tx.lines, func(a, b txLine) int {
		return cmp.Or(a.phone.Compare(b.phone), orderOf(a.line.Event)-orderOf(b.line.Event))
	})
	for i := range e.tx.lines {
		l := &e.tx.lines[i].line
		e.ids.Event++
		l.ID, l.Time = e.ids.Event, Stamp(e.now)
		ev := Event{ID: l.ID, Time: e.now, Name: l.Event, Phone: l.Phone, Data: e.tx.encode(l)}
		e.batch.events = append(e.batch.events, ev)
		if e.sink != nil {
			e.sink(ev)
		}
	}
	e.tx.lines = e.tx.lines[:0]
}
