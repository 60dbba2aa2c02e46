package notify

import (
	"bytes"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"perch/gateway"
)

var update = flag.Bool("update", false, "rewrite testdata")

var config = Config{From: "Perch <perch@example.com>", URL: "https://perch.example.com/", Organization: "Example Corp"}

func renderer(t testing.TB) *Renderer {
	t.Helper()
	r, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestGolden compares whole mails, byte by byte.
func TestGolden(t *testing.T) {
	r := renderer(t)
	all := letters()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			subject, id, got, err := r.Render(all[name])
			if err != nil {
				t.Fatal(err)
			}
			check(t, all[name], subject, id, got)
			again, _, second, _ := r.Render(all[name])
			if again != subject || !bytes.Equal(got, second) {
				t.Error("rendered twice: got two different mails")
			}
			file := filepath.Join("testdata", name+".eml")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
			}
		})
	}
}

// TestGoldenFiles finds goldens that no letter has any more.
func TestGoldenFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil {
		t.Fatal(err)
	}
	all := letters()
	for _, f := range files {
		if _, ok := all[strings.TrimSuffix(filepath.Base(f), ".eml")]; !ok {
			t.Errorf("%s: no such letter", f)
		}
	}
}

// TestWords checks what must, and must not, be said.
func TestWords(t *testing.T) {
	tests := []struct {
		name    string
		letter  gateway.Letter
		say     []string
		mustNot []string
	}{
		{"add, nothing in force", first(),
			[]string{"Where is your desk phone “Reception”?", "No address is sent", "port Gi1/0/2 of switch sw-4fl, site hq", "00:15:65:aa:bb:cc",
				"Monday, 16 March 2026, 08:01 UTC", "dial now", "The switch itself says: switch sw-4fl, port Gi1/0/2", "perch.example.com/p/" + gateway.TokenMark},
			[]string{"Before:", "We also asked", "confirm"}},
		{"add, default in force", withDefault(), []string{"Only a general address is sent: Headquarters"}, []string{"No address is sent"}},
		{"confirm", firstConfirm(),
			[]string{"Is your desk phone “Reception” at HQ, 4th floor?", "1 Main Street", "The address above is sent, unconfirmed", "chassis_id=sw-4fl port=Gi1/0/1-24"},
			[]string{"Only a general address", "Before:"}},
		{"moved", movedAdd(),
			[]string{"Before: port Gi1/0/7 of switch sw-3fl, site hq", "HQ, 3rd floor (1 Main Street", "We also asked bob@example.com, carol@example.com;"},
			[]string{"asked alice@example.com"}},
		{"another address in force", changed(), []string{"This address is sent: HQ, 3rd floor"}, []string{"The address above is sent"}},
		{"own personal address", ownPersonal(), []string{"You gave us this address", "Is this where your desk phone", "22 Oak Avenue"}, []string{"at Home?"}},
		{"another's personal address", hiddenPersonal(), []string{"a personal location of alice@example.com", "so it is not shown here"}, []string{"Oak Avenue", "Decatur"}},
		{"provisional", provisional(), []string{"Where is your desk phone 1001@pbx.example.com?", "circuit 000400140102 of relay sw-3fl"}, []string{"Hardware address", "Model"}},
		{"receipt", receipt(), []string{"From now on this address is sent", "Lindwurmstraße 7a", "at once", "new to the company", "Take this answer back", "perch.example.com/a/" + gateway.TokenMark}, []string{"Only you see", "telephone administrators", "Right now"}},
		{"receipt of a confirmation", confirmedReceipt(), []string{"From now on this address is sent", "this address needs no review"}, []string{"review your answer"}},
		{"receipt of a personal address", personalReceipt(), []string{"Only you see this address here", "22 Oak Avenue", "needs no review"}, nil},
		{"receipt for a place that was left", receiptElsewhere(), []string{"while it is at the place that you were asked about", "Right now this is sent instead: HQ, 3rd floor"}, []string{"From now on"}},
		{"receipt without an answer to take back", withoutAnswer(receipt()), []string{"Tell your telephone administrators"}, []string{gateway.TokenMark, "Take this answer back"}},
		{"answered", answered(), []string{"alice@example.com told us where desk phone “Reception” is", "HQ, 4th floor", "nothing for you to do", "That is not right", "The address above.", "perch.example.com/a/" + gateway.TokenMark}, []string{"review this answer"}},
		{"answered, under review", answeredClaim(), []string{"Lindwurmstraße 7a", "review this answer"}, nil},
		{"answered with a personal address", answeredPersonal(), []string{"alice@example.com gave a personal address", "Only alice@example.com sees what it says", "This address: a personal location of alice@example.com"}, []string{"Oak Avenue", "Decatur", "Home"}},
		{"objected", objected(), []string{"Withdrawn: your answer", "bob@example.com says that your answer", "HQ, 4th floor", "asked once more, in a mail of its own", "This address: HQ, 3rd floor"}, []string{gateway.TokenMark, "The address above.", "That is not right"}},
		{"not mine", notMine("bob@example.com"), []string{"alice@example.com says that desk phone “Reception” is not theirs", "Still asked about this phone: bob@example.com", "phones.csv", "users.csv", "No address."}, []string{gateway.TokenMark, "left to ask", "The answer was about"}},
		{"not mine, nobody left", notMine(), []string{"left to ask about this phone", "phones.csv"}, []string{"Still asked"}},
		{"claim", claim(), []string{"alice@example.com says", "alice@example.com is told your reason", "becomes a company location", "perch claims approve 1", "https://perch.example.com/c/" + gateway.TokenMark}, []string{"only down to its floor"}},
		{"claim on a subnet", subnetClaim(), []string{"root (on the command line) says", "only down to its floor", "network 10.1.2.0/24"}, []string{"becomes a company location", "is told your reason"}},
		{"approved", decision(gateway.ClaimApproved), []string{"was approved by rita@example.com", "The address above."}, []string{"ask you again"}},
		{"approved after the phone moved on", approvedElsewhere(), []string{"was approved", "This address: HQ, 3rd floor"}, []string{"The address above."}},
		{"rejected", decision(gateway.ClaimRejected), []string{"was not accepted by rita@example.com", "closed for building work", "we ask you again", "This address: HQ, 3rd floor"}, nil},
		{"emergency", emergency(),
			[]string{"dialled 911 on phone “Reception”", "1 Main Street", "Call back: +1 217 555 0101 (1001)", "14:03:22 UTC", "on its way",
				"The address was sent with the call.", "A user of the phone confirmed it.", "hq-3f, version 2", "port Gi1/0/7 of switch sw-3fl, site hq", "6 hours before the call",
				"00:15:65:aa:bb:cc", "perch alerts ack 3", "perch.example.com/e/" + gateway.TokenMark},
			[]string{"reminder", "has approved", "general address", "did not get through"}},
		{"emergency, reminder", emergencyReminder(),
			[]string{"this is reminder 2", "did not get through: refused by the telephone system (503)", "general address of the site", "just been plugged in",
				"nobody has approved it yet", "went out without it: the PBX answered 488", "+12175550100"}, nil},
		{"emergency, nothing known", emergencyUnknown(),
			[]string{"a phone that is not known", "not known which phone called", "Perch sent no address with the call: it is not known which phone calls", "it rings (180)", "2001:db8::7"},
			[]string{"Location:", "The address was sent"}},
		{"rejected, nothing in force", rejectedToNothing(), []string{"No reason was given.", "No address."}, []string{"This address:"}},
	}
	r := renderer(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			subject, _, body, err := r.Render(tt.letter)
			if err != nil {
				t.Fatal(err)
			}
			text, markup := parts(t, body)
			for part, content := range map[string]string{"text": subject + "\n" + text, "html": strip(markup)} {
				for _, want := range tt.say {
					if part == "html" && strings.Contains(want, "perch.example.com/") {
						continue // the HTML part has a button instead
					}
					if !strings.Contains(content, want) {
						t.Errorf("%s: got no %q in\n%s", part, want, content)
					}
				}
				for _, no := range tt.mustNot {
					if strings.Contains(content, no) {
						t.Errorf("%s: got %q in\n%s", part, no, content)
					}
				}
			}
		})
	}
}

