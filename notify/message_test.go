package notify

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"perch/gateway"
)

// check holds a mail against what mail programs and the outbox rely on.
func check(t *testing.T, l gateway.Letter, subject, id string, body []byte) {
	t.Helper()
	checkLines(t, body, 76+len("\r\n"))
	m, err := mail.ReadMessage(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || decoded != subject || subject == "" {
		t.Errorf("subject: got %q, %v, want %q", decoded, err, subject)
	}
	if got := m.Header.Get("Message-ID"); got != id || !regexp.MustCompile(`^<[a-z0-9.]+@example\.com>$`).MatchString(id) {
		t.Errorf("Message-ID: got %q, want %q", got, id)
	}
	if when, err := m.Header.Date(); err != nil || !when.Equal(l.Time) {
		t.Errorf("Date: got %v, %v, want %v", when, err, l.Time)
	}
	if to, err := m.Header.AddressList("To"); err != nil || len(to) != 1 || to[0].Address != l.To.Email {
		t.Errorf("To: got %v, %v, want %s", to, err, l.To.Email)
	}
	if got := m.Header.Get("Auto-Submitted"); got != "auto-generated" {
		t.Errorf("Auto-Submitted: got %q", got)
	}
	fields := 10
	if l.Purpose == gateway.MailEmergency {
		fields++ // Importance
	}
	if got := len(m.Header); got != fields {
		t.Errorf("header: got %d fields, want %d: %v", got, fields, m.Header)
	}
	text, markup := parts(t, body)
	checkText(t, text)
	checkText(t, markup)
	marks, link := 0, config.URL+linkPath(l)+gateway.TokenMark
	if linkPath(l) != "" {
		marks = 2
		if _, ok := mailOf(l).Link(); !ok {
			t.Errorf("%s: got a link in a mail whose token nobody makes", l.Purpose)
		}
		if strings.Count(text, "\n"+link+"\n") != 1 || strings.Count(markup, `href="`+link+`"`) != 1 {
			t.Errorf("got no link %s in\n%s\n%s", link, text, markup)
		}
	}
	if got := bytes.Count(body, []byte(gateway.TokenMark)); got != marks {
		t.Errorf("token marks: got %d, want %d", got, marks)
	}
	checkMarkup(t, markup)
}

// linkPath returns where a letter's link leads; empty without one.
func linkPath(l gateway.Letter) string {
	switch {
	case l.Purpose == gateway.MailPrompt:
		return "p/"
	case l.Purpose == gateway.MailClaim && l.Claim != nil:
		return "c/"
	case l.Purpose == gateway.MailEmergency:
		return "e/"
	case l.Answer != nil && (l.Purpose == gateway.MailReceipt || l.Notice == gateway.NoticeAnswered):
		return "a/"
	}
	return ""
}

// mailOf is as much of a queued mail as its link needs.
func mailOf(l gateway.Letter) gateway.Mail {
	m := gateway.Mail{ID: l.ID, Purpose: l.Purpose, To: l.To.Email, Prompt: l.Prompt}
	if l.Claim != nil {
		m.Claim = l.Claim.ID
	}
	if l.Answer != nil {
		m.Answer = l.Answer.ID
	}
	return m
}

// checkLines checks line ends, line lengths and that every byte is ASCII.
func checkLines(t *testing.T, body []byte, limit int) {
	t.Helper()
	for i, line := range bytes.SplitAfter(body, []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		if !bytes.HasSuffix(line, []byte("\r\n")) || bytes.Count(line, []byte("\r")) != 1 {
			t.Errorf("line %d: got a bare CR or LF: %q", i+1, line)
		}
		if len(line) > limit {
			t.Errorf("line %d: got %d bytes, want at most %d: %q", i+1, len(line), limit, line)
		}
		for _, c := range line[:len(line)-2] {
			if c < 0x20 || c > 0x7e {
				t.Errorf("line %d: got byte %#x: %q", i+1, c, line)
			}
		}
	}
}

// checkText checks that nothing invisible came through.
func checkText(t *testing.T, s string) {
	t.Helper()
	if !utf8.ValidString(s) {
		t.Error("got invalid UTF-8")
	}
	for _, r := range s {
		if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028') {
			t.Fatalf("got %U in\n%s", r, s)
		}
	}
	if len(s) > 20_000 {
		t.Errorf("part: got %d bytes, want at most 20000", len(s))
	}
}

