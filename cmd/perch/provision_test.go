package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// writeServerCertificate writes a certificate of this machine, or of addresses, and its key,
// and returns their names.
func writeServerCertificate(t *testing.T, dir string, addresses ...net.IP) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "perch"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: append(addresses, net.IPv4(127, 0, 0, 1)), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, x, x, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, b := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// A phone fetches its configuration by its password, and registers through Perch with the
// PBX by what stands in it: it is read here as the vendor has it, not as it was written.
func TestProvisioned(t *testing.T) {
	curl := need(t, "curl", "curl")
	s := newSIPSite(t)
	cert, key := writeServerCertificate(t, s.dir)
	needTFTP := need(t, "tftp", "tftp-hpa")
	at, files, layers := freeAddress(t), freeAddress(t), filepath.Join(s.dir, "phones")
	if err := os.MkdirAll(layers, 0o755); err != nil {
		t.Fatal(err)
	}
	s.add("provision: {listen: [\"https:%s\", \"tftp:%s\"], tls: {certificate: %q, key: %q}, url: \"https://%s/\", settings: %q}\n", at, files, cert, key, at, layers)
	s.write("lines.csv", "aor,secret,display_name\nalice@example.com,not-a-secret,Alice\n")
	s.write("phones.csv", "mac,label,site,users,aors,vendor,model\n00:15:65:aa:00:01,Alice's desk,hq,alice@example.com,alice@example.com,yealink,SIP-T46S\n")
	s.command("import", filepath.Join(s.dir, "map"))
	serve := s.serve()

	rendered := s.command("provision", "render", "001565aa0001")
	settings := yealinkFile(rendered)
	user, password := settings["static.auto_provision.server.username"], settings["static.auto_provision.server.password"]
	fetch := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(curl, append([]string{"-s", "--cacert", cert, "--max-time", "10", "-w", "%{http_code}"}, args...)...).Output()
		if err != nil {
			t.Fatalf("curl %q: %v", args, err)
		}
		return string(out)
	}
	own := settings["static.auto_provision.server.url"] + "001565aa0001.cfg"
	if got := fetch(own); !strings.HasSuffix(got, "401") || strings.Contains(got, "account") {
		t.Errorf("without a password: got\n%s", got)
	}
	if got := fetch(settings["static.auto_provision.server.url"] + "y000000000066.cfg"); !strings.HasSuffix(got, "200") || strings.Contains(got, "account") {
		t.Errorf("the common file: got\n%s", got)
	}
	host, port, _ := net.SplitHostPort(files)
	common := filepath.Join(s.dir, "common")
	if out, err := exec.Command(needTFTP, "-m", "binary", host, port, "-c", "get", "y000000000066.cfg", common).CombinedOutput(); err != nil {
		t.Errorf("tftp: %v\n%s", err, out)
	}
	if b, err := os.ReadFile(common); err != nil || yealinkFile(string(b))["static.auto_provision.server.url"] != "https://"+at+"/" {
		t.Errorf("over TFTP: got %q, %v", b, err)
	}
	got := fetch("--digest", "-u", user+":"+password, own)
	if got != rendered+"200" {
		t.Fatalf("got\n%s\nwant\n%s", got, rendered)
	}
	account := yealinkFile(got)
	proxy := net.JoinHostPort(account["account.1.outbound_proxy.1.address"], account["account.1.outbound_proxy.1.port"])
	if backup := net.JoinHostPort(account["account.1.outbound_proxy.2.address"], account["account.1.outbound_proxy.2.port"]); proxy != s.perch || backup != s.pbx {
		t.Errorf("got proxy %s, backup %s, want %s, %s", proxy, backup, s.perch, s.pbx)
	}
	_, port, _ = net.SplitHostPort(freeAddress(t))
	s.done(s.sippAt(proxy, "register", account["account.1.user_name"], port, "-key", "mac", "none", "-key", "expires", "600", "-au", account["account.1.auth_name"], "-ap", account["account.1.password"]))

	// A phone that has no password yet gets its file in a window, once, also when serve was
	// started again meanwhile.
	if got := s.command("provision", "open", "00:15:65:aa:00:01", "-network", "127.0.0.0/8"); !strings.Contains(got, "127.0.0.0/8") || !strings.Contains(got, "cli:") {
		t.Errorf("got\n%s", got)
	}
	_ = serve.Process.Signal(syscall.SIGTERM)
	_ = serve.Wait()
	serve = s.serve()
	if got := s.command("provision", "windows", "-json"); !strings.Contains(got, `"mac":"00:15:65:aa:00:01","network":"127.0.0.0/8"`) {
		t.Errorf("got\n%s", got)
	}
	if got := fetch(own); got != rendered+"200" {
		t.Errorf("in its window: got\n%s", got)
	}
	if got := fetch(own); !strings.HasSuffix(got, "401") {
		t.Errorf("behind its window: got\n%s", got)
	}
	if got := s.command("provision", "windows"); got != "no window is open\n" {
		t.Errorf("got %q", got)
	}

	// A fault in the settings changes nothing that is served.
	if err := os.WriteFile(filepath.Join(layers, "yealink.yaml"), []byte("settings:\n  x: '{{.'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	log := func() string {
		b, err := os.ReadFile(s.log.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	_ = serve.Process.Signal(syscall.SIGHUP)
	s.await("the word of a fault", func() bool { return strings.Contains(log(), "the settings of phones are not taken") })
	if got := fetch("-u", user+":"+password, own); got != rendered+"200" {
		t.Errorf("got\n%s\nwant what was right last", got)
	}
	if err := os.WriteFile(filepath.Join(layers, "yealink.yaml"), []byte("settings:\n  x: new\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_ = serve.Process.Signal(syscall.SIGHUP)
	s.await("the new settings", func() bool { return yealinkFile(fetch("-u", user+":"+password, own))["x"] == "new" })
	writeServerCertificate(t, s.dir) // another one, which is taken up by itself
	s.await("the new certificate", func() bool {
		return exec.Command(curl, "-s", "--cacert", cert, "--max-time", "10", own).Run() == nil
	})
	if text := s.command("provision", "audit", "001565aa0001"); !strings.Contains(text, "fetched  00:15:65:aa:00:01  password   127.0.0.1") || !strings.Contains(text, "fetched  00:15:65:aa:00:01  window     127.0.0.1") {
		t.Errorf("the audit log says\n%s", text)
	}
	if text := log(); !strings.Contains(text, "a phone fetched its configuration in its window") || strings.Contains(text, "not-a-secret") || strings.Contains(text, password) {
		t.Errorf("the log says\n%s", text)
	}
}

// Who guesses phones is not heard any more, and the admin is told wherever they look.
func TestGuesses(t *testing.T) {
	curl := need(t, "curl", "curl")
	s := newSIPSite(t)
	told := make(chan string, 9)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		told <- r.URL.Path + " " + string(b)
	}))
	defer hook.Close()
	cert, key := writeServerCertificate(t, s.dir)
	at := freeAddress(t)
	s.add("provision: {listen: [\"https:%s\"], tls: {certificate: %q, key: %q}, url: \"https://%s/\", webhook: \"%s/hook-secret\"}\n", at, cert, key, at, hook.URL)
	s.command("import", filepath.Join(s.dir, "map"))
	s.serve()
	status := func(i int) string {
		t.Helper()
		out, err := exec.Command(curl, "-s", "--cacert", cert, "--max-time", "10", "-o", "/dev/null", "-w", "%{http_code}", "-u", "x:y", fmt.Sprintf("https://%s/001565bb%04x.cfg", at, i)).Output()
		if err != nil {
			t.Fatalf("curl: %v", err)
		}
		return string(out)
	}
	for i := range 20 {
		if got := status(i); got != "401" {
			t.Fatalf("guess %d: got %s, want 401", i, got)
		}
	}
	if got := status(20); got != "429" {
		t.Errorf("guess 21: got %s, want 429", got)
	}
	select {
	case got := <-told:
		if !strings.HasPrefix(got, `/hook-secret {"what":"blocked","source":"127.0.0.1","until":"20`) {
			t.Errorf("the webhook is told %s", got)
		}
	case <-time.After(10 * time.Second):
		t.Error("the webhook is told nothing")
	}
	if got := s.command("provision", "audit"); !strings.Contains(got, "blocked") || !strings.Contains(got, "127.0.0.1") {
		t.Errorf("the audit log says\n%s", got)
	}
	if got := s.command("doctor"); !strings.Contains(got, "1 source guesses which phones there are") {
		t.Errorf("doctor says\n%s", got)
	}
	if len(told) > 0 {
		t.Errorf("the webhook is told once more: %s", <-told)
	}
	if b, err := os.ReadFile(s.log.Name()); err != nil || !strings.Contains(string(b), "somebody guesses which phones there are") || strings.Contains(string(b), "hook-secret") {
		t.Errorf("the log says %v\n%s", err, b)
	}
}

// yealinkFile reads lines of "key = value".
func yealinkFile(text string) map[string]string {
	out := map[string]string{}
	for line := range bytes.Lines([]byte(text)) {
		if k, v, ok := strings.Cut(string(line), "="); ok && !strings.HasPrefix(k, "#") {
			out[strings.TrimSpace(k)] = strings.TrimSpace(v)
		}
	}
	return out
}
