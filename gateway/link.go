package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// Key is the secret of one database, from which the tokens of its links derive.
// The zero Key is that of replay databases, whose links open nothing.
type Key [32]byte

// IsZero reports whether there is no secret.
func (k Key) IsZero() bool { return k == Key{} }

// String hides the secret.
func (k Key) String() string { return "(secret)" }

// MarshalText writes the secret in hex, for the store alone.
func (k Key) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, k[:]), nil }

// UnmarshalText reads what MarshalText writes.
func (k *Key) UnmarshalText(b []byte) error {
	if hex.DecodedLen(len(b)) != len(k) {
		return fmt.Errorf("key: %d hex digits, want %d", len(b), hex.EncodedLen(len(k)))
	}
	_, err := hex.Decode(k[:], b)
	return err
}

// Link is what the link of one mail opens: one thing, for one person.
type Link struct {
	Purpose Purpose // MailPrompt: a prompt; MailClaim: a claim; MailNotice: an answer; MailEmergency: the alerts
	ID      int64   // of the prompt, claim or answer; 0 for the alerts
	User    string  // email
}

// Link returns what the link of a mail opens; false for a mail without one.
func (m Mail) Link() (Link, bool) {
	switch {
	case m.Purpose == MailPrompt && m.Prompt != 0:
		return Link{MailPrompt, m.Prompt, m.To}, true
	case m.Purpose == MailClaim && m.Claim != 0:
		return Link{MailClaim, m.Claim, m.To}, true
	case (m.Purpose == MailReceipt || m.Purpose == MailNotice) && m.Answer != 0:
		return Link{MailNotice, m.Answer, m.To}, true
	case m.Purpose == MailEmergency:
		return AlertsLink(m.To), true
	}
	return Link{}, false
}

// AlertsLink is the link that opens the alerts of a contact. There is one for all
// calls, and it works for as long as they are a contact, so that its page can stand
// open at a front desk.
func AlertsLink(email string) Link { return Link{Purpose: MailEmergency, User: email} }

// linkVersion is the form of tokens. A new form makes all earlier links void.
const linkVersion = 1

// Token is a link's token taken apart. Whose it is shows only with the key.
type Token struct {
	Purpose Purpose
	ID      int64
	mac     [sha256.Size]byte
}

const (
	tokenHead = 1 + 8                   // version and purpose, id
	tokenSize = tokenHead + sha256.Size // octets; 55 characters
)

// Token derives the token of a link: base64url without padding, 55 characters.
// It is derived at each sending and stored nowhere.
func (k Key) Token(l Link) string {
	b := head(l)
	mac := k.mac(b, l.User)
	return base64.RawURLEncoding.EncodeToString(append(b, mac[:]...))
}

// head is what a token says openly.
func head(l Link) []byte {
	b := make([]byte, tokenHead, tokenSize)
	b[0] = linkVersion<<4 | byte(l.Purpose)
	binary.BigEndian.PutUint64(b[1:], uint64(l.ID))
	return b
}

func (k Key) mac(head []byte, user string) (out [sha256.Size]byte) {
	h := hmac.New(sha256.New, k[:])
	h.Write([]byte("perch link\x00"))
	h.Write(head)
	h.Write([]byte(user))
	h.Sum(out[:0])
	return out
}

// ParseToken takes a token apart; false if it cannot be one.
func ParseToken(s string) (Token, bool) {
	if base64.RawURLEncoding.DecodedLen(len(s)) != tokenSize {
		return Token{}, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || b[0]>>4 != linkVersion {
		return Token{}, false
	}
	t := Token{Purpose: Purpose(b[0] & 0x0f), ID: int64(binary.BigEndian.Uint64(b[1:]))}
	copy(t.mac[:], b[tokenHead:])
	return t, true
}

// Opens returns the link of a token: that of whichever user it was made for.
// False means that the token was not made with this key for any of them.
func (k Key) Opens(t Token, users []string) (Link, bool) {
	if k.IsZero() {
		return Link{}, false
	}
	for _, u := range users {
		l := Link{t.Purpose, t.ID, u}
		if mac := k.mac(head(l), u); hmac.Equal(mac[:], t.mac[:]) {
			return l, true
		}
	}
	return Link{}, false
}

// PhonesPage is the purpose of the link to the page of phones that wait for an admin. No mail
// has it.
const PhonesPage Purpose = 15

// PhonesLink is the link that opens it. It works for as long as they are an admin.
func PhonesLink(email string) Link { return Link{Purpose: PhonesPage, User: email} }
