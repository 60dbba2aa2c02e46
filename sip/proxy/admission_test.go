package proxy

import (
	"log/slog"
	"net/netip"
	"runtime"
	"testing"
	"time"
)

func newAdmission() *admission {
	a := &admission{}
	a.init(slog.New(slog.DiscardHandler), func(source) bool { return false })
	return a
}

func src(s string) source { return sourceOf(netip.MustParseAddr(s)) }

func TestSource(t *testing.T) {
	for _, tc := range []struct{ a, b, name string }{
		{"10.1.2.3", "10.1.2.3", "10.1.2.3"},
		{"2001:db8:1:2::3", "2001:db8:1:2:ffff::9", "2001:db8:1:2::/64"},
		{"fe80::1", "fe80::1%eth0", "fe80::/64"},
		{"::1", "::1", "::1"},
	} {
		if a, b := src(tc.a), src(tc.b); a != b || a.String() != tc.name {
			t.Errorf("%s and %s: got %v and %v, want %s", tc.a, tc.b, a, b, tc.name)
		}
	}
	if src("2001:db8:1:2::3") == src("2001:db8:1:3::3") || src("10.1.2.3") == src("10.1.2.4") {
		t.Error("two sources are one")
	}
}

// What is let in of so many messages at once, and of so many a second later, or in the
// ten minutes after that, one each so often.
func TestRates(t *testing.T) {
	const at = 5 * second
	one := func(int) source { return src("10.0.0.9") }
	many := func(i int) source { return source(0x0a000000 + i) }
	for _, tc := range []struct {
		name         string
		from         func(i int) source
		known        bool
		first, later int
	}{
		{"a stranger", one, false, 1024, 256},
		{"one that registered, after too much before", one, true, 50_000, 50_000},
		{"strangers together", many, false, 20_000, 10_000},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := newAdmission()
			if tc.known {
				for range 5000 {
					a.admit(tc.from(0), at)
				}
				a.accept(tc.from(0), 1, at)
			}
			count := func(now int64) (n int) {
				for i := range 100_000 {
					if a.admit(tc.from(i), now) == admitted {
						n++
					}
				}
				return n
			}
			if n := count(at); n != tc.first {
				t.Errorf("got %d at once, want %d", n, tc.first)
			}
			if n := count(at + second); n != tc.later {
				t.Errorf("got %d a second later, want %d", n, tc.later)
			}
		})
	}
}

// What may be a call for help has a budget of its own.
func TestSpare(t *testing.T) {
	one := func(int) source { return src("10.0.0.9") }
	many := func(i int) source { return source(0x0a000000 + i) }
	for _, tc := range []struct {
		name         string
		from         func(i int) source
		known        bool
		first, later int
	}{{"a stranger", one, false, 500, 100}, {"strangers together", many, false, 2000, 500}, {"those that registered", many, true, 20_000, 20_000}} {
		t.Run(tc.name, func(t *testing.T) {
			a := newAdmission()
			count := func(now int64) (n int) {
				for i := range 20_000 {
					if tc.known && now == 0 {
						a.accept(tc.from(i), uint64(i), now)
					}
					if a.spare(tc.from(i), now) {
						n++
					}
				}
				return n
			}
			if n := count(0); n != tc.first {
				t.Errorf("got %d at once, want %d", n, tc.first)
			}
			if n := count(second); n != tc.later {
				t.Errorf("got %d a second later, want %d", n, tc.later)
			}
		})
	}
}

// Phones of which the roll says that they register are known before they do, as after
// a start.
func TestRoll(t *testing.T) {
	p := newBench().w.Proxy
	for i := range 50 {
		p.admission.refuse(src("10.0.0.9"), uint64(i), true, 0)
	}
	if is := p.admission.admit(src("10.0.0.9"), 0); is != barred {
		t.Fatalf("got %v before the roll is there, want a ban", is)
	}
	phone := aliceDesk
	phone.Sources = []netip.Addr{netip.MustParseAddr("10.0.0.9")}
	p.SetCallers([]Caller{phone})
	n := 0
	for range 5000 {
		if p.admission.admit(src("10.0.0.9"), 0) == admitted {
			n++
		}
	}
	if n != 5000 {
		t.Errorf("got %d of 5000", n)
	}
	for i := range 5000 {
		p.admission.refuse(src("10.0.0.9"), uint64(i), true, 0)
	}
	if is := p.admission.admit(src("10.0.0.9"), 0); is != admitted {
		t.Errorf("got %v for a phone of the roll, want it never banned", is)
	}
}

