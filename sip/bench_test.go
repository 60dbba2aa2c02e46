package sip

import "testing"

// BenchmarkParse reads what a registration is: a REGISTER, the challenge, and the
// answer that lists the binding; and what is nobody's concern.
func BenchmarkParse(b *testing.B) {
	contact := `Contact: <sip:1011055@10.20.46.25:5060;transport=udp>;+sip.instance="<urn:uuid:00000000-0000-1000-8000-0004f2002b2f>"`
	allow := "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, SUBSCRIBE, NOTIFY, REFER, REGISTER"
	viaAnswer := "Via: SIP/2.0/UDP 10.20.46.25:5060;branch=z9hG4bK4-1;rport=5060;received=10.20.46.25"
	for _, tc := range []struct{ name, message string }{
		{"request", message(requestLine, "Via: SIP/2.0/UDP 10.20.46.25:5060;branch=z9hG4bK4-1;rport", from, to, callID, cseq, "Max-Forwards: 70",
			contact, "User-Agent: PolyEdge-Edge_E350-UA/8.1.2.0741", allow, "Expires: 3600", "Content-Length: 0")},
		{"challenge", message("SIP/2.0 401 Unauthorized", viaAnswer, from, to+";tag=8d1f", callID, cseq,
			`WWW-Authenticate: Digest realm="pbx.example.com", nonce="5f0d3c1e9a7b2468", algorithm=MD5`, "Server: PBX/5.2", "Content-Length: 0")},
		{"answer", message("SIP/2.0 200 OK", viaAnswer, from, to+";tag=8d1f", callID, cseq, contact+";expires=3600", "Server: PBX/5.2", "Content-Length: 0")},
		{"other answer", message("SIP/2.0 200 OK", viaAnswer, from, to+";tag=8d1f", callID, "CSeq: 7 OPTIONS", allow, "Server: PBX/5.2", "Content-Length: 0")},
	} {
		b.Run(tc.name, func(b *testing.B) {
			b.ReportAllocs()
			p, in := NewParser(), []byte(tc.message)
			for b.Loop() {
				if _, _, err := p.Parse(in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
