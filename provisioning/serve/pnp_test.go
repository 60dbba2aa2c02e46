package serve

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"perch/discovery"
	"perch/sip/proxy"
)

// asking is what phones send, by vendor: Snom without a branch, Yealink to the group.
func asking(user, event, via string) string {
	return strings.Join([]string{
		"SUBSCRIBE sip:" + user + "@224.0.1.75 SIP/2.0", "Via: " + via, "Max-Forwards: 70", "From: <sip:" + user + "@224.0.1.75>;tag=7", "To: <sip:" + user + "@224.0.1.75>",
		"Call-ID: 3c26", "CSeq: 1 SUBSCRIBE", "Event: " + event, "Expires: 0", "Accept: application/url", "Contact: <sip:10.0.0.9:1053>", "Content-Length: 0", "", "",
	}, "\r\n")
}

const profile = `ua-profile;profile-type="device";vendor="Yealink";model="T53W";version="96.87.0.16"`

// newPnP knows one phone.
func newPnP(allow string) *PnP {
	return &PnP{Allow: []netip.Prefix{netip.MustParsePrefix(allow)}, Log: slog.New(slog.DiscardHandler), URL: func(m discovery.MAC) string {
		if m != known {
			return ""
		}
		return "https://perch.example.com/"
	}}
}

// A phone that is listed is told where its files are, by a 200 and a NOTIFY to where it asks
// from; nobody else is told anything.
func TestPnP(t *testing.T) {
	out, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	ask := func(p *PnP, text string) (got []string) {
		t.Helper()
		phone, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer phone.Close()
		p.answer(out, phone.LocalAddr().(*net.UDPAddr).AddrPort(), text)
		b := make([]byte, 4096)
		for {
			_ = phone.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			n, err := phone.Read(b)
			if err != nil {
				return got
			}
			got = append(got, string(b[:n]))
		}
	}
	for _, user := range []string{"MAC%3a001565aabbcc", "MAC%3A001565AABBCC", "MAC:001565aabbcc", "MAC=001565aabbcc"} {
		got := ask(newPnP("127.0.0.0/8"), asking(user, profile, "SIP/2.0/UDP 10.0.0.9:1053"))
		if len(got) != 2 || !strings.HasPrefix(got[0], "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.9:1053;received=127.0.0.1;rport=") || !strings.Contains(got[0], ">;tag=") {
			t.Errorf("%s: got %q", user, got)
			continue
		}
		_, tag, _ := strings.Cut(got[0], "\r\nTo: ")
		tag, _, _ = strings.Cut(tag, "\r\n")
		for _, want := range []string{"NOTIFY sip:127.0.0.1:", "\r\nFrom: " + tag + "\r\n", "\r\nTo: <sip:" + user + "@224.0.1.75>;tag=7\r\n", "\r\nCall-ID: 3c26\r\n", "\r\nEvent: ua-profile\r\n",
			"\r\nSubscription-State: terminated;reason=timeout\r\n", "\r\nContent-Type: application/url\r\n", "\r\n\r\nhttps://perch.example.com/"} {
			if !strings.Contains(got[1], want) {
				t.Errorf("%s: no %q in\n%s", user, want, got[1])
			}
		}
	}
	whole := asking("MAC%3a001565aabbcc", profile, "SIP/2.0/UDP a;branch=z9hG4bK1")
	for name, text := range map[string]string{
		"a phone that is not listed": asking("MAC%3a001565aabbcd", profile, "SIP/2.0/UDP a"), "no MAC": asking("101", profile, "SIP/2.0/UDP a"),
		"another event": asking("MAC%3a001565aabbcc", "presence", "SIP/2.0/UDP a"), "another method": strings.ReplaceAll(whole, "SUBSCRIBE", "OPTIONS"),
		"no Via": strings.Replace(whole, "Via", "X", 1), "no end": whole[:len(whole)-2], "nothing": "", "long": whole + strings.Repeat("x", maxSubscribe),
		"many lines": strings.Replace(whole, "\r\n\r\n", strings.Repeat("\r\nX: y", maxSubscribeLines)+"\r\n\r\n", 1), "in a dialog": strings.Replace(whole, "To: <sip:MAC%3a001565aabbcc@224.0.1.75>", "To: <sip:a>;tag=1", 1),
		"no colon": strings.Replace(whole, "Max-Forwards: 70", "Max-Forwards 70", 1), "an answer": "SIP/2.0 200 OK\r\n\r\n", "a MAC of nobody": asking("MAC%3a000000000000", profile, "SIP/2.0/UDP a"),
	} {
		if got := ask(newPnP("127.0.0.0/8"), text); len(got) != 0 {
			t.Errorf("%s: got %q", name, got)
		}
	}
	if got := ask(newPnP("10.0.0.0/8"), whole); len(got) != 0 {
		t.Errorf("from elsewhere: got %q", got)
	}
	p := newPnP("127.0.0.0/8")
	if a, b := ask(p, whole), ask(p, whole); len(a) != 2 || len(b) != 0 {
		t.Errorf("asked twice at once it answers %d and %d", len(a), len(b))
	}
}

