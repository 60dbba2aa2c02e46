package settings

import (
	"slices"
	"strconv"
	"strings"

	"perch/provisioning"
)

// Risk is something in a phone's settings that may cost a call for help, or a secret.
type Risk struct {
	What   string // in a sentence
	Remedy string
}

// switches are the settings that switch LLDP on, and what they say then.
var switches = map[provisioning.Vendor][2]string{
	provisioning.Yealink:     {"static.network.lldp.enable", "1"},
	provisioning.Poly:        {"device.net.lldpEnabled", "1"},
	provisioning.Cisco:       {"Enable_LLDP-MED", "Yes"},
	provisioning.Grandstream: {"P1684", "1"},
	provisioning.Snom:        {"lldp_enable", "on"},
	provisioning.Fanvil:      {"qos/LLDPTransmit", "1"},
}

// helps are the settings that name the numbers for help, and between what they stand; {n}
// is each line. Of vendors that are not there none is known.
var helps = map[provisioning.Vendor][3]string{
	provisioning.Yealink: {"phone_setting.emergency.number", "", ","},
	provisioning.Poly:    {"dialplan.routing.emergency.1.value", "", ","},
	provisioning.Cisco:   {"Dial_Plan_{n}_", "S0", "|"},
	provisioning.Snom:    {"keyboard_lock_emergency", "", " "},
}

// direct are numbers for help that need no prefix, somewhere.
var direct = []string{"911", "112", "999", "000", "110", "111", "119", "118", "100", "102"}

// Risks looks through the settings of a phone.
func (s *Set) Risks() (out []Risk) {
	d := s.Device
	values := map[string]string{}
	for _, x := range s.Own {
		values[x.Key] = x.Value
	}
	risk := func(is bool, what, remedy string) {
		if is {
			out = append(out, Risk{what, remedy})
		}
	}
	risk(d.Backup.Host == "", "no backup for the outbound proxy: a gateway whose machine is dead costs a call", "name the PBX with provision: {backup: ...}")
	risk(d.Backup.Host != "" && d.Backup == d.Proxy, "the backup for the outbound proxy is the outbound proxy", "name the PBX with provision: {backup: ...}")
	on := switches[d.Vendor]
	risk(values[on[0]] != on[1], "LLDP is off: no switch says where the phone is", "take "+on[0]+" out of your layers")
	risk(!slices.ContainsFunc(d.Emergency, func(n string) bool { return slices.Contains(direct, n) }),
		"help cannot be called without a prefix: "+strings.Join(d.Emergency, ", "), "name 911, or your country's number, in sip: {emergency: [...]} or emergency_sites")
	if help, ok := helps[d.Vendor]; !ok {
		risk(true, "no setting of a "+string(d.Vendor)+" is known that lets the numbers for help through any dial plan", "see that its dial plan has them; name it in a layer")
	} else {
		for _, l := range d.Lines {
			key := strings.ReplaceAll(help[0], "{n}", strconv.Itoa(l.N))
			has := strings.FieldsFunc(values[key], func(c rune) bool { return strings.ContainsRune(help[2]+"()", c) })
			for _, n := range d.Emergency {
				risk(!slices.Contains(has, n+help[1]), key+" does not have "+n, "take "+help[0]+" out of your layers, or add the number")
			}
		}
	}
	risk(len(d.Lines) == 0, "it has no line", "list its lines in aors of phones.csv")
	risk(len(d.Lines) > maxLines && d.Vendor == provisioning.Snom, "it has more lines than have a backup each", "list "+strconv.Itoa(maxLines)+" at most")
	for _, l := range d.Lines {
		risk(l.Secret == "", "line "+string(l.AOR)+" has no password", "list it in lines.csv with its secret")
	}
	risk(d.URL == "", "it is not told where its configuration is, and does not fetch it again", "name it with provision: {url: ...}")
	risk(strings.HasPrefix(d.URL, "http:"), "its configuration is fetched in the clear: Perch hands out nothing secret there", "serve it by https: and name that in provision: {url: ...}")
	return dedup(out)
}

func dedup(list []Risk) (out []Risk) {
	for _, r := range list {
		if !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}
