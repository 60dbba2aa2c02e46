package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"time"
)

// register registers the line over UDP, and returns the last status.
func (p *phone) register(from net.IP, a *account) (int, error) {
	if a.Transport != "udp" {
		return 0, fmt.Errorf("transport %q: only udp is spoken here", a.Transport)
	}
	to, err := net.ResolveUDPAddr("udp4", a.Proxy)
	if err != nil {
		return 0, err
	}
	c, err := net.DialUDP("udp4", &net.UDPAddr{IP: from, Port: 5060}, to)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	r := &registration{phone: p, account: a, conn: c, call: rand.Text(), tag: rand.Text()[:10]}
	status, head, err := r.ask("")
	if err == nil && status == 401 {
		auth := answer(head.Get("WWW-Authenticate"), "REGISTER", r.uri(), a.Auth, a.password)
		if auth == "" {
			return status, errors.New("the registrar's challenge is no Digest")
		}
		status, _, err = r.ask(auth)
	}
	return status, err
}

// registration is one, of a line.
type registration struct {
	phone     *phone
	account   *account
	conn      *net.UDPConn
	call, tag string
	cseq      int
}

func (r *registration) uri() string { return "sip:" + r.account.Registrar }

// ask sends a REGISTER until it is answered for good (RFC 3261 section 17.1.2, with T1 500 ms).
func (r *registration) ask(authorization string) (int, textproto.MIMEHeader, error) {
	r.cseq++
	text := r.request(authorization)
	b := make([]byte, 1<<16)
	for wait := 500 * time.Millisecond; wait <= 8*time.Second; wait *= 2 {
		if _, err := r.conn.Write(text); err != nil {
			return 0, nil, err
		}
		_ = r.conn.SetReadDeadline(time.Now().Add(wait))
		for {
			n, err := r.conn.Read(b)
			if err != nil {
				break // of the wait; a refused port is as silent
			}
			status, head := readAnswer(b[:n])
			if status >= 200 && strings.HasPrefix(head.Get("Cseq"), strconv.Itoa(r.cseq)+" ") && head.Get("Call-Id") == r.call {
				return status, head, nil
			}
		}
	}
	return 0, nil, fmt.Errorf("no answer from %s", r.conn.RemoteAddr())
}

// request is the REGISTER, with the vendor's way of telling the MAC, if it has one.
func (r *registration) request(authorization string) []byte {
	a, at := r.account, r.conn.LocalAddr()
	agent, params, more := r.phone.maker.userAgent, "", []string(nil)
	switch mac := r.phone.mac.String(); r.phone.vendor {
	case "yealink":
		if a.macInAgent {
			agent += " " + mac
		}
		if a.macHeader {
			more = append(more, "MAC: "+mac)
		}
	case "grandstream":
		params = `;reg-id=1;+sip.instance="<urn:uuid:00000000-0000-1000-8000-` + strings.ToUpper(r.phone.hex()) + `>"`
	case "snom":
		more = append(more, "X-Serialnumber: "+strings.ToUpper(r.phone.hex()))
	case "fanvil":
		if a.macHeader {
			agent += " " + r.phone.hex()
			more = append(more, "Mac: "+mac)
		}
	}
	if authorization != "" {
		more = append(more, "Authorization: "+authorization)
	}
	aor := "<sip:" + a.User + "@" + a.Domain + ">"
	lines := append([]string{
		"REGISTER " + r.uri() + " SIP/2.0", "Via: SIP/2.0/UDP " + at.String() + ";branch=z9hG4bK" + rand.Text() + ";rport", "Max-Forwards: 70",
		"From: " + strconv.Quote(a.Display) + " " + aor + ";tag=" + r.tag, "To: " + aor, "Call-ID: " + r.call, "CSeq: " + strconv.Itoa(r.cseq) + " REGISTER",
		"Contact: <sip:" + a.User + "@" + at.String() + ">" + params, "Expires: 600", "User-Agent: " + agent,
	}, more...)
	return []byte(strings.Join(append(lines, "Content-Length: 0", "", ""), "\r\n"))
}

// readAnswer reads a response; of what is none the status is 0.
func readAnswer(b []byte) (int, textproto.MIMEHeader) {
	t := textproto.NewReader(bufio.NewReader(bytes.NewReader(b)))
	first, err := t.ReadLine()
	if err != nil || !strings.HasPrefix(first, "SIP/2.0 ") || len(first) < len("SIP/2.0 200") {
		return 0, nil
	}
	status, _ := strconv.Atoi(first[8:11])
	head, err := t.ReadMIMEHeader()
	if err != nil {
		return 0, nil
	}
	return status, head
}
