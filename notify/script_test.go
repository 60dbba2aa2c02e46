package notify

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// act is what a scripted server does at a step, in this order.
type act struct {
	pause time.Duration // before it answers
	say   string        // its answer; "" is the step's usual one
	drip  time.Duration // says one byte, then one more after each such while
	mute  bool          // never answers, and reads no more
	drop  bool          // closes the connection, after what it says if that is given
}

// scripted is an SMTP server that does what it is told, for faults that no real
// one shows on demand. Steps are "connect", the verbs in lower case, "body" and
// "dot". At each occurrence of a step the next of its acts is done; when they are
// used up, the usual is.
type scripted struct {
	extensions []string    // lines of the reply to EHLO
	tls        *tls.Config // for STARTTLS
	implicit   bool        // TLS from the start
	forever    bool        // the last act of a step is done again and again

	mu       sync.Mutex
	acts     map[string][]act
	chance   func(step string) act // what is done at a step that has no acts; may be nil
	commands []string              // as they came, without AUTH's secrets
	secrets  []string              // what AUTH brought
	got      []taken
	conns    int
}

// taken is a mail that the server took over.
type taken struct{ from, to, body string }

func (s *scripted) act(step string) act {
	s.mu.Lock()
	defer s.mu.Unlock()
	acts := s.acts[step]
	switch {
	case len(acts) == 0 && s.chance != nil:
		return s.chance(step)
	case len(acts) == 0:
		return act{}
	}
	if !s.forever || len(acts) > 1 {
		s.acts[step] = acts[1:]
	}
	return acts[0]
}

// will sets what is done at a step from now on.
func (s *scripted) will(step string, acts ...act) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.acts == nil {
		s.acts = map[string][]act{}
	}
	s.acts[step] = acts
}

func (s *scripted) log(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commands = append(s.commands, line)
}

// heard returns all commands so far.
func (s *scripted) heard() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.commands...)
}

func (s *scripted) mails() []taken {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]taken(nil), s.got...)
}

func (s *scripted) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}

// serve speaks with one client until it leaves.
func (s *scripted) serve(c net.Conn) {
	defer c.Close()
	s.mu.Lock()
	s.conns++
	s.mu.Unlock()
	if s.implicit {
		c = tls.Server(c, s.tls)
	}
	r := bufio.NewReader(c)
	if !s.answer(c, "connect", "220 mail.example.com ESMTP") {
		return
	}
	var m taken
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb, rest, _ := strings.Cut(line, " ")
		verb = strings.ToLower(verb)
		if verb == "auth" {
			s.log("AUTH " + strings.SplitN(rest, " ", 2)[0])
		} else {
			s.log(line)
		}
		ok := true
		switch verb {
		case "ehlo":
			ok = s.answer(c, verb, ehlo(s.extensions))
		case "starttls":
			var granted bool
			if ok, granted = s.reply(c, verb, "220 go ahead"); granted {
				c = tls.Server(c, s.tls)
				r = bufio.NewReader(c)
			}
		case "auth":
			ok = s.auth(c, r, rest)
		case "mail":
			if m.from != "" { // RFC 5321 section 4.1.1.2
				ok = s.answer(c, verb, "503 5.5.1 nested MAIL")
				break
			}
			var granted bool
			if ok, granted = s.reply(c, verb, "250 2.1.0 sender ok"); granted {
				m = taken{from: rest}
			}
		case "rset":
			m = taken{}
			ok = s.answer(c, verb, "250 2.0.0 flushed")
		case "rcpt":
			m.to = rest
			ok = s.answer(c, verb, "250 2.1.5 recipient ok")
		case "data":
			var granted bool
			if ok, granted = s.reply(c, verb, "354 go ahead"); ok && granted {
				ok = s.body(c, r, &m)
				m = taken{}
			}
		case "quit":
			s.answer(c, verb, "221 bye")
			return
		case "*":
			ok = s.answer(c, verb, "501 cancelled")
		default:
			ok = s.answer(c, verb, "250 ok")
		}
		if !ok {
			return
		}
	}
}

func ehlo(extensions []string) string {
	lines := append([]string{"mail.example.com"}, extensions...)
	for i := range lines {
		sep := "-"
		if i == len(lines)-1 {
			sep = " "
		}
		lines[i] = "250" + sep + lines[i]
	}
	return strings.Join(lines, "\r\n")
}

// answer says what is to be said at a step; false if the connection is over.
func (s *scripted) answer(c net.Conn, step, usual string) bool {
	alive, _ := s.reply(c, step, usual)
	return alive
}

// reply also tells whether the client may go on with what it asked for.
func (s *scripted) reply(c net.Conn, step, usual string) (alive, granted bool) {
	return s.do(c, s.act(step), usual)
}

func (s *scripted) do(c net.Conn, a act, usual string) (alive, granted bool) {
	if a.drop && a.say == "" {
		return false, false
	}
	if a.say == "" {
		a.say = usual
	}
	time.Sleep(a.pause)
	switch {
	case a.mute:
		_, _ = io.Copy(io.Discard, c) // until the client is gone
		return false, false
	case a.drip > 0:
		for _, b := range []byte(a.say + "\r\n") {
			if _, err := c.Write([]byte{b}); err != nil {
				return false, false
			}
			time.Sleep(a.drip)
		}
	default:
		if _, err := io.WriteString(c, a.say+"\r\n"); err != nil {
			return false, false
		}
	}
	return !a.drop, a.say[0] == '2' || a.say[0] == '3'
}

func (s *scripted) auth(c net.Conn, r *bufio.Reader, rest string) bool {
	mech, first, _ := strings.Cut(rest, " ")
	said := []string{first}
	ask := func(challenge string) bool {
		if _, err := io.WriteString(c, "334 "+challenge+"\r\n"); err != nil {
			return false
		}
		line, err := r.ReadString('\n')
		said = append(said, strings.TrimRight(line, "\r\n"))
		return err == nil
	}
	if mech == "LOGIN" && (!ask("VXNlcm5hbWU6") || !ask("UGFzc3dvcmQ6")) {
		return false
	}
	for _, text := range said {
		if b, err := base64.StdEncoding.DecodeString(text); err == nil && len(b) > 0 {
			s.mu.Lock()
			s.secrets = append(s.secrets, string(b))
			s.mu.Unlock()
		}
	}
	s.mu.Lock()
	refuses := len(s.acts["auth"]) > 0 && strings.HasPrefix(s.acts["auth"][0].say, "5")
	s.mu.Unlock()
	if mech == "XOAUTH2" && refuses && !ask(base64.StdEncoding.EncodeToString([]byte(`{"status":"401","schemes":"Bearer"}`))) {
		return false
	}
	return s.answer(c, "auth", "235 2.7.0 welcome")
}

// body reads the message up to the final dot, undoing the doubled ones.
func (s *scripted) body(c net.Conn, r *bufio.Reader, m *taken) bool {
	if a := s.act("body"); a.mute || a.drop {
		if a.mute {
			time.Sleep(a.pause) // reads nothing: the client's writes stop when all buffers are full
		}
		return false
	}
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			break
		}
		b.WriteString(strings.TrimPrefix(line, "."))
	}
	m.body = b.String()
	a := s.act("dot")
	s.mu.Lock()
	if a.say == "" && !a.drop && !a.mute || strings.HasPrefix(a.say, "250") {
		s.got = append(s.got, *m)
	}
	s.mu.Unlock()
	alive, _ := s.do(c, a, "250 2.0.0 queued as 4711")
	return alive
}
