package provisioning

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"perch/sip"
)

// Line is an address of record that phones register, and what they need for that.
type Line struct {
	AOR         sip.AOR `json:"aor"`
	AuthUser    string  `json:"auth_user,omitempty"` // of the digest; empty: the AOR's user part
	Secret      Secret  `json:"secret,omitempty"`
	DisplayName string  `json:"display_name,omitempty"`
	Callback    string  `json:"callback,omitempty"` // number that reaches the line from outside
}

// User returns the name of the digest.
func (l *Line) User() string {
	if l.AuthUser != "" {
		return l.AuthUser
	}
	_, rest, _ := strings.Cut(string(l.AOR), ":")
	user, _, _ := strings.Cut(rest, "@")
	return user
}

// checkLine refuses what cannot stand in a digest.
func checkLine(l *Line) error {
	if l.AOR == "" || l.User() == "" || !strings.Contains(string(l.AOR), "@") {
		return fmt.Errorf("line %q: want an aor such as 101@example.com", l.AOR)
	}
	if strings.ContainsAny(l.AuthUser, "\":\\\r\n") {
		return fmt.Errorf("line %s: auth_user: no quotes, colons or backslashes", l.AOR)
	}
	return nil
}

// Secret is a password as it is kept: sealed. One that was just read from a file is not
// yet.
type Secret string

// SecretKey seals secrets. Whoever has it and the database has the passwords.
type SecretKey [32]byte

const sealed = "sealed:"

// Sealed reports whether a secret is sealed.
func (s Secret) Sealed() bool { return strings.HasPrefix(string(s), sealed) }

// GoString keeps a secret that is not sealed out of what is printed by mistake.
func (s Secret) GoString() string { return "Secret" }

// ErrAnotherKey reports that a secret was sealed with another key.
var ErrAnotherKey = errors.New("its secret was sealed with another key")

// Seal seals a line's secret (AES-256-GCM). The same secret of the same line gives the
// same each time, so that importing a file again changes nothing. A sealed one
// is only looked at.
func (k *SecretKey) Seal(l *Line) error {
	if l.Secret == "" {
		return nil
	}
	if l.Secret.Sealed() {
		_, err := k.Open(l)
		return err
	}
	aead, err := k.cipher()
	if err != nil {
		return err
	}
	h := hmac.New(sha256.New, k[:])
	h.Write([]byte("nonce\x00" + string(l.AOR) + "\x00" + string(l.Secret)))
	nonce := h.Sum(nil)[:aead.NonceSize()]
	text := aead.Seal(nonce, nonce, []byte(l.Secret), []byte(l.AOR))
	l.Secret = sealed + Secret(base64.RawStdEncoding.EncodeToString(text))
	return nil
}

// Open returns a line's password. The error is ErrAnotherKey, with the line's name.
func (k *SecretKey) Open(l *Line) (string, error) {
	fail := fmt.Errorf("line %s: %w", l.AOR, ErrAnotherKey)
	text, err := base64.RawStdEncoding.DecodeString(strings.TrimPrefix(string(l.Secret), sealed))
	if err != nil || !l.Secret.Sealed() {
		return "", fail
	}
	aead, err := k.cipher()
	if err != nil || len(text) < aead.NonceSize() {
		return "", fail
	}
	n := aead.NonceSize()
	plain, err := aead.Open(nil, text[:n], text[n:], []byte(l.AOR))
	if err != nil {
		return "", fail
	}
	return string(plain), nil
}

func (k *SecretKey) cipher() (cipher.AEAD, error) {
	h := hmac.New(sha256.New, k[:])
	h.Write([]byte("seal"))
	b, err := aes.NewCipher(h.Sum(nil))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(b)
}
