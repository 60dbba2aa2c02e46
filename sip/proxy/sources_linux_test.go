package proxy

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
)

// A million sources send a REGISTER each, by UDP to a socket: that takes the memory of the
// tables and no more, and a phone that is known registers, and calls for help, meanwhile.
func TestMillionSourcesOnTheWire(t *testing.T) {
	const sources = 1 << 20
	pbx, phone := newPeer(t), newPeer(t)
	p := start(t, Config{Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, upstreamsOf(pbx)...)
	at := p.Addr(0)
	go func() { // a PBX that has one phone, and time for one
		for {
			if got, err := pbx.read(time.Minute); err != nil {
				return
			} else if strings.Contains(got, "\r\nCall-ID: up\r\n") || strings.HasPrefix(got, "INVITE ") {
				pbx.respond(got, "200 OK")
			}
		}
	}()
	phone.send(at, register("sip:101@example.com", "up", 1, phone.addr()))
	wantStatus(t, phone.recv(), "200")

	flood, err := net.ListenUDP("udp4", &net.UDPAddr{})
	if err != nil {
		t.Fatal(err)
	}
	defer flood.Close()
	out := ipv4.NewPacketConn(flood)
	handled := func() uint64 {
		c := p.Counts()
		return c.Forwarded + c.Crowded
	}
	msgs := make([]ipv4.Message, 64)
	began, sent := handled(), 0
	send := func(until int) {
		t.Helper()
		for ; sent < until; sent += len(msgs) {
			for i := range msgs {
				var ip [4]byte
				binary.BigEndian.PutUint32(ip[:], 0x7f100000+uint32(sent+i)) // 127.16.0.0 and on
				from := netip.AddrPortFrom(netip.AddrFrom4(ip), 5060)
				msgs[i] = ipv4.Message{
					Buffers: [][]byte{[]byte(register("sip:101@example.com", fmt.Sprint("s", sent+i), 1, from))}, Addr: net.UDPAddrFromAddrPort(at),
					OOB: (&ipv4.ControlMessage{Src: ip[:]}).Marshal(),
				}
			}
			for rest := msgs; len(rest) > 0; {
				n, err := out.WriteBatch(rest, 0)
				if err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			for n := 0; n < 1000 && handled()-began+4096 < uint64(sent); n++ { // what a socket does not hold is lost
				time.Sleep(time.Millisecond)
			}
		}
	}
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc) >> 10
	}
	before := heap()
	send(sources / 2)
	once := heap()
	send(sources)
	twice := heap()
	for i := range 5 {
		phone.send(at, register("sip:101@example.com", "up", 2+i, phone.addr()))
		wantStatus(t, phone.recv(), "200")
	}
	phone.send(at, strings.Replace(helpCall("sip:911@pbx", "sip:101@example.com", "h"), "SIP/2.0/UDP 127.0.0.1:5062", "SIP/2.0/UDP "+phone.addr().String(), 1))
	wantStatus(t, phone.recv(), "200")
	n := handled() - began
	t.Logf("%d sources, %d messages handled: %d KiB after half of them, %d KiB more after all; %+v", sent, n, once-before, twice-once, p.Counts())
	if c := p.Counts(); c.Panics > 0 || n < sources*99/100 {
		t.Errorf("%d of %d messages were handled, with %d panics: the others were lost on the way", n, sources, c.Panics)
	}
	if once-before > 64<<10 || twice-once > 8<<10 {
		t.Errorf("the heap grew by %d KiB, and by %d KiB then", once-before, twice-once)
	}
}
