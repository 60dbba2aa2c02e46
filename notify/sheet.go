package notify

import (
	"embed"
	"fmt"
	htmltemplate "html/template"
	"strings"
	texttemplate "text/template"

	"perch/gateway"
)

// The templates: for each purpose name.txt and name.html; layout.txt and
// layout.html hold what mails share.
//
//go:embed templates
var templates embed.FS

// purposes lists what there are words for. A new purpose is a row here, two
// templates, in page what they need to know, and a heading.
var purposes = [...]gateway.Purpose{
	gateway.MailPrompt,
	gateway.MailReceipt,
	gateway.MailClaim,
	gateway.MailDecision,
	gateway.MailNotice,
	gateway.MailEmergency,
}

// sheet is the pair of templates of one purpose.
type sheet struct {
	text *texttemplate.Template
	html *htmltemplate.Template
}

// written is a mail in words.
type written struct {
	text, html string // lines end in \n
}

func readSheets() (map[gateway.Purpose]sheet, error) {
	sheets := make(map[gateway.Purpose]sheet, len(purposes))
	for _, p := range purposes {
		base := "templates/" + p.String()
		text, err := texttemplate.ParseFS(templates, "templates/layout.txt", base+".txt")
		if err != nil {
			return nil, fmt.Errorf("%s.txt: %w", p, err)
		}
		html, err := htmltemplate.New("layout.html").Funcs(htmltemplate.FuncMap{"style": style}).
			ParseFS(templates, "templates/layout.html", base+".html")
		if err != nil {
			return nil, fmt.Errorf("%s.html: %w", p, err)
		}
		sheets[p] = sheet{text: text, html: html}
	}
	return sheets, nil
}

// write fills in all templates.
func (s sheet) write(p *page) (written, error) {
	var w written
	var err error
	if w.text, err = s.fill("layout", p); err != nil {
		return w, err
	}
	var b strings.Builder
	if err := s.html.ExecuteTemplate(&b, "layout", p); err != nil {
		return w, err
	}
	w.text, w.html = tidyText(w.text), tidyHTML(b.String())
	return w, nil
}

func (s sheet) fill(name string, p *page) (string, error) {
	var b strings.Builder
	err := s.text.ExecuteTemplate(&b, name, p)
	return strings.TrimSpace(b.String()), err
}

// tidyText leaves one empty line where template actions left several.
func tidyText(s string) string {
	var b strings.Builder
	empty := true
	for line := range strings.Lines(s) {
		line = strings.TrimRight(line, " \t\r\n")
		if line == "" && empty {
			continue
		}
		empty = line == ""
		b.WriteString(line + "\n")
	}
	return b.String()
}

// tidyHTML drops indentation and empty lines. The templates use no <pre>.
func tidyHTML(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}
