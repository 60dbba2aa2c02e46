package gateway

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
	"time"
)

// encoded is what encoding/json makes of a line.
func encoded(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return string(bytes.TrimRight(b.Bytes(), "\n"))
}

// TestLineJSON fills lines at random, so that a field that is added to a line and
// not to its encoder is found.
func TestLineJSON(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var l Line
		fill(rnd, reflect.ValueOf(&l).Elem())
		if got, want := string(l.appendJSON(nil)), encoded(t, &l); got != want {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	}
}

// fill gives a value and all that it holds random content; a third of all fields
// stay zero.
func fill(rnd *rand.Rand, v reflect.Value) {
	if rnd.IntN(3) == 0 {
		return
	}
	switch x := v.Addr().Interface().(type) {
	case *Stamp:
		*x = Stamp(time.UnixMicro(rnd.Int64N(1 << 52)).In(time.FixedZone("", 3600)))
		return
	case *netip.Addr:
		*x = addr(rnd)
		return
	case *netip.Prefix:
		*x = netip.PrefixFrom(addr(rnd), rnd.IntN(33))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(rnd, v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			fill(rnd, v.Field(i))
		}
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice {
			v.Set(reflect.MakeSlice(v.Type(), rnd.IntN(3), 3))
		}
		for i := range v.Len() {
			fill(rnd, v.Index(i))
		}
	case reflect.String:
		s := make([]byte, rnd.IntN(4))
		for i := range s {
			s[i] = byte(rnd.UintN(256))
		}
		v.SetString(string(s) + []string{"", "x\u2028y", "Gi1/0/3", "<&>", "\u00e9\U0001f642", "\"\\\n"}[rnd.IntN(6)])
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8:
		v.SetUint(rnd.Uint64N(6))
	case reflect.Uint16:
		v.SetUint(rnd.Uint64N(1 << 16))
	case reflect.Int64:
		v.SetInt(int64(rnd.Uint64()))
	default:
		panic("no filling for " + v.Type().String())
	}
}

func addr(rnd *rand.Rand) netip.Addr {
	switch rnd.IntN(3) {
	case 0:
		return netip.AddrFrom4([4]byte{10, byte(rnd.Uint32()), 0, 1})
	case 1:
		return netip.AddrFrom16([16]byte{0xfe, 0x80, 15: byte(rnd.Uint32())}).WithZone("e\"1")
	}
	return netip.AddrFrom16([16]byte{0x20, 1, 15: byte(rnd.Uint32())})
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"", "a\"b\\", "\x00\b\f\n\r\t\x1f\x7f", "\u2028\u2029\ufffd", "\xff\xc3", "<&>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := string(appendText(nil, s)), encoded(t, s); got != want {
			t.Errorf("%q: got %s, want %s", s, got, want)
		}
	})
}
