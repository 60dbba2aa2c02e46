package discovery

import (
	"time"

	"perch/sip"
)

// Track reads what Track.MarshalJSON writes.
func (r *Stored) Track() *Track {
	var in storedTrack
	var lines []Line
	at := &nowhere
	r.Open()
	if r.Key("ID") {
		in.ID = r.phoneID()
	}
	in.IsPhone, in.Desk = r.Flag("IsPhone"), r.Flag("Desk")
	if r.Key("Model") {
		in.Said = r.sayings()
	}
	in.Confirmed, in.Wire = r.Flag("Confirmed"), r.wireOf("Wire")
	if r.Key("Attachment") {
		at = r.Attached()
	}
	in.Changed, in.Arrived = r.InstantOf("Changed"), r.InstantOf("Arrived")
	in.Registered, in.Booted = r.InstantOf("Registered"), r.InstantOf("Booted")
	in.FlapUntil, in.Gone = r.InstantOf("FlapUntil"), r.Flag("Gone")
	if r.Key("Lines") {
		lines = StoredList(r, (*Stored).line)
	}
	if r.Key("Stay") {
		r.stay(&in.Stay)
	}
	if r.Key("Lease") {
		r.lease(&in.Lease)
	}
	in.Life, in.LifeWire, in.Held = r.InstantOf("Life"), r.wireOf("LifeWire"), time.Duration(r.Count("Held"))
	in.Expires, in.TTL = time.Duration(r.Count("Expires")), time.Duration(r.Count("TTL"))
	if r.Key("WasPublic") {
		in.WasPublic = r.addr()
	}
	in.Hopping, in.BootOpen = r.Flag("Hopping"), r.Flag("BootOpen")
	if r.Key("Moves") {
		in.Moves = StoredList(r, func(r *Stored, at *Instant) { *at = r.Instant() })
	}
	if r.Key("Older") {
		in.Older = StoredOther[portName](r)
	}
	in.Disputed, in.Disputing = r.InstantOf("Disputed"), r.InstantOf("Disputing")
	if r.Key("Claim") {
		in.Claim = r.mac()
	}
	if r.Key("SIPClass") {
		in.SIPClass = addressClass(r.number(255))
	}
	r.Close()
	tr := new(Track)
	in.restore(tr, at)
	if len(lines) > 0 {
		tr.Lines = lines
	}
	return tr
}

// Attached reads an attachment. One that is written as the last one is it.
func (r *Stored) Attached() *Attached {
	if r.atText != "" && r.takeWord(r.atText) {
		return r.at
	}
	before := r.b
	a := r.attachment()
	if r.bad {
		return &nowhere
	}
	r.at, r.atText = Attach(a), before[:len(before)-len(r.b)]
	return r.at
}

func (r *Stored) attachment() (a Attachment) {
	r.Open()
	if r.Key("site") {
		a.Site = r.shared(&r.site)
	}
	if r.Key("chassis_id") {
		a.ChassisID = r.shared(&r.chassis)
	}
	if r.Key("port_id") {
		a.PortID = r.Text()
	}
	if r.Key("remote_id") {
		a.RemoteID = r.relay()
	}
	if r.Key("circuit_id") {
		a.CircuitID = r.hex()
	}
	if r.Key("bssid") {
		a.BSSID = r.mac()
	}
	if r.Key("vlan") {
		a.VLAN = uint16(r.number(1<<16 - 1))
	}
	if r.Key("subnet") {
		a.Subnet = r.prefix()
	}
	if r.Key("ip") {
		a.IP = r.addr()
	}
	if r.Key("public_ip") {
		a.PublicIP = r.addr()
	}
	if r.Key("alias_chassis_id") {
		a.AliasChassisID = r.Text()
	}
	if r.Key("alias_port_id") {
		a.AliasPortID = r.Text()
	}
	if r.Key("other_subnet") {
		a.OtherSubnet = r.prefix()
	}
	a.Shared, a.Assumed = r.Flag("shared"), r.Flag("assumed")
	r.Close()
	return a
}

// wireOf reads a member that is the name of an interface.
func (r *Stored) wireOf(name string) string {
	if !r.Key(name) {
		return ""
	}
	return r.handle(&r.wire).Value()
}

