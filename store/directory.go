package store

import (
	"context"

	"perch/location"
	"perch/provisioning"
	"perch/sip"
)

var sites = table[provisioning.Site]{
	name:    "sites",
	columns: []string{"id", "name", "default_location_id", "timezone", "subnets", "ignore_subnets"},
	key:     1,
	fields: func(dst []any, x *provisioning.Site) []any {
		return append(dst, &x.ID, &x.Name, &x.DefaultLocation, &x.Timezone, listOf(&x.Subnets), listOf(&x.IgnoreSubnets))
	},
}

// locations holds every version of every location.
var locations = table[location.Location]{
	name: "locations",
	columns: []string{
		"id", "version", "parent_id", "kind", "owner", "name", "site",
		"country", "state", "county", "city", "pre_directional", "street", "street_suffix", "post_directional",
		"house_number", "house_number_suffix", "landmark", "building", "floor", "room", "unit", "postal_code",
		"additional", "elin", "pending", "retired",
	},
	key: 2,
	fields: func(dst []any, x *location.Location) []any {
		a := &x.Address
		return append(dst,
			&x.ID, &x.Version, &x.Parent, word{&x.Kind}, &x.Owner, &x.Name, &x.Site,
			&a.Country, &a.State, &a.County, &a.City, &a.PreDirectional, &a.Street, &a.StreetSuffix, &a.PostDirectional,
			&a.HouseNumber, &a.HouseNumberSuffix, &a.Landmark, &a.Building, &a.Floor, &a.Room, &a.Unit, &a.PostalCode,
			&a.Additional, &x.ELIN, &x.Pending, &x.Retired)
	},
}

// latest selects the version of each location that is in force.
const latest = "version = (SELECT max(version) FROM locations v WHERE v.id = locations.id)"

var users = table[provisioning.User]{
	name:    "users",
	columns: []string{"email", "name", "role", "site", "language", "aors"},
	key:     1,
	fields: func(dst []any, x *provisioning.User) []any {
		return append(dst, &x.Email, &x.Name, word{&x.Role}, &x.Site, &x.Language, textsOf(&x.AORs))
	},
}

var phones = table[provisioning.Phone]{
	name:    "phones",
	columns: []string{"mac", "kind", "label", "site", "users", "aors", "vendor", "model"},
	key:     1,
	fields: func(dst []any, x *provisioning.Phone) []any {
		return append(dst, word{&x.MAC}, word{&x.Kind}, &x.Label, &x.Site, textsOf(&x.Users), textsOf(&x.AORs), &x.Vendor, &x.Model)
	},
}

var lines = table[provisioning.Line]{
	name:    "lines",
	columns: []string{"aor", "auth_user", "secret", "display_name", "callback"},
	key:     1,
	fields: func(dst []any, x *provisioning.Line) []any {
		return append(dst, &x.AOR, &x.AuthUser, &x.Secret, &x.DisplayName, &x.Callback)
	},
}

// change writes one step of the directory's history: rows go before others are
// put.
func (w *writer) change(ctx context.Context, c *provisioning.Changes) error {
	goneSites := make([]provisioning.Site, len(c.GoneSites))
	for i, id := range c.GoneSites {
		goneSites[i].ID = id
	}
	goneUsers := make([]provisioning.User, len(c.GoneUsers))
	for i, email := range c.GoneUsers {
		goneUsers[i].Email = email
	}
	goneLines := make([]provisioning.Line, len(c.GoneLines))
	for i, aor := range c.GoneLines {
		goneLines[i].AOR = sip.AOR(aor)
	}
	return firstError(
		func() error { return remove(ctx, w, &lines, goneLines) },
		func() error { return remove(ctx, w, &sites, goneSites) },
		func() error { return remove(ctx, w, &users, goneUsers) },
		func() error { return remove(ctx, w, &phones, c.GonePhones) },
		func() error { return put(ctx, w, &sites, c.Put.Sites) },
		func() error { return put(ctx, w, &locations, c.Put.Locations) },
		func() error { return w.wiremap(ctx, c.GoneRules, c.Put.Rules) },
		func() error { return put(ctx, w, &users, c.Put.Users) },
		func() error { return put(ctx, w, &phones, c.Put.Phones) },
		func() error { return put(ctx, w, &lines, c.Put.Lines) },
	)
}

// firstError runs steps until one fails.
func firstError(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
