package provisioning

import (
	"net/mail"
	"testing"
)

// What is taken for an address at sight must be one for the mail parser.
func FuzzPlainEmail(f *testing.F) {
	for _, s := range []string{"a.b@example.com", "a@b", ".a@b", "a.@b", "a..b@c", "a@.b", "a@b.", "@b", "a@", "a@b@c", "a+b_c-d@e-f.g", "a b@c", "\u00e9@b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if a, err := mail.ParseAddress(s); plainEmail(s) && (err != nil || a.Address != s || a.Name != "") {
			t.Errorf("%q is taken for a plain address, but is %v, %v", s, a, err)
		}
	})
}
