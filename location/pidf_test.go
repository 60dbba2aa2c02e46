package location

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestPIDFLO(t *testing.T) {
	var all CivicAddress
	for _, c := range Columns() {
		if err := all.Set(c, pick(c)); err != nil {
			t.Fatal(err)
		}
	}
	p := Presence{
		Entity: `sip:al"ice&<@example.com`, Device: "mac:001565aa0001", Address: all, Method: "Wiremap",
		At: time.Date(2026, 3, 2, 8, 0, 0, 5, time.UTC), Expires: time.Date(2026, 3, 3, 8, 0, 0, 0, time.UTC),
	}
	doc := string(p.PIDFLO())
	var path, texts []string
	d := xml.NewDecoder(strings.NewReader(doc))
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		switch x := tok.(type) {
		case xml.StartElement:
			path = append(path, x.Name.Local)
			if x.Name.Local == "presence" && x.Attr[len(x.Attr)-1].Value != p.Entity {
				t.Errorf("got entity %q, want %q", x.Attr[len(x.Attr)-1].Value, p.Entity)
			}
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			if s := strings.TrimSpace(string(x)); s != "" {
				texts = append(texts, strings.Join(path, "/")+"="+s)
			}
		}
	}
	const info = "presence/device/geopriv/location-info/civicAddress/"
	want := []string{
		info + "country=US", info + "A1=<state>", info + "A2=<county>", info + "A3=<city>", info + "PRD=<pre_directional>", info + "RD=<street>",
		info + "STS=<street_suffix>", info + "POD=<post_directional>", info + "HNO=<house_number>", info + "HNS=<house_number_suffix>",
		info + "LMK=<landmark>", info + "LOC=<additional>", info + "FLR=<floor>", info + "PC=<postal_code>", info + "BLD=<building>",
		info + "UNIT=<unit>", info + "ROOM=<room>",
		"presence/device/geopriv/usage-rules/retransmission-allowed=yes",
		"presence/device/geopriv/usage-rules/retention-expiry=2026-03-03T08:00:00Z",
		"presence/device/geopriv/method=Wiremap", "presence/device/deviceID=mac:001565aa0001", "presence/device/timestamp=2026-03-02T08:00:00Z",
	}
	if got := strings.Join(texts, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	if len(pidfOrder) != len(elements) {
		t.Errorf("got %d elements, want each of the %d columns", len(pidfOrder), len(elements))
	}
}

// pick is a value of a column that must be escaped.
func pick(column string) string {
	if column == "country" {
		return "US"
	}
	return "<" + column + ">"
}
