package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// fetch measures how many phones a second fetch their own files over HTTPS when the power
// is back, all with sessions that they had before, beside nginx that serves the same octets
// as files to whoever asks; and what that does to memory.
func (b *bench) fetch() error {
	nginx, err := peer("nginx")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(b.dir, "fetch")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	trusted, err := writeCertificate(dir)
	if err != nil {
		return err
	}
	b.say("%d phones", fetchers)
	ours, err := newFilesAt("perch", trusted, func(port int) (*exec.Cmd, error) { return b.startFiles(dir, port) })
	if err != nil {
		return err
	}
	defer ours.end()
	phones := handsets()
	files := filepath.Join(dir, "files")
	if err := os.Mkdir(files, 0o755); err != nil {
		return err
	}
	theirs, err := newFilesAt("nginx", trusted, func(port int) (*exec.Cmd, error) { return startNginx(nginx, dir, port) })
	if err != nil {
		return err
	}
	defer theirs.end()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		p, n := ours.by(version), theirs.by(version)
		if err := errors.Join(b.meet(p, phones, byDigest, files), b.meet(n, phones, nothing, "")); err != nil {
			return err
		}
		if err := b.powerCuts(p, n, phones); err != nil {
			return err
		}
	}
	fmt.Printf("    phones a second to which perch serve hands their own file over HTTPS after a 401, to nginx with the same octets in files, medians of %d pairs;\n", b.pairs)
	octets := 0
	for i := range phones {
		octets += phones[i].size
	}
	fmt.Printf("    %d phones, each from an address of its own, connect anew, %d at a time: all served, all sessions resumed; %d octets each\n", fetchers, atOnce, octets/fetchers)
	return nil
}

// powerCuts has all phones fetch from both by turns, and prints what came of it.
func (b *bench) powerCuts(ours, theirs *filesAt, phones []handset) error {
	time.Sleep(10 * time.Second) // for what is collected behind the first round
	before, err := treePSS(ours.pid())
	if err != nil {
		return err
	}
	var most int64
	var rates [2][]float64
	var costs [2][]time.Duration
	var ratios []float64
	for range b.pairs {
		watch := watchPSS(ours.pid())
		p, err := b.powerCut(ours, phones, byDigest)
		most = max(most, watch())
		if err != nil {
			return err
		}
		n, err := b.powerCut(theirs, phones, nothing)
		if err != nil {
			return err
		}
		for i, f := range []fetched{p, n} {
			rates[i], costs[i] = append(rates[i], f.rate()), append(costs[i], f.each())
		}
		ratios = append(ratios, p.rate()/n.rate())
		b.say("pair %d: %.0f/s / %.0f/s = %.2f, CPU %.1f s / %.1f s", len(ratios), p.rate(), n.rate(), ratios[len(ratios)-1], p.cpu.Seconds(), n.cpu.Seconds())
	}
	basic, err := b.powerCut(ours, phones, byBasic)
	if err != nil {
		return err
	}
	const mib = 1 << 20
	name, ratio, grown := "fetch, "+tls.VersionName(ours.tls.MaxVersion), median(ratios), float64(most)/float64(before)
	fmt.Printf("%s: %.0f/s / %.0f/s = %.2f %s\n", name, median(rates[0]), median(rates[1]), ratio, least(ratio, 0.5, "at least 0.5"))
	fmt.Printf("%s: %.2f times the memory before at most %s\n", name, grown, bound(grown, 1.5, "1.5"))
	fmt.Printf("    CPU %v / %v for each; with Basic at once %.0f/s, CPU %v; PSS of perch serve and its SIP path %.1f MiB before, %.1f MiB at most\n",
		median(costs[0]), median(costs[1]), basic.rate(), basic.each(), float64(before)/mib, float64(most)/mib)
	return nil
}

// meet is the first round: each phone gets a session of its own. Its file is written into a
// directory if one is named.
func (b *bench) meet(s *filesAt, phones []handset, how proof, dir string) error {
	keep := func(p *handset, body []byte) error { return os.WriteFile(filepath.Join(dir, p.file), body, 0o644) }
	if dir == "" {
		keep = nil
	}
	f, err := s.round(phones, how, keep)
	if err == nil {
		b.say("%s by %s: %.0f/s without a session, CPU %v each", s.name, tls.VersionName(s.tls.MaxVersion), f.rate(), f.each())
	}
	return err
}

// powerCut is a round in which all phones resume their sessions.
func (b *bench) powerCut(s *filesAt, phones []handset, how proof) (fetched, error) {
	f, err := s.round(phones, how, nil)
	if err == nil && f.resumed != fetchers {
		err = fmt.Errorf("%s: %d sessions of %d were not resumed", s.name, fetchers-f.resumed, fetchers)
	}
	return f, err
}

// newFilesAt starts a server at a free port, and waits until it is there.
func newFilesAt(name string, trusted *x509.CertPool, start func(port int) (*exec.Cmd, error)) (*filesAt, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &filesAt{name: name, address: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}}
	// Phones know no key exchange against quantum computers, and nginx of Debian 12 none either.
	s.tls = &tls.Config{RootCAs: trusted, ServerName: fileServerName, CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256}}
	if s.cmd, err = start(port); err != nil {
		return nil, err
	}
	for range 200 {
		var c net.Conn
		if c, err = net.DialTCP("tcp4", nil, s.address); err == nil {
			return s, c.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil, errors.Join(err, endServer(s.cmd))
}
