package settings

import (
	"testing"

	"perch/provisioning"
)

// BenchmarkFile makes a phone's own file, of each vendor in turn.
func BenchmarkFile(b *testing.B) {
	l, err := Load(nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := range b.N {
		d := desk(provisioning.Vendors[i%len(provisioning.Vendors)])
		d.Lines = d.Lines[1:]
		s, err := l.Of(d)
		if err == nil {
			_, err = s.File(Own)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
