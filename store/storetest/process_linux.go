package storetest

import "syscall"

// sysProcAttr runs a process as another user, nil for our own, and has the kernel
// end it when we do.
func sysProcAttr(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: as, Pdeathsig: syscall.SIGQUIT}
}
