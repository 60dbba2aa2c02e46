package main

import (
	"context"
	"encoding/json"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"perch/discovery"
	"perch/discovery/capture"
	"perch/gateway"
	"perch/provisioning/serve"
)

// metrics are what /metrics tells, read from the service at each scrape.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	service  *service
}

var (
	phonesDesc   = prometheus.NewDesc("perch_phones", "Phones that were seen.", nil, nil)
	promptsDesc  = prometheus.NewDesc("perch_prompts_open", "Prompts that wait for an answer.", nil, nil)
	claimsDesc   = prometheus.NewDesc("perch_claims_open", "Claims that wait for a review.", nil, nil)
	failingDesc  = prometheus.NewDesc("perch_database_failing", "1 while the database cannot be written.", nil, nil)
	pendingDesc  = prometheus.NewDesc("perch_effects_pending", "Effects that are not durable yet.", nil, nil)
	mailsDesc    = prometheus.NewDesc("perch_mails", "Mails by how far their delivery got.", []string{"state"}, nil)
	refusedDesc  = prometheus.NewDesc("perch_users_undeliverable", "Users whose mail is refused for good.", nil, nil)
	framesDesc   = prometheus.NewDesc("perch_capture_frames_total", "Frames that were heard, after the kernel's filter.", []string{"interface"}, nil)
	freezesDesc  = prometheus.NewDesc("perch_capture_freezes_total", "Times that the kernel's ring was full.", []string{"interface"}, nil)
	droppedDesc  = prometheus.NewDesc("perch_capture_dropped_total", "Frames that were lost because they were not read in time.", []string{"interface"}, nil)
	reopensDesc  = prometheus.NewDesc("perch_capture_reopens_total", "How often an interface was opened again.", []string{"interface"}, nil)
	stateDesc    = prometheus.NewDesc("perch_capture_state", "1 for the state that an interface is in.", []string{"interface", "state"}, nil)
	heardDesc    = prometheus.NewDesc("perch_observations_total", "Messages that were read, by protocol.", []string{"interface", "kind"}, nil)
	brokenDesc   = prometheus.NewDesc("perch_malformed_total", "Messages that could be read in part only, by protocol.", []string{"interface", "kind"}, nil)
	unreadDesc   = prometheus.NewDesc("perch_unread_total", "What was heard and could not be put together: frames that made a decoder panic, datagrams in fragments, SIP connections.", []string{"interface", "what"}, nil)
	givenUpDesc  = prometheus.NewDesc("perch_given_up_total", "What full tables gave up, as under a flood of made-up addresses, by table.", []string{"what"}, nil)
	unaskedDesc  = prometheus.NewDesc("perch_leases_refused_total", "Leases that nobody was heard to ask for and that contradict what is known, as from a rogue DHCP server.", nil, nil)
	disputeDesc  = prometheus.NewDesc("perch_addresses_refused_total", "Claims to an address that another device holds by a lease or a registration, as in ARP poisoning.", nil, nil)
	sipDesc      = prometheus.NewDesc("perch_sip_messages_total", "SIP messages that came, by what was done with them.", []string{"what"}, nil)
	upstreamDesc = prometheus.NewDesc("perch_sip_upstream_up", "1 for a PBX that answers.", []string{"upstream"}, nil)
	sipConnsDesc = prometheus.NewDesc("perch_sip_connections", "Connections of phones and to PBXs.", nil, nil)
	bannedDesc   = prometheus.NewDesc("perch_sip_banned", "Sources that are not heard now, but for emergency calls.", nil, nil)
	regDesc      = prometheus.NewDesc("perch_sip_subscriptions", "Subscriptions to the registrations of lines, by state.", []string{"state"}, nil)
	regToldDesc  = prometheus.NewDesc("perch_sip_subscriptions_told_total", "Registrations and their ends that PBXs told of.", nil, nil)
	callersDesc  = prometheus.NewDesc("perch_sip_callers", "Phones of which the SIP path knows where they are.", nil, nil)
	helpDesc     = prometheus.NewDesc("perch_emergency_calls", "Calls for help that are kept: those that nobody has acknowledged, and the others, tests among them.", []string{"state"}, nil)
	filesDesc    = prometheus.NewDesc("perch_provision_files_total", "Configuration files that phones fetched, by how they proved which they are.", []string{"proof"}, nil)
	guessDesc    = prometheus.NewDesc("perch_provision_blocked", "Sources that guess phones or their passwords, and are not heard now.", nil, nil)
	waitDesc     = prometheus.NewDesc("perch_phones_waiting", "Phones that wait to be adopted, or that have lost their password.", nil, nil)
	infoDesc     = prometheus.NewDesc("perch_info", "The program.", []string{"version", "go"}, nil)
)

