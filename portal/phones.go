package portal

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"perch/discovery"
	"perch/gateway"
	"perch/gateway/words"
	"perch/provisioning"
	"perch/sip"
)

// Phones is what the page of phones that wait needs: who they are, and to have one adopted.
type Phones interface {
	// WaitingPhones returns those that an admin may adopt, the ones of their site if they have
	// one.
	WaitingPhones(reader string) Waiting
	// Adopt lists a phone, and lets it fetch its configuration for an hour. It is durable when
	// it returns; what cannot be done is a *gateway.Refusal.
	Adopt(ctx context.Context, p provisioning.Phone, by string) error
}

// Waiting is what waits for an admin, and what was let in already.
type Waiting struct {
	Phones []WaitingPhone
	Open   []OpenWindow
}

// WaitingPhone is a phone that nobody has listed, or that asks without its password.
type WaitingPhone struct {
	MAC      discovery.MAC
	Listed   bool // it asks without the password that it had
	First    bool // likewise, and it has not fetched any yet
	Vendor   provisioning.Vendor
	Model    string
	Firmware string
	Label    string
	Site     string
	Source   netip.Addr // invalid: not known
	Asked    bool       // for its configuration; else it was heard alone
	Last     time.Time
}

// OpenWindow is a phone that may fetch its configuration without a password.
type OpenWindow struct {
	MAC   discovery.MAC
	Label string
	Until time.Time
}

// phonesView is the page.
type phonesView struct {
	Waiting []waitingView
	Open    []openView
}

type waitingView struct {
	*WaitingPhone
	Name     string // of model
	Where    string
	When     string
	ID       string // of its form
	LabelNow string // what stands in the form
	Lines    string
	Users    string
	Wrong    map[string]string // by field
	MoreOpen bool
}

type openView struct{ Name, Until string }

// adoption is what somebody typed of one phone.
type adoption struct {
	mac                 string
	label, lines, users string
	wrong               map[string]string
}

// behindPhones makes the handler of the page for admins.
func (h *Handler) behindPhones() http.Handler {
	return h.methods(true, func(v *visit) {
		v.path = phones.path(0)
		var ok bool
		if v.who, ok = v.reader(phones, 0); !ok || v.phones == nil {
			v.closed()
			return
		}
		if v.r.Method != http.MethodPost {
			v.showPhones(http.StatusOK, nil, adoption{})
			return
		}
		if v.readForm() {
			v.adopt()
		}
	})
}

func (v *visit) showPhones(status int, n *notice, typed adoption) {
	w, now := v.phones.WaitingPhones(v.who), v.office.Now()
	var p phonesView
	for i := range w.Phones {
		x := &w.Phones[i]
		id := x.MAC.Hex()
		c := waitingView{WaitingPhone: x, ID: id, Name: words.Clean(strings.TrimSpace(vendorName(x.Vendor)+" "+x.Model), words.MaxName), When: words.Age(now.Sub(x.Last)) + " ago"}
		c.Label = words.Clean(x.Label, words.MaxName)
		v.office.Read(func(d *provisioning.Directory) {
			s, _ := d.Site(x.Site)
			c.Where = words.Clean(s.Name, words.MaxName)
			if c.Where == "" {
				c.Where = words.Clean(x.Site, words.MaxName)
			}
		})
		if typed.mac == x.MAC.String() {
			c.LabelNow, c.Lines, c.Users, c.Wrong = shown(typed.label), shown(typed.lines), shown(typed.users), typed.wrong
			c.MoreOpen = true
		}
		p.Waiting = append(p.Waiting, c)
	}
	for _, x := range w.Open {
		name := words.Clean(x.Label, words.MaxName)
		if name == "" {
			name = x.MAC.String()
		} else {
			name += " (" + x.MAC.String() + ")"
		}
		p.Open = append(p.Open, openView{name, words.Age(x.Until.Sub(now))})
	}
	title := "Phones that wait"
	if len(p.Waiting) > 0 {
		title = fmt.Sprintf("(%d) %s", len(p.Waiting), title)
	}
	v.show(status, "phones", title, n, p)
}

// vendorName is as the vendor writes it.
func vendorName(v provisioning.Vendor) string {
	if v == "" {
		return "Phone"
	}
	return strings.ToUpper(string(v[:1])) + string(v[1:])
}

// maxLabel is how long what people call a phone may be, in octets.
const maxLabel = 100

// adopt takes the button of a phone.
func (v *visit) adopt() {
	f := v.r.PostForm
	t := adoption{mac: f.Get("mac"), label: f.Get("label"), lines: f.Get("lines"), users: f.Get("users"), wrong: map[string]string{}}
	mac, err := discovery.ParseMAC(t.mac)
	if err != nil {
		v.badForm()
		return
	}
	p := provisioning.Phone{MAC: mac, Label: tidy(t.label)}
	if len(p.Label) > maxLabel {
		t.wrong["label"] = fmt.Sprintf("Please use %d characters at most.", maxLabel)
	}
	for _, a := range strings.FieldsFunc(t.lines, separates) {
		aor, err := provisioning.ParseAOR(a)
		if err != nil || !strings.Contains(a, "@") {
			t.wrong["lines"] = "Please write lines such as 101@example.com, with commas between them."
		}
		p.AORs = append(p.AORs, sip.AOR(aor))
	}
	for _, u := range strings.FieldsFunc(t.users, separates) {
		email, err := provisioning.ParseEmail(u)
		if err != nil {
			t.wrong["users"] = "Please write email addresses, with commas between them."
		}
		p.Users = append(p.Users, email)
	}
	if len(t.wrong) > 0 {
		v.showPhones(http.StatusUnprocessableEntity, nil, t)
		return
	}
	var refused *gateway.Refusal
	switch err := v.phones.Adopt(v.r.Context(), p, v.who); {
	case err == nil:
		v.redirect(v.path)
	case errors.As(err, &refused):
		v.showPhones(http.StatusConflict, v.refused(err, words.Clean(refused.What, 200)+"."), t)
	default:
		v.showPhones(http.StatusServiceUnavailable, v.unsaved(err), t)
	}
}

func separates(r rune) bool {
	return r == ',' || r == ';' || r == ' ' || r == '\n' || r == '\r' || r == '\t'
}
