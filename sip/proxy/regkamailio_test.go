package proxy

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"perch/sip"
)

// startRegKamailio starts a PBX that tells who is registered.
func startRegKamailio(t *testing.T) netip.AddrPort {
	t.Helper()
	need(t, "kamailio", "kamailio")
	found, _ := filepath.Glob("/usr/lib/*/kamailio/modules/presence_reginfo.so")
	if len(found) == 0 {
		lack := "Kamailio's presence_reginfo is not installed: apt-get install --no-install-recommends kamailio-presence-modules"
		if os.Getenv("CI") != "" {
			t.Fatal(lack)
		}
		t.Skip(lack)
	}
	tables := t.TempDir()
	if err := os.CopyFS(tables, os.DirFS("/usr/share/kamailio/dbtext/kamailio")); err != nil {
		t.Fatal(err)
	}
	addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(freePort(t)))
	return startKamailioOf(t, "kamailio-reg.cfg", addr, "-A", `SELF="sip:`+addr.String()+`"`, "-A", `TABLES="text://`+tables+`"`)
}

// A phone registers with its PBX directly, again from elsewhere, and takes that back:
// it is known from what the PBX tells.
func TestKamailioRegEvent(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) { tryRegEvent(t, transport) })
	}
}

func tryRegEvent(t *testing.T, transport string) {
	pbx := startRegKamailio(t)
	s := newRegSiteAt(t, []string{transport + ":127.0.0.1:0"}, transport+":"+pbx.String())
	alice := freePort(t)
	phone := netip.AddrPortFrom(pbx.Addr(), uint16(alice))
	register := func(cseq, seconds string) {
		t.Helper()
		startSIPp(t, "register", "alice", alice, pbx, "-key", "expires", seconds, "-key", "mac", "001565aa0001", "-base_cseq", cseq).done(t)
	}
	register("1", "600") // before anybody asks
	s.Watch([]sip.AOR{aliceAOR, "sip:bob@example.com"})
	for _, step := range []struct{ cseq, seconds, want string }{{"", "", "2"}, {"20", "600", "21"}, {"40", "0", ""}} {
		if step.cseq != "" {
			s.clock.pass(sameAgain + time.Second) // what is refreshed sooner is not told
			register(step.cseq, step.seconds)
		}
		r, a := s.observed()
		text := string(r.Message)
		if r.Source != phone || r.Destination != pbx || a.Source != pbx || r.Transport != "udp" || field(t, text, "To") != "<sip:alice@example.com>" ||
			field(t, text, "User-Agent") != "Phone 1.0 001565aa0001" || !strings.HasPrefix(field(t, text, "Contact"), "<sip:alice@"+phone.String()+";transport=UDP>") {
			t.Errorf("%v -> %v over %s observed\n%s", r.Source, r.Destination, r.Transport, text)
		}
		if step.want != "" && field(t, text, "CSeq") != step.want+" REGISTER" || field(t, text, "Expires") == "0" != (step.seconds == "0") {
			t.Errorf("after step %+v observed\n%s%s", step, text, a.Message)
		}
	}
	if got := s.State().Subscriptions; got != (Subscriptions{On: true, Active: 2, Told: 3}) {
		t.Errorf("got %+v", got)
	}
	s.unobserved()
}

// With another password than its own Perch is refused, and says so.
func TestKamailioRegEventRefused(t *testing.T) {
	pbx := startRegKamailio(t)
	p := start(t, Config{RegEvents: true, RegUser: "perch", RegPassword: "guessed"}, "udp:"+pbx.String())
	p.Watch([]sip.AOR{"sip:alice@example.com"})
	for range 100 {
		if p.State().Subscriptions == (Subscriptions{On: true, Refused: 1, Status: 401}) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("got %+v", p.State().Subscriptions)
}
