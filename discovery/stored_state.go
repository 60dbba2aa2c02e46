package discovery

// state reads what Tracker.MarshalState writes. What is bounded is for
// encoding/json: there are as many of the rest as there are phones.
func (r *Stored) state() *state {
	s := new(state)
	r.Open()
	if r.Key("Wires") {
		s.Wires = StoredOther[[]*wire](r)
	}
	if r.Key("Bindings") {
		s.Bindings = StoredList(r, (*Stored).binding)
	}
	if r.Key("Routers") {
		s.Routers = StoredList(r, (*Stored).router)
	}
	if r.Key("Gateways") {
		s.Gateways = StoredOther[[]storedGateway](r)
	}
	if r.Key("Circuits") {
		s.Circuits = StoredList(r, (*Stored).holders)
	}
	if r.Key("Requests") {
		s.Requests = StoredOther[[]storedRequest](r)
	}
	if r.Key("Tries") {
		s.Tries = StoredOther[[]storedTry](r)
	}
	if r.Key("Instances") {
		s.Instances = StoredList(r, (*Stored).instance)
	}
	if r.Key("Counts") {
		s.Counts = StoredOther[[]storedCount](r)
	}
	if r.Key("Requests6") {
		s.Requests6 = StoredOther[[]storedRequest6](r)
	}
	if r.Key("Links") {
		s.Links = StoredOther[[]storedLink](r)
	}
	if r.Key("Devices") {
		s.Devices = StoredList(r, func(r *Stored, tr **Track) { *tr = r.Track() })
	}
	s.Pruned, s.InstancesLeft = r.InstantOf("Pruned"), int(r.Count("InstancesLeft"))
	r.Close()
	return s
}

// address reads the members that an address is.
func (r *Stored) address(a *address) {
	if r.Key("Site") {
		a.Site = r.shared(&r.site)
	}
	if r.Key("IP") {
		a.IP = r.addr()
	}
}

// macOf reads a member that is a MAC.
func (r *Stored) macOf(name string) (m MAC) {
	if r.Key(name) {
		m = r.mac()
	}
	return m
}

func (r *Stored) binding(x *storedBinding) {
	r.Open()
	r.address(&x.address)
	x.MAC = r.macOf("MAC")
	x.At, x.Until = r.InstantOf("At"), r.InstantOf("Until")
	x.Firm = r.Flag("Firm")
	r.Close()
}

func (r *Stored) router(x *storedRouter) {
	r.Open()
	x.MAC, x.Since = r.macOf("MAC"), r.InstantOf("Since")
	if r.Key("Sources") {
		x.Sources = StoredList(r, func(r *Stored, s *source) {
			r.Open()
			if r.Key("IP") {
				s.IP = r.addr()
			}
			s.At = r.InstantOf("At")
			r.Close()
		})
	}
	r.Close()
}

func (r *Stored) holders(x *storedCircuit) {
	r.Open()
	r.circuitName(&x.circuit)
	if r.Key("Holders") {
		x.Holders = StoredList(r, func(r *Stored, h *holder) {
			r.Open()
			h.MAC, h.Until = r.macOf("ID"), r.InstantOf("Until")
			r.Close()
		})
	}
	r.Close()
}

func (r *Stored) instance(x *storedInstance) {
	r.Open()
	if r.Key("Instance") {
		x.Instance = r.Text()
	}
	x.MAC = r.macOf("MAC")
	r.Close()
}
