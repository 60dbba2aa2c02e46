package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"perch/gateway/words"
)

// step is where an attempt failed.
type step uint8

const (
	stepFiles step = iota + 1 // ours: certificates to trust
	stepSecret
	stepDial
	stepGreeting
	stepHello
	stepTLS
	stepAuth
	stepMail
	stepRcpt // from here on the server speaks of one mail
	stepData
	stepBody
	stepDot
)

var stepWords = [...]string{
	"", "certificates", "password", "connecting", "greeting", "EHLO", "TLS", "AUTH", "MAIL", "RCPT", "DATA", "message text", "end of message",
}

// String names the step for operators.
func (s step) String() string { return stepWords[s] }

// failure is what ended an attempt.
type failure struct {
	step  step
	code  int    // of the server's reply; 0 if it gave none
	reply string // reply or error, in one clean line
	hint  string // for the operator; may be empty
}

// codeNoUTF8 is what a server would say to an address that it cannot take: RFC
// 6531 section 3.5.
const codeNoUTF8 = 553

// maxReply is how much of a reply is kept, in characters.
const maxReply = 400

// oneLine makes a server's words harmless.
func oneLine(s string) string { return words.Clean(s, maxReply) }

// failed puts an error into words; limit is how long the step could take.
func failed(at step, limit time.Duration, err error) *failure {
	f := &failure{step: at}
	var reply *textproto.Error
	var ours *Trouble
	var timeout net.Error
	switch {
	case errors.As(err, &ours):
		f.reply, f.hint = ours.What, ours.Do
	case errors.As(err, &reply):
		f.code = reply.Code
		f.reply = fmt.Sprintf("%d %s", reply.Code, reply.Msg)
	case bare(err) != 0:
		f.code = bare(err)
		f.reply = strconv.Itoa(f.code)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		f.reply = fmt.Sprintf("no answer within %s", limit)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.ErrClosedPipe):
		f.reply = "the server closed the connection"
	default:
		f.reply = err.Error()
	}
	f.reply = oneLine(f.reply)
	if f.hint == "" {
		f.hint = hint(f, err)
	}
	return f
}

// bare returns the code of a reply that is a code alone, which RFC 5321 section
// 4.2 allows and net/textproto takes for an error; 0 if that is not what went
// wrong.
func bare(err error) int {
	var protocol textproto.ProtocolError
	if !errors.As(err, &protocol) {
		return 0
	}
	var line string
	if n, _ := fmt.Sscanf(string(protocol), "short response: %q", &line); n != 1 || len(line) != 3 {
		return 0
	}
	code, err := strconv.Atoi(line)
	if err != nil || code < 200 {
		return 0
	}
	return code
}

// String is what operators read.
func (f *failure) String() string { return f.step.String() + ": " + f.reply }

var secretRun = regexp.MustCompile(`[A-Za-z0-9_+~-]{12,}`)

// hide takes secrets out of what a server said: some repeat what they refuse.
// They go whole, in base64, and in every piece that is long enough to be of use.
func hide(s string, secrets ...string) string {
	const hidden = "(secret)"
	for _, secret := range secrets {
		if len(secret) < 4 {
			continue
		}
		encoded := base64.StdEncoding.EncodeToString([]byte(secret))
		s = strings.NewReplacer(secret, hidden, encoded, hidden).Replace(s)
		s = secretRun.ReplaceAllStringFunc(s, func(run string) string {
			if strings.Contains(secret, run) || strings.Contains(encoded, run) {
				return hidden
			}
			return run
		})
	}
	return s
}

// verdict is what a failure means for the mail.
type verdict uint8

const (
	verdictServer  verdict = iota + 1 // says nothing of the mail: the server or our settings are at fault
	verdictWait                       // this mail is to be tried again
	verdictPolicy                     // a policy forbids it: ours to be told of, and perhaps the recipient's
	verdictRefused                    // this mail is refused for good
)

var enhanced = regexp.MustCompile(`^5\d\d 5\.(\d{1,3}\.\d{1,3})\b`) // RFC 3463 section 2

// verdict sorts failures into those of the mail and those of the server. All mails
// have one envelope sender, so what is said up to MAIL is said of all of them; but
// many servers keep what they have against client or sender until RCPT.
func (f *failure) verdict() verdict {
	detail := ""
	if m := enhanced.FindStringSubmatch(f.reply); m != nil {
		detail = m[1]
	}
	switch {
	case f.step < stepRcpt:
		return verdictServer
	case slices.Contains([]int{503, 530, 534, 535, 538}, f.code): // sequence, and RFC 4954 section 6: log in first
		return verdictServer
	case f.step == stepRcpt && (detail == "1.7" || detail == "1.8"): // RFC 3463 section 3.2: the sender's address
		return verdictServer
	case f.step == stepRcpt && strings.HasPrefix(detail, "7."): // section 3.8: "relay access denied", but also "not for you"
		return verdictPolicy
	case f.code/100 == 5:
		return verdictRefused
	}
	return verdictWait
}

// broken reports whether the connection is of no use any more: nothing was said,
// something that fits no command, or goodbye (RFC 5321 section 3.8).
func (f *failure) broken() bool {
	return f.step < stepMail || f.code == 421 || f.code/100 != 4 && f.code/100 != 5
}

// lost reports whether there is no connection any more, or soon none, although the
// mail was spoken of.
func (f *failure) lost() bool { return f.code == 0 || f.code == 421 }

// credentials reports whether the server, for good, does not take ours, or there
// are none that could be read.
func (f *failure) credentials() bool {
	return f.step == stepSecret || f.step == stepAuth && f.code/100 == 5
}

// hint says what the operator could do.
func hint(f *failure, err error) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var noTLS tls.RecordHeaderError
	var dns *net.DNSError
	switch {
	case errors.As(err, &unknown):
		return "trust the authority that signed the server's certificate: ca=FILE in mail.smtp"
	case errors.As(err, &name):
		return "name the server in mail.smtp as its certificate does"
	case errors.As(err, &invalid):
		return "the server needs a valid certificate; look at its dates, and at this machine's clock"
	case errors.As(err, &noTLS):
		return "the server does not speak TLS on this port from the start: write smtp:// instead of smtps://"
	case errors.As(err, &dns):
		return "check the host's name in mail.smtp, and this machine's DNS"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "is the mail server running, and the port in mail.smtp right?"
	}
	switch f.step {
	case stepDial:
		return "can this machine reach the mail server: route, firewall, port?"
	case stepGreeting:
		if f.code == 0 {
			return "is it an SMTP server? One that speaks TLS from the start (port 465) needs smtps:// in mail.smtp"
		}
		return "the server does not want connections from this machine now; its log tells why"
	case stepAuth:
		if f.code/100 == 5 {
			return "check the user in mail.smtp and the password; both are tried again by themselves, at once if the password's file changes"
		}
	case stepMail:
		if f.code/100 == 5 {
			return "let the server take mail from the address in mail.from, or log in with a user in mail.smtp"
		}
	case stepRcpt:
		return "let the server relay mail from this machine, or log in with a user in mail.smtp"
	}
	return "the log of the mail server tells more"
}