// sayings reads the list; the one text that earlier versions kept is another's.
func (r *Stored) sayings() sayings {
	if len(r.b) == 0 || r.b[0] != '[' {
		return StoredOther[sayings](r)
	}
	list := StoredList(r, func(r *Stored, x *saying) {
		r.Open()
		if r.Key("By") {
			x.by = wordOf[Sayer](r, sayerNames[:])
		}
		if r.Key("Text") {
			x.text = r.handle(&r.said)
		} else {
			r.fail()
		}
		x.since, x.last = r.Count("Since"), r.Count("Last")
		r.Close()
	})
	if len(list) == 0 {
		return nil
	}
	return list
}

func (r *Stored) line(l *Line) {
	r.Open()
	if r.Key("AOR") {
		l.AOR = sip.AOR(r.Text())
	}
	var callID, contact, instance string
	if r.Key("CallID") {
		callID = r.part()
	}
	if r.Key("Contact") {
		contact = r.part()
	}
	if r.Key("Instance") {
		instance = r.part()
	}
	l.Until = r.InstantOf("Until")
	r.Close()
	l.says(callID, contact, instance)
}

func (r *Stored) stay(x *storedStay) {
	r.Open()
	if r.Key("Link") {
		x.Link = new(linkEvidence)
		r.link(x.Link)
	}
	if r.Key("Circuit") {
		r.circuit(&x.Circuit)
	}
	if r.Key("Net") {
		r.net(&x.Net)
	}
	if r.Key("Site") {
		r.Open()
		if r.Key("Site") {
			x.Site.Site = r.shared(&r.site)
		}
		x.Site.Heard = r.InstantOf("Heard")
		r.Close()
	}
	if r.Key("VLAN") {
		r.Open()
		if r.Key("VLAN") {
			x.VLAN.VLAN = uint16(r.number(1<<16 - 1))
		}
		x.VLAN.Heard = r.InstantOf("Heard")
		r.Close()
	}
	if r.Key("Other") {
		x.Other = StoredOther[*otherEvidence](r)
	}
	if r.Key("Told") {
		x.Told = StoredOther[*toldEvidence](r)
	}
	r.Close()
}

func (r *Stored) link(x *linkEvidence) {
	r.Open()
	if r.Key("Chassis") {
		x.Chassis = r.shared(&r.chassis)
	}
	if r.Key("Port") {
		x.Port = r.Text()
	}
	if r.Key("Alias") {
		x.Alias = StoredOther[portName](r)
	}
	if r.Key("Told") {
		x.Told = r.Text()
	}
	x.Wire = r.wireOf("Wire")
	x.Heard, x.Until = r.InstantOf("Heard"), r.InstantOf("Until")
	r.Close()
}

func (r *Stored) circuit(x *circuitSaid) {
	r.Open()
	r.circuitName(&x.circuit)
	if r.Key("RawRemote") {
		x.RawRemote = r.relay()
	}
	if r.Key("RawCircuit") {
		x.RawCircuit = r.hex()
	}
	x.Heard, x.IPv6 = r.InstantOf("Heard"), r.Flag("IPv6")
	r.Close()
}

// circuitName reads the members that a circuit is.
func (r *Stored) circuitName(c *circuit) {
	if r.Key("Remote") {
		c.Remote = r.relay()
	}
	if r.Key("Circuit") {
		c.Circuit = r.hex()
	}
}

func (r *Stored) net(x *storedNet) {
	r.Open()
	if r.Key("IP") {
		x.IP = r.addr()
	}
	if r.Key("PublicIP") {
		x.PublicIP = r.addr()
	}
	if r.Key("Subnet") {
		x.Subnet = r.prefix()
	}
	x.Assumed = r.Flag("Assumed")
	if r.Key("Source") {
		x.Source = wordOf[Source](r, sourceNames[:])
	}
	x.Heard = r.InstantOf("Heard")
	r.Close()
}

func (r *Stored) lease(x *storedLease) {
	r.Open()
	if r.Key("IP") {
		x.IP = r.addr()
	}
	x.At, x.Until = r.InstantOf("At"), r.InstantOf("Until")
	x.Untagged, x.Boot = r.Flag("Untagged"), r.Flag("Boot")
	if r.Key("Before") {
		x.Before = new(storedStay)
		r.stay(x.Before)
	}
	x.Counted = r.Flag("Counted")
	r.Close()
}
