package proxy

import (
	"net/netip"
	"strings"
	"testing"

	"perch/sip"
)

// A partial document that leaves something out is followed by asking for all.
func TestRegEventGap(t *testing.T) {
	pbx := newPeer(t)
	s := newRegSite(t, upstreamsOf(pbx)...)
	s.Watch([]sip.AOR{aliceAOR})
	ask := pbx.recv()
	pbx.notify(ask, 1, "active;expires=3600", document(5, "full", boundContact("10.0.0.8", `callid="a" cseq="1"`))) // before its 2xx
	pbx.grant(ask, 3600)
	s.observed()
	pbx.notify(ask, 2, "active", document(6, "partial", boundContact("10.0.0.9", `callid="b" cseq="1"`)))
	if r, _ := s.observed(); r.Source.Addr() != netip.MustParseAddr("10.0.0.9") {
		t.Errorf("got %v", r.Source)
	}
	pbx.notify(ask, 3, "active", document(6, "partial", boundContact("10.0.0.7", ""))) // of a version that is known
	pbx.silent()
	pbx.notify(ask, 4, "active", document(8, "partial", boundContact("10.0.0.7", "")))
	refresh := pbx.recv()
	if !strings.HasPrefix(refresh, "SUBSCRIBE ") || field(t, refresh, "Call-ID") != field(t, ask, "Call-ID") {
		t.Fatalf("got\n%s", refresh)
	}
	s.unobserved()
	pbx.grant(refresh, 3600)
	pbx.notify(ask, 5, "active", document(9, "full", boundContact("10.0.0.7", `callid="c" cseq="1"`)))
	if r, _ := s.observed(); r.Source.Addr() != netip.MustParseAddr("10.0.0.7") {
		t.Errorf("got %v", r.Source)
	}
	s.observed() // the ends of the others
	s.observed()

	// Who has no more than that is not asked over and over.
	pbx.notify(ask, 6, "active", document(99, "partial", boundContact("10.0.0.6", `callid="d" cseq="1"`)))
	if r, _ := s.observed(); r.Source.Addr() != netip.MustParseAddr("10.0.0.6") {
		t.Errorf("got %v", r.Source)
	}
	pbx.silent()
}

// What nobody but the PBX may say is not believed, and what is malformed costs nothing.
func TestRegEventForged(t *testing.T) {
	pbx, stranger := newPeer(t), newPeer(t)
	s := newRegSite(t, upstreamsOf(pbx)...)
	s.Watch([]sip.AOR{aliceAOR})
	ask := pbx.recv()
	pbx.grant(ask, 3600)
	bound := document(1, "full", boundContact("10.0.0.8", ""))
	stranger.send(s.Addr(0), notifyOf(pbx, ask, 1, "active", bound))
	if got := stranger.recv(); !strings.HasPrefix(got, "SIP/2.0 403 ") {
		t.Errorf("a stranger got\n%s", got)
	}
	pbx.silent()
	good := notifyOf(pbx, ask, 1, "active;expires=3600", bound)
	tag := field(t, ask, "From")[strings.Index(field(t, ask, "From"), "tag="):]
	bomb := `<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>` + strings.Replace(bound, "10.0.0.8", "&b;", 1)
	deep := strings.Repeat("<a>", 8000)
	many := document(1, "full", strings.Repeat("<contact/>", 3000))
	for _, tc := range []struct{ name, message, status string }{
		{"another Call-ID", strings.Replace(good, "Call-ID: perch", "Call-ID: other", 1), "481"},
		{"another tag of ours", strings.Replace(good, tag, "tag=x", 1), "481"},
		{"another event", strings.Replace(good, "Event: reg", "Event: presence", 1), "489"},
		{"no state", strings.Replace(good, "Subscription-State: active;expires=3600\r\n", "", 1), "400"},
		{"another type", strings.Replace(good, "application/reginfo+xml", "text/html", 1), "415"},
		{"no XML", notifyOf(pbx, ask, 1, "active", "<reginfo"), "400"},
		{"another document", notifyOf(pbx, ask, 1, "active", "<presence/>"), "400"},
		{"no version", notifyOf(pbx, ask, 1, "active", strings.Replace(bound, `version="1"`, "", 2)), "400"},
		{"entities", notifyOf(pbx, ask, 1, "active", bomb), "400"},
		{"deep", notifyOf(pbx, ask, 1, "active", deep), "400"},
		{"many", notifyOf(pbx, ask, 1, "active", many), "200"},
		{"another dialog", strings.Replace(good, ";tag=pbx", ";tag=fork", 1), "481"},
		{"an older one", strings.Replace(good, "CSeq: 1 ", "CSeq: 0 ", 1), "500"},
	} {
		pbx.send(s.Addr(0), tc.message)
		if got := pbx.recv(); !strings.HasPrefix(got, "SIP/2.0 "+tc.status+" ") {
			t.Errorf("%s: got\n%s\nwant %s", tc.name, got, tc.status)
		}
	}
	cseq := 1
	tell := func(contact string) {
		t.Helper()
		cseq++
		if got := pbx.notify(ask, cseq, "active", document(2, "full", contact)); !strings.HasPrefix(got, "SIP/2.0 200 ") {
			t.Errorf("%s: got\n%s", contact, got)
		}
	}
	for _, host := range []string{"0.0.0.0", "224.0.0.1", "phone.example.com", "10.0.0.8&#13;&#10;X: y", "a b", "10.0.0.8;a=&#10;b", s.Addr(0).String()} {
		tell(boundContact(host, ""))
	}
	tell(boundContact("10.0.0.1", "") + `</registration><registration aor="sip:bob@example.com" id="b" state="active">` + boundContact("10.0.0.2", "")) // another's
	if r, _ := s.observed(); r.Source.Addr() != netip.MustParseAddr("10.0.0.1") {
		t.Errorf("got %v", r.Source)
	}
	if got := pbx.notify(ask, 49, "active", strings.Replace(document(2, "full", boundContact("10.0.0.1", "")), `id="a" state="active"`, `id="a" state="terminated"`, 1)); !strings.HasPrefix(got, "SIP/2.0 200 ") {
		t.Errorf("got\n%s", got)
	}
	if r, _ := s.observed(); field(t, string(r.Message), "Expires") != "0" {
		t.Errorf("the registration is terminated, and observed is\n%s", r.Message)
	}
	cseq = 50
	tell(boundContact("10.0.0.1", `path="&lt;sip:x@`+s.Addr(0).String()+`;lr&gt;"`)) // through us
	s.unobserved()
	if got := s.State(); got.Subscriptions.Malformed != 5 || got.Subscriptions.Nameless != 3 || got.Counts.Forged != 1 || got.Subscriptions.Active != 1 {
		t.Errorf("got %+v", got)
	}
	tell(boundContact("10.0.0.8", `user_agent="a&#10;b" callid="c&#10;d" cseq="1"`))
	if r, _ := s.observed(); len(fields(string(r.Message), "User-Agent")) != 0 || strings.Contains(string(r.Message), "\nd") {
		t.Errorf("got\n%s", r.Message)
	}
}
