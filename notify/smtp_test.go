package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseServer(t *testing.T) {
	tests := []struct{ url, want string }{
		{"smtp://mail.example.com", "smtp://mail.example.com:587?starttls=required"},
		{"smtps://mail.example.com", "smtps://mail.example.com:465"},
		{"smtp://mail.example.com:25/", "smtp://mail.example.com:25?starttls=required"},
		{"smtp://localhost", "smtp://localhost:587?starttls=optional"},
		{"smtp://127.1.2.3:1025", "smtp://127.1.2.3:1025?starttls=optional"},
		{"smtp://[::1]:1025", "smtp://[::1]:1025?starttls=optional"},
		{"smtp://localhost?starttls=required", "smtp://localhost:587?starttls=required"},
		{"smtp://192.0.2.1?starttls=never", "smtp://192.0.2.1:587?starttls=never"},
		{"smtp://perch@mail.example.com:587", "smtp://perch@mail.example.com:587?starttls=required&password_env=PERCH_SMTP_PASSWORD"},
		{"smtp://perch:pw@mail.example.com:587", "smtp://perch:xxxxx@mail.example.com:587?starttls=required"},
		{"smtp://per%40ch:p%40%2Fw@mail.example.com", "smtp://per%40ch:xxxxx@mail.example.com:587?starttls=required"},
		{"smtps://perch@mail.example.com?auth=xoauth2&password_file=/run/token", "smtps://perch@mail.example.com:465?auth=xoauth2&password_file=%2Frun%2Ftoken"},
		{"smtp://perch@mail.example.com?password_env=SMTP_PASSWORD&auth=login&ca=/etc/ca.pem&helo=perch.example.com",
			"smtp://perch@mail.example.com:587?starttls=required&auth=login&password_env=SMTP_PASSWORD&ca=%2Fetc%2Fca.pem&helo=perch.example.com"},
	}
	for _, tt := range tests {
		t.Run(tt.url, func(t *testing.T) {
			srv, err := ParseServer(tt.url)
			if err != nil || srv.String() != tt.want {
				t.Errorf("got %s, %v, want %s", srv, err, tt.want)
			}
		})
	}
}

func TestParseServerRefuses(t *testing.T) {
	tests := []struct{ url, want string }{
		{"", "does not begin with smtp://"},
		{"mail.example.com:587", "not a URL"},
		{"http://mail.example.com", "does not begin with smtp://"},
		{"smtp://", "names no host"},
		{"smtp://mail.example.com:0", "no valid port"},
		{"smtp://mail.example.com:65536", "no valid port"},
		{"smtp://mail.example.com/inbox", "has a path"},
		{"smtp://müller.example", "names no host"},
		{"smtp://mail.example.com?tls=yes", `parameter "tls" is not known`},
		{"smtp://mail.example.com?starttls=maybe", "starttls=maybe"},
		{"smtps://mail.example.com?starttls=required", "starttls=required"},
		{"smtp://mail.example.com?helo=", "empty"},
		{"smtp://mail.example.com?helo=a&helo=b", "twice"},
		{"smtp://mail.example.com?helo=a%20b", "not a name"},
		{"smtp://@mail.example.com?auth=login", "names no user"},
		{"smtp://perch:pw@mail.example.com?auth=cram-md5", "auth=cram-md5 is not known"},
		{"smtp://perch:pw@mail.example.com?auth=none", "names a user and auth=none"},
		{"smtp://mail.example.com?auth=plain", "names no user"},
		{"smtp://mail.example.com?password_env=X", "names no user"},
		{"smtp://perch:pw@mail.example.com?password_env=X", "more than one password"},
		{"smtp://mail.example.com?starttls=never&ca=x", "ca and starttls=never"},
		// Passwords that a URL cannot hold as they are.
		{"smtp://perch:se/cret@mail.example.com", ""},
		{"smtp://perch:12/cret@mail.example.com", ""},
		{"smtp://perch:12?cret@mail.example.com", ""},
		{"smtp://perch:12#cret@mail.example.com", ""},
		{"smtp://perch:se cret@mail.example.com", ""},
		{"smtp://perch:se%cret@mail.example.com", ""},
		{"smtp://perch:12?cret@mail.example.com?helo=x", ""},
	}
	for _, tt := range tests {
		t.Run(tt.url, func(t *testing.T) {
			_, err := ParseServer(tt.url)
			var said *Trouble
			if !errors.As(err, &said) || !strings.Contains(said.What, tt.want) || said.Hint() == "" {
				t.Fatalf("got %v, want %q and a hint", err, tt.want)
			}
			if strings.Contains(err.Error()+said.Hint(), "cret") {
				t.Errorf("got %v, which shows the password", err)
			}
		})
	}
}

