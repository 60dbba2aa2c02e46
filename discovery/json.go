package discovery

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"perch/sip"
)

// MarshalJSON writes the observation as `perch decode` prints it, without the
// name of the file. An encoder that escapes HTML does so here, too; AppendJSON
// does not.
func (o *Observation) MarshalJSON() ([]byte, error) { return o.AppendJSON(nil, false) }

// AppendJSON appends the observation to b as one line of `perch decode`, without
// a line end. Absent values are left out. The file's name is for output that
// tells of several files. Bytes that are not UTF-8 become U+FFFD.
func (o *Observation) AppendJSON(b []byte, withFile bool) ([]byte, error) {
	j := observationJSON{
		Frame: o.Frame, Time: stamp(o.Time), Kind: o.Kind.String(), Interface: o.Interface,
		MAC: o.MAC, VLAN: o.VLANs, Src: o.SrcIP, Dst: o.DstIP, Malformed: o.Malformed,
	}
	if withFile {
		j.File = o.File
	}
	switch o.Kind {
	case KindRegister:
		j.Register = newRegisterJSON(o.Register)
	case KindRegisterResponse:
		j.Response = newResponseJSON(o.Response)
	case KindDHCP:
		j.DHCP = newDHCPJSON(o.DHCP)
	case KindLLDP:
		j.LLDP = newLLDPJSON(o.LLDP, o.Malformed == "")
	case KindCDP:
		j.CDP = (*cdpJSON)(o.CDP)
	case KindARP:
		j.ARP = (*arpJSON)(o.ARP)
	case KindDHCP6:
		j.DHCP6 = newDHCP6JSON(o.DHCP6)
	case KindND:
		j.ND = newNDJSON(o.ND)
	}
	line, err := encode(&j)
	if err != nil {
		return b, fmt.Errorf("observation of frame %d: %w", o.Frame, err)
	}
	return append(b, line...), nil
}

// encode writes a value as JSON in which < > & stand as they are: what is printed
// is read by programs and people, not by browsers.
func encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), err
}

// The types below name the keys, and put them in the order in which they are
// printed.

type observationJSON struct {
	File      string        `json:"file,omitempty"`
	Frame     int           `json:"frame"`
	Time      stamp         `json:"time"`
	Kind      string        `json:"kind"`
	Interface string        `json:"interface,omitempty"`
	MAC       MAC           `json:"mac,omitzero"`
	VLAN      []uint16      `json:"vlan,omitempty"`
	Src       netip.Addr    `json:"src,omitzero"`
	Dst       netip.Addr    `json:"dst,omitzero"`
	Malformed string        `json:"malformed,omitempty"`
	Register  *registerJSON `json:"register,omitempty"`
	Response  *responseJSON `json:"register_response,omitempty"`
	DHCP      *dhcpJSON     `json:"dhcp,omitempty"`
	LLDP      *lldpJSON     `json:"lldp,omitempty"`
	CDP       *cdpJSON      `json:"cdp,omitempty"`
	ARP       *arpJSON      `json:"arp,omitempty"`
	DHCP6     *dhcp6JSON    `json:"dhcpv6,omitempty"`
	ND        *ndJSON       `json:"nd,omitempty"`
}

// stamp is a time as RFC 3339 with microseconds, in UTC.
type stamp time.Time

func (t stamp) MarshalText() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(nil, "2006-01-02T15:04:05.000000Z"), nil
}

// numbers is a list of octets that is not to become base64.
type numbers []uint8

func (n numbers) MarshalJSON() ([]byte, error) {
	wide := make([]uint16, len(n))
	for i, v := range n {
		wide[i] = uint16(v)
	}
	return json.Marshal(wide)
}

type registerJSON struct {
	Transport   string         `json:"transport"`
	Source      netip.AddrPort `json:"source,omitzero"`
	Destination netip.AddrPort `json:"destination,omitzero"`
	CallID      string         `json:"call_id,omitempty"`
	CSeq        uint32         `json:"cseq,omitempty"`
	AOR         sip.AOR        `json:"aor,omitempty"`
	Contacts    []string       `json:"contacts,omitempty"`
	Expires     *int           `json:"expires,omitempty"`
	UserAgent   string         `json:"user_agent,omitempty"`
	Instance    string         `json:"instance,omitempty"`
	ClaimedMAC  MAC            `json:"claimed_mac,omitzero"`
	Path        []string       `json:"path,omitempty"`
	Via         []string       `json:"via,omitempty"`
}

