package discovery

import (
	"encoding/json"
	"testing"
)

// storedEverything is a track in which nothing is unknown, as it has been stored
// since the first version that knew all of it. Of the texts the values do not
// matter.
const storedEverything = `{"ID":"00:04:13:00:00:07","IsPhone":true,"Desk":true,` +
	`"Model":[{"By":"User-Agent","Text":"snom300/8.7","Since":1,"Last":2}],"Confirmed":true,"Wire":"trunk",` +
	`"Attachment":{"site":"hq","chassis_id":"c","port_id":"p","remote_id":"72","circuit_id":"6331","bssid":"00:00:5e:00:53:01",` +
	`"vlan":20,"subnet":"10.1.2.0/24","ip":"10.1.2.7","public_ip":"203.0.113.5","alias_chassis_id":"ac","alias_port_id":"ap",` +
	`"other_subnet":"2001:db8::/64","shared":true,"assumed":true},` +
	`"Changed":"2026-05-04T08:00:01Z","Arrived":"2026-05-04T08:00:02Z","Registered":"2026-05-04T08:00:03Z",` +
	`"Booted":"2026-05-04T08:00:04.5Z","FlapUntil":"2026-05-04T08:00:05Z","Gone":true,` +
	`"Lines":[{"AOR":"sip:7@pbx","CallID":"x","Contact":"sip:7@10.1.2.7","Instance":"i","Until":"2026-05-04T08:00:06Z"}],` +
	`"Stay":` + storedStayOf + `,` +
	`"Lease":{"IP":"10.1.2.7","At":"2026-05-04T08:00:07Z","Until":"2026-05-04T08:00:08Z","Untagged":true,"Boot":true,` +
	`"Before":` + storedStayOf + `,"Counted":true},` +
	`"Life":"2026-05-04T08:00:09Z","LifeWire":"tap","Expires":3600000000000,"TTL":120000000000,"WasPublic":"203.0.113.4",` +
	`"Hopping":true,"BootOpen":true,"Moves":["2026-05-04T08:00:10Z"],"Older":{"Chassis":"c","Port":"o"},` +
	`"Disputed":"2026-05-04T08:00:11Z","Disputing":"2026-05-04T08:00:12Z","Claim":"00:04:13:00:00:08","SIPClass":2}`

const storedStayOf = `{"Link":{"Chassis":"c","Port":"p","Alias":{"Chassis":"ac","Port":"ap"},"Told":"room 3","Wire":"tap",` +
	`"Heard":"2026-05-04T08:01:01Z","Until":"2026-05-04T08:01:02Z"},` +
	`"Circuit":{"Remote":"72","Circuit":"000400000107","RawRemote":"72","RawCircuit":"000400140107","Heard":"2026-05-04T08:01:03Z","IPv6":true},` +
	`"Net":{"IP":"10.1.2.7","PublicIP":"203.0.113.5","Subnet":"10.1.2.0/24","Assumed":true,"Source":"dhcp server","Heard":"2026-05-04T08:01:04Z"},` +
	`"Site":{"Site":"hq","Heard":"2026-05-04T08:01:05Z"},"VLAN":{"VLAN":20,"Heard":"2026-05-04T08:01:06Z"},` +
	`"Other":{"IP":"2001:db8::7","Subnet":"2001:db8::/64","Assumed":true,"Since":"2026-05-04T08:01:07Z"},` +
	`"Told":{"Text":"room 4","Heard":"2026-05-04T08:01:08Z"}}`

// storedTracks are tracks as they are stored, by what is special of them.
var storedTracks = map[string]string{
	"all is known":     storedEverything,
	"nothing is known": `{"ID":"","Attachment":{},"Stay":{}}`,
	"a provisional phone": `{"ID":"sip:7@pbx;2","IsPhone":true,"Attachment":{},"Stay":{"Net":{"IP":"10.1.2.7","PublicIP":"",` +
		`"Subnet":"10.1.2.0/24","Heard":"2026-05-04T08:01:04Z"}}}`,
	"a lease that is void": `{"ID":"00:04:13:00:00:07","Attachment":{},"Stay":{},"Lease":{"IP":"","At":"0001-01-01T00:00:00Z",` +
		`"Until":"2026-05-04T08:00:08Z","Untagged":false,"Boot":false}}`,
	"it moved once": `{"ID":"00:04:13:00:00:07","Attachment":{},"Stay":{},"Moves":["2026-05-04T08:00:10Z"]}`,
	"it is claimed": `{"ID":"00:04:13:00:00:07","Attachment":{},"Stay":{},"Claim":"00:04:13:00:00:08"}`,
	"an IPv6 subnet": `{"ID":"00:04:13:00:00:07","Attachment":{},"Stay":{"Net":{"IP":"2001:db8::7","PublicIP":"",` +
		`"Subnet":"2001:db8::7/128","Heard":"2026-05-04T08:01:04Z"}}}`,
	"other letters": `{"ID":"sip:ü@pbx;2","Attachment":{"site":"Köln \u0026 Bonn","port_id":"\"1\\\\"},"Lines":[{"AOR":"sip:ü@pbx",` +
		`"Contact":"sip:7@10.1.2.7?a=1\u0026b=\u003c\u003e","Until":"2026-05-04T08:00:06.123456789Z"}],"Stay":{}}`,
}

// TestTrackIsStored checks that a track is read and written again octet by octet as
// it was stored, whatever its layout in memory.
func TestTrackIsStored(t *testing.T) {
	for name, stored := range storedTracks {
		var tr Track
		if err := json.Unmarshal([]byte(stored), &tr); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := json.Marshal(&tr)
		if err != nil || string(got) != stored {
			t.Errorf("%s: got  %s %v\nwant %s", name, got, err, stored)
		}
	}
}
