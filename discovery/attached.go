package discovery

import (
	"encoding/json"
	"net/netip"
)

// Attached is an Attachment in half of its room, for what is kept of each phone. It
// is never changed, so that all who know of one attachment share it.
type Attached struct {
	site            string
	remote, circuit Hex
	subnet          netip.Prefix
	ip              netip.Addr
	vlan            uint16
	shared, assumed bool
	more            *moreAttached // nil: none of it is known
}

// moreAttached is what only phones have that are heard on their own links, behind
// NAT, at an access point, or with addresses of two subnets.
type moreAttached struct {
	chassis, port, aliasChassis, aliasPort string

	other    netip.Prefix
	publicIP netip.Addr
	bssid    MAC
}

// Attach returns an attachment as it is kept.
func Attach(a Attachment) *Attached {
	out := &Attached{
		site: a.Site, remote: a.RemoteID, circuit: a.CircuitID, subnet: a.Subnet, ip: a.IP, vlan: a.VLAN,
		shared: a.Shared, assumed: a.Assumed,
	}
	more := moreAttached{
		chassis: a.ChassisID, port: a.PortID, aliasChassis: a.AliasChassisID, aliasPort: a.AliasPortID,
		other: a.OtherSubnet, publicIP: a.PublicIP, bssid: a.BSSID,
	}
	if more != (moreAttached{}) {
		kept := more
		out.more = &kept
	}
	return out
}

// Attachment returns the attachment; nil is nowhere.
func (x *Attached) Attachment() Attachment {
	if x == nil {
		return Attachment{}
	}
	a := Attachment{
		Site: x.site, RemoteID: x.remote, CircuitID: x.circuit, Subnet: x.subnet, IP: x.ip, VLAN: x.vlan,
		Shared: x.shared, Assumed: x.assumed,
	}
	if m := x.more; m != nil {
		a.ChassisID, a.PortID, a.AliasChassisID, a.AliasPortID = m.chassis, m.port, m.aliasChassis, m.aliasPort
		a.OtherSubnet, a.PublicIP, a.BSSID = m.other, m.publicIP, m.bssid
	}
	return a
}

// MarshalJSON writes the attachment.
func (x *Attached) MarshalJSON() ([]byte, error) { return json.Marshal(x.Attachment()) }

// UnmarshalJSON reads an attachment.
func (x *Attached) UnmarshalJSON(b []byte) error {
	var a Attachment
	err := json.Unmarshal(b, &a)
	*x = *Attach(a)
	return err
}
