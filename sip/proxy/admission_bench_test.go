package proxy

import (
	"net/netip"
	"testing"
)

// BenchmarkAdmission is what a datagram costs before it is read: of a phone that has
// registered, of one that has not, of one that is over its limit, and of noise.
func BenchmarkAdmission(b *testing.B) {
	phone := netip.MustParseAddr("10.0.0.9")
	message, noise := []byte(request("REGISTER", "a")), make([]byte, 400)
	for _, bc := range []struct {
		name  string
		known bool
		step  int64 // nanoseconds between datagrams
		what  []byte
	}{{"known", true, second, message}, {"stranger", false, second, message}, {"crowded", false, 0, message}, {"noise", false, second, noise}} {
		b.Run(bc.name, func(b *testing.B) {
			w := newBench().w
			if bc.known {
				w.admission.accept(sourceOf(phone), 1, 0)
				set := w.admission.sources.lock(uint64(sourceOf(phone)))
				set.get(uint64(sourceOf(phone))).known = 1 << 62
				set.mu.Unlock()
			}
			b.ReportAllocs()
			for b.Loop() {
				w.now += bc.step
				if ok, _ := w.admits(phone); !ok {
					b.Fatal("it is no stranger")
				}
				if line := firstLine(bc.what); line != nil {
					w.lets(phone, line, bc.what)
				}
			}
		})
	}
}