// TestServerHidesPassword prints a server in every way that there is.
func TestServerHidesPassword(t *testing.T) {
	srv, err := ParseServer("smtp://perch:hunter2@mail.example.com")
	if err != nil {
		t.Fatal(err)
	}
	c := MailerConfig{Server: srv}
	j, err := json.Marshal(map[string]any{"server": srv, "pointer": &srv})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{
		string(j), fmt.Sprint(srv, &srv), fmt.Sprintf("%v %+v %#v %s %q", srv, srv, srv, srv, srv),
		fmt.Sprintf("%v %+v %#v", c, c, c), fmt.Sprintf("%v %+v %#v %s", srv.secret, srv.secret, srv.secret, srv.secret),
	} {
		if strings.Contains(s, "hunter2") {
			t.Errorf("got %s", s)
		}
	}
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	t.Setenv("PERCH_TEST_SECRET", "open sesame")
	tests := []struct{ name, query, secret, err string }{
		{"file", "password_file=" + write("good", "open sesame\n"), "open sesame", ""},
		{"file of another system", "password_file=" + write("crlf", "open sesame\r\n"), "open sesame", ""},
		{"variable", "password_env=PERCH_TEST_SECRET", "open sesame", ""},
		{"no file", "password_file=" + dir + "/none", "", "no such file"},
		{"empty file", "password_file=" + write("empty", "\n"), "", "is empty"},
		{"two lines", "password_file=" + write("two", "a\nb\n"), "", "line ends"},
		{"wrong file", "password_file=" + write("huge", strings.Repeat("x", 100_000)), "", "is no password"},
		{"no variable", "password_env=PERCH_TEST_NOTHING", "", "no PERCH_TEST_NOTHING"},
		{"no certificates", "password_env=PERCH_TEST_SECRET&ca=" + dir + "/none", "", "no such file"},
		{"a file without certificates", "password_env=PERCH_TEST_SECRET&ca=" + write("text", "hello"), "", "holds no certificate"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv, err := ParseServer("smtp://perch@mail.example.com?" + tt.query)
			if err != nil {
				t.Fatal(err)
			}
			err = srv.Check()
			if tt.err == "" {
				if secret, _ := srv.secret.read(); err != nil || secret != tt.secret {
					t.Errorf("got %q, %v", secret, err)
				}
				return
			}
			var said *Trouble
			if !errors.As(err, &said) || !strings.Contains(said.What, tt.err) || said.Do == "" {
				t.Errorf("got %v, want %q and a hint", err, tt.err)
			}
		})
	}
}

func FuzzParseServer(f *testing.F) {
	f.Add("smtp://perch:pw@mail.example.com:587?starttls=optional&auth=plain")
	f.Add("smtps://[::1]:465?ca=/x&helo=[192.0.2.1]")
	f.Fuzz(func(t *testing.T, s string) {
		srv, err := ParseServer(s)
		if err != nil {
			return
		}
		if srv.secret.from == secretGiven {
			srv.secret = secret{secretEnv, "X"} // String leaves a given one out
		}
		again, err := ParseServer(srv.String())
		if err != nil || again != srv {
			t.Errorf("%q: got %v, %v, want %v", srv.String(), again, err, srv)
		}
	})
}
