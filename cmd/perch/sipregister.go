package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"perch/sip/proxy"
)

// register is where phones registered, as the SIP path keeps it in a file: so that a
// PBX that does not answer, or is none, is stood in for also after a restart.
type register struct {
	file  string
	proxy *proxy.Proxy
	log   *slog.Logger
	list  []proxy.Binding // what could not be written; nil: nothing
	last  time.Time       // when it was written
}

// registerEvery is how often it is written that registrations hold for longer. New ones
// are written at once.
const registerEvery = time.Minute

// newRegister reads the file, if there is one.
func newRegister(file string, p *proxy.Proxy, log *slog.Logger) *register {
	var list []proxy.Binding
	b, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(b, &list)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("where phones registered is not known until they do so again", "error", err)
	}
	p.SetBindings(list)
	return &register{file: file, proxy: p, log: log}
}

// write writes the file if something changed.
func (r *register) write() {
	list, changed := r.proxy.Bindings(time.Since(r.last) >= registerEvery)
	if !changed {
		list = r.list
	}
	if !changed && list == nil {
		return
	}
	if err := writeSynced(r.file, list); err != nil {
		r.log.Warn("where phones registered cannot be written; it is in memory", "error", err)
		r.list = list
		return
	}
	r.list, r.last = nil, time.Now()
}
