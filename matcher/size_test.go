package matcher

import (
	"testing"
	"unsafe"
)

func TestRecordIsACacheLine(t *testing.T) {
	if got := unsafe.Sizeof(record{}); got != 64 {
		t.Errorf("got %d bytes, want 64", got)
	}
}
