package words

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"perch/discovery"
	"perch/gateway"
	"perch/sip/proxy"
)

// Call is a call for help as mails and pages speak of it.
type Call struct {
	ID       int64
	Test     bool
	Dialled  string
	When     string // it went out
	Site     string
	Phone    Phone
	Unknown  bool     // it is not known which phone called
	Line     string   // to call back: "1001", or "1001@pbx.example.com"
	From     string   // IP address
	Place    string   // name of the location
	Address  []string // lines; empty: none is known
	Location string   // "hq-3f, version 2"
	Number   string   // ELIN that the dispatcher sees in the place of the line; mostly empty
	Sent     string   // in a sentence, what the dispatcher was told of the address
	Known    string   // in a sentence, who says so; empty without an address
	Network  string   // the phone's; empty if not known
	Since    string   // how long it has been there; empty if not known
	Heard    string   // when it was last heard before the call; empty if not known
	Warnings []string // why to look twice
	Status   string   // what became of the call
	Document string   // the PIDF-LO that was sent
	Waits    bool     // to be acknowledged
	Told     string   // who acknowledged it and when; empty if nobody did
}

// CallOf puts a call into words; callback is the number by which its line is reached from
// outside, if one is listed, and stamp writes times.
func CallOf(x *gateway.Emergency, callback string, stamp func(time.Time) string) *Call {
	c := &Call{
		ID: x.ID, Test: x.Test, Dialled: Clean(x.Dialled, MaxWord), When: stamp(x.Time), Site: Clean(x.Site, MaxWord),
		Line: lineWords(x.AOR), Place: Clean(x.Place, MaxName), Sent: sentWords(x), Warnings: warningsOf(x), Status: statusWords(x),
		Document: x.Sent, Waits: x.Waits(), Network: Network(x.On), Number: Clean(x.ELIN, MaxWord),
	}
	if callback = Clean(callback, MaxWord); callback != "" {
		c.Line = callback + " (" + c.Line + ")"
	}
	c.Phone = PhoneOf(gateway.Letter{Phone: x.Phone, Label: x.Label, AORs: []string{x.AOR}})
	c.Unknown = x.Phone == (discovery.PhoneID{})
	if x.From.IsValid() {
		c.From = x.From.Addr().Unmap().String()
	}
	for line := range strings.SplitSeq(x.Address, "\n") {
		if line = Clean(line, MaxLine); line != "" && len(c.Address) < 2*MaxList {
			c.Address = append(c.Address, line)
		}
	}
	if x.Location != "" {
		c.Location = Clean(string(x.Location), MaxWord)
		if x.Version > 0 {
			c.Location += ", version " + strconv.Itoa(x.Version)
		}
	}
	if len(c.Address) > 0 {
		c.Known = knownWords(x.Source)
	}
	if x.On.Level == discovery.LevelNone {
		c.Network = Clean(x.Network, MaxLine)
	}
	if x.Network == nowhere {
		c.Network = "" // which says nothing
	}
	if !x.Since.IsZero() {
		c.Since = stamp(x.Since) + ", " + Age(x.Time.Sub(x.Since)) + " before the call"
	}
	if !x.Heard.IsZero() {
		c.Heard = Age(x.Time.Sub(x.Heard)) + " before the call"
	}
	if !x.Acknowledged.IsZero() {
		c.Told = Clean(x.By, MaxName) + ", " + stamp(x.Acknowledged)
	}
	return c
}

// nowhere is how a network that is not known is written.
var nowhere = discovery.Network{}.String()

// lineWords is what to call back: a number alone if it is one.
func lineWords(aor string) string {
	s := strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(aor, "sips:"), "sip:"), "tel:")
	if user, _, ok := strings.Cut(s, "@"); ok && user != "" && strings.Trim(user, "+*#0123456789") == "" {
		s = user
	}
	return Clean(s, MaxWord)
}

// sentWords says what the dispatcher was told of the address.
func sentWords(x *gateway.Emergency) string {
	why := ""
	if x.Why == proxy.Unanswered {
		return "Nobody took the call: the telephone system did not answer."
	}
	if x.Why != "" {
		why = ": " + Clean(x.Why, MaxLine)
	}
	switch {
	case x.Sent != "" && x.Why == "":
		return "The address was sent with the call."
	case x.Sent != "":
		return "The address was sent with the call at first; then the call went out without it" + why + "."
	}
	return "Perch sent no address with the call" + why + "."
}

// knownWords says who gave an address.
func knownWords(s gateway.AssignmentSource) string {
	switch s {
	case gateway.FromWiremap:
		return "The company's list gives it for the network that the phone is on; nobody has confirmed it."
	case gateway.FromConfirmed:
		return "A user of the phone confirmed it."
	case gateway.FromChosen:
		return "A user of the phone chose it."
	case gateway.FromPersonal:
		return "A user of the phone gave it, as a place of their own."
	case gateway.FromAdmin:
		return "An admin set it."
	case gateway.FromDefault:
		return "It is the general address of the site."
	}
	return ""
}

// warningsOf lists why to look twice, the worst first.
func warningsOf(x *gateway.Emergency) (out []string) {
	warn := func(is bool, what string) {
		if is {
			out = append(out, what)
		}
	}
	caller := x.Phone != (discovery.PhoneID{})
	warn(x.Status >= 300 && x.Status != cancelled, "The call did not get through: "+statusWords(x)+".")
	warn(!caller, "It is not known which phone called, nor where it is. Call back, and ask.")
	warn(caller && x.Address == "", "No address is known for this phone. Call back, and ask.")
	warn(x.Unlocated && x.Address != "", "This is only the general address of the site: where in it the phone is, is not known.")
	warn(x.Moving && x.Address != "", "The phone has just been plugged in somewhere else: it may not be at this address any more.")
	warn(x.Unapproved, "A user gave this address; nobody has approved it yet.")
	return out
}

// cancelled is the status of a call that the caller gave up (RFC 3261 section
// 21.4.25).
const cancelled = 487

// statusWords says what became of a call.
func statusWords(x *gateway.Emergency) string {
	switch status := x.Status; {
	case status == 0:
		return "on its way, not answered yet"
	case status < 200:
		return fmt.Sprintf("on its way, it rings (%d)", status)
	case status < 300:
		return fmt.Sprintf("answered (%d)", status)
	case status == cancelled:
		return fmt.Sprintf("the caller hung up before it was answered (%d)", status)
	}
	if x.Why == proxy.Unanswered {
		return "no telephone system answered it"
	}
	return fmt.Sprintf("refused by the telephone system (%d)", x.Status)
}

// Age writes a duration for people: "3 days", "1 hour", "less than a minute".
func Age(d time.Duration) string {
	for _, u := range []struct {
		d    time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		switch n := d / u.d; {
		case n == 1:
			return "1 " + u.name
		case n > 1:
			return fmt.Sprintf("%d %ss", n, u.name)
		}
	}
	return "less than a minute"
}
