package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Other programs speak to serve as commands do, as docs/directory.md has it.
func TestAPI(t *testing.T) {
	curl := need(t, "curl", "curl")
	s := newSIPSite(t)
	cert, key := writeServerCertificate(t, s.dir)
	s.add("provision: {listen: [\"https:%s\"], tls: {certificate: %q, key: %q}, url: \"https://perch.example.com/\"}\n", freeAddress(t), cert, key)
	s.serve()
	socket := filepath.Join(s.dir, "s.sock")
	post := func(name, body string) (status, text string) {
		t.Helper()
		out, err := exec.Command(curl, "-s", "--max-time", "10", "-w", "\n%{http_code}", "--unix-socket", socket, "-d", body, "http://perch/v1/"+name).Output()
		if err != nil {
			t.Fatalf("curl %s: %v", name, err)
		}
		i := strings.LastIndexByte(string(out), '\n')
		return string(out[i+1:]), string(out[:i])
	}
	for _, tc := range []struct{ name, body, status, want string }{
		{"import", `{"files": [{"name": "lines.csv", "text": "aor,secret\n101@example.com,not-a-secret\n"}]}`, "200", "changed: 1 lines\n"},
		{"export", `{"kind": "lines"}`, "200", "aor,auth_user,secret,display_name,callback\nsip:101@example.com,,sealed:"},
		{"phones/add", `{"phone": {"mac": "00:15:65:aa:00:09", "vendor": "yealink", "aors": ["sip:101@example.com"]}, "json": true}`, "200", `{"mac":"00:15:65:aa:00:09","kind":"desk","aors":["sip:101@example.com"],"vendor":"yealink"}`},
		{"phones/list", `{"json": true}`, "200", `{"mac":"00:15:65:aa:00:09",`},
		{"provision/audit", `{"json": true}`, "200", `"what":"added","mac":"00:15:65:aa:00:09","by":"cli:`},
		{"lines/rotate", `{"aor": "101@example.com", "secret": "another", "json": true}`, "200", `{"aor":"sip:101@example.com","phones":[{"mac":"00:15:65:aa:00:09",`},
		{"phones/remove", `{"mac": "00:15:65:aa:00:19"}`, "422", `{"errors":["00:15:65:aa:00:19 is not listed"],"hint":"perch phones list shows them`},
		{"phones/add", `{"phone": {"mac": "00:15:65:aa:00:08", "vendor": "evil"}}`, "422", `vendor \"evil\"`},
		{"phones/add", `{"phone": {"mac": "00:15:65:aa:00:08", "label": "a\nb"}}`, "422", `no line breaks`},
		{"phones/add", `{"phone": {"mac": "00:15:65:aa:00:08", "aors": ["103@example.com"]}, "by": "ceo@example.com", "json": true}`, "200", `"aors":["sip:103@example.com"]`},
		{"phones/add", `{"phone": {"mac": "x"}}`, "422", `want 12 hex digits`},
		{"phones/list", `{"sites": "hq"}`, "422", `unknown field`},
		{"provision/audit", `{"mac": "00:15:65:aa:00:08", "json": true}`, "200", `"by":"cli:`},
		{"provision/open", `{"mac": "00:15:65:aa:00:09", "ask": {"for": 3600000000000}}`, "422", `ask.for takes no number"],"hint":"docs/directory.md names`},
		{"provision/open", `{"mac": "00:15:65:aa:00:09", "ask": {"for": "soon"}}`, "422", `\"soon\" is not a duration such as 65s, 5m, 36h or 14d`},
		{"provision/open", `{"mac": "00:15:65:aa:00:09", "ask": {"for": "8d"}}`, "422", `a window of 192h0m0s`},
		{"provision/open", `{"mac": "00:15:65:aa:00:09", "ask": {"for": "1h", "network": "127.0.0.0/24"}, "json": true}`, "200", `"mac":"00:15:65:aa:00:09","network":"127.0.0.0/24"`},
		{"phones/add", `{"phone": {"mac": "00:15:65:aa:00:07", "vendor": "yealink", "aors": ["101"]}}`, "200", "is listed: yealink"},
		{"provision/check", `{}`, "422", "line sip:101 names no PBX"},
		{"provision/lint", `{}`, "422", `"output":"`},
		{"nothing", `{}`, "422", `no request \"nothing\"`},
	} {
		if status, text := post(tc.name, tc.body); status != tc.status || !strings.Contains(text, tc.want) {
			t.Errorf("%s %s: got %s\n%s\nwant %s, %s", tc.name, tc.body, status, text, tc.status, tc.want)
		}
	}
}
