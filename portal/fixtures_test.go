package portal

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"perch/discovery"
	"perch/gateway"
	"perch/location"
	"perch/notify"
	"perch/provisioning"
	"perch/sip"
)

var (
	reception = discovery.MAC{0x00, 0x15, 0x65, 0xaa, 0xbb, 0x01}
	lobby     = discovery.MAC{0x00, 0x15, 0x65, 0xaa, 0xbb, 0x02}
	aSwitch   = discovery.MAC{0x00, 0x1b, 0x54, 0xaa, 0x00, 0x01}
)

const (
	alice = "alice@example.com"
	bob   = "bob@example.com"
	rita  = "rita@example.com" // reviews
)

// office is the engine as serve puts it before the pages: what is decided is
// committed.
type office struct {
	*gateway.Engine
	mu   sync.Mutex
	fail error // of the next commits
	done int   // decisions taken
}

func (o *office) commit(ctx context.Context, err error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		return err
	}
	o.done++
	return o.Commit(ctx)
}

// broken reports the fault of a store before anything is decided.
func (o *office) broken() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.fail
}

// Trouble implements Office.
func (o *office) Trouble() error { return o.broken() }

func (o *office) Answer(ctx context.Context, r gateway.Reply) error {
	if err := o.broken(); err != nil {
		return err
	}
	return o.commit(ctx, o.Engine.Answer(r))
}

func (o *office) Disown(ctx context.Context, prompt int64, by string) error {
	if err := o.broken(); err != nil {
		return err
	}
	return o.commit(ctx, o.Engine.Disown(prompt, by, time.Time{}))
}

func (o *office) AskAgain(ctx context.Context, prompt int64, by string) error {
	if err := o.broken(); err != nil {
		return err
	}
	return o.commit(ctx, o.Engine.AskAgain(prompt, by, time.Time{}))
}

func (o *office) Object(ctx context.Context, answer int64, by string) error {
	if err := o.broken(); err != nil {
		return err
	}
	return o.commit(ctx, o.Engine.Object(answer, by, time.Time{}))
}

func (o *office) Review(ctx context.Context, d gateway.Decision) error {
	if err := o.broken(); err != nil {
		return err
	}
	return o.commit(ctx, o.Engine.Review(d))
}

// Acknowledge is taken in also while nothing can be stored.
func (o *office) Acknowledge(ctx context.Context, a gateway.Acknowledgement) error {
	err := o.Engine.Acknowledge(a)
	if o.broken() != nil {
		return err
	}
	return o.commit(ctx, err)
}

// world is a portal over an engine with a small company: a site with one
// building of two floors, phones that show up where a test plugs them in, and
// people who use and review them.
type world struct {
	t       testing.TB
	office  *office
	store   *gateway.Memory
	handler *Handler
	key     gateway.Key
	log     *bytes.Buffer
	logMu   sync.Mutex
	now     time.Time
	frame   int
}

// Write implements io.Writer for the log.
func (w *world) Write(b []byte) (int, error) {
	w.logMu.Lock()
	defer w.logMu.Unlock()
	return w.log.Write(b)
}

func (w *world) logged() string {
	w.logMu.Lock()
	defer w.logMu.Unlock()
	return w.log.String()
}

const portalURL = "http://perch.example.com:8080"

func newWorld(t testing.TB) *world { return newWorldAt(t, portalURL) }

