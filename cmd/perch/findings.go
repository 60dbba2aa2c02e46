package main

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// symptom is one thing that is not heard, or not as it should be: what that means,
// and what to do about it.
type symptom struct {
	What   string `json:"what"`
	Remedy string `json:"remedy"`
}

// ailments judges what is not an interface's. Sites are those of the directory,
// nil where there is none to ask.
func ailments(c *config, sites func(id string) bool) []symptom {
	var out []symptom
	if c.Mail.SMTP == "" {
		out = append(out, symptom{"mail.smtp is not set: nobody is asked; mails wait in the outbox", "name a mail server in perch.yaml; perch config example tells how"})
	} else {
		for _, key := range c.placeholders() {
			out = append(out, symptom{key + " is still the example's: links in mails lead nowhere, or nobody answers for them", "set " + key + " in perch.yaml"})
		}
	}
	for _, site := range c.sites() {
		if sites != nil && !sites(site) {
			out = append(out, symptom{fmt.Sprintf("site %q is not in the directory: rules and subnets of no site hold for what is heard there", site),
				"correct it in perch.yaml, or add it to sites.csv and import that"})
		}
	}
	for _, x := range c.Provision.Sites {
		if sites != nil && !sites(x.Site) {
			out = append(out, symptom{fmt.Sprintf("provision.sites names site %q, which is not in the directory: what stands there holds for no phone", x.Site),
				"correct it in perch.yaml, or add it to sites.csv and import that"})
		}
	}
	if !clockInStep() {
		out = append(out, symptom{"the clock is not synchronized: the times that Perch tells may be off", "run an NTP client, such as chrony or systemd-timesyncd; timedatectl shows whether it works"})
	}
	return out
}

// clockInStep reports whether the kernel knows of somebody who keeps its clock in
// step (adjtimex(2)); where it does not tell, that is assumed.
func clockInStep() bool {
	state, err := unix.Adjtimex(&unix.Timex{})
	return err != nil || state != unix.TIME_ERROR
}

// patience is how long something may not be heard before doctor speaks of it:
// four LLDP intervals of 30 s. silence is how long nothing at all may be: on the
// smallest network somebody asks for an address within that.
const (
	patience = 2 * time.Minute
	silence  = 10 * time.Minute
)

// findings judges what was heard on an interface up to now.
func findings(r *earReport, now time.Time) []symptom {
	var out []symptom
	say := func(is bool, what, remedy string) {
		if is {
			out = append(out, symptom{what, remedy})
		}
	}
	h := &r.Heard
	n := func(kind string) int { return h.Kinds[kind].Count }
	switch {
	case r.State == "not opened", r.State == "waiting":
		return nil // its error says it all
	case r.State == "no carrier":
		say(true, "the link is down", noCarrierHint(r.Interface))
		return out
	}
	if last := h.last(); now.Sub(last) > silence {
		is, mirrors := "is heard", "mirrors"
		if !last.IsZero() {
			is, mirrors = "was heard since "+ago(last, now), "still mirrors"
		}
		say(true, "nothing "+is+": no ARP, no DHCP, no LLDP, no SIP",
			"see that the switch "+mirrors+" the voice VLAN to this port; tcpdump -ni "+r.Interface+" shows what comes in")
		return out
	}
	lost := "frames were lost since it was opened: the machine did not keep up then"
	if r.State == "dropping" {
		lost = "frames were lost: the machine does not keep up"
	}
	say(r.State == "dropping" || r.Dropped > 0, fmt.Sprintf("%d %s", r.Dropped, lost), droppingHint)
	say(h.Phones == 0, "no LLDP or CDP from a phone is heard: this port is on no phone's link",
		"a phone's switch port is known then only from option 82; to hear LLDP, capture one access link, or let the switch mirror LLDP as well (few do)")
	say(h.Phones > 0 && now.Sub(h.Phone) > patience, "no LLDP or CDP from a phone was heard since "+ago(h.Phone, now),
		"the phone was unplugged or switched off, or its frames do not reach this port any more")
	say(h.Switches > 0 && now.Sub(h.Switch) > patience, "no LLDP or CDP from a switch was heard since "+ago(h.Switch, now),
		"see whether the switch still sends it on this port; what it said last is believed for its time to live only")
	say(h.Phones > 0 && h.Switches == 0, "phones announce themselves, but no switch port does",
		"switch LLDP on at the switch's port (lldp transmit), or its frames are not mirrored: most switches keep their own out of a mirror")
	say(h.Phones > 0 && h.Switches > 0 && !r.Wire.Link, "phones and switch ports announce themselves, and which belongs to which cannot be told here: "+because(r.Wire),
		"no phone is given a switch port from here, which is right for a mirror; to get ports, use option 82 or one capture for each access link")
	say(n("dhcp")+n("dhcpv6") == 0, "no DHCP is heard: leases, and with them most IP addresses, are not known",
		"capture between the phones and their DHCP server or relay; unicast renewals are seen only there")
	say(n("dhcp") > 0 && h.Option82 == 0, "DHCP is heard, but no option 82: no relay says through which port a phone came",
		"switch on DHCP snooping with option 82 at the access switches, and capture between relay and server")
	say(n("register") == 0, "no REGISTER is heard: a phone is then acted on only by its lease, and its lines are not known",
		"capture where the phones reach the PBX; SIP over TLS (port 5061) is opaque here; other ports go into sip: {ports: [...]}")
	say(n("register") > 0 && n("register_response") == 0, "REGISTERs are heard, but no answers to them: none of them counts",
		"mirror both directions of the port, or look at the PBX: it may not answer")
	say(n("register_response") > 0 && h.Answered == 0, "no REGISTER was accepted: only refusals are heard",
		"a scanner, or phones with wrong passwords: see the PBX's log")
	say(n("arp")+n("nd") == 0, "no ARP is heard: which MAC has which IP is known only from leases",
		"this is so behind a router; capture in the phones' own VLAN to see their MACs")
	say(len(h.Senders) == 1 && n("register")+n("dhcp") > 1, "all IP traffic comes from one MAC: a router's, or a single phone's",
		"behind a router the phones' own MACs are not seen; capture in their VLAN, or rely on DHCP and the MACs in their User-Agents")
	say(h.Decoder.Panics > 0, fmt.Sprintf("%d frames could not be read because of a defect in Perch", h.Decoder.Panics),
		"the log has the hash of each and the place: please report it, see SECURITY.md")
	say(h.Malformed > 0, fmt.Sprintf("%d messages could be read in part only", h.Malformed),
		"perch decode of a recording says which, under \"malformed\"")
	if young := now.Sub(r.Since); !r.Since.IsZero() && young < patience && len(out) > 0 {
		out = append(out, symptom{"it was listened to for " + young.Round(time.Second).String() + " only",
			"phones speak LLDP every 30 s, and renew and register within the hour: ask again later"})
	}
	return out
}

// ago tells a time as doctor does: when, and how long ago.
func ago(at, now time.Time) string {
	return stamp(at) + " UTC, " + now.Sub(at).Round(time.Second).String() + " ago"
}
