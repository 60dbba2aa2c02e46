package capture

import "testing"

// Shared is the directory of recorded captures for the tests of capture_test,
// which may import discovery.
func Shared(t testing.TB) string { return shared(t) }
