package serve

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"perch/discovery"
	"perch/provisioning"
	"perch/provisioning/settings"
)

var (
	known   = discovery.MAC{0x00, 0x15, 0x65, 0xaa, 0xbb, 0xcc}
	unknown = discovery.MAC{0x00, 0x15, 0x65, 0xaa, 0xbb, 0xcd}
	key     = [32]byte{9}
)

const secret = "account.1.password = not-a-secret\n"

// newServer is a server that knows one Yealink.
func newServer(handed func(Handed)) *Server {
	return New(Config{
		Key: key, Handed: handed, Asks: &Asks{Allow: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}, Windows: NewWindows(nil, func([]Window) error { return nil }),
		Lets: func(discovery.MAC, Level) bool { return true },
		Own: func(m discovery.MAC, _ string) (File, error) {
			if m != known {
				return File{}, ErrNoFile
			}
			return File{provisioning.Yealink, []byte("#!version:1.0.0.1\n" + secret), true}, nil
		},
		Common: func(v provisioning.Vendor, _ settings.Kind) (File, bool) {
			return File{Vendor: v, Body: []byte("#!version:1.0.0.1\nlldp = 1\n")}, true
		},
	})
}

// start serves over TLS, trusting the authority of phones' certificates.
func start(t *testing.T, s *Server, phones *x509.CertPool) *httptest.Server {
	t.Helper()
	h := httptest.NewUnstartedServer(s)
	h.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert}
	if phones != nil {
		s.cfg.Vendors = func() *x509.CertPool { return phones }
	}
	h.StartTLS()
	t.Cleanup(h.Close)
	return h
}

// curl fetches a file, and returns its status and its body.
func curl(t *testing.T, args ...string) (status, body string) {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("curl is missing: install curl")
		}
		t.Skip("curl is missing: install curl")
	}
	out, err := exec.Command("curl", append([]string{"-s", "-k", "--max-time", "10", "-w", "\n%{http_code}"}, args...)...).Output()
	if err != nil {
		t.Fatalf("curl %q: %v", args, err)
	}
	i := bytes.LastIndexByte(out, '\n')
	return string(out[i+1:]), string(out[:i])
}

// A phone fetches its own file by its password, in the ways that phones know; by a name
// alone it gets what anybody may have.
func TestPassword(t *testing.T) {
	var handed []Handed
	s := newServer(func(h Handed) { handed = append(handed, h) })
	url := start(t, s, nil).URL
	own, login := url+"/p/001565aabbcc.cfg", User(known)+":"+PasswordOf(key, known)
	for _, tc := range []struct {
		name   string
		args   []string
		status string
		secret bool
	}{
		{"digest", []string{"--digest", "-u", login, own}, "200", true},
		{"basic", []string{"-u", login, own}, "200", true},
		{"another way there", []string{"--digest", "-u", login, url + "/001565aabbcc.cfg"}, "200", true},
		{"no password", []string{own}, "401", false},
		{"a wrong one", []string{"--digest", "-u", User(known) + ":x", own}, "401", false},
		{"another phone's", []string{"--digest", "-u", User(unknown) + ":" + PasswordOf(key, unknown), own}, "401", false},
		{"its name with another phone's password", []string{"-u", User(known) + ":" + PasswordOf(key, unknown), own}, "401", false},
		{"a phone that was listed", []string{"-u", User(unknown) + ":" + PasswordOf(key, unknown), url + "/001565aabbcd.cfg"}, "404", false},
		{"common", []string{url + "/y000000000028.cfg"}, "200", false},
		{"no file", []string{url + "/index.html"}, "404", false},
		{"what phones ask for and nobody has", []string{url + "/001565aabbcc-phone.cfg"}, "404", false},
		{"its log", []string{"-T", "/dev/null", own}, "405", false},
		{"to delete it", []string{"-X", "DELETE", own}, "405", false},
	} {
		status, body := curl(t, tc.args...)
		if status != tc.status || strings.Contains(body, secret) != tc.secret {
			t.Errorf("%s: got %s\n%s\nwant %s", tc.name, status, body, tc.status)
		}
	}
	if len(handed) != 3 || handed[0].MAC != known || handed[0].Level != Password || !handed[0].Source.IsLoopback() {
		t.Errorf("told of %+v", handed)
	}
	// A digest is of one method and one file.
	if s.misses.blocked(netip.MustParseAddr("127.0.0.1"), time.Now()) {
		t.Error("a site whose phones prove which they are is blocked after a few misses")
	}
}