// A million made-up sources, each refused once, take no more memory than the tables
// have, and displace nobody who registered.
func TestMillionSources(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const phones, sources = 50_000, 1_000_000
	before := heap()
	a := newAdmission()
	for i := range phones {
		a.accept(source(0xc0a80000+i), uint64(i), 0)
	}
	flood := func(base int) {
		for i := range sources {
			now := second + int64(i)*1000
			a.admit(source(base+i), now)
			a.refuse(source(base+i), uint64(base+i), true, now)
			a.try(source(base+i), uint64(base+i), true, now)
		}
	}
	flood(0x0a000000)
	once := heap()
	flood(0x0b000000)
	twice := heap()
	t.Logf("%d KiB after a million sources, %d KiB after another", (once-before)>>10, (int64(twice)-int64(before))>>10)
	if once-before > 64<<20 || int64(twice)-int64(once) > 1<<20 {
		t.Errorf("the heap grew by %d MiB, and by %d KiB then", (once-before)>>20, (int64(twice)-int64(once))>>10)
	}
	lost := 0
	for i := range phones {
		if !a.knows(source(0xc0a80000+i), 2*second) || !a.holds(source(0xc0a80000+i), uint64(i)) {
			lost++
		}
	}
	if lost > phones/1000 { // whose sets are full of phones
		t.Errorf("%d of %d phones that registered were given up", lost, phones)
	}
	runtime.KeepAlive(a)
}

// scan has a source refused one target after the other and returns at which it is
// banned, and when; none of so many: 0.
func scan(a *admission, s source, n int, every time.Duration, target func(i int) uint64) (at int, now int64) {
	for i := range n {
		now := int64(i) * int64(every)
		if a.admit(s, now) == barred {
			return i, now
		}
		a.refuse(s, target(i), true, now)
	}
	return 0, 0
}

func TestBans(t *testing.T) {
	different := func(i int) uint64 { return uint64(1 + i) }
	same := func(int) uint64 { return 1 }
	for _, tc := range []struct {
		name   string
		every  time.Duration
		target func(int) uint64
		want   int
	}{
		{"fast, one target", time.Millisecond, same, 31},
		{"fast, many", time.Millisecond, different, 21},
		{"one a minute, many", time.Minute, different, 21},
		{"one in eight minutes, many", 8 * time.Minute, different, 22}, // the first ban is over then
		{"one in ten minutes, many", 10 * time.Minute, different, 0},
		{"a phone with a wrong password, once in two minutes", 2 * time.Minute, same, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got, _ := scan(newAdmission(), src("10.0.0.9"), 1000, tc.every, tc.target); got != tc.want {
				t.Errorf("got a ban after %d, want after %d", got, tc.want)
			}
		})
	}
}

// Bans double to an hour, expire, and are forgotten.
func TestBanLength(t *testing.T) {
	a, s, target := newAdmission(), src("10.0.0.9"), uint64(0)
	ban := func(now int64) int64 {
		t.Helper()
		for range 100 {
			target++
			if a.refuse(s, target, true, now); a.admit(s, now) == barred {
				for long := minute; ; long += minute {
					if a.admit(s, now+long) != barred {
						return long / minute
					}
				}
			}
		}
		t.Fatal("no ban")
		return 0
	}
	now := int64(0)
	for i, want := range []int64{5, 10, 20, 40, 60, 60} {
		got := ban(now)
		if got != want {
			t.Errorf("ban %d: got %d minutes, want %d", i, got, want)
		}
		if b := a.banned(now); b.Count != 1 || len(b.Sources) != 1 || b.Sources[0] != "10.0.0.9" {
			t.Errorf("got %+v", b)
		}
		now += got * minute
		if b := a.banned(now); b.Count != 0 {
			t.Errorf("after the ban got %+v", b)
		}
	}
	if got := ban(now + bansForgotten + minute); got != 5 {
		t.Errorf("after a quiet time: got %d minutes, want 5", got)
	}
}

// A source from which somebody registers is heard whatever is refused to it; it may
// register what it holds, and after too many others no more of those.
func TestKnownIsNeverBanned(t *testing.T) {
	a, s := newAdmission(), src("10.0.0.9")
	const own = 7
	a.accept(s, own, 0)
	for i := range 1000 {
		a.refuse(s, uint64(1000+i), false, 0) // wrong numbers
	}
	if !a.try(s, 8, true, 0) {
		t.Error("after wrong numbers it may not register another line")
	}
	for i := range 1000 {
		a.refuse(s, 8, true, 0) // one line with a wrong password
		a.refuse(s, own, true, int64(i))
	}
	if !a.try(s, 9, true, 0) {
		t.Error("after one line that was refused it may not register another")
	}
	for i := range 1000 {
		a.refuse(s, uint64(1000+i), true, 0)
	}
	if a.admit(s, 0) != admitted || !a.try(s, own, true, 0) {
		t.Error("it is not heard, or may not register its own line")
	}
	if a.try(s, 2500, true, 0) {
		t.Error("after a thousand lines that were refused it may try another")
	}
	if !a.try(s, 2500, true, 0+shortestBan) {
		t.Error("it may never try another again")
	}
}

