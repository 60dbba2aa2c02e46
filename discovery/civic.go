package discovery

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"perch/location"
)

// Networks tell devices where they are in the same two forms by LLDP-MED and by
// DHCP: as a civic address (RFC 4776) and as a coordinate (RFC 6225).

// coordinateLength is that of a coordinate in bytes.
const coordinateLength = 16

// readCoordinate reads latitude and longitude in degrees (RFC 6225 section 2.1):
// each is 6 bits of resolution or uncertainty and 34 bits of two's complement
// fixed point, 25 of them behind the point.
func readCoordinate(v []byte) (lat, lon float64, err error) {
	if len(v) < coordinateLength {
		return 0, 0, fmt.Errorf("coordinate: %d bytes, want at least %d", len(v), coordinateLength)
	}
	fixed := func(b []byte) float64 {
		bits := int64(b[0])<<32 | int64(binary.BigEndian.Uint32(b[1:])) // 40 bits
		return float64(bits<<30>>30) / (1 << 25)                        // sign of bit 33
	}
	lat, lon = fixed(v), fixed(v[5:])
	if lat < -90 || lat > 90 || lon < -180 || lon > 180 {
		return 0, 0, fmt.Errorf("coordinate out of range")
	}
	return lat, lon, nil
}

// read takes over a civic address (RFC 4776 section 3.1): what it describes, the
// country, then CAtypes, each with length and value.
func (c *Civic) read(v []byte) error {
	if len(v) < 3 {
		return fmt.Errorf("civic location: %d bytes, want at least 3", len(v))
	}
	c.Country = text(v[1:3])
	for v = v[3:]; len(v) > 0; v = v[2+int(v[1]):] {
		if len(v) < 2 || len(v) < 2+int(v[1]) {
			return fmt.Errorf("civic location: CAtype %d cut short", v[0])
		}
		c.Elements = append(c.Elements, CivicElement{Type: v[0], Value: text(v[2 : 2+int(v[1])])})
	}
	return nil
}

// Told is where a network says that a device is, in either form or both.
type Told struct {
	Civic     *Civic
	Latitude  *float64 // degrees, WGS84
	Longitude *float64
}

// civic takes over a civic address, as far as it can be read.
func (t *Told) civic(v []byte) error {
	c := &Civic{}
	err := c.read(v)
	if c.Country != "" || len(c.Elements) > 0 {
		t.Civic = c
	}
	return err
}

// coordinate takes over a coordinate.
func (t *Told) coordinate(v []byte) error {
	lat, lon, err := readCoordinate(v)
	if err == nil {
		t.Latitude, t.Longitude = &lat, &lon
	}
	return err
}

// maxTold bounds what is kept of where a network says that a phone is, in bytes.
const maxTold = 512

// text returns it in one line for people: the address, then the coordinate in
// degrees.
func (t *Told) text() string {
	var parts []string
	if c := t.Civic; c != nil {
		var elements []location.CAtype
		for _, e := range c.Elements {
			elements = append(elements, location.CAtype{Type: e.Type, Value: valid(e.Value)})
		}
		parts = append(parts, location.ParseCAtypes(valid(c.Country), elements).String())
	}
	if t.Latitude != nil && t.Longitude != nil {
		degrees := func(v float64) string { return strconv.FormatFloat(v, 'f', 6, 64) }
		parts = append(parts, degrees(*t.Latitude)+" "+degrees(*t.Longitude))
	}
	s := strings.Join(parts, ", ")
	if len(s) > maxTold {
		s = s[:maxTold]
	}
	return valid(s)
}
