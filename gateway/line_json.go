package gateway

import (
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"

	"perch/discovery"
)

// appendJSON appends what encoding/json makes of a line without escaping HTML; a
// test holds it to that. A replay of a campus writes an event for each ten
// frames that it reads, and reflection took a tenth of its time.
func (l *Line) appendJSON(b []byte) []byte {
	b = append(b, '{')
	b = strconv.AppendInt(appendKey(b, "id"), l.ID, 10)
	b = l.Time.appendJSON(appendKey(b, "time"))
	b = appendText(appendKey(b, "event"), l.Event)
	b = appendFilled(b, "phone", l.Phone)
	if l.Attachment != nil {
		b = l.Attachment.appendJSON(appendKey(b, "attachment"))
	}
	if l.Network != nil {
		b = appendNetwork(appendKey(b, "network"), l.Network)
	}
	if l.From != nil {
		b = appendNetwork(appendKey(b, "from"), l.From)
	}
	if l.Prompt != nil {
		b = l.Prompt.appendJSON(appendKey(b, "prompt"))
	}
	if l.Reason != 0 {
		b = appendText(appendKey(b, "reason"), l.Reason.String())
	}
	if l.Claim != nil {
		b = l.Claim.appendJSON(appendKey(b, "claim"))
	}
	if l.Emergency != nil {
		b = l.Emergency.appendJSON(appendKey(b, "emergency"))
	}
	if l.Assignment != nil {
		b = l.Assignment.appendJSON(appendKey(b, "assignment"))
	}
	if l.Mail != nil {
		b = l.Mail.appendJSON(appendKey(b, "mail"))
	}
	return append(b, '}')
}

func (s Stamp) appendJSON(b []byte) []byte {
	b = append(b, '"')
	b = time.Time(s).UTC().AppendFormat(b, stampFormat)
	return append(b, '"')
}

func (a *LineAttachment) appendJSON(b []byte) []byte {
	b = append(b, '{')
	b = appendFilled(b, "site", a.Site)
	b = appendFilled(b, "chassis_id", a.ChassisID)
	b = appendFilled(b, "port_id", a.PortID)
	b = appendFilled(b, "remote_id", a.RemoteID.String())
	b = appendFilled(b, "circuit_id", a.CircuitID.String())
	if !a.BSSID.IsZero() {
		b = appendText(appendKey(b, "bssid"), a.BSSID.String())
	}
	if a.VLAN != 0 {
		b = strconv.AppendUint(appendKey(b, "vlan"), uint64(a.VLAN), 10)
	}
	b = appendPrefix(b, "subnet", a.Subnet)
	b = appendAddr(b, "ip", a.IP)
	b = appendAddr(b, "public_ip", a.PublicIP)
	return append(b, '}')
}

func appendNetwork(b []byte, n *discovery.Network) []byte {
	b = append(b, '{')
	b = appendText(appendKey(b, "level"), n.Level.String())
	b = appendFilled(b, "site", n.Site)
	b = appendFilled(b, "chassis_id", n.ChassisID)
	b = appendFilled(b, "port_id", n.PortID)
	b = appendFilled(b, "remote_id", n.RemoteID.String())
	b = appendFilled(b, "circuit_id", n.CircuitID.String())
	if !n.BSSID.IsZero() {
		b = appendText(appendKey(b, "bssid"), n.BSSID.String())
	}
	b = appendPrefix(b, "subnet", n.Subnet)
	b = appendAddr(b, "public_ip", n.PublicIP)
	return append(b, '}')
}

