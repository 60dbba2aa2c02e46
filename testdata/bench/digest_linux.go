package main

import (
	"bytes"
	"crypto/md5"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed registrar.cfg
var registrarConfig string

// f2 measures the CPU of answering REGISTERs with digest, and of taking them into the
// engine, beside Kamailio doing so with a table in memory. A phone answers a challenge
// once and then counts its nonce on; when that is refused it answers the new one.
func (b *bench) f2() error {
	kamailio, err := peer("kamailio")
	if err != nil {
		return err
	}
	if err := b.inTurn("F2", (*office).useDigest, b.serveLines, kamailioWith(kamailio, registrarConfig)); err != nil {
		return err
	}
	fmt.Printf("    CPU of perch serve, registrar and engine, to Kamailio with a table in memory, for %d REGISTERs with digest of %d phones, medians of %d pairs\n",
		registers, registrants, b.pairs)
	return nil
}

// serveLines prepares a serve that is the registrar of all phones.
func (b *bench) serveLines(dir string, listen int) (*exec.Cmd, func() error, error) {
	cmd, check, err := b.prepareServe(dir, fmt.Sprintf("listen: [\"udp:127.0.0.1:%d\"], registrar: {realm: pbx.example.com}", listen))
	if err != nil {
		return nil, nil, err
	}
	var lines bytes.Buffer
	lines.WriteString("aor,secret\n")
	for i := range registrants {
		fmt.Fprintf(&lines, "%d@pbx.example.com,not-a-secret\n", i)
	}
	name := filepath.Join(dir, "lines.csv")
	if err := os.WriteFile(name, lines.Bytes(), 0o644); err != nil {
		return nil, nil, err
	}
	if out, err := exec.Command(b.perch, "import", "-config", filepath.Join(dir, "perch.yaml"), name).CombinedOutput(); err != nil {
		return nil, nil, fmt.Errorf("%w\n%s", err, out)
	}
	return cmd, check, nil
}

// credentials are what a phone has of its registrar.
type credentials struct {
	nonce string
	count int
}

// useDigest makes the phones answer challenges.
func (l *office) useDigest() { l.digests = make([]credentials, registrants) }

// authorization is the header for a phone's next REGISTER; empty before it was
// challenged.
func (c *credentials) authorization(phone int) string {
	if c.nonce == "" {
		return ""
	}
	c.count++
	sum := func(s string) string { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }
	const uri = "sip:pbx.example.com"
	nc := fmt.Sprintf("%08x", c.count)
	response := sum(sum(fmt.Sprint(phone, ":pbx.example.com:not-a-secret")) + ":" + c.nonce + ":" + nc + ":0a4f113b:auth:" + sum("REGISTER:"+uri))
	return fmt.Sprintf("Authorization: Digest username=\"%d\", realm=\"pbx.example.com\", nonce=\"%s\", uri=\"%s\", response=\"%s\", algorithm=MD5, cnonce=\"0a4f113b\", qop=auth, nc=%s\r\n",
		phone, c.nonce, uri, response, nc)
}

// challenged takes the nonce of a 401.
func (c *credentials) challenged(answer []byte) error {
	_, rest, ok := bytes.Cut(answer, []byte(`nonce="`))
	nonce, _, closed := bytes.Cut(rest, []byte(`"`))
	if !ok || !closed {
		return errors.New("a challenge without nonce")
	}
	*c = credentials{nonce: string(nonce)}
	return nil
}

// registerDigest registers a phone, with the challenge before it if there is one.
func (l *office) registerDigest(c *net.UDPConn, phone, n int, in []byte) error {
	d := &l.digests[phone]
	for try := range 3 {
		got, err := askRegistrar(c, phone, 4*n+try, d.authorization(phone), in)
		switch {
		case err != nil:
			return err
		case bytes.HasPrefix(got, []byte("SIP/2.0 200 ")):
			return nil
		case !bytes.HasPrefix(got, []byte("SIP/2.0 401 ")):
			return fmt.Errorf("answered by %q", got[:min(len(got), 60)])
		}
		if err := d.challenged(got); err != nil {
			return err
		}
	}
	return errors.New("challenged again and again")
}
