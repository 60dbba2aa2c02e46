package discovery_test

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"testing"

	"perch/discovery"
)

// TestAttachedIsTheAttachment checks that each field of an attachment, alone and
// with the others, is what it was after having been kept.
func TestAttachedIsTheAttachment(t *testing.T) {
	full := discovery.Attachment{
		Site: "hq", ChassisID: "c", PortID: "p", RemoteID: "r", CircuitID: "7", BSSID: discovery.MAC{2, 0, 0, 0, 0, 1}, VLAN: 20,
		Subnet: netip.MustParsePrefix("10.1.2.0/24"), IP: netip.MustParseAddr("10.1.2.7"), PublicIP: netip.MustParseAddr("203.0.113.5"),
		AliasChassisID: "ac", AliasPortID: "ap", OtherSubnet: netip.MustParsePrefix("2001:db8::/64"), Shared: true, Assumed: true,
	}
	cases := map[string]discovery.Attachment{"nowhere": {}, "all": full}
	whole := reflect.ValueOf(full)
	for i := range whole.NumField() {
		name := whole.Type().Field(i).Name
		if whole.Field(i).IsZero() {
			t.Errorf("%s is not tried", name)
		}
		var one discovery.Attachment
		reflect.ValueOf(&one).Elem().Field(i).Set(whole.Field(i))
		cases[name] = one
	}
	for name, want := range cases {
		x := discovery.Attach(want)
		if got := x.Attachment(); got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
		stored, _ := json.Marshal(x)
		if plain, _ := json.Marshal(want); string(stored) != string(plain) {
			t.Errorf("%s: stored as %s, want %s", name, stored, plain)
		}
		var back discovery.Attached
		if err := json.Unmarshal(stored, &back); err != nil || back.Attachment() != want {
			t.Errorf("%s: read as %+v %v, want %+v", name, back.Attachment(), err, want)
		}
	}
	if got := (*discovery.Attached)(nil).Attachment(); got != (discovery.Attachment{}) {
		t.Errorf("nil: got %+v, want nowhere", got)
	}
}
