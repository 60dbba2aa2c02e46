package main

import (
	"net"
	"strings"
)

// account is the phone's first line, and what else matters of its settings.
type account struct {
	Domain    string   `json:"domain"`    // of the AOR
	Registrar string   `json:"registrar"` // whom the REGISTER names
	Proxy     string   `json:"proxy"`     // whom it goes to, HOST:PORT
	Backup    string   `json:"backup"`    // whom it goes to when that is gone
	User      string   `json:"user"`
	Auth      string   `json:"auth"`
	Display   string   `json:"display"`
	Transport string   `json:"transport"`
	LLDP      bool     `json:"lldp"`
	Emergency []string `json:"emergency,omitempty"` // of vendors that have a setting for it

	password   string
	macInAgent bool // the MAC in the User-Agent of SIP
	macHeader  bool // the MAC in a header of REGISTERs
}

// hostport is a host with its port; without one it is SIP's.
func hostport(host, port string) string {
	if host == "" {
		return ""
	}
	if h, p, err := net.SplitHostPort(host); err == nil {
		host, port = h, p
	}
	if port == "" {
		port = "5060"
	}
	return net.JoinHostPort(host, port)
}

// transport is a vendor's word for a transport.
func transport(word, udp, tcp, tls string) string {
	switch word {
	case udp:
		return "udp"
	case tcp:
		return "tcp"
	case tls:
		return "tls"
	}
	return word
}

// words are those of a list.
func words(list, separators string) []string {
	return strings.FieldsFunc(list, func(c rune) bool { return strings.ContainsRune(separators, c) })
}

func (s settings) yealink() told {
	t := told{flash: flash{s["static.auto_provision.server.url"], s["static.auto_provision.server.username"], s["static.auto_provision.server.password"]}}
	if s["account.1.enable"] != "1" {
		return t
	}
	server := s["account.1.sip_server.1.address"]
	t.account = &account{
		Domain: server, Registrar: server, Proxy: hostport(server, s["account.1.sip_server.1.port"]),
		User: s["account.1.user_name"], Auth: s["account.1.auth_name"], Display: s["account.1.display_name"], password: s["account.1.password"],
		Transport: transport(s["account.1.sip_server.1.transport_type"], "0", "1", "2"),
		LLDP:      s["static.network.lldp.enable"] == "1", Emergency: words(s["phone_setting.emergency.number"], ","),
		macInAgent: s["sip.mac_in_ua"] == "1", macHeader: s["account.1.register_mac"] == "1",
	}
	if s["account.1.outbound_proxy_enable"] == "1" {
		t.account.Proxy = hostport(s["account.1.outbound_proxy.1.address"], s["account.1.outbound_proxy.1.port"])
		t.account.Backup = hostport(s["account.1.outbound_proxy.2.address"], s["account.1.outbound_proxy.2.port"])
	}
	return t
}

// poly reads what device.set lets the phone take over of its device.
func (s settings) poly() (t told) {
	device := func(name string) string {
		if s["device.set"] != "1" || s[name+".set"] != "1" {
			return ""
		}
		return s[name]
	}
	t.flash = flash{device("device.prov.serverName"), device("device.prov.user"), device("device.prov.password")}
	if s["reg.1.address"] == "" {
		return t
	}
	server := s["reg.1.server.1.address"]
	user, domain, ok := strings.Cut(s["reg.1.address"], "@")
	if !ok {
		domain = server
	}
	t.account = &account{
		Domain: domain, Registrar: hostport(server, s["reg.1.server.1.port"]), Proxy: hostport(server, s["reg.1.server.1.port"]), Backup: hostport(s["reg.1.server.2.address"], s["reg.1.server.2.port"]),
		User: user, Auth: s["reg.1.auth.userId"], Display: s["reg.1.displayName"], password: s["reg.1.auth.password"],
		Transport: transport(s["reg.1.server.1.transport"], "UDPOnly", "TCPOnly", "TLS"),
		LLDP:      device("device.net.lldpEnabled") == "1", Emergency: words(s["dialplan.routing.emergency.1.value"], ","),
	}
	if p := s["reg.1.outboundProxy.address"]; p != "" {
		t.account.Proxy = hostport(p, s["reg.1.outboundProxy.port"])
	}
	return t
}

