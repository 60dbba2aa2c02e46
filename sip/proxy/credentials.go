package proxy

import (
	"strings"

	"perch/sip/digest"
)

// prove returns the header by which the PBX that refused a request of ours with the
// answer at hand is told who we are (RFC 7616 section 3.4): for the first of its
// challenges that we can answer, as it prefers (RFC 8760 section 2.4). Stale reports
// that only the nonce was wrong. Empty: there is none.
func (m *message) prove(method, uri, user, password string) (header string, stale bool) {
	kind, name := authenticate, "Authorization"
	if m.status == 407 {
		kind, name = proxyAuthenticate, "Proxy-Authorization"
	}
	for _, h := range m.headers {
		if h.name != kind {
			continue
		}
		d, ok := digest.Read(m.value(h))
		if !ok || len(d.Nonce) == 0 || strings.ContainsAny(string(m.value(h)), "\r\n\\") {
			continue
		}
		if answer := d.Answer(method, uri, user, password); answer != "" {
			return name + ": " + answer + "\r\n", strings.EqualFold(string(d.Stale), "true")
		}
	}
	return "", false
}
