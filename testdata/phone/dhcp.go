package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// lease is what DHCP gave.
type lease struct {
	address net.IP
	options map[byte]string
}

// server is the first option of a vendor's that is there.
func (l *lease) server(order []byte) string {
	for _, o := range order {
		if s := l.options[o]; s != "" {
			return s
		}
	}
	return ""
}

// lease gets an address by DISCOVER and REQUEST, and puts it on the interface.
func (p *phone) lease() (*lease, error) {
	for _, args := range [][]string{{"address", "flush", "dev", p.iface}, {"link", "set", p.iface, "up"}} {
		if err := ip(args...); err != nil {
			return nil, err
		}
	}
	w, err := newWire(p.iface)
	if err != nil {
		return nil, err
	}
	defer w.close()
	var asks dhcpv4.OptionCodeList
	for _, o := range p.maker.asks {
		asks.Add(dhcpv4.GenericOptionCode(o))
	}
	says := []dhcpv4.Modifier{
		dhcpv4.WithBroadcast(true), dhcpv4.WithOption(dhcpv4.OptGeneric(dhcpv4.OptionClassIdentifier, p.maker.class)),
		dhcpv4.WithOption(dhcpv4.OptParameterRequestList(asks...)),
	}
	discover, err := dhcpv4.NewDiscovery(p.mac, says...)
	if err != nil {
		return nil, err
	}
	offer, err := w.exchange(discover, dhcpv4.MessageTypeOffer)
	if err != nil {
		return nil, err
	}
	request, err := dhcpv4.NewRequestFromOffer(offer, says...)
	if err != nil {
		return nil, err
	}
	ack, err := w.exchange(request, dhcpv4.MessageTypeAck)
	if err != nil {
		return nil, err
	}
	l := p.read(ack)
	ones, _ := ack.SubnetMask().Size()
	return l, ip("address", "add", fmt.Sprintf("%s/%d", l.address, ones), "dev", p.iface)
}

// read reads the address, and the options that may name a server.
func (p *phone) read(ack *dhcpv4.DHCPv4) *lease {
	l := &lease{address: ack.YourIPAddr, options: map[byte]string{}}
	p.report.Address, p.report.Options = l.address.String(), map[string]string{}
	for _, o := range p.maker.servers {
		v := ack.Options.Get(dhcpv4.GenericOptionCode(o))
		if len(v) == 0 {
			continue
		}
		l.options[o] = strings.TrimRight(string(v), "\x00")
		if o == 150 { // addresses, of which the first one counts
			l.options[o] = net.IP(v[:min(len(v), net.IPv4len)]).String()
		}
		p.report.Options[strconv.Itoa(int(o))] = l.options[o]
	}
	return l
}

// exchange sends a message until it is answered by one of a type (RFC 2131 section 4.1).
func (w *wire) exchange(m *dhcpv4.DHCPv4, want dhcpv4.MessageType) (*dhcpv4.DHCPv4, error) {
	for wait := time.Second; wait <= 8*time.Second; wait *= 2 {
		if err := w.send(m.ToBytes()); err != nil {
			return nil, err
		}
		for until := time.Now().Add(wait); time.Now().Before(until); {
			b, err := w.receive()
			if err != nil {
				return nil, err
			}
			got, err := dhcpv4.FromBytes(b)
			if err != nil || got.OpCode != dhcpv4.OpcodeBootReply || got.TransactionID != m.TransactionID {
				continue
			}
			switch got.MessageType() {
			case want:
				return got, nil
			case dhcpv4.MessageTypeNak:
				return nil, errors.New("the server refuses the address that it offered")
			}
		}
	}
	return nil, fmt.Errorf("no %s on %s", want, w.iface)
}

// ip runs ip.
func ip(args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}
