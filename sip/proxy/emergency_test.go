package proxy

import (
	"encoding/xml"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"perch/location"
)

// aliceDesk is a phone whose place is known; its source is set by the test.
var aliceDesk = Caller{
	Phone: "00:15:65:aa:00:01", Site: "hq", AORs: []string{"sip:alice@example.com"}, Contacts: []string{"sip:alice@192.0.2.9:5062"}, Location: "hq-307", Source: "wiremap",
	Address: location.CivicAddress{Country: "US", State: "IL", City: "Springfield", Street: "Main Street", HouseNumber: "100", Floor: "3", Room: "307 <&>"},
	Since:   time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC),
}

const sdp = "v=0\r\no=a 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"

// helpCall composes an INVITE for help.
func helpCall(uri, from, id string) string {
	return "INVITE " + uri + " SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5062;branch=z9hG4bK" + id + ";rport\r\nMax-Forwards: 70\r\nFrom: <" + from + ">;tag=1\r\nTo: <" + uri +
		">\r\nCall-ID: " + id + "\r\nCSeq: 1 INVITE\r\nContact: <sip:alice@192.0.2.9:5062>\r\nX-Odd :  a\tb\r\nContent-Type: application/sdp\r\nContent-Length: " +
		strconv.Itoa(len(sdp)) + "\r\n\r\n" + sdp
}

// helpSite is a proxy that knows Alice's desk, a phone there, and PBXs.
func helpSite(t *testing.T, pbxs int) (p *Proxy, phone *peer, pbx []*peer, told chan EmergencyCall) {
	t.Helper()
	phone, told = newPeer(t), make(chan EmergencyCall, 20)
	for range pbxs {
		pbx = append(pbx, newPeer(t))
	}
	p = start(t, Config{Emergency: func(c EmergencyCall) { told <- c }}, upstreamsOf(pbx...)...)
	desk := aliceDesk
	desk.Sources = []netip.Addr{phone.addr().Addr()}
	p.SetCallers([]Caller{desk})
	return p, phone, pbx, told
}

// parts are the parts of a multipart body, by their types, and the Content-ID of the
// PIDF-LO.
func parts(t *testing.T, message string) (byType map[string]string, id string) {
	t.Helper()
	_, body, _ := strings.Cut(message, "\r\n\r\n")
	media, params, err := mime.ParseMediaType(field(t, message, "Content-Type"))
	if err != nil || media != "multipart/mixed" {
		t.Fatalf("got Content-Type %q, %v in\n%s", media, err, message)
	}
	if n := field(t, message, "Content-Length"); n != strconv.Itoa(len(body)) {
		t.Errorf("got Content-Length %s for %d octets", n, len(body))
	}
	r, byType := multipart.NewReader(strings.NewReader(body), params["boundary"]), map[string]string{}
	for {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return byType, id
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		byType[p.Header.Get("Content-Type")] = string(b)
		if v := p.Header.Get("Content-Id"); v != "" {
			id = v
		}
	}
}

