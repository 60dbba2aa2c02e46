package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// atOnce is how many connections there are at a time.
const atOnce = 512

const fileServerName = "perch.example.com"

// proof is how a phone proves to a server which it is.
type proof uint8

// The proofs.
const (
	nothing  proof = iota // as to nginx
	byDigest              // when it is asked, on the same connection, as phones do
	byBasic               // at once
)

// filesAt is a server that phones fetch from, by a version of TLS in which each of them has
// a session of its own.
type filesAt struct {
	name     string
	address  *net.TCPAddr
	tls      *tls.Config
	cmd      *exec.Cmd
	sessions []ticket
}

// by is the same server by a version of TLS, of which no phone has a session yet.
func (s *filesAt) by(version uint16) *filesAt {
	n := *s
	n.tls, n.sessions = s.tls.Clone(), make([]ticket, fetchers)
	n.tls.MinVersion, n.tls.MaxVersion = version, version
	return &n
}

func (s *filesAt) pid() int { return s.cmd.Process.Pid }

// ticket is a phone's session with a server: the newest one.
type ticket struct{ state *tls.ClientSessionState }

// Get is of tls.ClientSessionCache.
func (t *ticket) Get(string) (*tls.ClientSessionState, bool) { return t.state, t.state != nil }

// Put is of tls.ClientSessionCache.
func (t *ticket) Put(_ string, s *tls.ClientSessionState) {
	if s != nil {
		t.state = s
	}
}

// fetched is what came of a round.
type fetched struct {
	took    time.Duration
	cpu     time.Duration // of the server
	resumed int
}

// rate is in phones a second.
func (f *fetched) rate() float64 { return fetchers / f.took.Seconds() }

// each is what a phone cost.
func (f *fetched) each() time.Duration { return (f.cpu / fetchers).Round(time.Microsecond) }

// round has all phones connect anew, fetch their file and close. Each must get the whole of
// its own; keep is given the file when the phone has none yet.
func (s *filesAt) round(phones []handset, how proof, keep func(*handset, []byte) error) (f fetched, err error) {
	before, err := treeCPU(s.pid())
	if err != nil {
		return f, err
	}
	var next, resumed, failed atomic.Int64
	var first atomic.Pointer[error]
	var all sync.WaitGroup
	began := time.Now()
	for range atOnce {
		all.Go(func() {
			in := bufio.NewReaderSize(nil, 4096)
			for i := int(next.Add(1)) - 1; i < len(phones); i = int(next.Add(1)) - 1 {
				again, err := s.fetch(&phones[i], &s.sessions[i], how, in, keep)
				if err != nil {
					failed.Add(1)
					first.CompareAndSwap(nil, &err)
				}
				if again {
					resumed.Add(1)
				}
			}
		})
	}
	all.Wait()
	f.took, f.resumed = time.Since(began), int(resumed.Load())
	after, err := treeCPU(s.pid())
	f.cpu = after - before
	if n := failed.Load(); n > 0 {
		return f, fmt.Errorf("%s: %d of %d phones were not served, one of them: %w", s.name, n, len(phones), *first.Load())
	}
	return f, err
}

// fetch has one phone fetch its file, and reports whether its session was resumed.
func (s *filesAt) fetch(p *handset, t *ticket, how proof, in *bufio.Reader, keep func(*handset, []byte) error) (resumed bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: p.source}}
	plain, err := d.DialContext(ctx, "tcp4", s.address.String())
	if err != nil {
		return false, err
	}
	_ = plain.SetDeadline(time.Now().Add(time.Minute))
	conf := s.tls.Clone()
	conf.ClientSessionCache = t
	c := tls.Client(plain, conf)
	defer c.Close()
	if err := c.Handshake(); err != nil {
		return false, err
	}
	in.Reset(c)
	body, err := s.get(c, in, p, how)
	if err != nil {
		return false, err
	}
	if keep != nil && p.size == 0 {
		if !bytes.Contains(body, []byte(p.secret)) {
			return false, fmt.Errorf("the file of %v is not its own", p.mac)
		}
		p.size, p.sum = len(body), crc32.ChecksumIEEE(body)
		err = keep(p, body)
	} else if len(body) != p.size || crc32.ChecksumIEEE(body) != p.sum {
		err = fmt.Errorf("the file of %v has %d octets, want %d, or it is another", p.mac, len(body), p.size)
	}
	return c.ConnectionState().DidResume, err
}

// get asks for the file, and once more with a digest if that is how.
func (s *filesAt) get(c io.Writer, in *bufio.Reader, p *handset, how proof) ([]byte, error) {
	more := ""
	if how == byBasic {
		more = "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(p.user()+":"+p.password)) + "\r\n"
	}
	status, challenge, body, err := s.ask(c, in, p, more)
	if err == nil && how == byDigest && status == http.StatusUnauthorized {
		if more, err = p.digest(challenge); err != nil {
			return nil, err
		}
		status, _, body, err = s.ask(c, in, p, more)
	}
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("the file of %v: status %d", p.mac, status)
	}
	return body, err
}

// ask sends a request, and reads the answer.
func (s *filesAt) ask(c io.Writer, in *bufio.Reader, p *handset, more string) (status int, challenge string, body []byte, err error) {
	if _, err := fmt.Fprintf(c, "GET /%s HTTP/1.1\r\nHost: %s:%d\r\nUser-Agent: Phone/1.0 %s\r\nAccept: */*\r\n%s\r\n", p.file, fileServerName, s.address.Port, p.user(), more); err != nil {
		return 0, "", nil, err
	}
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return 0, "", nil, err
	}
	defer resp.Body.Close()
	if resp.ContentLength < 0 {
		return 0, "", nil, errors.New("no length of the file")
	}
	body = make([]byte, resp.ContentLength)
	_, err = io.ReadFull(resp.Body, body)
	return resp.StatusCode, resp.Header.Get("WWW-Authenticate"), body, err
}

// user is by which name the phone fetches its file.
func (p *handset) user() string { return p.mac.Hex() }

// digest answers a challenge (RFC 7616 section 3.4).
func (p *handset) digest(challenge string) (string, error) {
	_, rest, ok := strings.Cut(challenge, `nonce="`)
	nonce, _, closed := strings.Cut(rest, `"`)
	if !ok || !closed {
		return "", fmt.Errorf("a challenge without nonce: %q", challenge)
	}
	sum := func(s string) string { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }
	uri := "/" + p.file
	response := sum(sum(p.user()+":perch:"+p.password) + ":" + nonce + ":00000001:0a4f113b:auth:" + sum("GET:"+uri))
	return fmt.Sprintf("Authorization: Digest username=\"%s\", realm=\"perch\", nonce=\"%s\", uri=\"%s\", response=\"%s\", algorithm=MD5, cnonce=\"0a4f113b\", qop=auth, nc=00000001\r\n",
		p.user(), nonce, uri, response), nil
}