// One line's password is guessed from everywhere: so often, and no more. Who holds the
// line is never locked out.
func TestLine(t *testing.T) {
	a, phone := newAdmission(), src("10.0.0.9")
	const aor = 7
	a.accept(phone, aor, 0)
	tries := func(now int64) (n int) {
		for i := range 1000 {
			if a.try(source(0x0a010000+i), aor, true, now) {
				n++
			}
		}
		return n
	}
	if n := tries(0); n != 20 {
		t.Errorf("got %d tries, want 20", n)
	}
	if n := tries(hour / 12); n != 5 {
		t.Errorf("five minutes later got %d tries, want 5", n)
	}
	for range 1000 {
		if !a.try(phone, aor, true, 0) {
			t.Fatal("the phone is locked out of its own line")
		}
	}
	if a.try(source(0x0a020000), aor, false, hour/12) {
		t.Error("another may ask for a challenge, which it cannot answer")
	}
	if !a.try(source(0x0a020000), aor+1, true, 0) {
		t.Error("another line is limited, too")
	}
	a.accept(source(0x0a020000), aor, hour)
	if !a.try(source(0x0a020000), aor, true, hour) {
		t.Error("the line does not move with its phone")
	}
}

// Noise is known by its first line; whatever the reader takes for SIP is not noise, and
// whatever is a call for help looks like one.
func TestFirstLine(t *testing.T) {
	for _, tc := range []struct {
		line string
		want bool
	}{
		{"INVITE sip:1@pbx SIP/2.0\r\n", true},
		{"\r\n\r\nINVITE sip:1@pbx SIP/2.0 \r\n", true},
		{"INVITE sip:1@pbx SIP/7.0\r\n", true}, // it gets 505
		{"SIP/2.0 200 OK\r\n", true},
		{"SIP/2.0 200 \r\n", true},
		{"GET / HTTP/1.1\r\n", false},
		{"INVITE sip:1@pbx SIP/2.0", false},
		{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", false},
		{"\r\n\r\n", false},
		{"", false},
	} {
		if got := firstLine([]byte(tc.line)) != nil; got != tc.want {
			t.Errorf("%q: got %t, want %t", tc.line, got, tc.want)
		}
	}
}

func TestMaybeHelp(t *testing.T) {
	w := newBench().w
	for line, want := range map[string]bool{
		"INVITE sip:911@pbx SIP/2.0": true, "INVITE sips:9-1-1@pbx SIP/2.0": true, "INVITE sip:(112)@pbx;user=phone SIP/2.0": true, "INVITE tel:911 SIP/2.0": true,
		"INVITE tel:1.1.2;phone-context=x SIP/2.0": true, "INVITE SIP:911;x=y@pbx SIP/2.0": true, "INVITE urn:service:sos SIP/2.0": true,
		"INVITE URN:Service:SOS.fire SIP/2.0": true, "ACK sip:911@pbx SIP/2.0": true, "CANCEL tel:112 SIP/2.0": true, "BYE sip:911@pbx SIP/2.0": true,
		"REGISTER sip:911@pbx SIP/2.0": false, "OPTIONS sip:911@pbx SIP/2.0": false, "INVITE sip:9111@pbx SIP/2.0": false, "INVITE sip:91@pbx SIP/2.0": false,
		"INVITE urn:service:sosx SIP/2.0": false, "INVITE sip:bob@911 SIP/2.0": false, "INVITE x SIP/2.0": false, "INVITE": false, "": false,
		"INVITE sip:0000000000000000000000000000000000000000000000911@pbx SIP/2.0": false,
	} {
		if got := w.maybeHelp([]byte(line)); got != want {
			t.Errorf("%q: got %t, want %t", line, got, want)
		}
	}
}

// Sources whose sets meet share nothing but the places.
func TestTable(t *testing.T) {
	var x table[int64]
	x.init(1, func(v *int64, _ int64) worth { return worth{int(*v >> 32), *v & 0xffffffff} })
	put := func(key uint64, rank int, v int64) bool {
		s := x.lock(key)
		defer s.mu.Unlock()
		at := x.put(s, key, rank, 0)
		if at != nil {
			*at = v
		}
		return at != nil
	}
	has := func(key uint64) bool {
		s := x.lock(key)
		defer s.mu.Unlock()
		return s.get(key) != nil
	}
	for i := range uint64(ways) {
		rank := int64(i % 2)
		put(i, int(rank), rank<<32|int64(i))
	}
	if !put(100, 0, 100) || has(0) || !has(2) {
		t.Error("the oldest of the lowest rank is not what was given up")
	}
	for i := range uint64(ways / 2) {
		put(200+i, 1, 1<<32|int64(200+i))
	}
	if put(300, 0, 300) || has(300) || !has(1) {
		t.Error("one of a low rank displaced one of a higher")
	}
	if !put(301, 1, 1<<32|301) || has(1) {
		t.Error("of equal ranks the oldest is not what was given up")
	}
	n := 0
	x.all(func(uint64, *int64) { n++ })
	if n != ways {
		t.Errorf("got %d keys, want %d", n, ways)
	}
}