// attributes are the ones that the templates use: none of them fetches anything.
var attributes = regexp.MustCompile(`^( (lang|dir|charset|name|content|style|role|aria-label|href)="[^"<>]*")*$`)

// checkMarkup checks that only the templates' own elements are there, that
// they are balanced, and that nothing is fetched.
func checkMarkup(t *testing.T, s string) {
	t.Helper()
	open := map[string]int{}
	for _, m := range regexp.MustCompile(`<(/?)([a-z0-9]+)([^>]*)>`).FindAllStringSubmatch(s, -1) {
		switch m[2] {
		case "meta", "br":
			continue
		case "html", "head", "title", "style", "body", "div", "h1", "h2", "p", "a", "ul", "li", "strong", "bdi":
		default:
			t.Errorf("got element %s", m[0])
		}
		if !attributes.MatchString(m[3]) || strings.Contains(m[3], "ZgotmplZ") {
			t.Errorf("got attributes %s", m[0])
		}
		if m[1] == "" {
			open[m[2]]++
		} else {
			open[m[2]]--
		}
	}
	for name, n := range open {
		if n != 0 {
			t.Errorf("element %s: got %+d open", name, n)
		}
	}
	if n := strings.Count(s, "href="); n > 1 {
		t.Errorf("got %d links, want one at most", n)
	}
}

// parts returns the two decoded parts, and fails if there are not exactly two
// on one level.
func parts(t testing.TB, body []byte) (text, markup string) {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	mediaType, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || mediaType != "multipart/alternative" {
		t.Fatalf("Content-Type: got %s, %v", mediaType, err)
	}
	if got := bytes.Count(body, []byte("boundary=")); got != 1 {
		t.Errorf("boundaries: got %d, want 1", got)
	}
	r := multipart.NewReader(m.Body, params["boundary"])
	var out [2]string
	for i, want := range [...]string{"text/plain; charset=utf-8", "text/html; charset=utf-8"} {
		p, err := r.NextPart() // decodes quoted-printable
		if err != nil {
			t.Fatalf("part %d: %v", i+1, err)
		}
		if got := p.Header.Get("Content-Type"); got != want {
			t.Errorf("part %d: got %s, want %s", i+1, got, want)
		}
		b, err := io.ReadAll(p)
		if err != nil {
			t.Fatalf("part %d: %v", i+1, err)
		}
		out[i] = strings.ReplaceAll(string(b), "\r\n", "\n")
	}
	if _, err := r.NextPart(); err != io.EOF {
		t.Errorf("third part: got %v, want io.EOF", err)
	}
	return out[0], out[1]
}

// strip returns the words of the HTML part in one line.
func strip(markup string) string {
	s := regexp.MustCompile(`<(br|/p|/h1|/h2|/li)[^>]*>`).ReplaceAllString(markup, " ")
	s = html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(s, ""))
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), " .", ".")
}

// TestToken puts tokens of several lengths into the mark's place.
func TestToken(t *testing.T) {
	_, _, body, err := renderer(t).Render(first())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range [...]int{1, 43, 75, 100, 512} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			token := strings.Repeat("aZ9-_", n/5+1)[:n]
			sent := bytes.ReplaceAll(body, []byte(gateway.TokenMark), []byte(token))
			checkLines(t, sent, max(76, n+1)+len("\r\n"))
			text, markup := parts(t, sent)
			link := "https://perch.example.com/p/" + token
			if !strings.Contains(text, "\n"+link+"\n") || !strings.Contains(markup, `href="`+link+`"`) {
				t.Errorf("got no whole link %s in\n%s\n%s", link, text, markup)
			}
		})
	}
}

