package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"

	"perch/sip/proxy"
)

// register is where phones registered, as the SIP path keeps it in a file: so that a
// PBX that does not answer, or is none, is stood in for also after a restart.
type register struct {
	file   string
	proxy  *proxy.Proxy
	log    *slog.Logger
	unsaid bool // what could not be written is to be written again
}

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
	list, changed := r.proxy.Bindings(r.unsaid)
	if !changed {
		return
	}
	err := writeSynced(r.file, list)
	if r.unsaid = err != nil; r.unsaid {
		r.log.Warn("where phones registered cannot be written; it is in memory", "error", err)
	}
}
