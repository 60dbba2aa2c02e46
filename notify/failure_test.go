package notify

import (
	"errors"
	"fmt"
	"net/textproto"
	"testing"
)

func TestVerdict(t *testing.T) {
	tests := []struct {
		step   step
		reply  string // code and text; without a code there was none
		want   verdict
		broken bool
	}{
		{stepDial, "", verdictServer, true},
		{stepGreeting, "554 no service", verdictServer, true},
		{stepAuth, "535 5.7.8 no", verdictServer, true},
		{stepMail, "550 5.1.1 no", verdictServer, false},
		{stepMail, "452 4.3.1 full", verdictServer, false},
		{stepRcpt, "550 no such user", verdictRefused, false},
		{stepRcpt, "550 5.1.1 no such user", verdictRefused, false},
		{stepRcpt, "550 5.2.1 mailbox disabled", verdictRefused, false},
		{stepRcpt, "552 5.2.2 mailbox full", verdictRefused, false},
		{stepRcpt, "556 5.1.10 takes no mail", verdictRefused, false},
		{stepRcpt, "553 5.1.8 bad sender", verdictServer, false},
		{stepRcpt, "553 5.1.7 bad sender", verdictServer, false},
		{stepRcpt, "503 5.5.1 MAIL first", verdictServer, false},
		{stepRcpt, "530 5.7.0 log in first", verdictServer, false},
		{stepRcpt, "554 5.7.1 relay access denied", verdictPolicy, false},
		{stepRcpt, "550 5.7.1", verdictPolicy, false},
		{stepRcpt, "450 4.7.1 greylisted", verdictWait, false},
		{stepRcpt, "452 4.5.3 too many", verdictWait, false},
		{stepRcpt, "421 4.7.0 bye", verdictWait, true},
		{stepRcpt, "", verdictWait, true},
		{stepData, "554 5.5.1 no", verdictRefused, false},
		{stepData, "250 ok", verdictWait, true},
		{stepBody, "", verdictWait, true},
		{stepDot, "550 5.7.1 spam", verdictRefused, false},
		{stepDot, "552 5.3.4 too big", verdictRefused, false},
		{stepDot, "452 4.3.1 full", verdictWait, false},
		{stepDot, "", verdictWait, true},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s %s", tt.step, tt.reply), func(t *testing.T) {
			f := &failure{step: tt.step, reply: tt.reply}
			if _, err := fmt.Sscan(tt.reply, &f.code); err != nil && tt.reply != "" {
				t.Fatal(err)
			}
			if f.verdict() != tt.want || f.broken() != tt.broken {
				t.Errorf("got verdict %d, broken %t, want %d, %t", f.verdict(), f.broken(), tt.want, tt.broken)
			}
		})
	}
}

func TestFailedPutsIntoWords(t *testing.T) {
	tests := []struct {
		err   error
		code  int
		reply string
	}{
		{&textproto.Error{Code: 550, Msg: "5.1.1 first\n5.1.1 second\x1b[2J"}, 550, "550 5.1.1 first 5.1.1 second [2J"},
		{textproto.ProtocolError(`short response: "421"`), 421, "421"},
		{textproto.ProtocolError(`short response: "42x"`), 0, `short response: "42x"`},
		{textproto.ProtocolError(`short response: ""`), 0, `short response: ""`},
		{errors.New("what\r\never"), 0, "what ever"},
	}
	for _, tt := range tests {
		if f := failed(stepRcpt, 0, tt.err); f.code != tt.code || f.reply != tt.reply {
			t.Errorf("%v: got %d, %q, want %d, %q", tt.err, f.code, f.reply, tt.code, tt.reply)
		}
	}
}

func TestHide(t *testing.T) {
	const secret = "eW91IGZvdW5kIG1l-_abcdefghij"
	tests := []struct{ in, want string }{
		{"550 fine", "550 fine"},
		{"link /p/" + secret + ".", "link /p/(secret)."},
		{"cut " + secret[3:20] + " off", "cut (secret) off"},
		{"short " + secret[:6], "short " + secret[:6]},
		{"base64 ZVc5MUlHWnZkVzVrSUcxbC1fYWJjZGVmZ2hpag==", "base64 (secret)"},
		{"queued as 4bXYZ1234567890abc", "queued as 4bXYZ1234567890abc"},
	}
	for _, tt := range tests {
		if got := hide(tt.in, secret, ""); got != tt.want {
			t.Errorf("hide(%q): got %q, want %q", tt.in, got, tt.want)
		}
	}
}
