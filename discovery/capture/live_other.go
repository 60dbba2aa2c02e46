//go:build !linux

package capture

import (
	"context"
	"errors"
)

// Live listens to a network interface; here it does not: see Listen.
type Live struct{ name string }

// Listen fails: only Linux is listened on.
func Listen(name string, _ LiveConfig) (*Live, error) {
	return nil, &InterfaceError{Interface: name, Reason: NotSupported, What: "live capture needs Linux", Err: errors.ErrUnsupported}
}

// Name returns the interface's name.
func (l *Live) Name() string { return l.name }

// Next fails.
func (*Live) Next(context.Context) (*Frame, error) { return nil, errors.ErrUnsupported }

// Stats returns zeros.
func (*Live) Stats() LiveStats { return LiveStats{} }

// Close does nothing.
func (*Live) Close() error { return nil }
