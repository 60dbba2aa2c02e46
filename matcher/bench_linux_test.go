package matcher

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/gaissmai/bart"
	"golang.org/x/sys/unix"

	"perch/discovery"
	"perch/location"
)

const million = 1_000_000

// network is what the benchmarks match against: a million prefixes and a
// million switch ports, each leading to one of 10 000 locations.
type network struct {
	tree     *location.Tree
	prefixes []netip.Prefix
	ports    []string // "chassis|port", as the bare map has them
	rules    []Rule   // of the prefixes, then of the ports
}

func newNetwork(b *testing.B, prefixes, ports int) *network {
	b.Helper()
	var locations []location.Location
	for i := range 10_000 {
		locations = append(locations, location.Location{
			ID: location.ID(fmt.Sprintf("loc-%d", i)), Address: location.CivicAddress{Street: "Main Street", Floor: "3"},
		})
	}
	tree, err := location.NewTree(locations)
	if err != nil {
		b.Fatal(err)
	}
	n := &network{tree: tree}
	r := rand.New(rand.NewPCG(7, 11))
	seen := map[netip.Prefix]bool{}
	for len(n.prefixes) < prefixes {
		ip := netip.AddrFrom4([4]byte{10, byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256))})
		if r.IntN(2) == 0 {
			ip = netip.AddrFrom4([4]byte{172, byte(16 + r.IntN(16)), byte(r.IntN(256)), byte(r.IntN(256))})
		}
		p, _ := ip.Prefix(20 + r.IntN(13))
		if !seen[p] {
			seen[p] = true
			n.prefixes = append(n.prefixes, p)
			n.rules = append(n.rules, Rule{Location: locations[len(n.rules)%len(locations)].ID, Subnet: p})
		}
	}
	for i := range ports {
		chassis, port := chassisAndPort(i)
		n.ports = append(n.ports, chassis+"|"+port)
		n.rules = append(n.rules, Rule{Location: locations[i%len(locations)].ID, ChassisID: chassis, Port: port})
	}
	return n
}

func chassisAndPort(i int) (chassis, port string) {
	return discovery.MAC{0, 0x1b, 0x54, byte(i / 48 >> 16), byte(i / 48 >> 8), byte(i / 48)}.String(),
		fmt.Sprintf("Gi1/0/%d", i%48+1)
}

// probes are attachments on the network; of every second one the port is in no
// rule, so that its subnet decides. keys are their ports for the bare map.
func (n *network) probes() (probes []discovery.Attachment, keys []string) {
	r := rand.New(rand.NewPCG(13, 17))
	for i := range 1 << 16 {
		at := r.IntN(len(n.ports))
		if i%2 == 1 {
			at += 10 * million
		}
		chassis, port := chassisAndPort(at)
		ip := n.prefixes[r.IntN(len(n.prefixes))].Addr().As4()
		ip[3] ^= byte(r.IntN(8))
		probes = append(probes, discovery.Attachment{ChassisID: chassis, PortID: port, IP: netip.AddrFrom4(ip)})
		keys = append(keys, chassis+"|"+port)
	}
	return probes, keys
}

