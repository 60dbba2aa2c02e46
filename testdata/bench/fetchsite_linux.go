package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"perch/discovery"
	"perch/provisioning"
	"perch/provisioning/serve"
	"perch/provisioning/settings"
)

// fetchers is how many phones fetch their files.
const fetchers = 50_000

// models are one of each vendor, with the first half of its MACs.
var models = []struct {
	vendor provisioning.Vendor
	model  string
	oui    [3]byte
}{
	{provisioning.Yealink, "SIP-T46S", [3]byte{0x00, 0x15, 0x65}},
	{provisioning.Poly, "VVX450", [3]byte{0x00, 0x04, 0xf2}},
	{provisioning.Cisco, "CP-8841", [3]byte{0x00, 0x1b, 0x54}},
	{provisioning.Grandstream, "GRP2614", [3]byte{0x00, 0x0b, 0x82}},
	{provisioning.Snom, "D785", [3]byte{0x00, 0x04, 0x13}},
	{provisioning.Fanvil, "X6U", [3]byte{0x0c, 0x38, 0x3e}},
}

// handset is a phone that fetches its file.
type handset struct {
	mac      discovery.MAC
	file     string // its name
	password string // of the file
	secret   string // of its line
	source   net.IP
	size     int // of the file, when it has it
	sum      uint32
}

// handsets are all of them.
func handsets() []handset {
	out, key := make([]handset, fetchers), passwordKey()
	for i := range out {
		m := models[i%len(models)]
		p := discovery.MAC{m.oui[0], m.oui[1], m.oui[2], byte(i >> 16), byte(i >> 8), byte(i)}
		out[i] = handset{
			mac: p, file: settings.OwnName(&settings.Device{MAC: p, Vendor: m.vendor}), password: serve.PasswordOf(key, p),
			secret: lineSecret(i), source: net.IPv4(127, byte(64+i>>16), byte(i>>8), byte(i)),
		}
	}
	return out
}

func lineSecret(i int) string { return fmt.Sprintf("not-a-secret-%05d", i) }

// writeHandsets writes the directory that lists them.
func writeHandsets(dir string) error {
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "sites.csv"), []byte("id,name,timezone\ncampus,Campus,Europe/Berlin\n"), 0o644),
		writeFile(filepath.Join(dir, "phones.csv"), func(w *bufio.Writer) error {
			fmt.Fprintln(w, "mac,label,site,aors,vendor,model")
			for i, p := range handsets() {
				m := models[i%len(models)]
				fmt.Fprintf(w, "%v,Desk %d,campus,%s@%s,%s,%s\n", p.mac, i, line(i), domain, m.vendor, m.model)
			}
			return nil
		}),
		writeFile(filepath.Join(dir, "lines.csv"), func(w *bufio.Writer) error {
			fmt.Fprintln(w, "aor,secret,display_name")
			for i := range fetchers {
				fmt.Fprintf(w, "%s@%s,%s,User %d\n", line(i), domain, lineSecret(i), i)
			}
			return nil
		}),
	)
}

// writeCertificate makes a certificate of P-256 for fileServerName, and returns who trusts it.
func writeCertificate(dir string) (*x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: fileServerName}, DNSNames: []string{fileServerName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	pool, text := x509.NewCertPool(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool.AppendCertsFromPEM(text)
	return pool, errors.Join(
		os.WriteFile(filepath.Join(dir, "cert.pem"), text, 0o644),
		os.WriteFile(filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600),
	)
}

// installation is the secret of the one whose phones they are.
var installation = [32]byte{1}

// passwordKey is what passwords of phones are made with.
func passwordKey() (key [32]byte) {
	h := hmac.New(sha256.New, installation[:])
	h.Write([]byte("provision"))
	copy(key[:], h.Sum(nil))
	return key
}

// startFiles starts a serve that hands out the files of all handsets.
func (b *bench) startFiles(dir string, port int, more ...string) (*exec.Cmd, error) {
	cmd, err := b.serveFiles(dir, port, more...)
	if err != nil {
		return nil, err
	}
	list := filepath.Join(dir, "map")
	if err := errors.Join(os.Mkdir(list, 0o755), writeHandsets(list)); err != nil {
		return nil, err
	}
	if out, err := exec.Command(b.perch, "import", "-config", filepath.Join(dir, "perch.yaml"), list).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	return cmd, startWithLog(cmd, filepath.Join(dir, "serve.log"))
}

// serveFiles is what starts it; it listens to HTTPS, and to more.
func (b *bench) serveFiles(dir string, port int, more ...string) (*exec.Cmd, error) {
	sip, err := freePort()
	if err != nil {
		return nil, err
	}
	portal, err := freePort()
	if err != nil {
		return nil, err
	}
	cmd, err := b.serve(dir, portal, fmt.Sprintf("listen: [\"udp:127.0.0.1:%d\"], upstream: [\"udp:127.0.0.2:%d\"]", sip, sip))
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "perch.yaml"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	key := filepath.Join(dir, "secrets.key")
	_, err = fmt.Fprintf(f, "secrets: {key_file: %q}\nprovision: {listen: [\"%s\"], tls: {certificate: %q, key: %q}, url: \"https://%s:%d/\"}\n",
		key, strings.Join(append(more, fmt.Sprintf("https:127.0.0.1:%d", port)), `", "`), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), fileServerName, port)
	return cmd, errors.Join(err, f.Close(), os.WriteFile(key, []byte(hex.EncodeToString(installation[:])+"\n"), 0o600))
}

// nginxConfig serves the files in a directory: DIR, PORT and USER are put in.
const nginxConfig = `daemon off;
USER
worker_processes 2;
worker_rlimit_nofile 16384;
pid DIR/nginx.pid;
error_log DIR/nginx.log warn;
events { worker_connections 4096; }
http {
    access_log off;
    sendfile on;
    default_type application/xml;
    client_body_temp_path DIR/body;
    proxy_temp_path DIR/proxy;
    fastcgi_temp_path DIR/fastcgi;
    uwsgi_temp_path DIR/uwsgi;
    scgi_temp_path DIR/scgi;
    server {
        listen 127.0.0.1:PORT ssl backlog=4096;
        root DIR/files;
        ssl_certificate DIR/cert.pem;
        ssl_certificate_key DIR/key.pem;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_tickets on;
        ssl_session_timeout 1d;
    }
}
`

// startNginx starts an nginx that serves what is in files.
func startNginx(nginx, dir string, port int) (*exec.Cmd, error) {
	user := ""
	if os.Getuid() == 0 { // its workers read a directory that is nobody else's
		user = "user root;"
	}
	conf := filepath.Join(dir, "nginx.conf")
	text := strings.NewReplacer("DIR", dir, "PORT", fmt.Sprint(port), "USER", user).Replace(nginxConfig)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return nil, err
	}
	cmd := exec.Command(nginx, "-p", dir, "-e", filepath.Join(dir, "nginx.log"), "-c", conf)
	return cmd, startWithLog(cmd, filepath.Join(dir, "nginx.log"))
}

// startWithLog starts a server in a session of its own. What it says goes to a file: to read
// it takes no time from anybody.
func startWithLog(cmd *exec.Cmd, name string) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = f, f, &syscall.SysProcAttr{Setsid: true}
	return cmd.Start()
}

// endServer ends one.
func endServer(cmd *exec.Cmd) error {
	return errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait())
}

// end ends it, and tells if it did not end well.
func (s *filesAt) end() {
	if err := endServer(s.cmd); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", s.name, err)
	}
}