// lan makes an interface with an address, and a cable to it.
const lan = "ip link set lo up && ip link add near type veth peer name far && ip addr add 10.0.0.1/24 dev near && ip link set near up && ip link set far up"

// inNamespace runs a test by its pattern once more in a network namespace of its own, which
// some commands furnish, and returns true there.
func inNamespace(t *testing.T, pattern, commands string) bool {
	t.Helper()
	if os.Getenv("PERCH_NAMESPACE") != "" {
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("a network namespace needs root")
	}
	needTool(t, "ip", "iproute2")
	cmd := exec.Command("unshare", "-n", "sh", "-c", commands+` && exec "$0" -test.v -test.run '`+pattern+`'`, os.Args[0])
	cmd.Env = append(os.Environ(), "PERCH_NAMESPACE=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	return false
}

// What comes to the group on an interface is heard, in a network namespace of its own.
func TestPnPMulticast(t *testing.T) {
	if !inNamespace(t, "^TestPnPMulticast$", lan) {
		return
	}
	// The SIP path has the port of the group, at all addresses.
	path, err := proxy.New(proxy.Config{Listen: []string{"udp:0.0.0.0:5060"}, Realm: "example.com", Allow: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error)
	go func() { ran <- path.Run(ctx) }()
	if _, err := proxy.New(proxy.Config{Listen: []string{"udp:0.0.0.0:5060"}, Realm: "example.com"}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Error("a second SIP path has the port of the first")
	}
	in, err := ListenPnP("near")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- newPnP("10.0.0.0/8").Serve(in) }()
	phone, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	options := "OPTIONS sip:10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1;rport\r\nFrom: <sip:a@10.0.0.1>;tag=1\r\nTo: <sip:10.0.0.1>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 0\r\nContent-Length: 0\r\n\r\n"
	for _, to := range []string{"10.0.0.1:5060", "127.0.0.1:5060"} { // is the path's alone
		if _, err := phone.WriteToUDPAddrPort([]byte(options), netip.MustParseAddrPort(to)); err != nil {
			t.Fatal(err)
		}
		_ = phone.SetReadDeadline(time.Now().Add(time.Second))
		if n, err := phone.Read(b); err != nil || !strings.HasPrefix(string(b[:n]), "SIP/2.0 ") {
			t.Errorf("%s: the SIP path says %q, %v", to, b[:n], err)
		}
	}
	for n := 0; ; n++ { // its own multicast comes back on the interface that it goes out by
		if _, err := phone.WriteToUDPAddrPort([]byte(asking("MAC%3a001565aabbcc", profile, "SIP/2.0/UDP 10.0.0.1")), PnPGroup); err != nil {
			t.Fatal(err)
		}
		_ = phone.SetReadDeadline(time.Now().Add(time.Second))
		if n, err := phone.Read(b); err == nil && strings.HasPrefix(string(b[:n]), "SIP/2.0 200 OK") {
			break
		}
		if n == 5 {
			t.Fatal("nobody answers")
		}
	}
	// Two answers, and none of the SIP path's, which has not even heard it.
	if n, err := phone.Read(b); err != nil || !strings.HasPrefix(string(b[:n]), "NOTIFY ") {
		t.Errorf("got %q, %v", b[:n], err)
	}
	_ = phone.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	if n, err := phone.Read(b); err == nil {
		t.Errorf("got also %q", b[:n])
	}
	stop()
	if err := <-ran; err != nil {
		t.Error(err)
	}
	_ = in.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := ListenPnP("nosuch"); err == nil {
		t.Error("an interface that there is not is listened to")
	}
}
