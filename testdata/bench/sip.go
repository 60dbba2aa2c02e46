package main

import "strconv"

// exchange makes the SIP messages (RFC 3261) between a phone and its PBX, each of
// 300 to 750 octets. Its number makes the Call-ID and the branches. A message is
// valid until the next.
type exchange struct {
	phone  int
	number int
	buf    []byte
}

// register returns the phone's request, with the digest once it was challenged.
func (x *exchange) register(cseq int, authorized bool) []byte {
	x.request("REGISTER", cseq)
	x.text("Contact: <sip:", line(x.phone), "@", addressOf(x.phone).String(), ":5060;transport=udp>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-")
	x.buf = appendHexMAC(x.buf, phoneMAC(x.phone))
	x.text(">\"\r\nUser-Agent: PolyEdge-Edge_E350-UA/8.1.2.0741\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, SUBSCRIBE, NOTIFY, REFER\r\nExpires: 3600\r\n")
	if authorized {
		x.text("Authorization: Digest username=\"", line(x.phone), "\", realm=\"", domain, "\", nonce=\"5f0d3c1e9a7b2468\", uri=\"sip:", domain,
			"\", response=\"d41d8cd98f00b204e9800998ecf8427e\", algorithm=MD5\r\n")
	}
	return x.end()
}

// challenge returns the 401 to a request without digest.
func (x *exchange) challenge(cseq int) []byte {
	x.response("401 Unauthorized", "REGISTER", cseq)
	x.text("WWW-Authenticate: Digest realm=\"", domain, "\", nonce=\"5f0d3c1e9a7b2468\", algorithm=MD5\r\nServer: PBX/5.2\r\n")
	return x.end()
}

// ok returns the 200, which repeats the binding.
func (x *exchange) ok(cseq int) []byte {
	x.response("200 OK", "REGISTER", cseq)
	x.text("Contact: <sip:", line(x.phone), "@", addressOf(x.phone).String(), ":5060;transport=udp>;expires=3600\r\nServer: PBX/5.2\r\n")
	return x.end()
}

// options returns the question that keeps a firewall's mapping open.
func (x *exchange) options() []byte {
	x.request("OPTIONS", 1)
	x.text("User-Agent: PolyEdge-Edge_E350-UA/8.1.2.0741\r\nAccept: application/sdp\r\n")
	return x.end()
}

// alive returns the answer to options.
func (x *exchange) alive() []byte {
	x.response("200 OK", "OPTIONS", 1)
	x.text("Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, SUBSCRIBE, NOTIFY, REFER, REGISTER\r\nServer: PBX/5.2\r\n")
	return x.end()
}

func (x *exchange) request(method string, cseq int) {
	x.buf = x.buf[:0]
	x.text(method, " sip:", domain, " SIP/2.0\r\n")
	x.dialog(method, cseq, ";rport", "")
	x.text("Max-Forwards: 70\r\n")
}

func (x *exchange) response(status, method string, cseq int) {
	x.buf = x.buf[:0]
	x.text("SIP/2.0 ", status, "\r\n")
	x.dialog(method, cseq, ";rport=5060;received="+addressOf(x.phone).String(), ";tag=8d1f")
}

// dialog appends the fields that an answer repeats.
func (x *exchange) dialog(method string, cseq int, via, toTag string) {
	n, ip := strconv.FormatInt(int64(x.number), 36), addressOf(x.phone).String()
	x.text("Via: SIP/2.0/UDP ", ip, ":5060;branch=z9hG4bK", n, "-", strconv.Itoa(cseq), via, "\r\n")
	x.text("From: <sip:", line(x.phone), "@", domain, ">;tag=", n, "\r\n")
	x.text("To: <sip:", line(x.phone), "@", domain, ">", toTag, "\r\n")
	x.text("Call-ID: ", n, "-6a2c41d7-b38e90f5@", ip, "\r\nCSeq: ", strconv.Itoa(cseq), " ", method, "\r\n")
}

func (x *exchange) text(parts ...string) {
	for _, s := range parts {
		x.buf = append(x.buf, s...)
	}
}

func (x *exchange) end() []byte {
	x.text("Content-Length: 0\r\n\r\n")
	return x.buf
}
