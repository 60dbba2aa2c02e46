package settings

import (
	"slices"
	"strings"
	"testing"

	"perch/provisioning"
)

// The built-in settings have no risk, but that of two vendors no setting for help is known;
// each that somebody brings in is found.
func TestRisks(t *testing.T) {
	for _, v := range provisioning.Vendors {
		var got []string
		for _, r := range set(t, nil, desk(v)).Risks() {
			got = append(got, r.What)
		}
		var want []string
		if v == provisioning.Grandstream || v == provisioning.Fanvil {
			want = []string{"no setting of a " + string(v) + " is known that lets the numbers for help through any dial plan"}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", v, got, want)
		}
	}
	for _, tc := range []struct {
		name, layer string
		change      func(d *Device)
		want        string
	}{
		{"no backup", "", func(d *Device) { d.Backup = Peer{} }, "no backup"},
		{"itself", "", func(d *Device) { d.Backup = d.Proxy }, "the backup for the outbound proxy is"},
		{"LLDP off", "settings:\n  Enable_LLDP-MED: \"No\"\n", nil, "LLDP is off"},
		{"LLDP out", "settings:\n  Enable_LLDP-MED:\n", nil, "LLDP is off"},
		{"a dial plan", "lines:\n  Dial_Plan_{n}_: (911S0|xxxx)\n", nil, "Dial_Plan_1_ does not have 9911"},
		{"a prefix", "", func(d *Device) { d.Emergency = []string{"9911"} }, "help cannot be called without a prefix"},
		{"no line", "", func(d *Device) { d.Lines = nil }, "it has no line"},
		{"no password", "", func(d *Device) { d.Lines[1].Secret = "" }, "line sip:102@example.com has no password"},
		{"no URL", "", func(d *Device) { d.URL = "" }, "it is not told where"},
		{"in the clear", "", func(d *Device) { d.URL = "http://perch/" }, "its configuration is fetched in the clear"},
	} {
		d := desk(provisioning.Cisco)
		if tc.change != nil {
			tc.change(d)
		}
		dir := map[string]string{}
		if tc.layer != "" {
			dir["cisco.yaml"] = tc.layer
		}
		risks := set(t, dir, d).Risks()
		if len(risks) == 0 || !strings.HasPrefix(risks[0].What, tc.want) || risks[0].Remedy == "" {
			t.Errorf("%s: got %+v, want %s", tc.name, risks, tc.want)
		}
	}
}
