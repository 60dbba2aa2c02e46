package discovery_test

import (
	"strings"
	"testing"

	"perch/discovery"
)

// TestClaimedMAC reads REGISTERs as phones send them, with one line that tells
// their MAC, or seems to.
func TestClaimedMAC(t *testing.T) {
	const instance = `Contact: <sip:1@10.1.2.3>;+sip.instance="<urn:uuid:`
	for _, tc := range []struct{ name, line, want string }{
		{"Poly, suffix", "User-Agent: PolycomVVX-VVX_150-UA/6.4.1.2280_482567164887", "48:25:67:16:48:87"},
		{"Fanvil, suffix", "User-Agent: Fanvil X303 2.12.18.9 0c383e63963b", "0c:38:3e:63:96:3b"},
		{"Avaya, suffix", "User-Agent: Avaya one-X Deskphone 7.1.15.1.3 b4475ea2e9a0", "b4:47:5e:a2:e9:a0"},
		{"Yealink, suffix with colons", "User-Agent: Yealink SIP-T46G 28.83.0.120 00:15:65:4a:a9:37", "00:15:65:4a:a9:37"},
		{"Yealink, suffix without colons", "User-Agent: Yealink SIP-T56A  58.80.0.25 001565f429a4", "00:15:65:f4:29:a4"},
		{"Gigaset, behind a semicolon", "User-Agent: N510 IP PRO/42.245.00.000.000;7C2F804DF9A9", "7c:2f:80:4d:f9:a9"},
		{"Cisco, in brackets", "User-Agent: Cisco-CP-8841-3PCC/11.0 (00562b043615)", "00:56:2b:04:36:15"},
		{"Cisco SPA, MAC and serial number in brackets", "User-Agent: Cisco/SPA508G-7.4.4 (0002FDFF2103)(CBT141400UK)", "00:02:fd:ff:21:03"},
		{"snom DECT, labelled", "User-Agent: snomM700/03.23.0005 (MAC=0004136322A0; SER=00000; HW=255)", "00:04:13:63:22:a0"},
		{"Mitel, labelled, with hyphens", "User-Agent: Mitel6920 MAC:14-00-E9-1F-03-EA V:6.4.0.140-SIP", "14:00:e9:1f:03:ea"},
		{"Panasonic, in brackets", "User-Agent: Panasonic_KX-UT113/01.133 (0080f0c8c381)", "00:80:f0:c8:c3:81"},
		{"unknown program, labelled", "User-Agent: phone/1.0 (MAC=02aabbccddee)", "02:aa:bb:cc:dd:ee"},
		{"unknown program, a phone maker's OUI", "User-Agent: rebranded/1.0 001565f429a4", "00:15:65:f4:29:a4"},

		{"Yealink DECT, colons", "User-Agent: Yealink W60B 77.81.0.35 80:5e:c0:09:ab:dc", "80:5e:c0:09:ab:dc"},
		{"Yealink video, colons", "User-Agent: VP530P 23.70.0.40 00:15:65:31:4b:c0", "00:15:65:31:4b:c0"},
		{"Fanvil, the newer", "User-Agent: Fanvil X5U-V2 2.12.1 0c3800000000", "0c:38:00:00:00:00"},
		{"Avaya, labelled", "User-Agent: AVAYA/J179-4.1.3.0.6 (MAC:c81fea83e85a)", "c8:1f:ea:83:e8:5a"},
		{"Gigaset, capitals", "User-Agent: Gigaset N870 IP PRO/83.V2.11.0+build.a546b91;7C2F80E0D605", "7c:2f:80:e0:d6:05"},
		{"Gigaset, behind a handset", "User-Agent: N510 IP PRO/42.245.00.000.000;7C2F804DF9A9;Handset=2", "7c:2f:80:4d:f9:a9"},
		{"Htek, colons", "User-Agent: Htek UC926 2.0.4.2 00:1f:c1:00:00:00", "00:1f:c1:00:00:00"},
		{"Grandstream, suffix", "User-Agent: Grandstream GXP2130 1.0.7.25 000b826c4283", "00:0b:82:6c:42:83"},
		{"Grandstream, device ID", "User-Agent: Grandstream Model HW GXP2135 SW 1.0.7.97 DevId 000b828aa872", "00:0b:82:8a:a8:72"},
		{"snom, last word in brackets", "User-Agent: Mozilla/4.0 (compatible; snom710-SIP 8.7.5.35 1.1.5-IFX-05.01.12 000413741767)", "00:04:13:74:17:67"},

		{"header MAC of Yealink", "MAC: 00:15:65:4a:a9:37", "00:15:65:4a:a9:37"},
		{"header Mac", "Mac: 0c:38:3e:63:96:3b", "0c:38:3e:63:96:3b"},
		{"header Aastra-Mac", "Aastra-Mac: 00085D112233", "00:08:5d:11:22:33"},
		{"snom's serial number", "X-Serialnumber: 00041322AABB", "00:04:13:22:aa:bb"},
		{"Cisco's device name", `Contact: <sip:1@10.1.2.3>;+u.sip!devicename.ccm.cisco.com="SEP38ED18552A12"`, "38:ed:18:55:2a:12"},
		{"Cisco's instance ID", instance + `00000000-0000-0000-0000-001200a65ed2>"`, "00:12:00:a6:5e:d2"},
		{"Grandstream's instance ID", instance + `00000000-0000-1000-8000-000B826C4283>"`, "00:0b:82:6c:42:83"},
		{"URN in capitals", strings.Replace(instance, "urn:uuid", "URN:UUID", 1) + `00000000-0000-1000-8000-000B826C4283>"`, "00:0b:82:6c:42:83"},

		{"Yealink without its MAC", "User-Agent: Yealink SIP-T42S 66.84.0.125", ""},
		{"Yealink's hardware version", "User-Agent: Yealink-T46G 28.71.0.81 28.1.0.128.0.0.0", ""},
		{"Poly without its MAC", "User-Agent: PolycomVVX-VVX_450-UA/6.4.3.5018", ""},
		{"Cisco SPA without its MAC", "User-Agent: Cisco/SPA525G2-7.6.1(ES_RC01)", ""},
		{"Cisco without its MAC", "User-Agent: Cisco-CP7861/12.1.1", ""},
		{"Cisco's model", `Contact: <sip:1@10.1.2.3>;+u.sip!model.ccm.cisco.com="623"`, ""},
		{"Fanvil without its MAC", "User-Agent: Fanvil i16SV 2.4.0", ""},
		{"Mitel without its MAC", "User-Agent: Mitel-6920-SIP/6.4.0.140", ""},
		{"Aastra without its MAC", "User-Agent: Aastra 51i/2.5.1.41", ""},
		{"snom without its MAC", "User-Agent: snomD785/10.1.84.12", ""},
		{"Htek without its MAC", "User-Agent: Htek UC924E V3.0.4.5", ""},
		{"Grandstream without its MAC", "User-Agent: Grandstream GXP2130 1.0.7.25", ""},
		{"user part of PnP", "X-To: <sip:MAC%3a805e0c4d796d@224.0.1.75>", ""},
		{"random UUID", instance + `5acd54e8-f197-57e2-aa42-5f4a5d04367c>"`, ""},
		{"random UUID with a phone maker's OUI in its node", instance + `5acd54e8-f197-57e2-aa42-001565f429a4>"`, ""},
		{"nil UUID", instance + `00000000-0000-0000-0000-000000000000>"`, ""},
		{"group address in an instance ID", instance + `00000000-0000-0000-0000-01005e000001>"`, ""},
		{"IMEI", `Contact: <sip:1@10.1.2.3>;+sip.instance="<urn:gsma:imei:35291409-039401-0>"`, ""},
		{"another maker's serial number", "X-Serialnumber: 112233445566", ""},
		{"SEP name of a softphone", `Contact: <sip:1@10.1.2.3>;+u.sip!devicename.ccm.cisco.com="CSFALICE"`, ""},
		{"build number of an unknown program", "User-Agent: Softphone 202011251200", ""},
		{"no MAC", "User-Agent: Yealink SIP-T42S 66.84.0.125", ""},
		{"long version", "User-Agent: Avaya H175 Collaboration Station H1xx_SIP-R1_0_2_3_3050.tar", ""},
		{"zeros", "User-Agent: Htek UC924E V3.0.4.5 00:00:00:00:00:00", ""},
		{"group address in the header", "Mac: ff:ff:ff:ff:ff:ff", ""},
		{"nonsense in the header", "Mac: yes", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			message := strings.Replace(register, "Content-Length", tc.line+"\r\nContent-Length", 1)
			var got []*discovery.Observation
			f := &discovery.Frame{LinkType: 101, Data: []byte(ipv4(ip1, ip2, udp(5060, 5060, message)))}
			discovery.NewDecoder(discovery.DecoderConfig{}).Decode(f, func(o *discovery.Observation) { got = append(got, o) })
			if len(got) != 1 || got[0].Malformed != "" {
				t.Fatalf("got %+v, want one whole message", got)
			}
			b, _ := got[0].Register.ClaimedMAC.MarshalText()
			if string(b) != tc.want {
				t.Errorf("%s: got %q, want %q", tc.line, b, tc.want)
			}
		})
	}
}

