package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// onePhone is the socket of a phone that registered, which answers what it is asked.
type onePhone struct {
	t    *testing.T
	conn net.PacketConn
}

// asked returns the next request that is not sent again, answered with a status.
func (p *onePhone) asked(status string) (text string) {
	p.t.Helper()
	b := make([]byte, 1<<16)
	_ = p.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	n, from, err := p.conn.ReadFrom(b)
	if err != nil {
		p.t.Fatal(err)
	}
	text = string(b[:n])
	var answer strings.Builder
	answer.WriteString("SIP/2.0 " + status + "\r\n")
	for line := range strings.SplitSeq(text, "\r\n") {
		name, _, _ := strings.Cut(line, ":")
		switch name {
		case "To":
			line += ";tag=phone"
			fallthrough
		case "Via", "From", "Call-ID", "CSeq":
			answer.WriteString(line + "\r\n")
		}
	}
	answer.WriteString("Content-Length: 0\r\n\r\n")
	if _, err := p.conn.WriteTo([]byte(answer.String()), from); err != nil {
		p.t.Fatal(err)
	}
	return text
}

// A phone's life: it asks and waits, an admin adopts it on the page, it fetches its files,
// registers, is told to fetch them again, gets another password, is replaced, loses its
// password, and is taken out of use. Each step is in the audit log.
func TestLifeCycle(t *testing.T) {
	curl := need(t, "curl", "curl")
	s := newSIPSite(t)
	cert, key := writeServerCertificate(t, s.dir)
	at := freeAddress(t)
	s.add("provision: {listen: [\"https:%s\"], tls: {certificate: %q, key: %q}, url: \"https://%s/\"}\n", at, cert, key, at)
	s.write("users.csv", "email,name,role\nalice@example.com,Alice,user\nada@example.com,Ada,admin\n")
	s.write("lines.csv", "aor,secret\nalice@example.com,not-a-secret\n")
	s.write("phones.csv", "mac,site\n00:15:65:aa:00:02,hq\n")
	s.command("import", filepath.Join(s.dir, "map"))
	s.serve()
	const first, second = "00:15:65:aa:00:09", "00:15:65:aa:00:10"
	fetch := func(mac, password string) string {
		t.Helper()
		hex := strings.ReplaceAll(mac, ":", "")
		args := []string{"-s", "--cacert", cert, "--max-time", "10", "-w", "%{http_code}", "-A", "Yealink SIP-T46S 66.86.0.15 " + mac, "https://" + at + "/" + hex + ".cfg"}
		if password != "" {
			args = append(args, "--digest", "-u", hex+":"+password)
		}
		out, err := exec.Command(curl, args...).Output()
		if err != nil {
			t.Fatalf("curl %q: %v", args, err)
		}
		return string(out)
	}
	says := func(got string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("got\n%s\nwant %q", got, w)
			}
		}
	}

	if got := fetch(first, ""); !strings.HasSuffix(got, "401") {
		t.Fatalf("got %s", got)
	}
	says(s.command("phones", "waiting"), first+"  new  yealink  T46S   66.86.0.15  hq    127.0.0.1  https")

	// One click.
	link, ok := strings.CutPrefix(strings.TrimSpace(s.command("phones", "link", "-for", "ada@example.com")), "http://127.0.0.1")
	if !ok {
		t.Fatal("no link")
	}
	link = s.portal() + link[strings.Index(link, "/w/"):]
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Timeout: 10 * time.Second}
	says(page(t, browser, link, nil), "New: <bdi>Yealink T46S</bdi>")
	says(page(t, browser, s.portal()+"/phones", url.Values{"mac": {first}, "label": {"Lobby"}, "lines": {"alice@example.com"}, "users": {"alice@example.com"}}), "<bdi>Lobby ("+first+")</bdi> may fetch its configuration now")
	says(s.command("provision", "windows"), first+"  127.0.0.0/24", "ada@example.com")

	file := yealinkFile(fetch(first, ""))
	password := file["static.auto_provision.server.password"]
	if file["account.1.password"] != "not-a-secret" || password == "" {
		t.Fatalf("in its window it got %v", file)
	}
	if got := fetch(first, ""); !strings.HasSuffix(got, "401") {
		t.Errorf("behind its window: got %s", got)
	}
	if got := fetch(first, password); !strings.HasSuffix(got, "200") {
		t.Errorf("with its password: got %s", got)
	}
	says(s.command("phones", "list"), first+"  yealink  T46S   Lobby         hq    alice@example.com  password   2")
	s.await("what it fetched with", func() bool { return strings.Contains(s.command("explain", first), "fetch of its configuration") })

	// It registers, and is told.
	_, port, _ := net.SplitHostPort(freeAddress(t))
	s.done(s.sipp("register", "alice", port, "-key", "mac", "001565aa0009", "-key", "expires", "600"))
	conn, err := net.ListenPacket("udp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	phone := &onePhone{t, conn}
	told := make(chan string, 1)
	s.await("the SIP path to know it", func() bool { return !strings.Contains(s.command("explain", first), "lines     -") })
	time.Sleep(time.Second) // until the SIP path is told of callers, too
	go func() { told <- s.command("phones", "resync", first) }()
	says(phone.asked("200 OK"), "NOTIFY sip:alice@127.0.0.1:"+port, "Event: check-sync;reboot=false\r\n")
	says(<-told, first+": it was told, and will")
	go func() { told <- s.command("lines", "rotate", "alice@example.com", "-show", "-json") }()
	phone.asked("200 OK")
	var rotated struct {
		Secret string
		Phones []struct{ MAC, Answer string }
	}
	if err := json.Unmarshal([]byte(<-told), &rotated); err != nil || len(rotated.Phones) != 1 || rotated.Phones[0].Answer != "it was told, and will" || len(rotated.Secret) < 26 {
		t.Fatalf("got %+v, %v", rotated, err)
	}
	if got := yealinkFile(fetch(first, password))["account.1.password"]; got != rotated.Secret {
		t.Errorf("its file has %q, want the new password", got)
	}

	// Another one takes its place: the old one gets nothing any more.
	says(s.command("phones", "replace", first, second), second+" is in the place of "+first+": yealink T46S (Lobby)", "start it now")
	if got := fetch(first, password); !strings.HasSuffix(got, "404") {
		t.Errorf("the phone that was replaced got %s", got)
	}
	file = yealinkFile(fetch(second, ""))
	if file["account.1.password"] != rotated.Secret || file["account.1.label"] != "alice" {
		t.Errorf("in its window the new one got %v", file)
	}
	if got := fetch(second, file["static.auto_provision.server.password"]); !strings.HasSuffix(got, "200") {
		t.Errorf("got %s", got)
	}

	// It was reset to the factory's settings.
	if got := fetch(second, ""); !strings.HasSuffix(got, "401") {
		t.Errorf("got %s", got)
	}
	s.await("the phone that lost its password", func() bool {
		return strings.Contains(s.command("phones", "waiting"), second+"  no password  yealink  T46S")
	})
	says(s.command("phones", "reset", second), second+"  127.0.0.0/24")
	if got := fetch(second, ""); !strings.HasSuffix(got, "200") {
		t.Errorf("after its reset: got %s", got)
	}
	if got := s.command("phones", "waiting"); strings.Contains(got, second) {
		t.Errorf("it still waits:\n%s", got)
	}

	says(s.command("phones", "remove", second), second+" is listed no more", "the password of sip:alice@example.com is still in it: perch lines rotate alice@example.com")
	if got := fetch(second, file["static.auto_provision.server.password"]); !strings.HasSuffix(got, "404") {
		t.Errorf("the phone that was taken out of use got %s", got)
	}
	audit := s.command("provision", "audit")
	for _, w := range []string{"added     " + first, "opened    " + first, "window     127.0.0.1  -", "password   127.0.0.1  -", "rotated   -", "replaced  " + first, "removed   " + second, "ada@example.com", "cli:"} {
		says(audit, w)
	}
	if strings.Contains(audit, rotated.Secret) || strings.Contains(audit, password) {
		t.Errorf("a password stands in the audit log:\n%s", audit)
	}
	says(s.command("provision", "audit", "-verify"), "as they were written")
}

// page opens a page, or sends it a form.
func page(t *testing.T, c *http.Client, at string, form url.Values) string {
	t.Helper()
	var resp *http.Response
	var err error
	if form == nil {
		resp, err = c.Get(at)
	} else {
		resp, err = c.PostForm(at, form)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