func TestEmergencyLocation(t *testing.T) {
	p, phone, pbx, told := helpSite(t, 1)
	for i, uri := range []string{"sip:911@pbx.example.com", "sip:9-1-1@pbx.example.com;user=phone", "tel:112", "urn:service:sos", "urn:service:sos.fire"} {
		call := helpCall(uri, "sip:alice@example.com", "a"+strconv.Itoa(i))
		phone.send(p.Addr(0), call)
		got := pbx[0].recv()
		byType, id := parts(t, got)
		if byType["application/sdp"] != sdp {
			t.Errorf("%s: got SDP %q, want %q", uri, byType["application/sdp"], sdp)
		}
		var doc struct {
			Entity string `xml:"entity,attr"`
			Device struct {
				Civic struct {
					Room string `xml:"ROOM"`
					HNO  string
				} `xml:"geopriv>location-info>civicAddress"`
				Method string `xml:"geopriv>method"`
				ID     string `xml:"deviceID"`
			} `xml:"device"`
		}
		if err := xml.Unmarshal([]byte(byType["application/pidf+xml"]), &doc); err != nil {
			t.Fatalf("%v in\n%s", err, byType["application/pidf+xml"])
		}
		if d := doc.Device; d.Civic.Room != "307 <&>" || d.Civic.HNO != "100" || d.Method != "Wiremap" || d.ID != "mac:001565aa0001" || doc.Entity != "sip:alice@example.com" {
			t.Errorf("%s: got %+v", uri, doc)
		}
		if g := field(t, got, "Geolocation"); "<"+strings.TrimPrefix(strings.Trim(g, "<>"), "cid:")+">" != id {
			t.Errorf("%s: got Geolocation %q for Content-ID %q", uri, g, id)
		}
		if r := field(t, got, "Geolocation-Routing"); r != "yes" {
			t.Errorf("%s: got Geolocation-Routing %q", uri, r)
		}
		head, _, _ := strings.Cut(got, "\r\n\r\n")
		if !strings.Contains(head, "\r\nX-Odd :  a\tb\r\n") || !strings.HasPrefix(head, "INVITE "+uri+" SIP/2.0\r\n") {
			t.Errorf("%s: got\n%s", uri, head)
		}
		c := <-told
		if c.Caller == nil || c.Caller.Phone != aliceDesk.Phone || c.Found != foundBySource || c.Sent != byType["application/pidf+xml"] || c.Why != "" || c.From != phone.addr() {
			t.Errorf("%s: told of %+v", uri, c)
		}
		pbx[0].respond(got, "200 OK")
		if back := phone.recv(); !strings.HasPrefix(back, "SIP/2.0 200 ") {
			t.Errorf("%s: got\n%s", uri, back)
		}
		pbx[0].respond(got, "200 OK") // until it is acknowledged
		phone.recv()
		if c := <-told; c.Status != 200 || len(told) != 0 {
			t.Errorf("%s: told of %+v, and %d more", uri, c, len(told))
		}
	}
}

// Calls that are no calls for help pass as they are, and so does help for whom no
// place is known: at once.
func TestEmergencyPlain(t *testing.T) {
	p, phone, pbx, told := helpSite(t, 1)
	desk := aliceDesk
	for i, tc := range []struct {
		uri, from, more string
		callers         []Caller
		help            bool
		why             string
	}{
		{uri: "sip:9110@pbx.example.com", from: "sip:alice@example.com"},
		{uri: "sip:alice@911", from: "sip:alice@example.com"},
		{uri: "urn:service:sosig", from: "sip:alice@example.com"},
		{uri: "sip:911@pbx", from: "sip:bob@example.com", callers: []Caller{desk}, help: true, why: "the caller is not known"},
		{uri: "sip:911@pbx", from: "sip:alice@example.com", callers: []Caller{{Phone: "x", AORs: desk.AORs}}, help: true, why: "no address is in force"},
		{uri: "sip:911@pbx", from: "sip:alice@example.com", callers: []Caller{desk}, more: "Geolocation: <cid:x>\r\n", help: true, why: "the phone's own location was passed"},
	} {
		p.SetCallers(tc.callers)
		call := strings.Replace(helpCall(tc.uri, tc.from, "b"+strconv.Itoa(i)), "X-Odd", tc.more+"X-Odd", 1)
		phone.send(p.Addr(0), call)
		got := pbx[0].recv()
		if mine := []string{"Via", "Max-Forwards", "Record-Route"}; without(got, mine...) != without(call, mine...) {
			t.Errorf("%s: got\n%s\nwant it as it was", tc.uri, got)
		}
		pbx[0].respond(got, "486 Busy Here")
		if back := phone.recv(); !strings.HasPrefix(back, "SIP/2.0 486 ") {
			t.Errorf("got\n%s", back)
		}
		if !tc.help {
			if len(told) != 0 {
				t.Errorf("%s: told of %+v", tc.uri, <-told)
			}
			continue
		}
		if c := <-told; c.Why != tc.why || c.Sent != "" {
			t.Errorf("%s: told of %+v, want %q", tc.uri, c, tc.why)
		}
		<-told // the end
	}
}

