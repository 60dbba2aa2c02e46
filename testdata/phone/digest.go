package main

import (
	"crypto/md5" //nolint:gosec // RFC 7616: what desk phones speak
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
)

// answer is the value of Authorization to a challenge (RFC 7616 section 3.4, with MD5; HTTP
// and SIP have the same), "" to one that is no Digest.
func answer(challenge, method, uri, user, password string) string {
	scheme, rest, _ := strings.Cut(challenge, " ")
	if !strings.EqualFold(scheme, "Digest") {
		return ""
	}
	said := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") { // no value that is needed has a comma in it but qop, of which auth stands first
		k, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		if _, twice := said[strings.ToLower(k)]; !twice {
			said[strings.ToLower(k)] = strings.Trim(v, `"`)
		}
	}
	a1 := sum(user + ":" + said["realm"] + ":" + password)
	a2 := sum(method + ":" + uri)
	out := fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s", algorithm=MD5`, user, said["realm"], said["nonce"], uri)
	if said["opaque"] != "" {
		out += fmt.Sprintf(`, opaque="%s"`, said["opaque"])
	}
	if said["qop"] == "" { // RFC 2069
		return out + fmt.Sprintf(`, response="%s"`, sum(a1+":"+said["nonce"]+":"+a2))
	}
	cnonce := strings.ToLower(rand.Text()[:16])
	return out + fmt.Sprintf(`, qop=auth, nc=00000001, cnonce="%s", response="%s"`, cnonce, sum(strings.Join([]string{a1, said["nonce"], "00000001", cnonce, "auth", a2}, ":")))
}

// sum is MD5 in hex.
func sum(s string) string {
	h := md5.Sum([]byte(s))
	return hex.EncodeToString(h[:])
}
