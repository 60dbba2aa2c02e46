package provisioning

import (
	"maps"
	"net/netip"
	"slices"

	"perch/discovery"
	"perch/location"
	"perch/sip"
)

// Phone returns a listed phone.
func (d *Directory) Phone(m discovery.MAC) (Phone, bool) { return d.phones.get(m) }

// Phones returns all listed phones, by MAC.
func (d *Directory) Phones() []Phone { return d.phones.sorted(comparePhones) }

// Line returns a listed line.
func (d *Directory) Line(a sip.AOR) (Line, bool) { return d.lines.get(a) }

// Lines returns all listed lines, by AOR.
func (d *Directory) Lines() []Line { return d.lines.sorted(compareLines) }

// User returns the user of an email, which is in lower case.
func (d *Directory) User(email string) (User, bool) { return d.users.get(email) }

// Users returns all users, by email.
func (d *Directory) Users() []User { return d.users.sorted(compareUsers) }

// Site returns a site.
func (d *Directory) Site(id string) (Site, bool) { return d.sites.get(id) }

// Sites returns all sites, by id.
func (d *Directory) Sites() []Site { return d.sites.sorted(compareSites) }

// Location returns a location, which may be retired or pending.
func (d *Directory) Location(id location.ID) (location.Location, bool) { return d.tree.Get(id) }

// PhonesOfAOR returns the phones that list a line.
func (d *Directory) PhonesOfAOR(a sip.AOR) []discovery.MAC { return d.aorPhones[a] }

// UsersOfAOR returns the emails of the users that list a line.
func (d *Directory) UsersOfAOR(a sip.AOR) []string { return d.aorUsers[a] }

// AORs returns all lines that a phone, a user or a line lists, in order.
func (d *Directory) AORs() []sip.AOR {
	all := slices.AppendSeq(slices.Collect(maps.Keys(d.aorPhones)), maps.Keys(d.aorUsers))
	for _, l := range d.Lines() {
		all = append(all, l.AOR)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// AORListed reports whether a phone or a user lists a line.
func (d *Directory) AORListed(a sip.AOR) bool {
	return len(d.aorPhones[a]) > 0 || len(d.aorUsers[a]) > 0
}

// Admins returns the emails of the admins of a site and of those of all sites.
func (d *Directory) Admins(site string) []string { return d.staffOf(site, Admin) }

// AllAdmins returns the emails of the admins of any site.
func (d *Directory) AllAdmins() []string {
	return slices.DeleteFunc(slices.Clone(d.staff), func(email string) bool {
		u, _ := d.users.get(email)
		return u.Role < Admin
	})
}

// Reviewers returns the emails of the reviewers and admins of a site and of
// those of all sites.
func (d *Directory) Reviewers(site string) []string { return d.staffOf(site, Reviewer) }

func (d *Directory) staffOf(site string, least Role) []string {
	var emails []string
	for _, email := range d.staff {
		u, _ := d.users.get(email)
		if u.Role >= least && (u.Site == "" || u.Site == site) {
			emails = append(emails, email)
		}
	}
	return emails
}

// SiteSubnet returns the longest of a site's subnets that contains an address.
func (d *Directory) SiteSubnet(site string, ip netip.Addr) (netip.Prefix, bool) {
	subnets := d.subnets[site]
	if ip = ip.Unmap(); subnets == nil || !ip.IsValid() || ip.Zone() != "" {
		return netip.Prefix{}, false
	}
	return subnets.LookupPrefixLPM(netip.PrefixFrom(ip, ip.BitLen()))
}

// Ignored returns the longest network on a site's ignore list that contains an
// address. Where the site is not known, the lists of all sites count.
func (d *Directory) Ignored(site string, ip netip.Addr) (netip.Prefix, bool) {
	return d.wiremap.Ignored(site, ip)
}