func newRegisterJSON(r *Register) *registerJSON {
	return &registerJSON{
		Transport: r.Transport, Source: endpoint(r.Source), Destination: endpoint(r.Destination),
		CallID: r.CallID, CSeq: r.CSeq, AOR: r.AOR, Contacts: rawContacts(r.Contacts), Expires: seconds(r.Expires),
		UserAgent: r.UserAgent, Instance: r.Instance, ClaimedMAC: r.ClaimedMAC, Path: r.Path, Via: r.Via,
	}
}

type responseJSON struct {
	Status      int            `json:"status"`
	CallID      string         `json:"call_id,omitempty"`
	CSeq        uint32         `json:"cseq,omitempty"`
	AOR         sip.AOR        `json:"aor,omitempty"`
	Contacts    []string       `json:"contacts,omitempty"`
	Expires     *int           `json:"expires,omitempty"`
	Source      netip.AddrPort `json:"source,omitzero"`
	Destination netip.AddrPort `json:"destination,omitzero"`
}

func newResponseJSON(r *RegisterResponse) *responseJSON {
	return &responseJSON{
		Status: r.Status, CallID: r.CallID, CSeq: r.CSeq, AOR: r.AOR, Contacts: rawContacts(r.Contacts),
		Expires: seconds(r.Expires), Source: endpoint(r.Source), Destination: endpoint(r.Destination),
	}
}

// endpoint leaves out a port without an address.
func endpoint(p netip.AddrPort) netip.AddrPort {
	if !p.Addr().IsValid() {
		return netip.AddrPort{}
	}
	return p
}

func rawContacts(cs []sip.Contact) []string {
	var raw []string
	for _, c := range cs {
		raw = append(raw, c.Raw)
	}
	return raw
}

// seconds leaves out a negative number, which stands for none.
func seconds(n int) *int {
	if n < 0 {
		return nil
	}
	return &n
}

type dhcpJSON struct {
	Type         any        `json:"type,omitempty"` // name, or number where there is none
	Op           uint8      `json:"op"`
	Chaddr       MAC        `json:"chaddr,omitzero"`
	Ciaddr       netip.Addr `json:"ciaddr,omitzero"`
	Yiaddr       netip.Addr `json:"yiaddr,omitzero"`
	Giaddr       netip.Addr `json:"giaddr,omitzero"`
	ServerID     netip.Addr `json:"server_id,omitzero"`
	RequestedIP  netip.Addr `json:"requested_ip,omitzero"`
	Hostname     string     `json:"hostname,omitempty"`
	VendorClass  string     `json:"vendor_class,omitempty"`
	ParamList    numbers    `json:"param_list,omitempty"`
	SubnetBits   int        `json:"subnet_bits,omitempty"`
	Router       netip.Addr `json:"router,omitzero"`
	LeaseSeconds uint32     `json:"lease_seconds,omitempty"`
	CircuitID    Hex        `json:"circuit_id,omitempty"`
	RemoteID     Hex        `json:"remote_id,omitempty"`
	SubscriberID Hex        `json:"subscriber_id,omitempty"`

	LinkSelection netip.Addr `json:"link_selection,omitzero"`
	Civic         *Civic     `json:"civic,omitempty"`
	Latitude      *float64   `json:"latitude,omitempty"`
	Longitude     *float64   `json:"longitude,omitempty"`
}

func newDHCPJSON(m *DHCP) *dhcpJSON {
	return &dhcpJSON{
		Type: nameOf(m.Type), Op: m.Op, Chaddr: m.Chaddr, Ciaddr: m.Ciaddr, Yiaddr: m.Yiaddr, Giaddr: m.Giaddr,
		ServerID: m.ServerID, RequestedIP: m.RequestedIP, Hostname: m.Hostname, VendorClass: m.VendorClass,
		ParamList: m.ParamList, SubnetBits: m.SubnetBits, Router: m.Router, LeaseSeconds: m.LeaseSeconds,
		CircuitID: m.CircuitID, RemoteID: m.RemoteID, SubscriberID: m.SubscriberID, LinkSelection: m.LinkSelection,
		Civic: m.Told.Civic, Latitude: m.Told.Latitude, Longitude: m.Told.Longitude,
	}
}

// nameOf returns the name of a message's type, its number if it has none, or nil
// for no type.
func nameOf[T interface {
	~uint8
	fmt.Stringer
}](t T) any {
	switch name := t.String(); {
	case name != "":
		return name
	case t != 0:
		return uint8(t)
	}
	return nil
}
