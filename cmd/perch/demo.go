package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"strings"

	"perch/gateway"
)

// demoFiles are the bundled capture, its map and its directory. The capture is
// that of testdata/replay/real-move-two-links, recorded from real programs; of
// its two ports the demo's map knows only the first.
//
//go:embed demo
var demoFiles embed.FS

// demoCmd plays the bundled capture.
type demoCmd struct {
	Mail string `help:"Directory to write the mails to." default:"demo-mails" placeholder:"DIR"`
}

// Run is the command.
func (c *demoCmd) Run(env *environment) (err error) {
	dir, err := os.MkdirTemp("", "perch-demo-")
	if err != nil {
		return err
	}
	defer func(made string) { err = errors.Join(err, os.RemoveAll(made)) }(dir)
	if err := os.CopyFS(dir, demoFiles); err != nil {
		return err
	}
	dir = filepath.Join(dir, "demo")
	intro, err := fs.ReadFile(demoFiles, "demo/intro.txt")
	if err != nil {
		return err
	}
	if _, err := env.stdout.Write(intro); err != nil {
		return err
	}
	replay := replayCmd{
		Map: filepath.Join(dir, "map"), Mail: c.Mail,
		Captures: []string{filepath.Join(dir, "swp7.pcap"), filepath.Join(dir, "swp9.pcap")},
	}
	database := databaseFlags{Config: filepath.Join(dir, "perch.yaml"), DB: filepath.Join(dir, "perch.db")}
	replay.databaseFlags = database
	quiet := &environment{env.stdin, env.stdout, io.Discard}
	if err := replay.Run(quiet); err != nil {
		return err
	}
	fmt.Fprint(env.stdout, "\nWhy? This is what perch explain says of the phone:\n\n")
	explain := explainCmd{databaseFlags: database, Query: "sip:101@example.com"}
	if err := explain.Run(quiet); err != nil {
		return err
	}
	return c.showMail(env.stdout)
}

// showMail lists the mails and shows the text of the last prompt.
func (c *demoCmd) showMail(w io.Writer) error {
	mails, err := filepath.Glob(filepath.Join(c.Mail, "*-"+gateway.MailPrompt.String()+".eml"))
	if err != nil || len(mails) == 0 {
		return fmt.Errorf("the demo queued no mail (%v)", err)
	}
	fmt.Fprintf(w, "\n%d mails are in %s/. The last one reads\n(the token of its link is put in when it is sent):\n\n", len(mails), c.Mail)
	b, err := os.ReadFile(mails[len(mails)-1])
	if err != nil {
		return err
	}
	text, err := textOf(b)
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// textWidth is where the demo wraps the mail's text, which in a mail program is
// as wide as its window.
const textWidth = 76

// textOf returns the headers that a reader sees and the plain text of a mail,
// wrapped, each line set in a little.
func textOf(b []byte) ([]byte, error) {
	m, err := mail.ReadMessage(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	decoder := new(mime.WordDecoder)
	for _, h := range []string{"From", "To", "Subject"} {
		v, err := decoder.DecodeHeader(m.Header.Get(h))
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&out, "  %s: %s\n", h, v)
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		return nil, err
	}
	part, err := multipart.NewReader(m.Body, params["boundary"]).NextRawPart()
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(quotedprintable.NewReader(part))
	if err != nil {
		return nil, err
	}
	out.WriteString("\n")
	for line := range strings.Lines(strings.ReplaceAll(string(text), "\r\n", "\n")) {
		for _, part := range wrap(strings.TrimRight(line, "\n"), textWidth) {
			fmt.Fprintln(&out, strings.TrimRight("  "+part, " "))
		}
	}
	return out.Bytes(), nil
}

// wrap breaks a line between words.
func wrap(line string, width int) []string {
	var out []string
	part := ""
	for _, word := range strings.Fields(line) {
		switch {
		case part == "":
			part = word
		case len([]rune(part))+1+len([]rune(word)) <= width:
			part += " " + word
		default:
			out = append(out, part)
			part = word
		}
	}
	return append(out, part)
}