// What a phone has already it is not sent again, and parts of it are sent.
func TestHTTP(t *testing.T) {
	url := start(t, newServer(nil), nil).URL + "/y000000000028.cfg"
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	get := func(method string, header ...string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		resp, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		resp.Header.Set("Body", string(b))
		return resp
	}
	first := get("GET")
	tag := first.Header.Get("ETag")
	if first.StatusCode != 200 || tag == "" || first.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("got %d, %v", first.StatusCode, first.Header)
	}
	if again := get("GET", "If-None-Match", tag); again.StatusCode != 304 {
		t.Errorf("got %d for what it has", again.StatusCode)
	}
	if head := get("HEAD"); head.StatusCode != 200 || head.ContentLength != first.ContentLength || head.Header.Get("Body") != "" {
		t.Errorf("got %d, %d octets, %q", head.StatusCode, head.ContentLength, head.Header.Get("Body"))
	}
	if part := get("GET", "Range", "bytes=2-8"); part.StatusCode != 206 || part.Header.Get("Body") != "version" {
		t.Errorf("got %d, %q", part.StatusCode, part.Header.Get("Body"))
	}
}

// Names that are tricks are names that are none, and cost as much.
func TestTricks(t *testing.T) {
	s := newServer(nil)
	for i, path := range []string{
		"/../001565aabbcc.cfg", "/p/..%2f..%2fetc/passwd", "/%00001565aabbcc.cfg", `/p\001565aabbcc.cfg`, "/" + strings.Repeat("a", 64<<10) + "/001565aabbcc.cfg", "//", "/%2e%2e/y0.cfg",
		"/001565aabbcc.cfg/", "/001565AABBCC.cfg",
	} {
		r := httptest.NewRequest("GET", "https://perch"+"/", nil)
		r.URL.Path = strings.NewReplacer("%2f", "/", "%00", "\x00", "%2e", ".").Replace(path)
		r.RemoteAddr = fmt.Sprintf("192.0.2.%d:5000", i)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != 404 {
			t.Errorf("%.40q: got %d, %q", path, w.Code, w.Body)
		}
	}
	// In the clear nothing secret goes, whoever asks.
	r := httptest.NewRequest("GET", "http://perch/001565aabbcc.cfg", nil)
	r.SetBasicAuth(User(known), PasswordOf(key, known))
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != 404 || strings.Contains(w.Body.String(), secret) {
		t.Errorf("got %d, %q", w.Code, w.Body)
	}
}

// Whoever guesses MACs gets nothing, is blocked at the twentieth, and cannot tell which
// phones there are.
func TestHarvest(t *testing.T) {
	s := newServer(nil)
	ask := func(m discovery.MAC, from string, user, password string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "https://perch/"+User(m)+".cfg", nil)
		r.RemoteAddr = from
		if user != "" {
			r.SetBasicAuth(user, password)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w
	}
	heard := 0
	for i := range 1 << 16 {
		m := discovery.MAC{0x00, 0x15, 0x65, 0xaa, byte(i >> 8), byte(i)} // the one that is known among them
		w := ask(m, "192.0.2.1:1000", "", "")
		if strings.Contains(w.Body.String(), "password =") {
			t.Fatalf("%s is handed out", m)
		}
		if w.Code != 429 {
			heard++
		}
	}
	if heard != maxMisses {
		t.Errorf("%d guesses were heard, want %d", heard, maxMisses)
	}
	a, b := ask(known, "192.0.2.2:1", "", ""), ask(unknown, "192.0.2.3:1", "", "")
	if a.Code != b.Code || a.Body.String() != b.Body.String() || len(a.Header().Get("WWW-Authenticate")) != len(b.Header().Get("WWW-Authenticate")) {
		t.Errorf("known: %d %q, unknown: %d %q", a.Code, a.Body, b.Code, b.Body)
	}
	if w := ask(known, "192.0.2.1:2000", User(known), PasswordOf(key, known)); w.Code != 429 {
		t.Errorf("a source that is blocked gets %d", w.Code)
	}
	s.now = func() time.Time { return time.Now().Add(blockFor + time.Minute) }
	if w := ask(known, "192.0.2.1:2000", User(known), PasswordOf(key, known)); w.Code != 200 {
		t.Errorf("an hour later it gets %d", w.Code)
	}
	for range 10 * maxMisses { // phones behind its address start
		ask(unknown, "192.0.2.1:2000", "", "")
	}
	if w := ask(known, "192.0.2.1:2000", User(known), PasswordOf(key, known)); w.Code != 200 {
		t.Errorf("the phones of a site that was known are blocked: %d", w.Code)
	}
}

