//go:build !linux

package store

import "syscall"

// limitUnanswered leaves a new socket as it is.
func limitUnanswered(_, _ string, _ syscall.RawConn) error { return nil }