// TestClaimedMACCisco: From tag, Call-ID and Session-ID of Cisco's phones begin or
// end with the MAC. They are no proof of it, being random in most other phones:
// where nothing else tells the MAC, it is not taken from there.
func TestClaimedMACCisco(t *testing.T) {
	for _, tc := range []struct{ name, contact, want string }{
		{"alone", "", ""},
		{"with a random instance", `Contact: <sip:1@10.1.2.3>;+sip.instance="<urn:uuid:5acd54e8-f197-57e2-aa42-5f4a5d04367c>"`, ""},
		{"with an instance made of the MAC", `Contact: <sip:1@10.1.2.3>;+sip.instance="<urn:uuid:00000000-0000-0000-0000-001200a65ed2>"`, "00:12:00:a6:5e:d2"},
		{"with another instance", `Contact: <sip:1@10.1.2.3>;+sip.instance="<urn:uuid:00000000-0000-0000-0000-38ed18552a12>"`, "38:ed:18:55:2a:12"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			message := strings.NewReplacer("Call-ID: c", "Call-ID: 001200a6-5ed20004-3dc8f3b6-31a2e7a6@10.1.2.3",
				"Content-Length", "User-Agent: Cisco-CP7960G/8.0\r\nFrom: <sip:1@pbx>;tag=001200a65ed200066a8b4567-327b23c6\r\n"+
					"Session-ID: 1001532000105000a000001200a65ed2;remote=00000000000000000000000000000000\r\n"+tc.contact+"\r\nContent-Length").Replace(register)
			message = strings.ReplaceAll(message, "\r\n\r\nContent-Length", "\r\nContent-Length")
			w := newWire().send(ipv4(ip1, ip2, udp(5060, 5060, message)))
			if len(w.seen) != 1 || w.seen[0].Malformed != "" {
				t.Fatalf("got %q", w.got)
			}
			b, _ := w.seen[0].Register.ClaimedMAC.MarshalText()
			if string(b) != tc.want {
				t.Errorf("got %q, want %q", b, tc.want)
			}
		})
	}
}