func (p *LinePrompt) appendJSON(b []byte) []byte {
	b = append(b, '{')
	b = strconv.AppendInt(appendKey(b, "id"), p.ID, 10)
	b = appendText(appendKey(b, "kind"), p.Kind.String())
	b = appendFilled(b, "location", string(p.Location))
	if len(p.To) > 0 {
		b = append(appendKey(b, "to"), '[')
		for i, to := range p.To {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendText(b, to)
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

func (c *LineClaim) appendJSON(b []byte) []byte {
	b = append(b, '{')
	b = strconv.AppendInt(appendKey(b, "id"), c.ID, 10)
	b = appendText(appendKey(b, "location"), string(c.Location))
	b = appendFilled(b, "by", c.By)
	b = appendFilled(b, "reason", c.Reason)
	return append(b, '}')
}

func (x *LineEmergency) appendJSON(b []byte) []byte {
	b = append(b, '{')
	b = strconv.AppendInt(appendKey(b, "id"), x.ID, 10)
	b = appendText(appendKey(b, "dialled"), x.Dialled)
	b = appendTrue(b, "test", x.Test)
	b = appendFilled(b, "site", x.Site)
	b = appendFilled(b, "aor", x.AOR)
	b = appendFilled(b, "location", string(x.Location))
	b = appendCount(b, "version", x.Version)
	b = appendTrue(b, "sent", x.Sent)
	b = appendFilled(b, "why", x.Why)
	b = appendCount(b, "status", x.Status)
	b = appendFilled(b, "by", x.By)
	b = appendCount(b, "reminders", x.Reminders)
	return append(b, '}')
}

func (a *LineAssignment) appendJSON(b []byte) []byte {
	b = append(b, '{')
	b = appendFilled(b, "location", string(a.Location))
	b = appendText(appendKey(b, "source"), a.Source.String())
	b = appendTrue(b, "unapproved", a.Unapproved)
	b = appendTrue(b, "unlocated", a.Unlocated)
	return append(b, '}')
}

func (m *LineMail) appendJSON(b []byte) []byte {
	b = append(b, '{')
	b = strconv.AppendInt(appendKey(b, "id"), m.ID, 10)
	b = appendText(appendKey(b, "to"), m.To)
	b = appendText(appendKey(b, "subject"), m.Subject)
	b = appendText(appendKey(b, "message_id"), m.MessageID)
	b = appendText(appendKey(b, "purpose"), m.Purpose.String())
	return append(b, '}')
}

// appendKey appends the key of a member, with a comma unless it is the first.
func appendKey(b []byte, key string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b = append(b, '"')
	b = append(b, key...)
	return append(b, '"', ':')
}

// appendFilled appends a member unless its text is empty.
func appendFilled(b []byte, key, value string) []byte {
	if value == "" {
		return b
	}
	return appendText(appendKey(b, key), value)
}

// appendTrue appends a member that is true, and none that is not.
func appendTrue(b []byte, key string, is bool) []byte {
	if !is {
		return b
	}
	return append(appendKey(b, key), "true"...)
}

// appendCount appends a number unless it is zero.
func appendCount(b []byte, key string, n int64) []byte {
	if n == 0 {
		return b
	}
	return strconv.AppendInt(appendKey(b, key), n, 10)
}

func appendPrefix(b []byte, key string, p netip.Prefix) []byte {
	if p == (netip.Prefix{}) {
		return b
	}
	b = append(appendKey(b, key), '"')
	return append(p.AppendTo(b), '"') // a prefix has no zone
}

func appendAddr(b []byte, key string, a netip.Addr) []byte {
	switch {
	case a == netip.Addr{}:
		return b
	case a.Zone() != "":
		return appendText(appendKey(b, key), a.String())
	}
	b = append(appendKey(b, key), '"')
	return append(a.AppendTo(b), '"')
}

// appendText appends a JSON string (RFC 8259 section 7). Bytes that are not UTF-8
// become U+FFFD; U+2028 and U+2029, which end a line in JavaScript, are escaped.
func appendText(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	from := 0 // what stands before i and is not appended yet
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		r, n := rune(c), 1
		if c >= utf8.RuneSelf {
			if r, n = utf8.DecodeRuneInString(s[i:]); r != '\u2028' && r != '\u2029' && (r != utf8.RuneError || n > 1) {
				i += n
				continue
			}
		}
		b = append(b, s[from:i]...)
		switch r {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, '\\', 'b')
		case '\f':
			b = append(b, '\\', 'f')
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
		}
		i += n
		from = i
	}
	b = append(b, s[from:]...)
	return append(b, '"')
}
