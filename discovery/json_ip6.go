package discovery

import (
	"net/netip"
)

type dhcp6JSON struct {
	Type        any          `json:"type,omitempty"` // name, or number where there is none
	Relays      []relay6JSON `json:"relays,omitempty"`
	ClientDUID  Hex          `json:"client_duid,omitempty"`
	ClientMAC   MAC          `json:"client_mac,omitzero"`
	ServerDUID  Hex          `json:"server_duid,omitempty"`
	Enterprise  uint32       `json:"vendor_enterprise,omitempty"`
	VendorClass []string     `json:"vendor_class,omitempty"`
	OptionList  []uint16     `json:"option_list,omitempty"`
	Status      uint16       `json:"status,omitempty"`
	Addresses   []addr6JSON  `json:"addresses,omitempty"`
	Civic       *Civic       `json:"civic,omitempty"`
	Latitude    *float64     `json:"latitude,omitempty"`
	Longitude   *float64     `json:"longitude,omitempty"`
}

type relay6JSON struct {
	Type         string     `json:"type"`
	Hops         uint8      `json:"hops"`
	LinkAddress  netip.Addr `json:"link_address,omitzero"`
	PeerAddress  netip.Addr `json:"peer_address,omitzero"`
	InterfaceID  Hex        `json:"interface_id,omitempty"`
	Enterprise   uint32     `json:"remote_enterprise,omitempty"`
	RemoteID     Hex        `json:"remote_id,omitempty"`
	SubscriberID Hex        `json:"subscriber_id,omitempty"`
	ClientMAC    MAC        `json:"client_mac,omitzero"`
}

type addr6JSON struct {
	IP        netip.Addr `json:"ip,omitzero"`
	Preferred uint32     `json:"preferred"`
	Valid     uint32     `json:"valid"`
}

func newDHCP6JSON(m *DHCP6) *dhcp6JSON {
	j := &dhcp6JSON{
		Type: nameOf(m.Type), ClientDUID: m.ClientDUID, ClientMAC: m.ClientMAC, ServerDUID: m.ServerDUID,
		Enterprise: m.Enterprise, OptionList: m.OptionList, Status: m.Status,
		Civic: m.Told.Civic, Latitude: m.Told.Latitude, Longitude: m.Told.Longitude,
	}
	for _, r := range m.Relays {
		j.Relays = append(j.Relays, relay6JSON{
			Type: r.Type.String(), Hops: r.Hops, LinkAddress: r.LinkAddress, PeerAddress: r.PeerAddress, InterfaceID: r.InterfaceID,
			Enterprise: r.Enterprise, RemoteID: r.RemoteID, SubscriberID: r.SubscriberID, ClientMAC: r.ClientMAC,
		})
	}
	for _, v := range m.VendorClass {
		j.VendorClass = append(j.VendorClass, identifier([]byte(v)))
	}
	for _, a := range m.Addresses {
		j.Addresses = append(j.Addresses, addr6JSON(a))
	}
	return j
}

// ndJSON has the fields of ND in its order.
type ndJSON struct {
	Type           string     `json:"type"`
	SenderIP       netip.Addr `json:"sender_ip,omitzero"`
	TargetIP       netip.Addr `json:"target_ip,omitzero"`
	SenderMAC      MAC        `json:"sender_mac,omitzero"`
	TargetMAC      MAC        `json:"target_mac,omitzero"`
	Router         bool       `json:"router,omitempty"`
	Solicited      bool       `json:"solicited,omitempty"`
	Override       bool       `json:"override,omitempty"`
	RouterLifetime *uint16    `json:"router_lifetime,omitempty"` // of RA, 0 included
	Managed        bool       `json:"managed,omitempty"`
	OtherConfig    bool       `json:"other_config,omitempty"`
	Prefixes       []NDPrefix `json:"prefixes,omitempty"`
}

// newNDJSON prints the lifetime of an RA that was read, also if it is zero.
func newNDJSON(m *ND) *ndJSON {
	j := &ndJSON{
		Type: m.Type.String(), SenderIP: m.SenderIP, TargetIP: m.TargetIP, SenderMAC: m.SenderMAC, TargetMAC: m.TargetMAC,
		Router: m.Router, Solicited: m.Solicited, Override: m.Override, Managed: m.Managed, OtherConfig: m.OtherConfig, Prefixes: m.Prefixes,
	}
	if m.Type == NDRouterAdvertisement && m.SenderIP.IsValid() {
		j.RouterLifetime = &m.RouterLifetime
	}
	return j
}
