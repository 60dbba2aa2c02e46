package store

import (
	"database/sql/driver"
	"encoding"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// The types of this file stand between a Go value and its column. Each holds a
// pointer and works in both directions, as an argument of a statement
// (driver.Valuer) and as the target of a scan (sql.Scanner), so that a record's
// columns are listed once. Targets are fresh zero values: an empty column is
// left alone.

// micros is a time as microseconds since 1970; 0 is the zero time.
type micros struct{ t *time.Time }

func (c micros) Value() (driver.Value, error) {
	if c.t.IsZero() {
		return int64(0), nil
	}
	return c.t.UnixMicro(), nil
}

func (c micros) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("%T, want microseconds", src)
	}
	if n != 0 {
		*c.t = time.UnixMicro(n).UTC()
	}
	return nil
}

// textValue is a value with a text form: an enum, a MAC, a prefix, bytes in hex.
type textValue interface {
	encoding.TextMarshaler
	encoding.TextUnmarshaler
}

// word is a column with the text form of v.
type word struct{ v textValue }

func (c word) Value() (driver.Value, error) {
	b, err := c.v.MarshalText()
	return string(b), err
}

func (c word) Scan(src any) error {
	b, err := textOf(src)
	if err != nil || len(b) == 0 {
		return err
	}
	return c.v.UnmarshalText(b)
}

// list is a column with a JSON list; an empty one is read back as nil.
type list[T any] struct{ v *[]T }

func listOf[T any](v *[]T) list[T] { return list[T]{v} }

func (c list[T]) Value() (driver.Value, error) {
	if len(*c.v) == 0 {
		return "[]", nil
	}
	b, err := json.Marshal(*c.v)
	return string(b), err
}

func (c list[T]) Scan(src any) error {
	b, err := textOf(src)
	if err != nil || string(b) == "[]" {
		return err
	}
	return json.Unmarshal(b, c.v)
}

// texts is list of strings.
type texts[T ~string] struct{ list[T] }

func textsOf[T ~string](v *[]T) texts[T] { return texts[T]{list[T]{v}} }

// Scan reads what encoding/json mostly makes of strings by itself: a campus has
// millions of such lists, of one string each.
func (c texts[T]) Scan(src any) error {
	s, ok := src.(string)
	inner, opened := strings.CutPrefix(s, `["`)
	inner, closed := strings.CutSuffix(inner, `"]`)
	if !ok || !opened || !closed || !plain(inner) {
		return c.list.Scan(src)
	}
	*c.v = []T{T(inner)}
	return nil
}

// plain reports whether a JSON string stands for itself, and is but one.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// object is a column with a JSON object.
type object[T any] struct{ v *T }

func objectOf[T any](v *T) object[T] { return object[T]{v} }

func (c object[T]) Value() (driver.Value, error) {
	b, err := json.Marshal(c.v)
	return string(b), err
}

func (c object[T]) Scan(src any) error {
	b, err := textOf(src)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, c.v)
}

// verbatim is a column with JSON text that is kept byte for byte.
type verbatim struct{ v *json.RawMessage }

func (c verbatim) Value() (driver.Value, error) { return string(*c.v), nil }

func (c verbatim) Scan(src any) error {
	b, err := textOf(src)
	if err == nil && len(b) > 0 {
		*c.v = b
	}
	return err
}

// blob is a column with bytes.
type blob struct{ v *[]byte }

func (c blob) Value() (driver.Value, error) {
	if *c.v == nil {
		return []byte{}, nil // nil would be NULL
	}
	return *c.v, nil
}

func (c blob) Scan(src any) error { return verbatim{(*json.RawMessage)(c.v)}.Scan(src) }

// textOf returns a copy of what a driver gave: its own buffer is reused.
func textOf(src any) ([]byte, error) {
	switch v := src.(type) {
	case string:
		return []byte(v), nil
	case []byte:
		return append([]byte(nil), v...), nil
	}
	return nil, fmt.Errorf("%T, want text", src)
}
