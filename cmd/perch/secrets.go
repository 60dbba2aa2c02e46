package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"perch/gateway"
	"perch/provisioning"
)

// secretKey is what seals secrets in the database. Those of a replay are nobody's.
func (s *session) secretKey() (key provisioning.SecretKey, err error) {
	if s.beside == "" || s.engine.Type() == gateway.Replayed {
		return key, nil
	}
	name := s.config.Secrets.KeyFile
	if name == "" {
		name = s.beside + ".key"
	}
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) && s.hasSealed() {
		return key, withHint(fmt.Errorf("%s is gone: with it go the passwords of the lines, and those by which phones fetch their configuration", name),
			"put it back from your backup; if it is lost, write the passwords into lines.csv and import that with -replace into a new database")
	}
	key, err = keyBeside(name)
	if err != nil {
		return key, withHint(err, "secrets: {key_file: ...} names a file with 64 hex digits that can be read, or that can be made")
	}
	return key, nil
}

// hasSealed reports whether a line has a sealed password.
func (s *session) hasSealed() (has bool) {
	s.engine.Read(func(d *provisioning.Directory) {
		has = slices.ContainsFunc(d.Lines(), func(l provisioning.Line) bool { return l.Secret.Sealed() })
	})
	return has
}

// seal seals the secrets in files that were read.
func (s *session) seal(files []provisioning.File) error {
	var key *provisioning.SecretKey
	for _, f := range files {
		for i := range f.Content.Lines {
			if key == nil {
				k, err := s.secretKey()
				if err != nil {
					return err
				}
				key = &k
			}
			if err := key.Seal(&f.Content.Lines[i]); err != nil {
				return sealFault(err)
			}
		}
	}
	return nil
}

func sealFault(err error) error {
	if errors.Is(err, provisioning.ErrAnotherKey) {
		return withHint(err, "put the key back that it was sealed with (secrets: {key_file: ...}), or write the password itself into lines.csv and import that")
	}
	return err
}

// openSecret returns a line's password.
func (s *session) openSecret(l *provisioning.Line) (string, error) {
	key, err := s.secretKey()
	if err != nil {
		return "", err
	}
	password, err := key.Open(l)
	return password, sealFault(err)
}

// keyBeside reads a key from a file, and makes one if there is none.
func keyBeside(name string) (key [32]byte, err error) {
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := rand.Read(key[:]); err != nil {
			return key, err
		}
		return key, os.WriteFile(name, []byte(hex.EncodeToString(key[:])+"\n"), 0o600)
	}
	if err != nil {
		return key, err
	}
	text, err := hex.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(text) != len(key) {
		return key, withHint(fmt.Errorf("%s: holds no key, that is 64 hex digits", name), "put the file back as it was; if it is lost, remove it: what was sealed with it is lost, too")
	}
	return [32]byte(text), nil
}
