package provisioning

import (
	"hash/maphash"
	"slices"

	"perch/location"
	"perch/matcher"
	"perch/sip"
)

// Patch returns the content after changes. It does not touch base, but shares
// with it the lists that do not change.
func Patch(base Content, c Changes) Content {
	site := func(id string) Site { return Site{ID: id} }
	user := func(email string) User { return User{Email: email} }
	line := func(aor string) Line { return Line{AOR: sip.AOR(aor)} }
	return Content{
		Sites:     patchRows(base.Sites, keys(c.GoneSites, site), c.Put.Sites, compareSites),
		Locations: patchRows(base.Locations, nil, c.Put.Locations, compareLocations),
		Rules:     patchRules(base.Rules, c.GoneRules, c.Put.Rules),
		Users:     patchRows(base.Users, keys(c.GoneUsers, user), c.Put.Users, compareUsers),
		Phones:    patchRows(base.Phones, c.GonePhones, c.Put.Phones, comparePhones),
		Lines:     patchRows(base.Lines, keys(c.GoneLines, line), c.Put.Lines, compareLines),
	}
}

func keys[T any](names []string, row func(string) T) []T {
	rows := make([]T, len(names))
	for i, name := range names {
		rows[i] = row(name)
	}
	return rows
}

// patchRows takes rows sorted by compare, removes those equal to one of gone and
// adds or replaces those of put.
func patchRows[T any](rows, gone, put []T, compare func(a, b T) int) []T {
	if len(gone)+len(put) == 0 {
		return rows
	}
	gone, put = slices.Clone(gone), slices.Clone(put)
	sortRows(gone, compare)
	sortRows(put, compare)
	if len(rows) == 0 {
		return orNil(put)
	}
	out := make([]T, 0, len(rows)+len(put))
	has := func(list []T, row T) bool {
		_, found := slices.BinarySearchFunc(list, row, compare)
		return found
	}
	for _, row := range rows {
		for len(put) > 0 && compare(put[0], row) < 0 {
			out, put = append(out, put[0]), put[1:]
		}
		if !has(gone, row) && !has(put, row) {
			out = append(out, row)
		}
	}
	return orNil(append(out, put...))
}

// orNil makes no difference between a list that was emptied and one that never
// had a row.
func orNil[T any](rows []T) []T {
	if len(rows) == 0 {
		return nil
	}
	return rows
}

func patchRules(rules, gone, put []matcher.Rule) []matcher.Rule {
	if len(gone)+len(put) == 0 {
		return rules
	}
	out := make([]matcher.Rule, 0, len(rules)+len(put))
	if len(rules) > 0 {
		leaving := newRuleSet(slices.Concat(gone, put))
		for _, r := range rules {
			if len(leaving.of(r)) == 0 {
				out = append(out, r)
			}
		}
	}
	out = append(out, put...)
	sortRows(out, matcher.Compare)
	return orNil(slices.CompactFunc(out, func(a, b matcher.Rule) bool { return matcher.Compare(a, b) == 0 }))
}

// ruleSet finds rules by key without keeping the keys: a million of them would
// weigh more than the rules.
type ruleSet struct {
	seed  maphash.Seed
	rules []matcher.Rule
	at    map[uint64][]int32 // indexes of rules by hash of their key
}

func newRuleSet(rules []matcher.Rule) *ruleSet {
	s := &ruleSet{maphash.MakeSeed(), rules, make(map[uint64][]int32, len(rules))}
	for i, r := range rules {
		h := maphash.Comparable(s.seed, r.Key())
		s.at[h] = append(s.at[h], int32(i))
	}
	return s
}

// of returns the rules of r's key, in their order.
func (s *ruleSet) of(r matcher.Rule) []matcher.Rule {
	k := r.Key()
	var found []matcher.Rule
	for _, i := range s.at[maphash.Comparable(s.seed, k)] {
		if s.rules[i].Key() == k {
			found = append(found, s.rules[i])
		}
	}
	return found
}

func equalSites(a, b Site) bool {
	return a.ID == b.ID && a.Name == b.Name && a.DefaultLocation == b.DefaultLocation && a.Timezone == b.Timezone &&
		slices.Equal(a.Subnets, b.Subnets) && slices.Equal(a.IgnoreSubnets, b.IgnoreSubnets)
}

func equalUsers(a, b User) bool {
	return a.Email == b.Email && a.Name == b.Name && a.Role == b.Role && a.Site == b.Site &&
		a.Language == b.Language && slices.Equal(a.AORs, b.AORs)
}

func equalPhones(a, b Phone) bool {
	return a.MAC == b.MAC && a.Kind == b.Kind && a.Label == b.Label && a.Site == b.Site && a.Vendor == b.Vendor && a.Model == b.Model &&
		slices.Equal(a.Users, b.Users) && slices.Equal(a.AORs, b.AORs)
}

// equalLocations compares what a CSV row says.
func equalLocations(a, b location.Location) bool {
	a.Version, a.Pending, a.Retired = b.Version, b.Pending, b.Retired
	return a == b
}
