package main

import (
	"fmt"
	"strings"
)

// maker is what a vendor's phones do in a way of their own.
type maker struct {
	class     []byte // DHCP option 60
	asks      []byte // DHCP option 55
	servers   []byte // the options that may name a server, the first one first
	agent     string // User-Agent when it fetches
	userAgent string // User-Agent of SIP, without a MAC
	boot      func(*phone, *fetcher, *lease) (told, error)
}

// hex is the MAC without colons.
func (p *phone) hex() string { return strings.ReplaceAll(p.mac.String(), ":", "") }

// makerOf is that of the phone. Of Yealink, Snom and Fanvil nobody has published an option 55:
// theirs are what the options that they document come to.
func (p *phone) makerOf() (maker, error) {
	lower, upper := p.hex(), strings.ToUpper(p.hex())
	switch p.vendor {
	case "yealink":
		return maker{
			class: []byte("yealink"), asks: []byte{1, 3, 6, 12, 15, 28, 42, 43, 66, 160}, servers: []byte{160, 66, 43},
			agent:     fmt.Sprintf("Yealink %s %s %s", p.model, p.firmware, p.mac),
			userAgent: fmt.Sprintf("Yealink %s %s", p.model, p.firmware), boot: (*phone).yealink,
		}, nil
	case "poly":
		return maker{
			class: p.polyClass(), asks: []byte{1, 33, 3, 6, 15, 28, 42, 51, 58, 59, 66, 160}, servers: []byte{160, 66},
			agent:     fmt.Sprintf("FileTransport PolycomVVX-%s-UA/%s Type/Application", p.model, p.firmware),
			userAgent: fmt.Sprintf("PolycomVVX-%s-UA/%s", p.model, p.firmware), boot: (*phone).poly,
		}, nil
	case "cisco":
		return maker{
			class: []byte("Cisco Systems, Inc. IP Phone " + p.model + "\x00"), // the NUL is sent
			asks:  []byte{1, 3, 6, 15, 35, 66, 150, 2, 7, 42, 43, 58, 59, 159, 160}, servers: []byte{66, 160, 159, 150},
			agent:     fmt.Sprintf("Cisco-%s/%s (%s)", p.model, p.firmware, lower),
			userAgent: fmt.Sprintf("Cisco-%s/%s", p.model, p.firmware), boot: (*phone).cisco,
		}, nil
	case "grandstream": // which asks for no server's name, and takes it all the same
		return maker{
			class: []byte("Grandstream " + p.model + " dslforum.org"), asks: []byte{1, 3, 6, 12, 15, 28, 43, 125}, servers: []byte{66, 160},
			agent:     fmt.Sprintf("Grandstream Model HW %s SW %s DevId %s", p.model, p.firmware, lower),
			userAgent: fmt.Sprintf("Grandstream %s %s", p.model, p.firmware), boot: (*phone).grandstream,
		}, nil
	case "snom":
		return maker{
			class: []byte("snom" + p.model), asks: []byte{1, 2, 3, 6, 12, 15, 42, 43, 66, 67, 120, 132}, servers: []byte{66, 67},
			agent:     fmt.Sprintf("Mozilla/4.0 (compatible; snom%s-SIP %s %s)", p.model, p.firmware, upper),
			userAgent: fmt.Sprintf("snom%s/%s", p.model, p.firmware), boot: (*phone).snom,
		}, nil
	case "fanvil":
		return maker{
			class: []byte("Fanvil " + p.model), asks: []byte{1, 3, 6, 12, 15, 42, 43, 66, 160}, servers: []byte{160, 66, 43},
			agent:     fmt.Sprintf("Fanvil %s %s %s", p.model, p.firmware, lower),
			userAgent: fmt.Sprintf("Fanvil %s %s", p.model, p.firmware), boot: (*phone).fanvil,
		}, nil
	}
	return maker{}, fmt.Errorf("vendor %q: want yealink, poly, cisco, grandstream, snom or fanvil", p.vendor)
}

// polyClass is no text, as that of phones older than Edge and Trio: Polycom's enterprise
// number, as RFC 3925 has it elsewhere, a length, and sub-options with the part's number and
// the boot loader's version.
func (p *phone) polyClass() []byte {
	var subs []byte
	for i, text := range []string{"3111-48450-001,1", "BR/" + p.firmware} {
		subs = append(append(subs, byte(i+3), byte(len(text))), text...)
	}
	subs = append(subs, 0xff)
	return append([]byte{0, 0, 0x36, 0x3d, byte(len(subs))}, subs...)
}
