package gateway

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"perch/discovery"
)

// storedPhones are phones as they are stored, by what is special of them.
var storedPhones = map[string]string{
	"all is known": `{"Known":[{"At":{"site":"hq","vlan":20,"subnet":"10.1.2.0/24","ip":"10.1.2.7"},` +
		`"Since":"2026-05-04T08:00:01Z","InForce":"2026-05-04T08:00:02Z","Answer":1,"Prompt":2,"Silent":true,"Nobody":true,` +
		`"Match":"hq-3f","From":{"level":"subnet","subnet":"10.1.3.0/24"},"Left":"hq-2f"},` +
		`{"At":{},"Since":"0001-01-01T00:00:00Z","InForce":"0001-01-01T00:00:00Z"}],"Acted":1,"Due":"2026-05-04T08:00:03.5Z",` +
		`"Degraded":true,"Prompt":3,"Declined":["a@example.com"],` +
		`"Asked":[{"Prompt":4,"At":{"site":"hq"},"When":"2026-05-04T08:00:04Z"}]}`,
	"nothing is known": `{"Known":null,"Acted":0}`,
	"it came from a network that had no location": `{"Known":[{"At":{},"Since":"2026-05-04T08:00:01Z",` +
		`"InForce":"2026-05-04T08:00:02Z","From":{"level":"subnet","subnet":"10.1.3.0/24"}}],"Acted":1}`,
}

// TestPhoneIsStored checks that what is remembered of a phone is read and written
// again octet by octet as it has always been stored, whatever its layout in memory.
func TestPhoneIsStored(t *testing.T) {
	for name, stored := range storedPhones {
		var p phone
		if err := json.Unmarshal([]byte(stored), &p); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := json.Marshal(&p)
		if err != nil || string(got) != stored {
			t.Errorf("%s: got  %s %v\nwant %s", name, got, err, stored)
		}
	}
}

// TestPhoneIsReadAsJSON checks that phones are read as encoding/json reads them, also
// where a sign is missing, doubled, or another one, and without it if nothing is.
func TestPhoneIsReadAsJSON(t *testing.T) {
	const track = `{"Track":{"ID":"00:04:13:00:00:07","Attachment":{"site":"hq","vlan":20,"subnet":"10.1.2.0/24","ip":"10.1.2.7"},"Stay":{}},"Phone":`
	var r discovery.Stored
	for name, stored := range storedPhones {
		stored = track + stored + "}"
		var whole phoneState
		if r.Reset(stored); !whole.read(&r) {
			t.Errorf("%s: it is not read", name)
		}
		for i := range stored {
			for _, sign := range []string{"", stored[i:i+1] + stored[i:i+1], "0", "2", ".", "f", " ", `"`, `\`, ",", "}", "null"} {
				b := stored[:i] + sign + stored[i+1:]
				var got, want phoneState
				if r.Reset(b); !got.read(&r) {
					continue
				}
				if err := json.Unmarshal([]byte(b), &want); err != nil {
					t.Fatalf("%s: read, but %v", b, err)
				} else if !reflect.DeepEqual(got, want) {
					t.Fatalf("%s:\n got %+v\nwant %+v", b, got, want)
				}
			}
		}
	}
}

// TestPhonesComeInAnyOrder checks that it changes nothing in what order the parts of a
// state are read, neither of the phones nor of their faults.
func TestPhonesComeInAnyOrder(t *testing.T) {
	row := func(mac byte, state string) StoredPhone {
		id := discovery.PhoneID{MAC: discovery.MAC{0, 4, 0x13, 0, 0, mac}}
		return StoredPhone{Phone: id, State: strings.ReplaceAll(state, "NAME", id.String())}
	}
	const good = `{"Track":{"ID":"NAME","Attachment":{},"Stay":{}},"Phone":{"Known":null,"Acted":0}}`
	const ours, older = `{"Track":null}`, `{ "Phone": {}, "Track": {"id": "NAME", "More": 1} }`
	for name, x := range map[string]struct {
		parts [][]StoredPhone
		fault string // contained in the error
	}{
		"all is well":     {parts: [][]StoredPhone{{row(1, good), row(2, older)}, {row(3, good)}, {row(4, good)}}},
		"two are no JSON": {[][]StoredPhone{{row(1, good)}, {row(2, good), row(3, good+"}")}, {row(4, "")}}, "00:04:13:00:00:03"},
		"one says less":   {[][]StoredPhone{{row(1, good)}, {row(2, ours)}, {row(3, good)}}, "00:04:13:00:00:02"},
	} {
		for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}} {
			var in intake
			for _, n := range order {
				in.Phones(n, x.parts[n])
			}
			if err := in.err(); x.fault != "" {
				if err == nil || !strings.Contains(err.Error(), x.fault) {
					t.Errorf("%s, read in the order %v: %v", name, order, err)
				}
				continue
			} else if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			var got []byte
			for _, p := range in.phones() {
				got = append(got, p.id().MAC[5])
			}
			if string(got) != "\x01\x02\x03\x04" {
				t.Errorf("%s, read in the order %v: %x", name, order, got)
			}
		}
	}
}
