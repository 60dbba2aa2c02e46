// Phone is a desk phone out of the box, as far as its way to a line goes: it asks DHCP where
// its files are, fetches them by its vendor's names in its vendor's order, reads its first
// line out of them by its vendor's format, and registers that.
//
// It knows nothing of how the files are made: what it does is written from what phones send
// and what their vendors say that they read, and it shares no code with the rest of the
// repository. What the two understand differently no real phone would understand either.
//
//	phone -vendor yealink -model SIP-T46S -firmware 66.86.0.15 -mac 00:15:65:aa:00:01 \
//	    -interface eth0 -ca cert.pem -state flash.json
//
// It needs root, to speak DHCP and to put the address on its interface. It prints one line of
// JSON, and ends with 0 if its line is registered.
//
// It has one line, no firmware to load, and does not ask by SIP PnP, which comes before DHCP
// with some vendors: nobody answers that here.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
)

// phone is one phone.
type phone struct {
	vendor, model, firmware string
	mac                     net.HardwareAddr
	iface                   string
	ca                      string
	maker                   maker
	flash                   flash
	report                  report
}

// flash is what a phone keeps over a reboot. A real one keeps its line as well; here each boot
// must get it anew, or else a boot that fetches nothing would look as good as one that does.
type flash struct {
	URL      string `json:"url"` // where its files are, as they say
	User     string `json:"user"`
	Password string `json:"password"`
}

// report is what a boot came to.
type report struct {
	Vendor  string            `json:"vendor"`
	Address string            `json:"address"`
	Options map[string]string `json:"options"` // of DHCP, those that name a server
	URL     string            `json:"url"`
	Files   []fetched         `json:"files"`
	Account *account          `json:"account,omitempty"`
	Status  int               `json:"status"` // of the REGISTER; 0: none was answered, or sent
	Error   string            `json:"error,omitempty"`
}

func main() {
	p := &phone{}
	flag.StringVar(&p.vendor, "vendor", "", "yealink, poly, cisco, grandstream, snom or fanvil")
	flag.StringVar(&p.model, "model", "", "as the phone itself writes it: SIP-T46S, VVX_450, CP-8841-3PCC, GXP2135, D785, X5U")
	flag.StringVar(&p.firmware, "firmware", "1.0.0", "its version")
	mac := flag.String("mac", "", "the phone's MAC, which its interface must have")
	flag.StringVar(&p.iface, "interface", "eth0", "its interface")
	flag.StringVar(&p.ca, "ca", "", "PEM `FILE` of the authority that it trusts; empty: those of the system")
	state := flag.String("state", "", "`FILE` of what it keeps over a reboot; empty: nothing is kept")
	flag.Parse()
	err := p.run(*mac, *state)
	if err != nil {
		p.report.Error = err.Error()
	}
	if err := json.NewEncoder(os.Stdout).Encode(&p.report); err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		os.Exit(1)
	}
	if err != nil || p.report.Status != 200 {
		os.Exit(1)
	}
}

// run boots.
func (p *phone) run(mac, state string) (err error) {
	p.report.Vendor = p.vendor
	if p.mac, err = net.ParseMAC(mac); err != nil {
		return err
	}
	if p.maker, err = p.makerOf(); err != nil {
		return err
	}
	if err := p.recall(state); err != nil {
		return err
	}
	l, err := p.lease()
	if err != nil {
		return fmt.Errorf("dhcp: %w", err)
	}
	f, err := p.newFetcher()
	if err != nil {
		return err
	}
	told, err := p.maker.boot(p, f, l)
	p.report.Files = f.done
	if err != nil {
		return err
	}
	if err := p.keep(state, told); err != nil {
		return err
	}
	if told.account == nil {
		return errors.New("no file has a line in it")
	}
	p.report.Account = told.account
	p.report.Status, err = p.register(l.address, told.account)
	return err
}

// recall reads what the phone kept.
func (p *phone) recall(state string) error {
	if state == "" {
		return nil
	}
	b, err := os.ReadFile(state)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(b, &p.flash)
}

// keep writes what the files said of themselves over what the phone kept.
func (p *phone) keep(state string, told told) error {
	for _, f := range []struct{ to, from *string }{{&p.flash.URL, &told.flash.URL}, {&p.flash.User, &told.flash.User}, {&p.flash.Password, &told.flash.Password}} {
		if *f.from != "" {
			*f.to = *f.from
		}
	}
	if state == "" {
		return nil
	}
	b, err := json.Marshal(&p.flash)
	if err != nil {
		return err
	}
	return os.WriteFile(state, b, 0o600)
}
