package digest

import (
	"fmt"
	"testing"
)

// How phones write their credentials.
func TestRead(t *testing.T) {
	want := Fields{User: []byte("101"), Realm: []byte("a, b"), Nonce: []byte("n=="), URI: []byte("sip:x"), Response: []byte("0f"), Algorithm: []byte("MD5"), CNonce: []byte("c"), NC: []byte("00000001"), QOP: []byte("auth")}
	for _, text := range []string{
		`Digest username="101", realm="a, b", nonce="n==", uri="sip:x", response="0f", algorithm=MD5, cnonce="c", nc=00000001, qop=auth`,
		`DIGEST  qop=auth,nc=00000001,cnonce="c",algorithm="MD5",response="0f",uri="sip:x",nonce="n==",realm="a, b",username="101"`,
		"Digest Username = \"101\" ,\r\n REALM=\"a, b\",opaque=\"\",nonce=\"n==\",uri=\"sip:x\",response=\"0f\",Algorithm=MD5,cnonce=\"c\",nc=00000001 , qop=auth , auth-param=1",
	} {
		got, ok := Read([]byte(text))
		if !ok || fmt.Sprintf("%s", got) != fmt.Sprintf("%s", want) {
			t.Errorf("%s:\ngot  %s\nwant %s", text, got, want)
		}
	}
	for _, text := range []string{"Basic QWxhZGRpbg==", "Digest", `Digest username="101`} {
		if got, ok := Read([]byte(text)); ok {
			t.Errorf("%s: got %s", text, got)
		}
	}
}

// The examples of RFC 7616 section 3.9.1 and RFC 2069 section 2.4 (as its erratum 749 has it).
func TestProves(t *testing.T) {
	const f7616 = `Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=%s, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, ` +
		`cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, response="%s", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`
	for _, tc := range []struct{ text, password string }{
		{fmt.Sprintf(f7616, "MD5", "8ca523f5e9506fed4657c9700eebdbec"), "Circle of Life"},
		{fmt.Sprintf(f7616, "SHA-256", "753927FA0E85D155564E2E272A28D1802CA10DAF4496794697CF8DB5856CB6C1"), "Circle of Life"},
		{`Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", uri="/dir/index.html", response="1949323746fe6a43ef61f9606e7febea", opaque="5ccc069c403ebaf9f0171e9517f40e41"`, "CircleOfLife"},
	} {
		f, ok := Read([]byte(tc.text))
		h := Hash(f.Algorithm)
		if !ok || h == nil {
			t.Fatalf("%s: cannot be read", tc.text)
		}
		for password, want := range map[string]bool{tc.password: true, "x": false} {
			if got := f.Proves(h, A1(h, "Mufasa", string(f.Realm), password), "GET"); got != want {
				t.Errorf("%s with %q: got %v", tc.text, password, got)
			}
		}
		if f.Proves(h, A1(h, "Mufasa", string(f.Realm), tc.password), "PUT") {
			t.Errorf("%s: it is of GET alone", tc.text)
		}
	}
	if Hash([]byte("SHA-512-256")) != nil {
		t.Error("an algorithm that nobody here knows has a hash")
	}
}

// What answers a challenge proves the password.
func TestAnswer(t *testing.T) {
	for _, c := range []string{
		`Digest realm="r", nonce="n", qop="auth-int,auth", algorithm=SHA-256, opaque="o"`,
		`Digest realm="r", nonce="n", qop="auth"`,
		`Digest realm="r", nonce="n"`,
	} {
		ask, _ := Read([]byte(c))
		text := ask.Answer("REGISTER", "sip:example.com", "101", "not-a-secret")
		f, ok := Read([]byte(text))
		h := Hash(f.Algorithm)
		if !ok || !f.Proves(h, A1(h, "101", "r", "not-a-secret"), "REGISTER") || string(f.Opaque) != string(ask.Opaque) {
			t.Errorf("%s: got %s", c, text)
		}
	}
	for _, c := range []string{`Digest realm="r", nonce="n", algorithm=SHA-512-256`, `Digest realm="r", nonce="n", qop="auth-int"`} {
		if ask, _ := Read([]byte(c)); ask.Answer("GET", "/", "a", "b") != "" {
			t.Errorf("%s is answered", c)
		}
	}
}
