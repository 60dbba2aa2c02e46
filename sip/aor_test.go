package sip

import "testing"

func TestParseAOR(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		want     AOR // empty: an error
	}{
		{"plain", "sip:alice@example.com", "sip:alice@example.com"},
		{"scheme and host in lower case, user as written", "SIP:Alice@Example.COM", "sip:Alice@example.com"},
		{"sips is another scheme", "sips:alice@example.com", "sips:alice@example.com"},
		{"parameters dropped", "sip:1000@pbx;transport=tcp;user=phone", "sip:1000@pbx"},
		{"headers dropped", "sip:1000@pbx?Route=x", "sip:1000@pbx"},
		{"port stays", "sip:1000@pbx:5070;x=y", "sip:1000@pbx:5070"},
		{"default port stays", "sip:1000@pbx:5060", "sip:1000@pbx:5060"},
		{"password dropped", "sip:alice:secret@example.com", "sip:alice@example.com"},
		{"user with semicolon and question mark", "sip:alice;day=tue?x@example.com", "sip:alice;day=tue?x@example.com"},
		{"escapes stay", "sip:%61lice@example.com", "sip:%61lice@example.com"},
		{"phone number", "sip:+1-555-0100@example.com;user=phone", "sip:+1-555-0100@example.com"},
		{"no user", "sip:example.com", "sip:example.com"},
		{"IPv4", "sip:100@192.0.2.1", "sip:100@192.0.2.1"},
		{"IPv6", "sip:100@[2001:DB8::1]:5062;lr", "sip:100@[2001:db8::1]:5062"},
		{"underscore in host", "sip:100@my_pbx", "sip:100@my_pbx"},

		{"no scheme", "alice@example.com", ""},
		{"telephone URI", "tel:+15550100", ""},
		{"empty", "", ""},
		{"no host", "sip:alice@", ""},
		{"empty user", "sip:@example.com", ""},
		{"two at signs", "sip:alice@example.com@example.net", ""},
		{"space in user", "sip:al ice@example.com", ""},
		{"space in host", "sip:alice@exam ple.com", ""},
		{"angle bracket", "sip:alice@example.com>", ""},
		{"control character", "sip:ali\x00ce@example.com", ""},
		{"port is no number", "sip:alice@example.com:sip", ""},
		{"port zero", "sip:alice@example.com:0", ""},
		{"port too high", "sip:alice@example.com:65536", ""},
		{"port missing", "sip:alice@example.com:", ""},
		{"IPv6 without bracket", "sip:alice@[2001:db8::1", ""},
		{"text behind IPv6", "sip:alice@[2001:db8::1]x", ""},
		{"name in brackets", "sip:alice@[example.com]", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ParseAOR(tc.in)
			if got != tc.want || (err == nil) != (tc.want != "") {
				t.Errorf("ParseAOR(%q): got %q, %v, want %q", tc.in, got, err, tc.want)
			}
		})
	}
}

func FuzzParseAOR(f *testing.F) {
	for _, s := range []string{"sip:alice@example.com", "SIPS:a;b?c@[2001:DB8::1]:5061;x?y", "sip:host", "sip:a:b@c:1", "tel:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		aor, err := ParseAOR(s)
		if err != nil {
			return
		}
		if len(aor) > len(s) {
			t.Errorf("ParseAOR(%q): got %q, longer than what was read", s, aor)
		}
		if again, err := ParseAOR(string(aor)); err != nil || again != aor {
			t.Errorf("ParseAOR(%q): got %q, and of that %q, %v", s, aor, again, err)
		}
	})
}

func TestHostAddr(t *testing.T) {
	for in, want := range map[string]string{
		"sip:a@192.0.2.1:5060;transport=tcp": "192.0.2.1", "sips:[2001:db8::1]": "2001:db8::1", "sip:a@pbx.example.com": "invalid IP", "tel:911": "invalid IP",
	} {
		if got := HostAddr(in).String(); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}
