package words

import (
	"strings"
	"testing"

	"perch/gateway"
)

func TestClean(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "Yealink SIP-T46S", "Yealink SIP-T46S"},
		{"line ends", "a\r\nBcc: b\n", "a Bcc: b"},
		{"controls", "a\x00\x1b[31mb\x7f\u0085c", "a [31mb c"},
		{"line separator", "a\u2028b\u2029c", "a b c"},
		{"direction", "a\u202egnp.exe\u202c", "agnp.exe"},
		{"zero width", "a\u200bb\ufeffc", "abc"},
		{"joiners stay", "می\u200cخواهم", "می\u200cخواهم"},
		{"not UTF-8", "a\xff\xfeb", "a\ufffd\ufffdb"},
		{"encoded word", "=?utf-8?q?x?=", "= ?utf-8?q?x?="},
		{"link", "https://evil.example", "https[:]//evil.example"},
		{"token mark", gateway.TokenMark, "@@perch token@@"},
		{"token mark in pieces", "@@perch-\u200btoken@@", "@@perch token@@"},
		{"only space", " \t\r\n", ""},
		{"as long as may be", strings.Repeat("é", 20), strings.Repeat("é", 20)},
		{"too long", strings.Repeat("é", 21), strings.Repeat("é", 20) + "…"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			limit := 60
			if strings.HasPrefix(tt.in, "é") {
				limit = 20
			}
			if got := Clean(tt.in, limit); got != tt.want {
				t.Errorf("Clean(%q): got %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

// What is taken for clean must be what cleaning would give.
func FuzzClean(f *testing.F) {
	for _, s := range []string{"Desk 1000", "a  b", " a", "a ", "=?x", "a://b", "a:/", "=", gateway.TokenMark, "perch", "\u00a0", "\x7f", "~"} {
		f.Add(s, 20)
	}
	f.Fuzz(func(t *testing.T, s string, limit int) {
		if limit = limit & 63; clean(s, limit) && scrub(s, limit) != s {
			t.Errorf("%q is taken for clean to %d characters, but is %q", s, limit, scrub(s, limit))
		}
	})
}
