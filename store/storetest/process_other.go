//go:build unix && !linux

package storetest

import "syscall"

// sysProcAttr runs a process as another user, nil for our own.
func sysProcAttr(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: as}
}
