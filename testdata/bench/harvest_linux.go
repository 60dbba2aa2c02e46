package main

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"
)

// How whoever harvests asks: harvestEach times for phones that are listed, and as often for
// ones that are not. An address is not heard any more after 20 misses, so it asks for fewer.
const (
	harvestEach = 10_000
	harvestFrom = 18 // requests of one address, half of them for listed phones
)

// guesser asks for the files of phones which it is not.
type guesser struct {
	what string
	open func(from net.IP) (net.Conn, error)
	ask  func(net.Conn, *handset) (look string, err error) // what can be seen of the answer
}

// harvest measures by how much of one standard deviation the times differ in which perch
// serve answers for phones that are listed and for ones that are not. Each answer must look
// the same.
func (b *bench) harvest() error {
	dir, err := os.MkdirTemp(b.dir, "harvest")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	trusted, err := writeCertificate(dir)
	if err != nil {
		return err
	}
	plain, err := freePort()
	if err != nil {
		return err
	}
	datagrams, err := freePort()
	if err != nil {
		return err
	}
	s, err := newFilesAt("perch", trusted, func(port int) (*exec.Cmd, error) {
		return b.startFiles(dir, port, fmt.Sprintf("http:127.0.0.1:%d", plain), fmt.Sprintf("tftp:127.0.0.1:%d", datagrams))
	})
	if err != nil {
		return err
	}
	defer s.end()
	listed := handsets()[:harvestEach]
	others := slices.Clone(listed)
	for i := range others {
		p := &others[i]
		p.mac[3] |= 0x80
		p.file = strings.NewReplacer(listed[i].user(), p.user(), strings.ToUpper(listed[i].user()), strings.ToUpper(p.user())).Replace(p.file)
		if p.file == listed[i].file {
			return fmt.Errorf("%s does not name its phone", p.file)
		}
	}
	for i, g := range guessers(s, plain, datagrams) {
		difference, deviation, err := g.guess(net.IPv4(127, byte(100+i), 0, 0), listed, others)
		if err != nil {
			return fmt.Errorf("%s: %w", g.what, err)
		}
		fmt.Printf("harvest, %s: %.4f of a standard deviation of %v %s\n", g.what, difference, deviation.Round(100*time.Nanosecond), bound(difference, 0.05, "0.05"))
	}
	fmt.Printf("    between answers of perch serve for phones that are listed and for ones that are not, %d each in an order by chance,\n", harvestEach)
	fmt.Println("    without the tenth of either that took longest; all of them look the same but for nonces and the time of day")
	return nil
}

// guessers are the ways in which files can be asked for.
func guessers(s *filesAt, plain, datagrams int) []guesser {
	over := func(from net.IP) (net.Conn, error) {
		c, err := dialFrom(from, s.address)
		if err != nil {
			return nil, err
		}
		t := tls.Client(c, s.tls)
		return t, t.Handshake()
	}
	bare := func(from net.IP) (net.Conn, error) {
		return dialFrom(from, &net.TCPAddr{IP: s.address.IP, Port: plain})
	}
	basic := func(p *handset) string {
		return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(p.user()+":guessed")) + "\r\n"
	}
	challenge := `Digest nonce="none"` // the newest
	digest := func(p *handset) string {
		guess := *p
		guess.password = "guessed"
		more, err := guess.digest(challenge)
		if err != nil {
			more = "" // the answer will look another
		}
		return more
	}
	by := func(proof func(*handset) string) func(net.Conn, *handset) (string, error) {
		return func(c net.Conn, p *handset) (look string, err error) {
			look, said, err := get(c, p, proof(p))
			if said != "" {
				challenge = said
			}
			return look, err
		}
	}
	return []guesser{
		{"HTTPS without a password", over, by(func(*handset) string { return "" })},
		{"HTTPS with a wrong one, Basic", over, by(basic)},
		{"HTTPS with a wrong one, digest", over, by(digest)},
		{"HTTP", bare, by(func(*handset) string { return "" })},
		{"TFTP", func(from net.IP) (net.Conn, error) {
			c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: from})
			return &tftpConn{c, &net.UDPAddr{IP: s.address.IP, Port: datagrams}}, err
		}, getTFTP},
	}
}

