package notify

import (
	"bytes"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"time"

	"perch/gateway"
	"perch/gateway/words"
)

// message is an Internet message about to be written. It is put together here
// and not by a mail library because its bytes are part of what Perch promises:
// the same letter gives the same mail for ever, whatever a library's next
// version thinks of header order, boundaries or Message-IDs, and the token's
// mark may not be cut by a soft line break. The encodings themselves are the
// standard library's.
type message struct {
	from, to string // header values
	subject  string // any text without control characters
	time     time.Time
	id       string // with angle brackets
	boundary string // 1 to 70 characters; never occurs in quoted-printable
	text     string // lines end in \n
	html     string
	urgent   bool
}

// bytes writes the message: CRLF line ends, ASCII only.
func (m *message) bytes() []byte {
	var b bytes.Buffer
	for _, f := range [...]struct{ name, value string }{
		{"From", m.from},
		{"To", m.to},
		{"Subject", encodeWords(m.subject)},
		{"Date", m.time.UTC().Format(time.RFC1123Z)},
		{"Message-ID", m.id},
		{"Auto-Submitted", "auto-generated"},  // RFC 3834 section 5: no vacation replies, please
		{"X-Auto-Response-Suppress", "All"},   // the same for Exchange, which does not read RFC 3834
		{"MIME-Version", "1.0"},               //
		{"Content-Language", contentLanguage}, // RFC 3282
		{"Content-Type", `multipart/alternative; boundary="` + m.boundary + `"`},
	} {
		b.WriteString(fold(f.name, f.value))
	}
	if m.urgent {
		b.WriteString(fold("Importance", "high")) // RFC 2156; some mail programs make themselves heard for it
	}
	b.WriteString("\r\n")
	// RFC 2046 section 5.1.4: the plainest alternative comes first.
	m.part(&b, "text/plain", m.text)
	m.part(&b, "text/html", m.html)
	b.WriteString("--" + m.boundary + "--\r\n")
	return b.Bytes()
}

// contentLanguage is that of the templates.
const contentLanguage = "en"

func (m *message) part(b *bytes.Buffer, contentType, content string) {
	b.WriteString("--" + m.boundary + "\r\n")
	b.WriteString("Content-Type: " + contentType + "; charset=utf-8\r\n")
	b.WriteString("Content-Transfer-Encoding: quoted-printable\r\n\r\n")
	encode(b, content)
	b.WriteString("\r\n") // belongs to the boundary (RFC 2046 section 5.1.1)
}

// encode writes quoted-printable, with the token's mark alone on its line
// between soft line breaks: a token of up to 75 characters then keeps the line
// within the 76 of RFC 2045 section 6.7 rule 5, and one of up to 990 within the
// 998 of RFC 5322 section 2.1.1. Tokens are base64url, which stands for itself.
func encode(b *bytes.Buffer, s string) {
	for i, piece := range strings.Split(s, gateway.TokenMark) {
		if i > 0 {
			b.WriteString("=\r\n" + gateway.TokenMark)
			if piece != "" && piece[0] != '\n' {
				b.WriteString("=\r\n")
			}
		}
		// Writing to a buffer does not fail.
		w := quotedprintable.NewWriter(b)
		_, _ = w.Write([]byte(piece))
		_ = w.Close()
	}
}

// encodeWords writes unstructured header text (RFC 2047 section 5, rule 1). ASCII
// words stay readable; neighbours that are encoded go into one encoded word, or
// several, since the space between two of those does not count (section 6.2).
func encodeWords(s string) string {
	var out, run []string
	flush := func() {
		if len(run) > 0 {
			out = append(out, mime.QEncoding.Encode("utf-8", strings.Join(run, " ")))
			run = nil
		}
	}
	for _, word := range strings.Fields(s) {
		if !ascii(word) {
			run = append(run, word)
			continue
		}
		flush()
		out = append(out, word)
	}
	flush()
	return strings.Join(out, " ")
}

// fold writes a header field, broken at its spaces into lines of at most 76
// characters where it can be (RFC 5322 section 2.2.3, RFC 2047 section 2).
func fold(name, value string) string {
	var b strings.Builder
	b.WriteString(name + ":")
	n := b.Len()
	for _, word := range strings.Fields(value) {
		if n > 0 && n+1+len(word) > 76 {
			b.WriteString("\r\n")
			n = 0
		}
		b.WriteString(" " + word)
		n += 1 + len(word)
	}
	b.WriteString("\r\n")
	return b.String()
}

// nobody is the empty group of RFC 5322 section 3.4. It stands for a recipient
// whose address cannot stand in an ASCII header: the envelope, not the header,
// decides who gets a mail.
const nobody = "undisclosed-recipients:;"

// mailbox writes a name and an address for a header, or nobody.
func mailbox(name, address string) string {
	a, err := mail.ParseAddress(address)
	if err != nil || !ascii(address) || a.Address != address || len(address) > 254 { // RFC 5321 section 4.5.3.1.3
		return nobody
	}
	a.Name = words.Clean(name, words.MaxName)
	if ascii(a.Name) {
		return a.String()
	}
	// The "Q" encoding leaves characters as they are that may not stand in a name
	// (RFC 2047 section 5, rule 3), such as the backslash.
	encoded := mime.BEncoding.Encode("utf-8", a.Name)
	a.Name = ""
	return encoded + " " + a.String()
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}
