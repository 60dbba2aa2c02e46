package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"perch/discovery"
	"perch/gateway"
	"perch/notify"
	"perch/store"
)

// f12 measures the start of serve with a million phones and as many rules in its
// database: until the first REGISTER is forwarded, and until all of it is there.
func (b *bench) f12() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(b.dir, "start")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b.say("a database of %d phones", b.heapPhones)
	c := child{args: []string{self, "-fill", filepath.Join(dir, "perch.db"), "-heap-phones", strconv.Itoa(b.heapPhones)}, dir: b.dir}
	if _, err := c.run(); err != nil {
		return err
	}
	upstream, err := newRegistrar()
	if err != nil {
		return err
	}
	defer upstream.Close()
	began := time.Now()
	s, err := b.startServe(fmt.Sprintf("\"udp:127.0.0.1:%d\"", upstream.port()), dir)
	if err != nil {
		return err
	}
	defer s.end()
	conn, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 1, 0, 1)}, s.target())
	if err != nil {
		return err
	}
	defer conn.Close()
	in := make([]byte, 4096)
	for n := 0; ; n++ { // a phone that is impatient
		if err := quickly(conn, n, in); err == nil {
			break
		}
		if time.Since(began) > time.Minute {
			return errors.New("no REGISTER is answered")
		}
	}
	first := time.Since(began)
	for {
		err := s.check(b.heapPhones)
		if err == nil || s.check(b.heapPhones+1) == nil { // the one that has just registered
			break
		}
		if time.Since(began) > 5*time.Minute {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	all := time.Since(began)
	fmt.Printf("F12: %.2f s to the first REGISTER forwarded %s\n", first.Seconds(), bound(first.Seconds(), 1, "1 s"))
	fmt.Printf("F12: %.1f s until all is loaded %s\n", all.Seconds(), bound(all.Seconds(), 20, "20 s"))
	fmt.Printf("    %d phones that were seen, and the directory that knows them, in SQLite\n", b.heapPhones)
	return nil
}

// quickly sends a REGISTER and waits for its answer for a moment.
func quickly(c *net.UDPConn, n int, in []byte) error {
	at := c.LocalAddr().String()
	if _, err := fmt.Fprintf(c, "REGISTER sip:pbx.example.com SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKq%d;rport\r\nFrom: <sip:1@pbx.example.com>;tag=%d\r\n"+
		"To: <sip:1@pbx.example.com>\r\nCall-ID: q@%s\r\nCSeq: %d REGISTER\r\nContact: <sip:1@%s>\r\nExpires: 3600\r\nContent-Length: 0\r\n\r\n", at, n, n, at, n+1, at); err != nil {
		time.Sleep(5 * time.Millisecond)
		return err
	}
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	_, err := c.Read(in)
	return err
}

// fill makes a live database of a campus whose phones have all settled, as serve leaves it.
func fill(name string, c campus) error {
	s, err := store.OpenSQLite(context.Background(), name)
	if err != nil {
		return err
	}
	renderer, err := notify.New(notify.Config{From: "perch@example.com", URL: "https://perch.example.com"})
	if err != nil {
		return err
	}
	policy := gateway.DefaultPolicy()
	policy.NoBootstrap = true
	e, err := gateway.New(context.Background(), gateway.Config{Discovery: discovery.Config{Site: "campus"}, Policy: policy, Renderer: renderer, NoMails: true}, s)
	if err != nil {
		return err
	}
	if err := e.SetType(gateway.Live); err != nil {
		return err
	}
	e.SetKey(gateway.Key{1}) // serve gives a new database one
	if err := importCampus(e, c); err != nil {
		return err
	}
	if err := hear(e, c, time.Since(trunkStart)-time.Hour); err != nil {
		return err
	}
	return errors.Join(e.Checkpoint(context.Background()), s.Close())
}