func dialFrom(from net.IP, to *net.TCPAddr) (net.Conn, error) {
	return net.DialTCP("tcp4", &net.TCPAddr{IP: from}, to)
}

// guess asks for all of them from addresses that begin with first.
func (g *guesser) guess(first net.IP, listed, others []handset) (difference float64, deviation time.Duration, err error) {
	order := rand.New(rand.NewPCG(1, 2)) // by chance, the same in each run
	var times [2][]float64
	looks := map[string]int{}
	const half = harvestFrom / 2
	for n := 0; n*half < len(listed); n++ {
		from := slices.Clone(first.To4())
		from[2], from[3] = byte(n>>8)+1, byte(n)
		var asks []*handset
		for i := n * half; i < min((n+1)*half, len(listed)); i++ {
			asks = append(asks, &listed[i], &others[i])
		}
		c, err := g.open(from)
		if err != nil {
			return 0, 0, err
		}
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		for _, i := range order.Perm(len(asks)) {
			began := time.Now()
			look, err := g.ask(c, asks[i])
			took := time.Since(began)
			if err != nil {
				return 0, 0, errors.Join(err, c.Close())
			}
			times[i%2] = append(times[i%2], float64(took))
			looks[look]++
		}
		if err := c.Close(); err != nil {
			return 0, 0, err
		}
	}
	if len(looks) != 1 {
		return 0, 0, fmt.Errorf("answers look different: %v", looks)
	}
	difference, d := effect(times[0], times[1])
	return difference, time.Duration(d), nil
}

// nonce is what differs in each challenge.
var nonce = regexp.MustCompile(`nonce="[^"]*"`)

// get asks by HTTP. What can be seen of the answer is its status, its header and its octets.
func get(c net.Conn, p *handset, more string) (look, challenge string, err error) {
	if _, err := fmt.Fprintf(c, "GET /%s HTTP/1.1\r\nHost: %s\r\n%s\r\n", p.file, fileServerName, more); err != nil {
		return "", "", err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "", "", err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	for name, values := range resp.Header {
		if name == "Www-Authenticate" {
			for i, v := range values {
				if strings.HasPrefix(v, "Digest") {
					challenge = v
				}
				values[i] = nonce.ReplaceAllStringFunc(v, func(s string) string { return fmt.Sprint("nonce of ", len(s)) })
			}
		}
	}
	resp.Header.Del("Date")
	return fmt.Sprintf("%s %v %q", resp.Status, resp.Header, body), challenge, err
}

// tftpConn sends to the port of requests; answers come from another one.
type tftpConn struct {
	*net.UDPConn
	to *net.UDPAddr
}

func (c *tftpConn) Write(p []byte) (int, error) { return c.WriteToUDP(p, c.to) }

func getTFTP(c net.Conn, p *handset) (look string, err error) {
	if _, err := fmt.Fprintf(c, "\x00\x01%s\x00octet\x00", p.file); err != nil {
		return "", err
	}
	buf := make([]byte, 1500)
	n, err := c.Read(buf)
	return fmt.Sprintf("%q", buf[:n]), err
}

// effect is the difference of two means in standard deviations of both.
func effect(x, y []float64) (difference, deviation float64) {
	mx, vx := moments(x)
	my, vy := moments(y)
	deviation = math.Sqrt((vx + vy) / 2)
	return math.Abs(mx-my) / deviation, deviation
}

// moments are the mean and the variance of the nine tenths that are smallest: in the others
// something else ran.
func moments(x []float64) (mean, variance float64) {
	x = slices.Sorted(slices.Values(x))[:len(x)*9/10]
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		variance += (v - mean) * (v - mean) / float64(len(x)-1)
	}
	return mean, variance
}