// cisco keeps the whole rule, with the password in it. What is dialled at once, whatever comes
// behind, is for help.
func (s settings) cisco() told {
	t := told{flash: flash{URL: s["Profile_Rule"]}}
	if s["Line_Enable_1_"] != "Yes" || s["Register_1_"] != "Yes" {
		return t
	}
	t.account = &account{
		Domain: s["Proxy_1_"], Registrar: s["Proxy_1_"], Proxy: hostport(s["Proxy_1_"], ""),
		User: s["User_ID_1_"], Auth: s["User_ID_1_"], Display: s["Display_Name_1_"], password: s["Password_1_"],
		Transport: transport(s["SIP_Transport_1_"], "UDP", "TCP", "TLS"), LLDP: s["Enable_LLDP-MED"] == "Yes",
	}
	if s["Use_Auth_ID_1_"] == "Yes" {
		t.account.Auth = s["Auth_ID_1_"]
	}
	if s["Use_Outbound_Proxy_1_"] == "Yes" {
		t.account.Proxy, t.account.Backup = hostport(s["Outbound_Proxy_1_"], ""), hostport(s["Alternate_Outbound_Proxy_1_"], "")
	}
	for _, rule := range words(s["Dial_Plan_1_"], "(|)") {
		if n, ok := strings.CutSuffix(rule, "S0"); ok {
			t.account.Emergency = append(t.account.Emergency, n)
		}
	}
	return t
}

// grandstream is told by what and where its files are in two values.
func (s settings) grandstream() (t told) {
	t.flash = flash{User: s["P1360"], Password: s["P1361"]}
	if scheme := transport(s["P212"], "0", "1", "2"); s["P237"] != "" {
		t.flash.URL = map[string]string{"udp": "tftp", "tcp": "http", "tls": "https"}[scheme] + "://" + s["P237"]
	}
	if s["P271"] != "1" {
		return t
	}
	t.account = &account{
		Domain: s["P47"], Registrar: s["P47"], Proxy: hostport(s["P48"], ""), Backup: hostport(s["P2333"], ""),
		User: s["P35"], Auth: s["P36"], Display: s["P3"], password: s["P34"],
		Transport: transport(s["P130"], "0", "1", "2"), LLDP: s["P1684"] == "1",
	}
	return t
}

// snom has its transport in the outbound proxy's parameters. The backup is what takes over
// from the first identity.
func (s settings) snom() told {
	t := told{flash: flash{s["setting_server"], s["http_client_user"], s["http_client_pass"]}}
	if s["user_active 1"] != "on" {
		return t
	}
	outbound := func(id string) (string, string) {
		proxy, params, _ := strings.Cut(s["user_outbound "+id], ";")
		_, by, ok := strings.Cut(params, "transport=")
		if !ok {
			by = "udp"
		}
		return hostport(proxy, ""), by
	}
	t.account = &account{
		Domain: s["user_host 1"], Registrar: s["user_host 1"],
		User: s["user_name 1"], Auth: s["user_pname 1"], Display: s["user_realname 1"], password: s["user_pass 1"],
		LLDP: s["lldp_enable"] == "on", Emergency: words(s["keyboard_lock_emergency"], " "),
	}
	t.account.Proxy, t.account.Transport = outbound("1")
	if id := s["user_failover_identity 1"]; id != "" && id != "none" && s["user_active "+id] == "on" {
		t.account.Backup, _ = outbound(id)
	}
	return t
}

func (s settings) fanvil() told {
	t := told{flash: flash{s["FlashServerIP"], s["DefaultUsername"], s["DefaultPassword"]}}
	line := func(name string) string { return s["line 1 "+name] }
	if line("EnableReg") != "1" {
		return t
	}
	t.account = &account{
		Domain: line("RegisterAddr"), Registrar: line("RegisterAddr"), Proxy: hostport(line("RegisterAddr"), line("RegisterPort")),
		Backup: hostport(line("BakProxyAddr"), line("BakProxyPort")),
		User:   line("PhoneNumber"), Auth: line("RegisterUser"), Display: line("DisplayName"), password: line("RegisterPswd"),
		Transport: transport(line("Transport"), "0", "1", "3"), LLDP: s["LLDPTransmit"] == "1", Emergency: words(s["EmergencyCall"], ","),
		macHeader: line("EnableRegisterMAC") == "1",
	}
	if p := line("ProxyAddr"); p != "" {
		t.account.Proxy = hostport(p, line("ProxyPort"))
	}
	return t
}
