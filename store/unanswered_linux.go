package store

import (
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unansweredLimit is how long a server may leave what we sent unacknowledged.
// Without it the kernel goes on sending for a quarter of an hour, since
// keep-alive probes are only for connections on which nothing is under way.
const unansweredLimit = 30 * time.Second

// limitUnanswered sets the limit on a new socket (tcp(7), TCP_USER_TIMEOUT).
func limitUnanswered(network, _ string, c syscall.RawConn) error {
	if !strings.HasPrefix(network, "tcp") {
		return nil
	}
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unansweredLimit.Milliseconds()))
	})
	if err != nil {
		return err
	}
	return failed
}