// A window lets one phone fetch its file once, from the network that it is for; until the
// file has gone out whole it stays open.
func TestWindow(t *testing.T) {
	var kept [][]Window
	windows := NewWindows(nil, func(l []Window) error { kept = append(kept, l); return nil })
	s := newServer(nil)
	s.cfg.Windows = windows
	ask := func(m discovery.MAC, from, method string, header ...string) int {
		r := httptest.NewRequest(method, "https://perch/"+User(m)+".cfg", nil)
		r.RemoteAddr = from + ":1000"
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if (w.Code == 200 && method == "GET") != strings.Contains(w.Body.String(), secret) {
			t.Errorf("got %d, %q", w.Code, w.Body)
		}
		return w.Code
	}
	open := Window{MAC: known, Network: netip.MustParsePrefix("10.1.0.0/16"), Until: time.Now().Add(time.Hour), By: "cli:admin"}
	if err := windows.Open(open); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		got  int
		want int
	}{
		{"from another network", ask(known, "10.2.0.1", "GET"), 401},
		{"another phone", ask(unknown, "10.1.0.1", "GET"), 401},
		{"a look at it", ask(known, "10.1.0.1", "HEAD"), 200},
		{"a part of it, which is all of it", ask(known, "10.1.0.1", "GET", "Range", "bytes=0-"), 200},
		{"again", ask(known, "10.1.0.1", "GET"), 401},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: got %d, want %d", tc.name, tc.got, tc.want)
		}
	}
	if len(kept) != 2 || len(kept[0]) != 1 || kept[0][0] != open || len(kept[1]) != 0 {
		t.Errorf("kept %+v", kept)
	}
	open.Until = time.Now().Add(-time.Second)
	if err := windows.Open(open); err != nil || ask(known, "10.1.0.1", "GET") != 401 || len(windows.List(time.Now())) != 0 {
		t.Errorf("one that has ended is open: %v, %+v", err, windows.List(time.Now()))
	}
	// What cannot be kept does not happen.
	windows.keep = func([]Window) error { return errTooMany }
	open.Until = time.Now().Add(time.Hour)
	if err := windows.Open(open); err == nil || len(windows.List(time.Now())) != 0 {
		t.Errorf("got %v, %+v", err, windows.List(time.Now()))
	}
}

// The table of who missed is bounded.
func TestManySources(t *testing.T) {
	m := misses{by: map[netip.Prefix]*missing{}}
	now := time.Now()
	for i := range 3 * maxSources {
		m.note(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), "x", now)
	}
	if len(m.by) > maxSources {
		t.Errorf("%d sources are kept", len(m.by))
	}
}

// authority signs certificates of phones.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	dir  string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	x := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Phones"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, x, x, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

// phone makes the certificate of a phone, as curl wants it.
func (a *authority) phone(t *testing.T, name string, until time.Time) (args []string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, x, a.cert, &k.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(a.dir, strings.ReplaceAll(name, ":", "")+".pem")
	b := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})...)
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"--cert", file}
}

// A phone's certificate by its vendor gives its own file, and no other.
func TestCertificate(t *testing.T) {
	ours, others := newAuthority(t), newAuthority(t)
	pool := x509.NewCertPool()
	pool.AddCert(ours.cert)
	s := newServer(nil)
	told := make(chan error, 1)
	s.cfg.Mismatch = func(m discovery.MAC, _ netip.Addr, c *x509.Certificate, why error) {
		if m != known || c == nil {
			t.Errorf("told of %s, %v", m, c)
		}
		told <- why
	}
	url := start(t, s, pool).URL + "/001565aabbcc.cfg"
	hour := time.Now().Add(time.Hour)
	for _, tc := range []struct {
		name, status string
		args         []string
	}{
		{"its MAC", "200", ours.phone(t, "001565AABBCC", hour)},
		{"with colons", "200", ours.phone(t, "00:15:65:AA:BB:CC", hour)},
		{"behind a word", "200", ours.phone(t, "SIP-T46S 001565aabbcc", hour)},
		{"as Cisco has it", "200", ours.phone(t, "CP-8841-SEP001565AABBCC", hour)},
		{"another phone's", "401", ours.phone(t, "001565AABBCD", hour)},
		{"a part of a word", "401", ours.phone(t, "x001565AABBCCx", hour)},
	} {
		if status, _ := curl(t, append(tc.args, url)...); status != tc.status {
			t.Errorf("%s: got %s, want %s", tc.name, status, tc.status)
		}
		if tc.status == "401" {
			if why := <-told; !errors.Is(why, errOtherPhone) {
				t.Errorf("%s: the admin is told %v", tc.name, why)
			}
		}
	}
	// One that is none proves nothing, the admin is told, and the phone may still have its password.
	for name, args := range map[string][]string{"expired": ours.phone(t, "001565AABBCC", time.Now().Add(-time.Minute)), "unknown authority": others.phone(t, "001565AABBCC", hour)} {
		status, body := curl(t, append(args, url)...)
		if why := <-told; status != "401" || strings.Contains(body, secret) || !strings.Contains(why.Error(), name) {
			t.Errorf("%s: got %s %q, and the admin is told %v", name, status, body, why)
		}
		status, _ = curl(t, append(args, "-u", User(known)+":"+PasswordOf(key, known), url)...)
		if why := <-told; status != "200" || why == nil {
			t.Errorf("%s, with its password: got %s, told %v", name, status, why)
		}
	}
}
