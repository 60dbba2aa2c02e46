package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// start attaches to the SIP path, and starts its process if it is not there or has
// another configuration.
func (k *sipKeeper) start() error {
	if c, same := k.attach(); c != nil && same {
		k.use(c)
		return nil
	} else if c != nil {
		k.log.Info("the SIP path is started anew: its configuration is another")
		_, _ = io.WriteString(c, stopLine)
		_, _ = io.Copy(io.Discard, c) // until it has ended
		_ = c.Close()
	}
	if err := k.spawn(); err != nil {
		return err
	}
	k.spawned = true
	c, same := k.attach()
	if c == nil || !same {
		return fmt.Errorf("sip: the process that was started is not reached at %s", k.spec.Socket)
	}
	k.use(c)
	return nil
}

// use takes a connection to the process in; it ends at once if it is to.
func (k *sipKeeper) use(c net.Conn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.conn = c; k.ended {
		_, _ = io.WriteString(c, stopLine)
	}
}

// end ends the process.
func (k *sipKeeper) end() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ended = true
	_, _ = io.WriteString(k.conn, stopLine)
}

const stopLine = "stop\n"

// attach connects to the process; nil if there is none. It is same if that has our
// configuration.
func (k *sipKeeper) attach() (c net.Conn, same bool) {
	c, err := dialSocket(context.Background(), k.spec.Socket)
	if err != nil {
		return nil, false
	}
	if _, err := fmt.Fprintf(c, "attach %s\n", k.spec.ID); err != nil {
		_ = c.Close()
		return nil, false
	}
	answer := make([]byte, len("ok\n"))
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.ReadFull(c, answer); err != nil {
		_ = c.Close()
		return nil, false
	}
	_ = c.SetReadDeadline(time.Time{})
	return c, string(answer) == "ok\n"
}

// spawn starts the process and waits until it listens.
func (k *sipKeeper) spawn() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	spec, err := json.Marshal(k.spec)
	if err != nil {
		return err
	}
	cmd := exec.Command(self, "sip-path")
	cmd.Stdin, cmd.Stderr = strings.NewReader(string(spec)), os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // what ends serve by a terminal is not meant for it
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var said sipStart
	err = json.NewDecoder(out).Decode(&said)
	go func() { _ = cmd.Wait() }()
	switch {
	case said.Error != "":
		return withHint(fmt.Errorf("sip: %s", said.Error), said.Hint)
	case err != nil:
		return withHint(fmt.Errorf("sip: the process of the SIP path ended: %w", err), "the lines before say why")
	}
	return nil
}
