package proxy

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"perch/sip"
)

// reginfo is a document of registration state (RFC 3680 section 5): all that the PBX
// knows of its resource if it is full, else what changed since the version before.
type reginfo struct {
	version  uint64
	full     bool
	cut      bool // there are more contacts than are read
	contacts []regContact
}

// regContact is one contact of the resource.
type regContact struct {
	uri       string
	params    string // of the Contact, each with its semicolon
	active    bool
	seconds   int // for how long it is bound
	callID    string
	cseq      uint32 // 0: the PBX does not say
	agent     string
	path      string
	transport transport
	source    netip.AddrPort // as the PBX saw it, else as the URI says; invalid: neither does
}

// What is read of a document at most; the rest of it is left unread.
const (
	maxRegistrations = 64
	maxRegContacts   = 16 // of one line
	maxRegParams     = 16
	maxRegText       = 1 << 10
)

// regXML is a document as it is written. Kamailio's pua_reginfo has the source in
// received, and path and user_agent; others put what they know of a contact's header
// into unknown-param (RFC 3680 section 5.3.3).
type regXML struct {
	XMLName       xml.Name `xml:"urn:ietf:params:xml:ns:reginfo reginfo"`
	Version       string   `xml:"version,attr"`
	State         string   `xml:"state,attr"`
	Registrations []struct {
		AOR      string       `xml:"aor,attr"`
		State    string       `xml:"state,attr"`
		Contacts []contactXML `xml:"contact"`
	} `xml:"registration"`
}

type contactXML struct {
	State    string     `xml:"state,attr"`
	Expires  string     `xml:"expires,attr"`
	Q        string     `xml:"q,attr"`
	CallID   string     `xml:"callid,attr"`
	CSeq     string     `xml:"cseq,attr"`
	Received string     `xml:"received,attr"`
	Path     string     `xml:"path,attr"`
	Agent    string     `xml:"user_agent,attr"`
	URI      string     `xml:"uri"`
	Params   []paramXML `xml:"unknown-param"`
}

type paramXML struct {
	Name  string `xml:"name,attr"`
	Value string `xml:",chardata"`
}

// readReginfo reads what a document says of a line. A PBX may call the line by a host
// of its own; other users are none of ours. Entities are not expanded: who declares
// some is malformed.
func readReginfo(b []byte, aor sip.AOR) (*reginfo, error) {
	var x regXML
	d := xml.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&x); err != nil {
		return nil, err
	}
	out := &reginfo{full: x.State == "full"}
	if !out.full && x.State != "partial" {
		return nil, errors.New("the state is neither full nor partial")
	}
	var err error
	if out.version, err = strconv.ParseUint(strings.TrimSpace(x.Version), 10, 64); err != nil {
		return nil, errors.New("the version is no number")
	}
	if len(x.Registrations) > maxRegistrations {
		return nil, fmt.Errorf("%d registrations, want %d at most", len(x.Registrations), maxRegistrations)
	}
	for _, r := range x.Registrations {
		a, err := sip.ParseAOR(strings.TrimSpace(r.AOR))
		if err != nil || userOf(a) != userOf(aor) {
			continue
		}
		for i := range r.Contacts {
			if out.cut = len(out.contacts) == maxRegContacts; out.cut {
				return out, nil
			}
			if c, ok := r.Contacts[i].read(); ok {
				c.active = c.active && r.State != "terminated"
				out.contacts = append(out.contacts, c)
			}
		}
	}
	return out, nil
}

// read reads a contact. It is false for one whose URI cannot stand in a message.
func (x *contactXML) read() (c regContact, ok bool) {
	c.uri = strings.TrimSpace(x.URI)
	u, isURI := parseURI([]byte(c.uri))
	if !isURI || !plain(c.uri) || strings.ContainsAny(c.uri, "<>\" ") {
		return c, false
	}
	c.active, c.seconds = x.State == "active", defaultExpires
	if n, err := strconv.ParseUint(x.Expires, 10, 31); err == nil {
		c.seconds = int(n)
	}
	if n, err := strconv.ParseUint(x.CSeq, 10, 31); err == nil && x.CallID != "" && plain(x.CallID) && !strings.ContainsAny(x.CallID, " ") {
		c.callID, c.cseq = x.CallID, uint32(n)
	}
	if c.agent = x.Agent; !plain(c.agent) {
		c.agent = ""
	}
	if c.path = x.Path; !plain(c.path) {
		c.path = ""
	}
	if c.transport = transportOfName[strings.ToLower(string(u.transport))]; strings.HasPrefix(strings.ToLower(c.uri), "sips:") {
		c.transport = max(c.transport, tls)
	}
	if sip.IsToken([]byte(x.Q)) {
		c.params = ";q=" + x.Q
	}
	for _, p := range x.Params[:min(len(x.Params), maxRegParams)] {
		c.param(strings.TrimSpace(p.Name), strings.TrimSpace(p.Value))
	}
	c.source = addressOf([]byte(c.uri), c.transport)
	if seen := addressOf([]byte(x.Received), c.transport); seen.IsValid() && c.path == "" {
		c.source = seen // with a path it is a proxy's
	}
	return c, true
}

// param takes a parameter of the contact's header, or what goes by as one.
func (c *regContact) param(name, value string) {
	switch {
	case !sip.IsToken([]byte(name)) || !plain(value) || len(c.params)+len(name)+len(value) > maxRegText:
	case strings.EqualFold(name, "user-agent"):
		if c.agent == "" {
			c.agent = strings.Trim(value, `"`)
		}
	case strings.EqualFold(name, "expires"), strings.EqualFold(name, "q"):
	case value == "":
		c.params += ";" + name
	case sip.IsToken([]byte(value)):
		c.params += ";" + name + "=" + value
	default:
		if value = strings.Trim(value, `"`); !strings.ContainsAny(value, `"\`) {
			c.params += ";" + name + `="` + value + `"`
		}
	}
}

// plain reports whether a text may stand in a header.
func plain(s string) bool {
	return len(s) <= maxRegText && strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0
}

// addressOf is the host and port of a URI; invalid if the host is no address.
func addressOf(uri []byte, t transport) netip.AddrPort {
	u, ok := parseURI(uri)
	if !ok {
		return netip.AddrPort{}
	}
	a, err := netip.ParseAddr(string(u.host))
	if err != nil || a.IsUnspecified() || a.IsMulticast() {
		return netip.AddrPort{}
	}
	if u.port == 0 {
		u.port = defaultPorts[t]
	}
	return netip.AddrPortFrom(a.Unmap(), u.port)
}