// A PBX that refuses the location gets the call as the phone wrote it; the phone
// hears nothing of the refusal.
func TestEmergencyRefused(t *testing.T) {
	p, phone, pbx, told := helpSite(t, 1)
	call := helpCall("sip:911@pbx", "sip:alice@example.com", "a")
	phone.send(p.Addr(0), call)
	first := pbx[0].recv()
	parts(t, first)
	pbx[0].respond(first, "415 Unsupported Media Type")
	var ack, second string
	for range 2 {
		if got := pbx[0].recv(); strings.HasPrefix(got, "ACK ") {
			ack = got
		} else {
			second = got
		}
	}
	if ack == "" || fields(ack, "Via")[0] != fields(first, "Via")[0] || field(t, ack, "CSeq") != "1 ACK" {
		t.Errorf("got ACK\n%s", ack)
	}
	if fields(second, "Via")[0] == fields(first, "Via")[0] {
		t.Error("the second INVITE has the branch of the first")
	}
	if mine := []string{"Via", "Max-Forwards", "Record-Route"}; without(second, mine...) != without(call, mine...) {
		t.Errorf("got\n%s\nwant it as the phone wrote it", second)
	}
	pbx[0].respond(second, "180 Ringing")
	pbx[0].respond(second, "200 OK")
	for _, want := range []string{"SIP/2.0 180 ", "SIP/2.0 200 "} {
		if got := phone.recv(); !strings.HasPrefix(got, want) {
			t.Errorf("got\n%s\nwant %s", got, want)
		}
	}
	if c := <-told; c.Sent == "" {
		t.Errorf("told of %+v", c)
	}
	if c := <-told; c.Sent != "" || c.Why != "the PBX refused it with the location" {
		t.Errorf("told of %+v", c)
	}
	phone.silent()
}

// Silence for half a second is a refusal, too. What comes late from the first try is
// cancelled.
func TestEmergencySilence(t *testing.T) {
	p, phone, pbx, _ := helpSite(t, 1)
	phone.send(p.Addr(0), helpCall("sip:911@pbx", "sip:alice@example.com", "a"))
	first := pbx[0].recv()
	began := time.Now()
	second := pbx[0].recv()
	if took := time.Since(began); took < 300*time.Millisecond || took > time.Second {
		t.Errorf("it was sent again after %v, want half a second", took)
	}
	if strings.Contains(second, "Geolocation") {
		t.Errorf("got\n%s\nwant it as the phone wrote it", second)
	}
	pbx[0].respond(second, "180 Ringing")
	phone.recv()
	pbx[0].respond(first, "183 Session Progress")
	cancel := pbx[0].recv()
	if !strings.HasPrefix(cancel, "CANCEL ") || fields(cancel, "Via")[0] != fields(first, "Via")[0] || field(t, cancel, "CSeq") != "1 CANCEL" {
		t.Errorf("got\n%s\nwant the first try cancelled", cancel)
	}
	pbx[0].respond(cancel, "200 OK")
	pbx[0].respond(first, "487 Request Terminated")
	if got := pbx[0].recv(); !strings.HasPrefix(got, "ACK ") || fields(got, "Via")[0] != fields(first, "Via")[0] {
		t.Errorf("got\n%s\nwant the first try's end acknowledged", got)
	}
	pbx[0].respond(second, "200 OK")
	if got := phone.recv(); !strings.HasPrefix(got, "SIP/2.0 200 ") {
		t.Errorf("got\n%s", got)
	}
	phone.silent()
}

// A PBX that is silent altogether costs less than two seconds.
func TestEmergencyFailover(t *testing.T) {
	p, phone, pbx, told := helpSite(t, 2)
	began := time.Now()
	phone.send(p.Addr(0), helpCall("sip:911@pbx", "sip:alice@example.com", "a"))
	got := pbx[1].recv()
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v to try the second PBX, want 2 s at most", took)
	}
	parts(t, got) // with the location again
	pbx[1].respond(got, "200 OK")
	if got := phone.recv(); !strings.HasPrefix(got, "SIP/2.0 200 ") {
		t.Errorf("got\n%s", got)
	}
	last := <-told
	for last.Status == 0 {
		last = <-told
	}
	if last.To != pbx[1].addr() || last.Sent == "" {
		t.Errorf("told of %+v", last)
	}
}

