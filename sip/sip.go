// Package sip reads what SIP phones and their registrars say to each other.
//
// A SIP phone tells the PBX where it can be reached with a REGISTER request
// (RFC 3261 section 10): the To header names the address of record (AOR), the
// Contact header the address of this very device, and the registrar's 2xx
// answer says for how many seconds that binding holds. Several phones may hold
// bindings of one AOR, so an AOR is a line and never a phone.
//
// The package parses with sipgo's parser, adds the checks which that leaves to
// its callers, and refuses to guess: a header that cannot be read is absent.
package sip

// AOR is an address of record: a SIP URI without parameters, its host in lower
// case, such as "sip:alice@example.com" (RFC 3261 section 6).
type AOR string