func newWorldAt(t testing.TB, base string) *world {
	t.Helper()
	w := &world{t: t, store: &gateway.Memory{}, log: &bytes.Buffer{}, now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	for i := range w.key {
		w.key[i] = byte(i + 1)
	}
	r, err := notify.New(notify.Config{From: "perch@example.com", URL: "https://perch.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	policy := gateway.DefaultPolicy()
	engine, err := gateway.New(t.Context(), gateway.Config{
		Discovery: discovery.Config{Site: "hq"}, Policy: policy, Renderer: r, Log: slog.New(slog.NewTextHandler(w, nil)),
	}, w.store)
	if err != nil {
		t.Fatal(err)
	}
	w.office = &office{Engine: engine}
	w.handler, err = New(Config{
		Office: w.office, Key: w.key, URL: base, Organization: "Example Corp", Log: slog.New(slog.NewTextHandler(w, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.load(map[string]string{
		"sites": `id,name,default_location_id,timezone,subnets
hq,Headquarters,hq,America/Chicago,10.1.2.0/24;10.1.3.0/24`,
		"locations": `id,parent_id,kind,owner,name,site,country,state,city,street,house_number,building,floor,room,postal_code
hq,,company,,Headquarters,hq,US,IL,Springfield,Main Street,100,,,,62701
hq-a,hq,company,,Building A,hq,,,,,,A,,,
hq-3f,hq-a,company,,Third floor,hq,,,,,,,3,,
hq-4f,hq-a,company,,Fourth floor,hq,,,,,,,4,,
hq-401,hq-4f,company,,Room 401,hq,,,,,,,,401,
hq-402,hq-4f,company,,Room 402,hq,,,,,,,,402,
alice-home,,personal,alice@example.com,Home,,US,IL,Decatur,Oak Avenue,22,,,,62521
bob-home,,personal,bob@example.com,Secret cabin,,US,IL,Peoria,Elm Road,9,,,,61602`,
		"users": `email,name,role,site
alice@example.com,Alice Adams,user,hq
bob@example.com,Bob Brown,user,hq
rita@example.com,Rita Rowe,reviewer,hq
ada@example.com,Ada Allen,admin,`,
		"phones": `mac,kind,label,site,users,aors
00:15:65:aa:bb:01,desk,Reception,hq,alice@example.com;bob@example.com,
00:15:65:aa:bb:02,desk,Lobby,hq,bob@example.com,`,
		"wiremap": `location_id,site,chassis_id,port
hq-4f,hq,sw-4fl,Gi1/0/1-24`,
	})
	return w
}

// load imports CSV files, by the names of their tables.
func (w *world) load(tables map[string]string) {
	w.t.Helper()
	var files []provisioning.File
	for table, csv := range tables {
		f, err := provisioning.ReadFile(table+".csv", strings.NewReader(csv))
		if err != nil {
			w.t.Fatal(err)
		}
		files = append(files, f)
	}
	if _, err := w.office.Import(files, false); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) see(o discovery.Observation) {
	w.frame++
	o.Time, o.Frame = w.now, w.frame
	w.office.Observe(&o)
}

// plug connects a phone to a port of a switch, lets it register, and waits until
// that is acted on.
func (w *world) plug(m discovery.MAC, chassis, port, ip string) {
	w.t.Helper()
	w.wait(15 * time.Minute) // between two ports a phone is carried, and no move is a flap
	file := strings.NewReplacer("/", "-", ":", "-").Replace(chassis+port) + ".pcap"
	addr := netip.MustParseAddr(ip)
	w.see(discovery.Observation{Kind: discovery.KindDHCP, MAC: aSwitch, File: file, DHCP: &discovery.DHCP{
		Type: discovery.DHCPAck, Op: 2, Chaddr: m, Yiaddr: addr, SubnetBits: 24, LeaseSeconds: 86400,
	}})
	w.see(discovery.Observation{Kind: discovery.KindLLDP, MAC: m, File: file, LLDP: &discovery.LLDP{
		ChassisID: m.String(), PortID: m.String(), TTL: 120, Capabilities: discovery.CapBridge | discovery.CapTelephone, HasCapabilities: true,
		MED: &discovery.MED{Class: 3, Manufacturer: "Yealink", Model: "SIP-T46S"},
	}})
	w.see(discovery.Observation{Kind: discovery.KindLLDP, MAC: aSwitch, File: file, LLDP: &discovery.LLDP{
		ChassisIDSubtype: 7, ChassisID: chassis, PortIDSubtype: 5, PortID: port, TTL: 120, SystemName: chassis, Capabilities: discovery.CapBridge, HasCapabilities: true,
	}})
	id := fmt.Sprintf("%s-%d", m, w.frame)
	reg := sip.Register{
		CallID: id, CSeq: 1, AOR: sip.AOR("sip:10" + m.String()[15:] + "@pbx.example.com"), Expires: 3600, UserAgent: "Yealink SIP-T46S 66.85.0.5",
		Contacts: []sip.Contact{{URI: "sip:x@" + ip, Host: ip, Expires: -1}},
	}
	w.see(discovery.Observation{Kind: discovery.KindRegister, MAC: m, File: file, SrcIP: addr, Register: &discovery.Register{
		Transport: "udp", Source: netip.AddrPortFrom(addr, 5060), Register: reg,
	}})
	w.now = w.now.Add(100 * time.Millisecond)
	w.see(discovery.Observation{Kind: discovery.KindRegisterResponse, MAC: aSwitch, Dst: m, File: file, Response: &discovery.RegisterResponse{
		RegisterResponse: sip.RegisterResponse{Status: 200, CallID: id, CSeq: 1, AOR: reg.AOR, Expires: 3600, Contacts: reg.Contacts},
	}})
	w.wait(70 * time.Second)
}

// wait lets engine time pass.
func (w *world) wait(d time.Duration) {
	w.t.Helper()
	w.now = w.now.Add(d)
	w.office.Advance(w.now)
	if err := w.office.Commit(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// unknownPort plugs the reception's phone in where the wiremap knows nothing, and
// knownPort where it says the fourth floor. Both return the prompt.
func (w *world) unknownPort() int64 {
	w.plug(reception, "sw-3fl", "Gi1/0/7", "10.1.2.20")
	return w.openPrompt(reception)
}

func (w *world) knownPort() int64 {
	w.plug(reception, "sw-4fl", "Gi1/0/2", "10.1.2.20")
	return w.openPrompt(reception)
}

func (w *world) openPrompt(m discovery.MAC) int64 {
	w.t.Helper()
	for _, q := range w.office.Prompts() {
		if q.Open() && q.Phone.MAC == m {
			return q.ID
		}
	}
	w.t.Fatalf("no open prompt for %s", m)
	return 0
}

// answer gives an answer as the command line would.
func (w *world) answer(r gateway.Reply) {
	w.t.Helper()
	if err := w.office.Answer(w.t.Context(), r); err != nil {
		w.t.Fatal(err)
	}
}

// propose makes an open claim by Alice and returns its id.
func (w *world) propose() int64 {
	w.t.Helper()
	w.answer(gateway.Reply{Prompt: w.unknownPort(), Kind: gateway.AnswerPropose, By: alice, Address: location.Location{Address: location.CivicAddress{
		Country: "US", State: "IL", City: "Springfield", Street: "Main Street", HouseNumber: "102", PostalCode: "62701", Floor: "3", Room: "307",
	}}})
	claims := w.office.Claims()
	return claims[len(claims)-1].ID
}

func (w *world) token(p gateway.Purpose, id int64, user string) string {
	return w.key.Token(gateway.Link{Purpose: p, ID: id, User: user})
}

// snapshot is all that a request could have changed.
func (w *world) snapshot() string {
	w.t.Helper()
	state, err := w.store.Load(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return fmt.Sprintf("%+v %+v %+v %+v pending %d", state.Prompts, state.Claims, state.Answers, state.Counters, w.office.Pending())
}

// person is somebody with a browser.
type person struct {
	t      testing.TB
	w      *world
	server *httptest.Server
	client *http.Client
}

// browser opens a browser whose requests go through a real server.
func (w *world) browser() *person {
	w.t.Helper()
	s := httptest.NewServer(w.handler)
	w.t.Cleanup(s.Close)
	return w.browserAt(s)
}

func (w *world) browserAt(s *httptest.Server) *person {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &person{w.t, w, s, &http.Client{Jar: jar}}
}

// page is what a person sees.
type page struct {
	status int
	path   string // where the redirects led
	body   string
	header http.Header
}

func (p *person) do(r *http.Request) page {
	p.t.Helper()
	res, err := p.client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(res.Body); err != nil {
		p.t.Fatal(err)
	}
	return page{res.StatusCode, res.Request.URL.Path, b.String(), res.Header}
}

func (p *person) request(method, path, body string) *http.Request {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.server.URL+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

func (p *person) get(path string) page { return p.do(p.request(http.MethodGet, path, "")) }

// post sends a form as a button of the page would: values are name, value, name,
// value and so on.
func (p *person) post(path string, values ...string) page {
	p.t.Helper()
	form := url.Values{}
	for i := 0; i < len(values); i += 2 {
		form.Add(values[i], values[i+1])
	}
	r := p.request(http.MethodPost, path, form.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return p.do(r)
}

// open follows the link of a mail.
func (p *person) open(purpose gateway.Purpose, id int64, user string) page {
	p.t.Helper()
	short := map[gateway.Purpose]string{gateway.MailPrompt: "p", gateway.MailClaim: "c", gateway.MailNotice: "a", gateway.MailEmergency: "e", gateway.PhonesPage: "w"}[purpose]
	return p.get("/" + short + "/" + p.w.token(purpose, id, user))
}

// has fails unless a page has a status and all texts; a text after "!" must not
// be there.
func (p page) has(t testing.TB, status int, texts ...string) {
	t.Helper()
	bad := p.status != status
	if bad {
		t.Errorf("%s: status %d, want %d", p.path, p.status, status)
	}
	for _, text := range texts {
		if not, ok := strings.CutPrefix(text, "!"); ok {
			if strings.Contains(p.body, not) {
				bad = true
				t.Errorf("%s: has %q, which it should not", p.path, not)
			}
		} else if !strings.Contains(p.body, text) {
			bad = true
			t.Errorf("%s: lacks %q", p.path, text)
		}
	}
	if bad {
		t.Logf("the page %s:\n%s", p.path, strings.Join(strings.FieldsFunc(p.body, func(r rune) bool { return r == '\n' }), "\n"))
	}
}

func escape(s string) string { return url.QueryEscape(s) }
