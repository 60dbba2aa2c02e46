package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/netip"
	"reflect"
	"testing"
	"time"
)

func TestWire(t *testing.T) {
	want := []Observation{
		{time.UnixMicro(1_700_000_000_000_001).UTC(), "udp", netip.MustParseAddrPort("192.0.2.1:5060"), netip.MustParseAddrPort("[2001:db8::1]:5061"), []byte("REGISTER")},
		{time.UnixMicro(0).UTC(), "tls", netip.MustParseAddrPort("[fe80::1]:1"), netip.MustParseAddrPort("10.0.0.1:65535"), []byte{}},
	}
	var b []byte
	for _, o := range want {
		b = o.Append(b)
	}
	r := bufio.NewReader(bytes.NewReader(b))
	for _, w := range want {
		var got Observation
		if err := got.Read(r); err != nil || !reflect.DeepEqual(got, w) {
			t.Errorf("got %+v, %v, want %+v", got, err, w)
		}
	}
	if err := new(Observation).Read(r); !errors.Is(err, io.EOF) {
		t.Errorf("at the end got %v", err)
	}
	for n := range b[4:] {
		var got Observation
		_ = got.decode(b[4 : 4+n]) // whatever it is, it is no panic
	}
}
