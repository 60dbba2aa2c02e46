package main

import (
	"context"
	"errors"
	"syscall"
	"time"
)

// The story of the lab. What must come of each scenario was written before it was
// first run. No phone moves more than twice: a third time within ten minutes is
// flapping (DESIGN 3.3), which the last scenario is about.

// shortStory is what the test runs.
func shortStory() []round {
	return []round{arrivals(), quiet(), moves(), whileRestarted(), whileAway()}
}

// longStory is what `make lab` runs.
func longStory() []round {
	return append(shortStory(), swap(), outages(), mirrorDown(), unseen(), toAndFro())
}

// arrivals: everybody's phone is plugged in for the first time. On the third floor
// the router relays, and its circuit is shared by all, so a phone there is known by
// its subnet; by its port only if its LLDP is heard on a tap. On the fourth floor
// the switch relays, and names each port.
func arrivals() round {
	first := func(phone, port, want string) scenario {
		return scenario{
			name: "first appearance of " + phone + ", at " + port, want: []string{phone + " appeared" + want},
			do: func(ctx context.Context, t *trial) error { return t.plug(ctx, phone, port) },
		}
	}
	return round{
		first("phone1", "sw3p1", ", confirm hq-301 to alice@example.com"),
		first("phone2", "sw3p4", ", confirm hq-3f to bob@example.com"),
		first("phone3", "sw4p1", ", confirm hq-401 to carol@example.com"),
		first("phone4", "sw3p5", ", confirm hq-3f to dave@example.com"),
		first("phone5", "sw3p2", ", confirm hq-3f to erin@example.com"),
		first("phone6", "sw3p6", ""), // the lobby's, which has no user to ask
	}
}

// quiet: what happens in an office all day, and is no move.
func quiet() round {
	return round{
		{
			name: "phone1 loses its power and reboots", phones: []string{"phone1"},
			do: func(ctx context.Context, t *trial) error {
				return t.with("phone1", func(p *phone) error { return p.reboot(ctx, 3*time.Second) })
			},
		}, {
			name: "phone4 renews its lease, everybody registers again", phones: []string{"phone4", "phone2"},
			do: func(ctx context.Context, t *trial) error {
				return errors.Join(t.with("phone4", func(p *phone) error { return p.renew() }), pass(ctx, t.site.pace.refresh))
			},
		}, {
			name: "phone3 gets new firmware", phones: []string{"phone3"},
			do: func(ctx context.Context, t *trial) error {
				return t.with("phone3", func(p *phone) error { return p.upgrade(ctx, "2.0") })
			},
		}, {
			name: "LLDP is switched on on phone5", want: []string{"phone5 upgraded"}, // it is known by its port from now on
			do: func(ctx context.Context, t *trial) error {
				return t.with("phone5", func(p *phone) error { p.lldp = true; return p.announce() })
			},
		}, {
			name: "a scanner tries everybody's lines", phones: []string{"02:00:00:00:00:66"},
			do: func(_ context.Context, t *trial) error {
				at, err := t.site.port("sw3p3")
				if err != nil {
					return err
				}
				return t.site.scan(at)
			},
		},
	}
}

// moves: to another port of the same switch, as a tap tells; to another port of the
// same switch, as the relay tells; to the other floor.
func moves() round {
	return round{
		move("phone1", "sw3p3", "moved, confirm hq-303 to alice@example.com"),
		move("phone3", "sw4p2", "moved, confirm hq-402 to carol@example.com"),
		move("phone2", "sw4p4", "moved, confirm hq-404 to bob@example.com"),
		{
			name: "LLDP is switched off on phone5", phones: []string{"phone5"},
			do: func(_ context.Context, t *trial) error {
				return t.with("phone5", func(p *phone) error { p.lldp = false; p.hush(); return nil })
			},
		},
	}
}

// whileRestarted: Perch is restarted after a phone has registered at its new place
// and before that has settled.
func whileRestarted() round {
	return round{
		{
			name: "phone4 moves to sw4p5, and Perch is restarted before that settles", want: []string{"phone4 moved, confirm hq-405 to dave@example.com"},
			do: func(ctx context.Context, t *trial) error {
				if err := t.plug(ctx, "phone4", "sw4p5"); err != nil {
					return err
				}
				if err := pass(ctx, 2*time.Second); err != nil {
					return err
				}
				return errors.Join(t.watch.stop(syscall.SIGTERM), t.watch.start(ctx))
			},
		}, {
			name: "a PC with a softphone is plugged in behind phone3, and out", want: []string{"pc appeared"}, phones: []string{"phone3"},
			do: func(ctx context.Context, t *trial) error {
				return t.with("phone3", func(p *phone) error {
					// The softphone is known by its lease alone if Perch is away just then.
					return errors.Join(t.site.plugPC(ctx, p), pass(ctx, t.site.pace.settle+t.site.pace.refresh), t.site.unplugPC(p))
				})
			},
		},
	}
}