// What is written in other letters than the standard's is none of its methods: they
// are compared as they stand (RFC 3261 section 7.1).
func TestDecodeMethodCase(t *testing.T) {
	lower := strings.Replace(register, "REGISTER sip", "register sip", 1)
	answer := strings.Replace(register, "REGISTER sip:pbx SIP/2.0", "SIP/2.0 200 OK", 1)
	newWire().send(
		ipv4(ip1, ip2, udp(5060, 5060, lower)),
		ipv4(ip2, ip1, udp(5060, 5060, strings.Replace(answer, "7 REGISTER", "7 register", 1)+"REGISTER")),
		up(0, ack, lower+strings.ToLower(register)+"\r\n\r\n"),
	).want(t)
}

func TestDecodeResponse(t *testing.T) {
	response := strings.Replace(register, "REGISTER sip:pbx SIP/2.0", "SIP/2.0 200 OK\r\nContact: <sip:1@10.1.2.3>;expires=55", 1)
	runDecodeCases(t, 101, []decodeCase{
		{"accepted", ipv4(ip2, ip1, udp(5060, 5060, response)), []string{`"kind":"register_response","src":"10.1.2.1","dst":"10.1.2.3","register_response":` +
			`{"status":200,"call_id":"c","cseq":7,"aor":"sip:1@pbx","contacts":["<sip:1@10.1.2.3>;expires=55"],"source":"10.1.2.1:5060","destination":"10.1.2.3:5060"}}`}},
		{"of another method", ipv4(ip2, ip1, udp(5060, 5060, strings.Replace(response, "7 REGISTER", "7 INVITE", 1)+"REGISTER")), nil},
	})
}
