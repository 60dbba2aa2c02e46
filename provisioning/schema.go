package provisioning

import (
	"fmt"
	"net/mail"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a site's time zone must not depend on the machine
	"unicode"

	"perch/discovery"
	"perch/location"
	"perch/matcher"
	"perch/sip"
)

// column is one column of a table: how a cell is read into a row and written
// from it. Cells come without surrounding space; a blank cell is not read.
type column[T any] struct {
	name string
	set  func(row *T, cell string) error
	get  func(row *T) string
}

// schema is a table: its columns in the order of export, the first one required
// in each row, and what is wrong with a row as a whole.
type schema[T any] struct {
	columns  []column[T]
	required string
	check    func(*T) error
}

// text is a column that holds a text as it is.
func text[T any, S ~string](name string, field func(*T) *S) column[T] {
	return column[T]{
		name,
		func(row *T, cell string) error { *field(row) = S(cell); return nil },
		func(row *T) string { return string(*field(row)) },
	}
}

// list is a column of values separated by semicolons. A value given twice
// counts once.
func list[T any, V comparable](name string, field func(*T) *[]V, parse func(string) (V, error), format func(V) string) column[T] {
	set := func(row *T, cell string) error {
		var values []V
		for part := range strings.SplitSeq(cell, ";") {
			if part = strings.TrimSpace(part); part == "" {
				continue
			}
			v, err := parse(part)
			if err != nil {
				return err
			}
			if !slices.Contains(values, v) {
				values = append(values, v)
			}
		}
		*field(row) = values
		return nil
	}
	get := func(row *T) string {
		var parts []string
		for _, v := range *field(row) {
			parts = append(parts, format(v))
		}
		return strings.Join(parts, ";")
	}
	return column[T]{name, set, get}
}

func sitesSchema() schema[Site] {
	return schema[Site]{required: "id", columns: []column[Site]{
		text("id", func(s *Site) *string { return &s.ID }),
		text("name", func(s *Site) *string { return &s.Name }),
		text("default_location_id", func(s *Site) *location.ID { return &s.DefaultLocation }),
		{"timezone", func(s *Site, cell string) error {
			if _, err := time.LoadLocation(cell); err != nil || cell == "Local" {
				return fmt.Errorf("%q: want a name such as Europe/Berlin", cell)
			}
			s.Timezone = cell
			return nil
		}, func(s *Site) string { return s.Timezone }},
		list("subnets", func(s *Site) *[]netip.Prefix { return &s.Subnets }, ParsePrefix, netip.Prefix.String),
		list("ignore_subnets", func(s *Site) *[]netip.Prefix { return &s.IgnoreSubnets }, ParsePrefix, netip.Prefix.String),
	}}
}

func locationsSchema() schema[location.Location] {
	type row = location.Location
	s := schema[row]{required: "id", columns: []column[row]{
		text("id", func(l *row) *location.ID { return &l.ID }),
		text("parent_id", func(l *row) *location.ID { return &l.Parent }),
		{
			"kind", func(l *row, cell string) error { return l.Kind.UnmarshalText([]byte(cell)) },
			func(l *row) string { return l.Kind.String() },
		},
		email("owner", func(l *row) *string { return &l.Owner }),
		text("name", func(l *row) *string { return &l.Name }),
		text("site", func(l *row) *string { return &l.Site }),
	}}
	for _, name := range location.Columns() {
		s.columns = append(s.columns, column[row]{
			name, func(l *row, cell string) error { return l.Address.Set(name, cell) },
			func(l *row) string { v, _ := l.Address.Get(name); return v },
		})
	}
	s.columns = append(s.columns, text("elin", func(l *row) *string { return &l.ELIN }))
	return s
}

func wiremapSchema() schema[matcher.Rule] {
	type row = matcher.Rule
	return schema[row]{required: "location_id", check: func(r *row) error { return r.Check() }, columns: []column[row]{
		text("location_id", func(r *row) *location.ID { return &r.Location }),
		text("site", func(r *row) *string { return &r.Site }),
		text("chassis_id", func(r *row) *string { return &r.ChassisID }),
		text("port", func(r *row) *string { return &r.Port }),
		relayID("remote_id", func(r *row) *discovery.Hex { return &r.RemoteID }),
		relayID("circuit_id", func(r *row) *discovery.Hex { return &r.CircuitID }),
		text("bssid", func(r *row) *string { return &r.BSSID }),
		{"vlan", func(r *row, cell string) error {
			v, err := strconv.ParseUint(cell, 10, 16)
			if err != nil || v < 1 || v > 4094 {
				return fmt.Errorf("%q: want 1 to 4094", cell)
			}
			r.VLAN = uint16(v)
			return nil
		}, func(r *row) string {
			if r.VLAN == 0 {
				return ""
			}
			return strconv.Itoa(int(r.VLAN))
		}},
		prefix("subnet", func(r *row) *netip.Prefix { return &r.Subnet }),
		prefix("public_ip", func(r *row) *netip.Prefix { return &r.PublicIP }),
	}}
}

func usersSchema() schema[User] {
	return schema[User]{required: "email", columns: []column[User]{
		email("email", func(u *User) *string { return &u.Email }),
		text("name", func(u *User) *string { return &u.Name }),
		{
			"role", func(u *User, cell string) error { return u.Role.UnmarshalText([]byte(cell)) },
			func(u *User) string { return u.Role.String() },
		},
		text("site", func(u *User) *string { return &u.Site }),
		text("language", func(u *User) *string { return &u.Language }),
		list("aors", func(u *User) *[]sip.AOR { return &u.AORs }, ParseAOR, formatAOR),
	}}
}