func withoutAnswer(l gateway.Letter) gateway.Letter {
	l.Answer = nil
	return l
}

func TestNewRefuses(t *testing.T) {
	good := config
	tests := []struct {
		name   string
		change func(*Config)
	}{
		{"no sender", func(c *Config) { c.From = "" }},
		{"sender without a domain", func(c *Config) { c.From = "perch" }},
		{"sender beyond ASCII", func(c *Config) { c.From = "pérch@example.com" }},
		{"two senders", func(c *Config) { c.From = "a@example.com, b@example.com" }},
		{"no URL", func(c *Config) { c.URL = "" }},
		{"URL without a host", func(c *Config) { c.URL = "https:///portal" }},
		{"URL of another scheme", func(c *Config) { c.URL = "javascript:alert(1)" }},
		{"URL with a query", func(c *Config) { c.URL = "https://perch.example.com/?a=b" }},
		{"URL with a password", func(c *Config) { c.URL = "https://a:b@perch.example.com" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := good
			tt.change(&c)
			if _, err := New(c); err == nil {
				t.Errorf("New(%+v): got no error", c)
			}
		})
	}
}

func TestRenderRefusesUnknownPurpose(t *testing.T) {
	l := first()
	l.Purpose = gateway.MailDigest
	if _, _, _, err := renderer(t).Render(l); err == nil || !strings.Contains(err.Error(), "digest") {
		t.Errorf("got error %v, want one that names the purpose", err)
	}
}
