package location

import (
	"encoding/xml"
	"strings"
	"time"
)

// Presence is where a device is, and how that is known: what a PIDF-LO document
// says (RFC 4119, RFC 5491).
type Presence struct {
	Entity  string // URI of who is there, as "sip:alice@example.com"
	Device  string // name of the device, as "mac:001565aa0001"; may be empty
	Address CivicAddress
	Method  string    // a token of the registry of RFC 4119 section 6.1, as "Wiremap" or "Manual"
	At      time.Time // when that was so
	Expires time.Time // until when it may be kept
}

// pidfOrder are the elements of a civicAddress in the order of its schema (RFC 5139
// section 4), which is not that of the columns.
var pidfOrder = [...]struct{ element, column string }{
	{"country", "country"}, {"A1", "state"}, {"A2", "county"}, {"A3", "city"}, {"PRD", "pre_directional"}, {"RD", "street"},
	{"STS", "street_suffix"}, {"POD", "post_directional"}, {"HNO", "house_number"}, {"HNS", "house_number_suffix"}, {"LMK", "landmark"},
	{"LOC", "additional"}, {"FLR", "floor"}, {"PC", "postal_code"}, {"BLD", "building"}, {"UNIT", "unit"}, {"ROOM", "room"},
}

// PIDFLO returns the document: one device, with one civic address (RFC 5491 section
// 3, rule 5), which may be passed on, since a call goes to whom it must.
func (p Presence) PIDFLO() []byte {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model"` +
		` xmlns:gp="urn:ietf:params:xml:ns:pidf:geopriv10" xmlns:gbp="urn:ietf:params:xml:ns:pidf:geopriv10:basicPolicy"` +
		` xmlns:cl="urn:ietf:params:xml:ns:pidf:geopriv10:civicAddr" entity="`)
	escape(&b, p.Entity)
	b.WriteString(`"><dm:device id="phone"><gp:geopriv><gp:location-info><cl:civicAddress>`)
	for _, e := range pidfOrder {
		if v, _ := p.Address.Get(e.column); v != "" {
			b.WriteString("<cl:" + e.element + ">")
			escape(&b, v)
			b.WriteString("</cl:" + e.element + ">")
		}
	}
	b.WriteString(`</cl:civicAddress></gp:location-info><gp:usage-rules><gbp:retransmission-allowed>yes</gbp:retransmission-allowed>`)
	if !p.Expires.IsZero() {
		b.WriteString("<gbp:retention-expiry>" + stampXML(p.Expires) + "</gbp:retention-expiry>")
	}
	b.WriteString(`</gp:usage-rules>`)
	if p.Method != "" {
		b.WriteString("<gp:method>")
		escape(&b, p.Method)
		b.WriteString("</gp:method>")
	}
	b.WriteString(`</gp:geopriv>`)
	if p.Device != "" {
		b.WriteString("<dm:deviceID>")
		escape(&b, p.Device)
		b.WriteString("</dm:deviceID>")
	}
	b.WriteString("<dm:timestamp>" + stampXML(p.At) + "</dm:timestamp></dm:device></presence>\n")
	return []byte(b.String())
}

// escape writes text so that it is text in any place of a document; what XML cannot
// hold is replaced.
func escape(b *strings.Builder, s string) {
	_ = xml.EscapeText(b, []byte(s)) // a Builder takes all
}

func stampXML(t time.Time) string { return t.UTC().Format(time.RFC3339) }