func phonesSchema() schema[Phone] {
	return schema[Phone]{required: "mac", check: checkPhone, columns: []column[Phone]{
		{
			"mac", func(p *Phone, cell string) (err error) { p.MAC, err = discovery.ParseMAC(cell); return err },
			func(p *Phone) string { return p.MAC.String() },
		},
		{
			"kind", func(p *Phone, cell string) error { return p.Kind.UnmarshalText([]byte(cell)) },
			func(p *Phone) string { return p.Kind.String() },
		},
		text("label", func(p *Phone) *string { return &p.Label }),
		text("site", func(p *Phone) *string { return &p.Site }),
		list("users", func(p *Phone) *[]string { return &p.Users }, ParseEmail, func(s string) string { return s }),
		list("aors", func(p *Phone) *[]sip.AOR { return &p.AORs }, ParseAOR, formatAOR),
		{"vendor", func(p *Phone, cell string) (err error) { p.Vendor, err = ParseVendor(cell); return err }, func(p *Phone) string { return string(p.Vendor) }},
		{"model", func(p *Phone, cell string) error { p.Model = cell; return CheckModel(cell) }, func(p *Phone) string { return p.Model }},
	}}
}

func linesSchema() schema[Line] {
	return schema[Line]{required: "aor", check: checkLine, columns: []column[Line]{
		{"aor", func(l *Line, cell string) (err error) { l.AOR, err = ParseAOR(cell); return err }, func(l *Line) string { return string(l.AOR) }},
		text("auth_user", func(l *Line) *string { return &l.AuthUser }),
		text("secret", func(l *Line) *Secret { return &l.Secret }),
		text("display_name", func(l *Line) *string { return &l.DisplayName }),
		text("callback", func(l *Line) *string { return &l.Callback }),
	}}
}

// CheckPhone puts a phone that comes from elsewhere than a file into the form in which the
// files have it, and refuses what those refuse.
func CheckPhone(p *Phone) (err error) {
	if p.MAC.Nobody() {
		return fmt.Errorf("%s is no device", p.MAC)
	}
	if p.Vendor != "" {
		if p.Vendor, err = ParseVendor(string(p.Vendor)); err != nil {
			return err
		}
	}
	if err := CheckModel(p.Model); err != nil {
		return err
	}
	if strings.ContainsFunc(p.Label, unicode.IsControl) {
		return fmt.Errorf("label %q: no line breaks and control characters", p.Label)
	}
	for i, a := range p.AORs {
		if p.AORs[i], err = ParseAOR(string(a)); err != nil {
			return err
		}
	}
	for i, u := range p.Users {
		if p.Users[i], err = ParseEmail(u); err != nil {
			return err
		}
	}
	return nil
}

// checkPhone refuses addresses that can name no device; a phone whose kind is
// left blank is a desk phone.
func checkPhone(p *Phone) error {
	if p.MAC.Nobody() {
		return fmt.Errorf("mac %s: no device has this address", p.MAC)
	}
	if p.Kind == UnknownKind {
		p.Kind = Desk
	}
	return nil
}

func email[T any](name string, field func(*T) *string) column[T] {
	return column[T]{
		name, func(row *T, cell string) (err error) { *field(row), err = ParseEmail(cell); return err },
		func(row *T) string { return *field(row) },
	}
}

func relayID[T any](name string, field func(*T) *discovery.Hex) column[T] {
	return column[T]{
		name, func(row *T, cell string) error { *field(row) = matcher.ParseRelayID(cell); return nil },
		func(row *T) string { return matcher.FormatRelayID(*field(row)) },
	}
}

func prefix[T any](name string, field func(*T) *netip.Prefix) column[T] {
	return column[T]{
		name, func(row *T, cell string) (err error) { *field(row), err = ParsePrefix(cell); return err },
		func(row *T) string { return matcher.FormatPrefix(*field(row)) },
	}
}

// ParseEmail reads a bare mail address and puts it in lower case, the form in
// which users are named everywhere.
func ParseEmail(s string) (string, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	if plainEmail(s) {
		return s, nil
	}
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || strings.ContainsAny(s, "; \"") {
		return "", fmt.Errorf("%q: want an email address", s)
	}
	return s, nil
}

// plainEmail reports whether an address is made of two dot-atoms (RFC 5322 section
// 3.2.3) of letters, digits and what else is usual in them, as nearly all are.
func plainEmail(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	return ok && dotAtom(local) && dotAtom(domain)
}

func dotAtom(s string) bool {
	dot := true // before the first character, too
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_', c == '+':
			dot = false
		case c == '.' && !dot:
			dot = true
		default:
			return false
		}
	}
	return !dot
}

// ParsePrefix reads a prefix, or an address as the prefix of itself alone.
func ParsePrefix(s string) (netip.Prefix, error) {
	if strings.IndexByte(s, '/') < 0 {
		if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
			a = a.Unmap()
			return netip.PrefixFrom(a, a.BitLen()), nil
		}
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil || p.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("%q: want a network such as 10.1.2.0/24, or an address", s)
	case p != p.Masked():
		return netip.Prefix{}, fmt.Errorf("%q: the network is %s", s, p.Masked())
	}
	return p, nil
}

// ParseAOR reads an AOR of the CSV files: the scheme may be left out.
func ParseAOR(s string) (sip.AOR, error) {
	if !strings.Contains(s, ":") || !strings.HasPrefix(strings.ToLower(s), "sip") {
		s = "sip:" + s
	}
	return sip.ParseAOR(s)
}

func formatAOR(a sip.AOR) string { return string(a) }