// TestTokenNeverCut moves the mark through every column of a line.
func TestTokenNeverCut(t *testing.T) {
	for n := range 160 {
		want := strings.Repeat("é", n%40) + strings.Repeat("x", n) + gateway.TokenMark + "y\n" + gateway.TokenMark + "\nz"
		var b bytes.Buffer
		encode(&b, want)
		if got := bytes.Count(b.Bytes(), []byte(gateway.TokenMark)); got != 2 {
			t.Fatalf("%d: got %d marks, want 2:\n%s", n, got, b.Bytes())
		}
		checkLines(t, append(b.Bytes(), "\r\n"...), 76+len("\r\n"))
	}
}

// TestDistinct checks what makes two mails two.
func TestDistinct(t *testing.T) {
	r := renderer(t)
	seen := map[string]string{}
	for _, tt := range []struct {
		name   string
		change func(*gateway.Letter)
	}{
		{"first", func(*gateway.Letter) {}},
		{"id", func(l *gateway.Letter) { l.ID++ }},
		{"time", func(l *gateway.Letter) { l.Time = l.Time.Add(1000) }},
		{"recipient", func(l *gateway.Letter) { l.To.Email = "bob@example.com" }},
		{"purpose", func(l *gateway.Letter) { l.Purpose = gateway.MailReceipt }},
		{"phone", func(l *gateway.Letter) { l.Phone.MAC[5]++ }},
	} {
		l := first()
		tt.change(&l)
		_, id, body, err := r.Render(l)
		if err != nil {
			t.Fatal(err)
		}
		m, _ := mail.ReadMessage(bytes.NewReader(body))
		_, params, _ := mime.ParseMediaType(m.Header.Get("Content-Type"))
		for _, v := range []string{id, params["boundary"]} {
			if other, ok := seen[v]; ok {
				t.Errorf("%s: got %s, which is that of %s", tt.name, v, other)
			}
			seen[v] = tt.name
		}
	}
}

// TestRecipient covers addresses that cannot stand in a header.
func TestRecipient(t *testing.T) {
	tests := []struct{ name, display, email, want string }{
		{"plain", "", "alice@example.com", "<alice@example.com>"},
		{"name", "Alice Adams", "alice@example.com", `"Alice Adams" <alice@example.com>`},
		{"name beyond ASCII", "Zoë", "zoe@example.com", "=?utf-8?b?Wm/Dqw==?= <zoe@example.com>"},
		{"backslash beside non-ASCII", `ë\`, "zoe@example.com", "=?utf-8?b?w6tc?= <zoe@example.com>"},
		{"encoded word as name", "=?utf-8?q?=0D=0A?=", "a@example.com", `"= ?utf-8?q?=0D=0A?=" <a@example.com>`},
		{"address beyond ASCII", "Zoë", "zoë@example.com", nobody},
		{"injection", "", "a@example.com>\r\nBcc: b@example.com", nobody},
		{"two", "", "a@example.com, b@example.com", nobody},
		{"none", "Alice", "", nobody},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := mailbox(tt.display, tt.email); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func FuzzRender(f *testing.F) {
	f.Add(attack[:300]) // its 10 kB tail is the golden's matter, and slow to minimize
	f.Add(gateway.TokenMark)
	f.Add("@@perch-@@perch-token@@token@@")
	f.Add("=?=?utf-8?b?DQo=?=")
	f.Add("ë\\ë, \"") // once broke the To field
	f.Add("\u202e\u2066<b>")
	f.Add("")
	r := renderer(f)
	f.Fuzz(func(t *testing.T, s string) {
		for _, l := range []gateway.Letter{
			hostile(s), hostileClaim(s), hostileAnswer(s, gateway.MailReceipt, 0),
			hostileAnswer(s, gateway.MailNotice, gateway.NoticeAnswered), hostileAnswer(s, gateway.MailNotice, gateway.NoticeNotMine),
		} {
			subject, id, body, err := r.Render(l)
			if err != nil {
				t.Fatal(err)
			}
			check(t, l, subject, id, body)
		}
	})
}
