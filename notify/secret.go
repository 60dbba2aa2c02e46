package notify

import (
	"os"
	"strings"
	"time"
)

// secret is where a password or an access token comes from. It is read anew for
// each connection, so that a file may be rotated under a running Perch.
type secret struct {
	from  secretSource
	value string // the secret itself, a file's name or a variable's
}

type secretSource uint8

const (
	secretNone  secretSource = iota
	secretGiven              // in the URL
	secretFile
	secretEnv
)

// parameter returns the name of the URL's parameter for it; empty if there is none.
func (s secret) parameter() string {
	switch s.from {
	case secretFile:
		return "password_file"
	case secretEnv:
		return "password_env"
	}
	return ""
}

// name returns what may be shown of it.
func (s secret) name() string {
	if s.parameter() == "" {
		return ""
	}
	return s.value
}

// String hides the secret.
func (s secret) String() string { return "(secret)" }

// GoString hides the secret.
func (s secret) GoString() string { return "(secret)" }

// maxSecret is far more than any access token takes; a file that is longer is
// another file.
const maxSecret = 64 << 10

func (s secret) read() (string, error) {
	v := s.value
	switch s.from {
	case secretNone:
		return "", nil
	case secretFile:
		b, err := os.ReadFile(s.value)
		if err != nil {
			return "", trouble("put the password, or for xoauth2 the access token, into that file, readable for perch's user", "mail.smtp: password_file: %v", err)
		}
		if len(b) > maxSecret {
			return "", trouble("name the right file", "mail.smtp: %s is %d bytes long, which is no password", s.value, len(b))
		}
		v = strings.TrimRight(string(b), "\r\n")
	case secretEnv:
		v = os.Getenv(s.value)
	}
	switch {
	case v == "" && s.from == secretFile:
		return "", trouble("write the password into it", "mail.smtp: %s is empty", s.value)
	case v == "" && s.from == secretEnv:
		return "", trouble("set it for perch's process, or name a file with password_file=FILE", "mail.smtp: the environment has no %s", s.value)
	case strings.ContainsAny(v, "\x00\x01\r\n"):
		return "", trouble("keep the password alone, on one line", "mail.smtp: the password has line ends or control characters in it")
	}
	return v, nil
}

// fileStamp tells one content of a file from another, well enough to try anew.
type fileStamp struct {
	modified time.Time
	size     int64
}

// stamp returns that of the secret's file; the zero stamp if there is none.
func (s secret) stamp() fileStamp {
	if s.from != secretFile {
		return fileStamp{}
	}
	st, err := os.Stat(s.value)
	if err != nil {
		return fileStamp{}
	}
	return fileStamp{st.ModTime(), st.Size()}
}