// The phone may hang up before anybody answers, also between two tries.
func TestEmergencyCancel(t *testing.T) {
	p, phone, pbx, _ := helpSite(t, 1)
	call := helpCall("sip:911@pbx", "sip:alice@example.com", "a")
	phone.send(p.Addr(0), call)
	invite := pbx[0].recv()
	pbx[0].respond(invite, "100 Trying")
	phone.recv()
	head, _, _ := strings.Cut(call, "\r\nContent-Type")
	phone.send(p.Addr(0), strings.ReplaceAll(head, "INVITE", "CANCEL")+"\r\n\r\n")
	cancel := pbx[0].recv()
	if !strings.HasPrefix(cancel, "CANCEL ") || fields(cancel, "Via")[0] != fields(invite, "Via")[0] {
		t.Fatalf("got\n%s", cancel)
	}
	pbx[0].respond(cancel, "200 OK")
	pbx[0].respond(invite, "487 Request Terminated")
	var statuses []string
	for range 2 {
		got := phone.recv()
		statuses = append(statuses, got[8:11])
	}
	if s := strings.Join(statuses, " "); s != "200 487" {
		t.Errorf("the phone got %s, want 200 for its CANCEL and 487", s)
	}
	phone.send(p.Addr(0), strings.ReplaceAll(strings.Replace(head, "To: <sip:911@pbx>", "To: <sip:911@pbx>;tag=9", 1), "INVITE", "ACK")+"\r\n\r\n")
	if got := pbx[0].recv(); !strings.HasPrefix(got, "ACK ") || fields(got, "Via")[0] != fields(invite, "Via")[0] || !strings.HasSuffix(field(t, got, "To"), "tag=9") {
		t.Errorf("got\n%s", got)
	}
}

// Old phones give the ACK of a 200 the branch of its INVITE. It goes where it says.
func TestEmergencyOldPhone(t *testing.T) {
	p, phone, pbx, _ := helpSite(t, 1)
	call := helpCall("sip:911@pbx", "sip:alice@example.com", "a")
	phone.send(p.Addr(0), call)
	invite := pbx[0].recv()
	pbx[0].respond(invite, "200 OK")
	phone.recv()
	entry := field(t, invite, "Record-Route")
	head, _, _ := strings.Cut(call, "\r\nContent-Type")
	ack := strings.ReplaceAll(strings.Replace(head, "To: <sip:911@pbx>", "Route: "+entry+"\r\nTo: <sip:911@pbx>;tag=9", 1), "INVITE", "ACK")
	phone.send(p.Addr(0), strings.Replace(ack, "ACK sip:911@pbx ", "ACK sip:psap@192.0.2.1 ", 1)+"\r\n\r\n")
	if got := pbx[0].recv(); !strings.HasPrefix(got, "ACK sip:psap@192.0.2.1 SIP/2.0\r\n") || len(fields(got, "Route")) != 0 {
		t.Errorf("got\n%s", got)
	}
}

