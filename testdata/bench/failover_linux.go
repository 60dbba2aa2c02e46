package main

import (
	"bytes"
	"fmt"
	"net"
	"time"
)

// f13 measures how long a call and a call for help take when the preferred PBX has just
// fallen silent: from the first INVITE to an answer of the next one. Each is tried with
// a serve of its own, since afterwards the PBX is known to be down.
func (b *bench) f13() error {
	for _, f := range []struct {
		what, uri string
		bound     float64
	}{{"a call", "sip:100@pbx.example.com", 4}, {"a call for help", "sip:911@pbx.example.com", 2}} {
		var worst time.Duration
		for range b.pairs {
			took, err := b.failover(f.uri)
			if err != nil {
				return err
			}
			worst = max(worst, took)
		}
		fmt.Printf("F13: %.2f s for %s at most %s\n", worst.Seconds(), f.what, bound(worst.Seconds(), f.bound, fmt.Sprintf("%.0f s", f.bound)))
	}
	fmt.Printf("    from its first INVITE to what the next PBX says, the first one silent without a word; worst of %d. The caller's place is not known: a call with a location goes to the same PBX once more without, after 0.5 s, and to the next one after 1.5 s (TestEmergencyFailover)\n", b.pairs)
	return nil
}

func (b *bench) failover(uri string) (time.Duration, error) {
	silent, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return 0, err
	}
	defer silent.Close()
	well, err := newRegistrar()
	if err != nil {
		return 0, err
	}
	defer well.Close()
	first := &registrar{silent}
	quiet := make(chan struct{})
	go first.answerUntil(quiet)
	s, err := b.startSite([]*net.UDPConn{silent, well.UDPConn})
	if err != nil {
		return 0, err
	}
	defer s.end()
	load, err := newOffice(s.target())
	if err != nil {
		return 0, err
	}
	defer load.close()
	if err := load.run(100); err != nil { // all is well
		return 0, err
	}
	close(quiet)
	_ = silent.SetReadDeadline(time.Now())
	time.Sleep(100 * time.Millisecond)
	c, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 2, 0, 1)}, s.target())
	if err != nil {
		return 0, err
	}
	defer c.Close()
	return ring(c, uri, 1, make([]byte, 1<<16)), nil
}

// answerUntil answers until it is to be silent, and reads on then.
func (r *registrar) answerUntil(quiet <-chan struct{}) {
	in, out := make([]byte, 1<<16), make([]byte, 0, 1<<16)
	for {
		n, from, err := r.ReadFromUDPAddrPort(in)
		select {
		case <-quiet:
			return
		default:
		}
		if err != nil {
			return
		}
		if _, err := r.WriteToUDPAddrPort(answerTo(out[:0], bytes.Clone(in[:n])), from); err != nil {
			return
		}
	}
}