// whileAway: a phone comes back while Perch is not running, as all night.
func whileAway() round {
	return round{
		{
			name: "phone1 comes back to sw3p1 while Perch is stopped", want: []string{"phone1 returned"},
			do: func(ctx context.Context, t *trial) error {
				return errors.Join(t.watch.stop(syscall.SIGTERM), t.plug(ctx, "phone1", "sw3p1"), pass(ctx, time.Second), t.watch.start(ctx))
			},
		},
	}
}

// swap: two phones change places, across the floors.
func swap() round {
	return round{
		{
			name: "phone3 and phone5 swap places",
			want: []string{"phone3 moved, confirm hq-3f to carol@example.com", "phone5 moved, confirm hq-402 to erin@example.com"},
			do: func(ctx context.Context, t *trial) error {
				a, err := t.site.phone("phone5")
				if err != nil {
					return err
				}
				a.unplug()
				return errors.Join(t.plug(ctx, "phone3", "sw3p2"), t.plug(ctx, "phone5", "sw4p2"))
			},
		},
		move("phone2", "sw3p4", "returned"),
	}
}

// outages: a floor has no network for a while.
func outages() round {
	return round{
		{
			name: "the third floor's uplink is down", phones: []string{"phone1", "phone3"},
			do: func(ctx context.Context, t *trial) error {
				up := end{host: t.site.router, iface: "floor3"}
				return errors.Join(up.carrier(false), pass(ctx, t.site.pace.outage), up.carrier(true), pass(ctx, t.site.pace.refresh))
			},
		},
	}
}

// mirrorDown: Perch hears nothing for a while.
func mirrorDown() round {
	return round{
		{
			name: "Perch's mirror and taps are unplugged, and plugged in again", phones: []string{"phone1", "phone3"},
			do: func(ctx context.Context, t *trial) error {
				var errs []error
				for _, m := range t.site.mirrors {
					errs = append(errs, m.carrier(false))
				}
				errs = append(errs, pass(ctx, t.site.pace.outage))
				for _, m := range t.site.mirrors {
					errs = append(errs, m.carrier(true))
				}
				return errors.Join(append(errs, pass(ctx, t.site.pace.refresh))...)
			},
		},
	}
}

// unseen: within the third floor's subnet nothing tells where a phone without LLDP
// is plugged in. README, "Limits".
func unseen() round {
	return round{
		{
			name: "phone6 moves where nothing tells: sw3p6 to sw3p5", phones: []string{"phone6"},
			do: func(ctx context.Context, t *trial) error { return t.plug(ctx, "phone6", "sw3p5") },
		},
	}
}

// toAndFro: somebody carries a phone to and fro. From the third change on it is
// shown, and nobody is asked.
func toAndFro() round {
	return round{
		{
			name: "phone2 is carried to and fro", want: []string{"phone2 flapping"},
			do: func(ctx context.Context, t *trial) error {
				return errors.Join(t.plug(ctx, "phone2", "sw4p3"), t.plug(ctx, "phone2", "sw3p6"), t.plug(ctx, "phone2", "sw4p3"))
			},
		},
	}
}

// move is a scenario in which a phone is carried to another port.
func move(phone, port, want string) scenario {
	name := phone + " moves to " + port
	if want == "returned" {
		name = phone + " comes back to " + port
	}
	return scenario{
		name: name, want: []string{phone + " " + want},
		do: func(ctx context.Context, t *trial) error { return t.plug(ctx, phone, port) },
	}
}

// plug carries a phone to a port.
func (t *trial) plug(ctx context.Context, name, port string) error {
	to, err := t.site.port(port)
	if err != nil {
		return err
	}
	return t.with(name, func(p *phone) error { return p.plug(ctx, to) })
}

// with does something with a phone.
func (t *trial) with(name string, do func(*phone) error) error {
	p, err := t.site.phone(name)
	if err != nil {
		return err
	}
	return do(p)
}