// Datagrams get lost. Of a phone over UDP what it sends again goes on, so that an
// answer that was lost comes again; for one over TCP the proxy sends again.
func TestEmergencyLoss(t *testing.T) {
	p, phone, pbx, _ := helpSite(t, 1)
	call := helpCall("sip:911@pbx", "sip:alice@example.com", "a")
	phone.send(p.Addr(0), call)
	invite := pbx[0].recv()
	pbx[0].respond(invite, "180 Ringing")
	phone.recv()
	phone.send(p.Addr(0), call)
	if got := pbx[0].recv(); fields(got, "Via")[0] != fields(invite, "Via")[0] {
		t.Errorf("got\n%s\nwant the INVITE again", got)
	}
	pbx[0].respond(invite, "180 Ringing")
	if got := phone.recv(); !strings.HasPrefix(got, "SIP/2.0 180 ") {
		t.Errorf("got\n%s", got)
	}

	silent := newPeer(t)
	q := start(t, Config{Listen: []string{"tcp:127.0.0.1:0"}}, "udp:"+silent.addr().String())
	c, err := net.Dial("tcp", q.Addr(0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, m := range []string{helpCall("sip:911@pbx", "sip:alice@example.com", "b"), request("INVITE", "c"), request("REGISTER", "d")} {
		if _, err := c.Write([]byte(m)); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]int{}
	for range 9 {
		got[field(t, silent.recv(), "Call-ID")]++
	}
	if got["b"] < 2 || got["c"] < 2 || got["d"] < 2 {
		t.Errorf("got %v, want each again", got)
	}
}

func TestFindCaller(t *testing.T) {
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("203.0.113.9")
	list := []Caller{
		{Phone: "1", Sources: []netip.Addr{a}, AORs: []string{"sip:alice@x"}},
		{Phone: "2", Sources: []netip.Addr{b}, AORs: []string{"sip:bob@x"}, Contacts: []string{"sip:bob@192.168.0.2"}},
		{Phone: "3", Sources: []netip.Addr{b}, AORs: []string{"sip:carol@x", "sip:shared@x"}, Contacts: []string{"sip:shared@192.168.0.3"}},
		{Phone: "4", Sources: []netip.Addr{b}, AORs: []string{"sip:shared@x"}, Contacts: []string{"sip:shared@192.168.0.4"}},
	}
	p := &Proxy{}
	if c, _ := p.callers.Load().find(a, "sip:alice@x", ""); c != nil {
		t.Errorf("before any was told: got %+v", c)
	}
	p.SetCallers(list)
	for _, tc := range []struct {
		source               netip.Addr
		aor, contact         string
		wantPhone, wantFound string
	}{
		{a, "sip:alice@x", "", "1", foundBySource},
		{a, "sip:mallory@x", "", "1", foundBySource}, // its phone is there, whatever it says
		{b, "sip:BOB@x", "", "2", foundByLine},
		{b, "sip:shared@x", "sip:shared@192.168.0.4", "4", foundByLine},
		{b, "sip:shared@x", "sip:shared@192.168.0.9", "", ""},
		{b, "sip:alice@x", "", "1", foundByAOR},
		{netip.MustParseAddr("192.0.2.1"), "sip:bob@x", "", "2", foundByAOR},
		{netip.MustParseAddr("192.0.2.1"), "sip:shared@x", "sip:shared@192.168.0.4", "", ""}, // of several, none
		{netip.MustParseAddr("192.0.2.1"), "sip:nobody@x", "", "", ""},
	} {
		c, found := p.callers.Load().find(tc.source, tc.aor, tc.contact)
		phone := ""
		if c != nil {
			phone = c.Phone
		}
		if phone != tc.wantPhone || found != tc.wantFound {
			t.Errorf("%v, %s, %s: got %q by %q, want %q by %q", tc.source, tc.aor, tc.contact, phone, found, tc.wantPhone, tc.wantFound)
		}
	}
}

// What a PBX says that was tried because another one is silent is the answer: nobody
// waits for the silent one.
func TestEmergencyBusy(t *testing.T) {
	p, phone, pbx, _ := helpSite(t, 2)
	pbx[0].ill = true
	phone.send(p.Addr(0), helpCall("sip:911@example.com", "sip:alice@example.com", "a"))
	first := pbx[0].recv()
	got := pbx[1].recv()
	pbx[1].respond(got, "486 Busy Here")
	wantStatus(t, phone.recv(), "486")
	// Whoever rings after that is told that it is too late.
	pbx[0].respond(first, "180 Ringing")
	for range 5 {
		if c := pbx[0].recv(); strings.HasPrefix(c, "CANCEL ") {
			return
		}
	}
	t.Error("the late one rings on")
}
