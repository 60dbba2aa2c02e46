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

	"perch/gateway"
)

// demoFiles are the bundled capture, its map and its directory. testdata/gen
// writes the capture; its README tells the story.
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
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.CopyFS(dir, demoFiles); err != nil {
		return err
	}
	intro, err := fs.ReadFile(demoFiles, "demo/intro.txt")
	if err != nil {
		return err
	}
	if _, err := env.stdout.Write(intro); err != nil {
		return err
	}
	replay := replayCmd{
		Map: filepath.Join(dir, "demo", "map"), Mail: c.Mail,
		Captures: []string{filepath.Join(dir, "demo", "hq.pcapng")},
	}
	replay.Config = filepath.Join(dir, "demo", "perch.yaml")
	if err := replay.Run(&environment{env.stdin, env.stdout, io.Discard}); err != nil {
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
	fmt.Fprintf(w, "\n%d mails are in %s. The last one reads:\n\n", len(mails), c.Mail)
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

// textOf returns the headers that a reader sees and the plain text of a mail,
// each line set in a little.
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
	for line := range bytes.Lines(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))) {
		if len(bytes.TrimSpace(line)) > 0 {
			out.WriteString("  ")
		}
		out.Write(line)
	}
	return out.Bytes(), nil
}