func newMetrics(v *service) *metrics {
	m := &metrics{registry: prometheus.NewRegistry(), service: v}
	m.requests = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "perch_http_requests_total", Help: "Requests to the portal by method and status.",
	}, []string{"method", "code"})
	m.registry.MustRegister(m, m.requests, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// count counts the requests of a handler.
func (m *metrics) count(h http.Handler) http.Handler {
	return promhttp.InstrumentHandlerCounter(m.requests, h)
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		phonesDesc, promptsDesc, claimsDesc, failingDesc, pendingDesc, mailsDesc, refusedDesc, infoDesc,
		framesDesc, droppedDesc, freezesDesc, reopensDesc, stateDesc, heardDesc, brokenDesc, unreadDesc,
		givenUpDesc, unaskedDesc, disputeDesc,
		sipDesc, upstreamDesc, sipConnsDesc, callersDesc, bannedDesc, helpDesc,
		regDesc, regToldDesc, filesDesc, guessDesc, waitDesc,
	} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v int, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	s := m.service.session
	c := s.engine.Count()
	gauge(phonesDesc, c.Phones)
	gauge(promptsDesc, c.Prompts)
	gauge(claimsDesc, c.Claims)
	gauge(helpDesc, c.Waiting, "unacknowledged")
	gauge(helpDesc, c.Emergencies-c.Waiting, "other")
	gauge(pendingDesc, s.engine.Pending())
	failing := 0
	if s.live.trouble() != nil {
		failing = 1
	}
	gauge(failingDesc, failing)
	gauge(infoDesc, 1, version, runtime.Version())
	m.collectBounds(to, s.engine.Bounds())
	m.collectEars(to)
	m.collectPath(to)
	m.collectPhones(to)
	box, ok := s.store.(gateway.Outbox)
	if !ok || failing == 1 {
		return // a database in trouble is left alone
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if b, err := box.Backlog(ctx); err == nil {
		gauge(mailsDesc, b.Waiting, "waiting")
		gauge(mailsDesc, b.Sent, "sent")
		gauge(mailsDesc, b.Refused, "refused")
	}
	if u, err := box.Undeliverable(ctx); err == nil {
		gauge(refusedDesc, len(u))
	}
}

// countersTo returns what hands on the values of counters.
func countersTo(to chan<- prometheus.Metric) func(d *prometheus.Desc, v uint64, labels ...string) {
	return func(d *prometheus.Desc, v uint64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
}

// collectBounds tells what hostile wires cost.
func (m *metrics) collectBounds(to chan<- prometheus.Metric, b discovery.Stats) {
	count := countersTo(to)
	count(givenUpDesc, b.Guests, "device")
	count(givenUpDesc, b.Registered, "registered phone")
	count(givenUpDesc, b.Lines, "line")
	count(givenUpDesc, b.Bindings, "binding")
	count(givenUpDesc, b.Routers, "router")
	count(givenUpDesc, b.Gateways, "gateway")
	count(givenUpDesc, b.Requests, "request")
	count(givenUpDesc, b.Speakers, "announcer")
	count(unaskedDesc, b.Unasked)
	count(disputeDesc, b.Displaced)
}

// collectPath tells how the SIP path is.
func (m *metrics) collectPath(to chan<- prometheus.Metric) {
	if m.service.path == nil {
		return
	}
	s := m.service.path.state.Load()
	if s == nil {
		return
	}
	count := countersTo(to)
	c := s.Counts
	count(sipDesc, c.Forwarded, "forwarded")
	count(sipDesc, c.Answered, "answered here")
	count(sipDesc, c.Malformed, "malformed")
	count(sipDesc, c.NotSIP, "no SIP")
	count(sipDesc, c.Forged, "forged")
	count(sipDesc, c.Strangers, "from a stranger")
	count(sipDesc, c.Unsent, "not sent")
	count(sipDesc, c.FailedOver, "failed over")
	count(sipDesc, c.Panics, "panicked")
	count(sipDesc, s.Dropped, "not observed")
	count(sipDesc, c.Shown, "shown")
	count(sipDesc, c.NotShown, "not_shown")
	count(sipDesc, c.Crowded, "over the limit")
	count(sipDesc, c.Banned, "from a banned source")
	count(sipDesc, c.Spared, "passed for an emergency call")
	count(sipDesc, c.Guesses, "REGISTER refused here")
	count(sipDesc, c.Unanswered, "left unanswered")
	for _, u := range s.Upstream {
		up := 0.0
		if u.Up {
			up = 1
		}
		to <- prometheus.MustNewConstMetric(upstreamDesc, prometheus.GaugeValue, up, u.Address)
	}
	to <- prometheus.MustNewConstMetric(sipConnsDesc, prometheus.GaugeValue, float64(s.Connections))
	if s.Subscriptions.On {
		for state, n := range map[string]int{"active": s.Subscriptions.Active, "waiting": s.Subscriptions.Waiting, "refused": s.Subscriptions.Refused} {
			to <- prometheus.MustNewConstMetric(regDesc, prometheus.GaugeValue, float64(n), state)
		}
		count(regToldDesc, s.Subscriptions.Told)
		count(sipDesc, s.Subscriptions.Malformed, "registrations that could not be read")
	}
	to <- prometheus.MustNewConstMetric(callersDesc, prometheus.GaugeValue, float64(s.Callers))
	to <- prometheus.MustNewConstMetric(bannedDesc, prometheus.GaugeValue, float64(s.Banned.Count))
}

// collectPhones tells of phones that fetch their files.
func (m *metrics) collectPhones(to chan<- prometheus.Metric) {
	p := m.service.phones
	if p == nil {
		return
	}
	count := countersTo(to)
	for l := serve.Certificate; l <= serve.Opened; l++ {
		count(filesDesc, p.served[l].Load(), l.String())
	}
	to <- prometheus.MustNewConstMetric(guessDesc, prometheus.GaugeValue, float64(p.pages.Blocked()))
	_, all := m.service.session.waiting(time.Now())
	to <- prometheus.MustNewConstMetric(waitDesc, prometheus.GaugeValue, float64(all))
}

// collectEars tells what was heard on each interface.
func (m *metrics) collectEars(to chan<- prometheus.Metric) {
	if m.service.ears == nil {
		return
	}
	count := countersTo(to)
	for _, r := range m.service.ears.reports(nil) {
		count(framesDesc, r.Frames, r.Interface)
		count(droppedDesc, r.Dropped, r.Interface)
		count(freezesDesc, r.Freezes, r.Interface)
		count(reopensDesc, r.Reopens, r.Interface)
		for kind, k := range r.Heard.Kinds {
			count(heardDesc, uint64(k.Count), r.Interface, kind)
			count(brokenDesc, uint64(r.Heard.Broken[kind]), r.Interface, kind)
		}
		d := r.Heard.Decoder
		count(unreadDesc, d.Panics, r.Interface, "panic")
		count(unreadDesc, d.Fragments, r.Interface, "fragments")
		count(unreadDesc, d.Streams, r.Interface, "connection")
		for _, state := range captureStates {
			is := 0.0
			if r.State == state {
				is = 1
			}
			to <- prometheus.MustNewConstMetric(stateDesc, prometheus.GaugeValue, is, r.Interface, state)
		}
	}
}

// captureStates are the states that an interface can be in, as earReport names
// them.
var captureStates = []string{
	notOpened, capture.Waiting.String(), capture.Listening.String(), capture.NoCarrier.String(), capture.Dropping.String(),
}

// direct keeps a page from whoever comes through a proxy: behind one, the portal
// is on the internet, and what it counts is nobody's business there.
func direct(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"} {
			if r.Header.Get(name) != "" {
				http.NotFound(w, r)
				return
			}
		}
		h.ServeHTTP(w, r)
	})
}

// health answers 200 while the database can be written, else 503.
func (v *service) health(w http.ResponseWriter, _ *http.Request) {
	out := struct {
		Status   string `json:"status"`
		Database string `json:"database"`
		Mail     string `json:"mail"`
	}{"ok", "ok", "no server configured"}
	code := http.StatusOK
	if v.session.live.trouble() != nil {
		out.Status, out.Database, code = "failing", "cannot be written", http.StatusServiceUnavailable
	}
	if v.mailer != nil {
		out.Mail = v.mailer.Status().State.String()
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(out) // who asked may be gone
}
