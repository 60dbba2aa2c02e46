// Package sip reads what SIP phones and their registrars say to each other.
//
// A SIP phone tells the PBX where it can be reached with a REGISTER request
// (RFC 3261 section 10): the To header names the address of record (AOR), the
// Contact header the address of this very device, and the registrar's 2xx
// answer says for how many seconds that binding holds. Several phones may hold
// bindings of one AOR, so an AOR is a line and never a phone.
//
// The package splits messages of the usual form itself and all others with sipgo's
// parser, reads the header values that it needs itself, and refuses to guess: a
// header that cannot be read is absent. It starts no goroutine and logs nothing.
//
//	p := sip.NewParser()
//	m, n, err := p.Parse(datagram) // datagram[n:] may hold the next message
//	if m.Register != nil {
//		fmt.Println(m.Register.AOR, m.Register.Contacts)
//	}
package sip
