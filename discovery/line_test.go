package discovery

import (
	"strings"
	"testing"
	"unsafe"
)

// TestLineSays checks what a line was told, and that it holds nothing of the message
// that told it, of which each text is a part.
func TestLineSays(t *testing.T) {
	message := strings.Repeat("call contact instance ", 2)
	call, contact, instance := message[:4], message[5:12], message[13:21]
	for name, c := range map[string][3]string{
		"all":           {call, contact, instance},
		"a Call-ID":     {call, "", ""},
		"a Contact":     {"", contact, ""},
		"an instance":   {"", "", instance},
		"no instance":   {call, contact, ""},
		"nothing":       {"", "", ""},
		"no Call-ID":    {"", contact, instance},
		"all the same":  {call, call, call},
		"only the ends": {call, "", instance},
	} {
		var l Line
		for range 2 { // a refresh says the same again
			l.says(c[0], c[1], c[2])
			if got := [3]string{l.CallID(), l.Contact(), l.Instance()}; got != c {
				t.Errorf("%s: got %q, want %q", name, got, c)
			}
		}
		begin := uintptr(unsafe.Pointer(unsafe.StringData(message)))
		if at := uintptr(unsafe.Pointer(unsafe.StringData(l.said))); l.said != "" && begin <= at && at < begin+uintptr(len(message)) {
			t.Errorf("%s: it holds on to the message", name)
		}
		l.says("x", "y", "z")
		if got := l.CallID() + l.Contact() + l.Instance(); got != "xyz" {
			t.Errorf("%s, then others: got %q, want xyz", name, got)
		}
	}
}