// BenchmarkF9Match measures figure F9: one attachment against a million
// prefixes and a million ports, in processor time. "apart" is beside the sum of a
// look-up in a bare bart table and one in a bare map whose keys are made already,
// and is the figure: its bound is 1.5. "together" lets the processor make both
// look-ups at once, as they need not wait for each other; "with-rule" also reads
// the rule that they give, as Match does. ratio is the median of the rounds.
func BenchmarkF9Match(b *testing.B) {
	n := newNetwork(b, million, million)
	w, err := NewWiremap(n.rules, n.tree, nil)
	if err != nil {
		b.Fatal(err)
	}
	table, ports := new(bart.Table[uint32]), make(map[string]uint32, million)
	for i, p := range n.prefixes {
		table.Insert(p, uint32(i))
	}
	for i, p := range n.ports {
		ports[p] = uint32(million + i)
	}
	probes, keys := n.probes()
	prefix := func(i int) int {
		if at, ok := table.Lookup(probes[i].IP); ok {
			return int(at)
		}
		return -1
	}
	port := func(i int) int {
		if at, ok := ports[keys[i]]; ok {
			return int(at)
		}
		return -1
	}
	both := func(i int) int {
		at := prefix(i)
		if p := port(i); p >= 0 {
			at = p
		}
		return at
	}
	for i := range probes { // the same hits
		want := location.ID("")
		if at := both(i); at >= 0 {
			want = n.rules[at].Location
		}
		if got := w.Match(probes[i], nil).Location; got != want {
			b.Fatalf("probe %d: got %q, want %q", i, got, want)
		}
	}
	runtime.GC()
	if allocs := testing.AllocsPerRun(1000, func() { w.Match(probes[0], nil); w.Match(probes[1], nil) }); allocs != 0 {
		b.Fatalf("Match allocates %v times", allocs)
	}

	b.Run("apart", func(b *testing.B) { compare(b, w, probes, keys, prefix, port) })
	b.Run("together", func(b *testing.B) { compare(b, w, probes, keys, both) })
	b.Run("with-rule", func(b *testing.B) {
		compare(b, w, probes, keys, func(i int) int {
			if at := both(i); at >= 0 {
				return len(n.rules[at].Location)
			}
			return 0
		})
	})
}

// compare measures Match beside the sum of bare parts, in alternating rounds of
// 256 probes. Each probe was looked at just before, since an attachment to be
// matched has just been made and is in the cache, while the wiremap is not. And
// each waits for the answer to the one before, as it does in the engine: zero is
// 0, but the processor cannot know; otherwise it would look up several at once.
func compare(b *testing.B, w *Wiremap, probes []discovery.Attachment, keys []string, parts ...func(int) int) {
	const round = 256
	zero := len(probes) - len(keys)
	var ratios []float64
	var ours, theirs time.Duration
	rounds := 0
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for b.Loop() {
		var a, c time.Duration
		for from := 0; from < len(probes); from += round {
			warm := 0
			for i := from; i < from+round; i++ {
				warm += int(probes[i].IP.As4()[3])
				for _, s := range [...]string{probes[i].ChassisID, probes[i].PortID, keys[i]} {
					warm += int(s[0]) + int(s[len(s)-1])
				}
			}
			runtime.KeepAlive(warm)
			start := cpu()
			for i := from; i < from+round; i++ {
				i += len(w.Match(probes[i], nil).Location) & zero
			}
			a += cpu() - start
			for _, part := range parts {
				start := cpu()
				for i := from; i < from+round; i++ {
					i += part(i) & zero
				}
				c += cpu() - start
			}
			rounds++
		}
		ours, theirs = ours+a, theirs+c
		ratios = append(ratios, float64(a)/float64(c))
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "ratio")
	b.ReportMetric(float64(ours.Nanoseconds())/float64(rounds*round), "match-ns")
	b.ReportMetric(float64(theirs.Nanoseconds())/float64(rounds*round), "bare-ns")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkF10Load measures figure F10: a wiremap of a million rules, half of
// them ports, loaded and checked for ties. Its bounds are 5 s and 400 MiB of
// heap, the rules that it is made of included.
func BenchmarkF10Load(b *testing.B) {
	n := newNetwork(b, million/2, million/2)
	before := heap()
	for b.Loop() {
		w, err := NewWiremap(n.rules, n.tree, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		held := heap() - before
		b.ReportMetric(float64(held)/(1<<20), "MiB")
		b.ReportMetric(float64(held+uint64(len(n.rules))*192)/(1<<20), "MiB-with-rules")
		if w.Len() != million {
			b.Fatalf("got %d rules, want %d", w.Len(), million)
		}
		b.StartTimer()
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/load")
}

// cpu is the processor time of this thread, which other programs disturb less
// than the clock on the wall.
func cpu() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic(err)
	}
	return time.Duration(t.Nano())
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
