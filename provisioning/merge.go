package provisioning

import (
	"slices"

	"perch/location"
	"perch/matcher"
)

// Merge takes CSV files into a directory's content and returns the content
// after it, with the changes that lead there. Rows are added or replaced by
// key; unchanged ones are no change. With replace, rows of a given file's table
// that no file has are removed: locations are retired, but those of open claims
// stay. A user who is removed takes along the personal locations that no file
// has, and their rules. The error, *Errors, is of two files with the same key;
// references are for NewDirectory to check.
func Merge(base Content, files []File, replace bool) (Content, Changes, error) {
	m := merge{replace: replace}
	var c Changes
	c.Put.Sites, c.GoneSites = mergeRows(&m, Sites, base.Sites, files, func(f File) []Site { return f.Content.Sites },
		compareSites, equalSites, func(s Site) string { return s.ID })
	c.Put.Users, c.GoneUsers = mergeRows(&m, Users, base.Users, files, func(f File) []User { return f.Content.Users },
		compareUsers, equalUsers, func(u User) string { return u.Email })
	var gone []string
	c.Put.Phones, gone = mergeRows(&m, Phones, base.Phones, files, func(f File) []Phone { return f.Content.Phones },
		comparePhones, equalPhones, func(p Phone) string { return p.MAC.String() })
	for _, p := range base.Phones {
		if len(gone) > 0 && p.MAC.String() == gone[0] {
			c.GonePhones, gone = append(c.GonePhones, Phone{MAC: p.MAC}), gone[1:]
		}
	}
	c.Put.Lines, c.GoneLines = mergeRows(&m, Lines, base.Lines, files, func(f File) []Line { return f.Content.Lines },
		compareLines, func(a, b Line) bool { return a == b }, func(l Line) string { return string(l.AOR) })
	c.Put.Locations = m.locations(base.Locations, files, c.GoneUsers)
	c.Put.Rules, c.GoneRules = m.rules(base.Rules, files, c.Put.Locations)
	if err := m.errs.err(); err != nil {
		return Content{}, Changes{}, err
	}
	return Patch(base, c), c, nil
}

type merge struct {
	replace bool
	errs    Errors
}

func mergeRows[T any](m *merge, t Table, base []T, files []File, rowsOf func(File) []T,
	compare func(a, b T) int, equal func(a, b T) bool, name func(T) string,
) (put []T, gone []string) {
	rows, given := collect(m, t, files, rowsOf, compare, name)
	if len(base) == 0 {
		return rows, nil // a first import
	}
	for _, row := range rows {
		i, found := slices.BinarySearchFunc(base, row, compare)
		if !found || !equal(base[i], row) {
			put = append(put, row)
		}
	}
	if m.replace && given {
		for _, row := range base {
			if _, found := slices.BinarySearchFunc(rows, row, compare); !found {
				gone = append(gone, name(row))
			}
		}
	}
	return put, gone
}

// collect joins the rows of all files of a table, sorted.
func collect[T any](m *merge, t Table, files []File, rowsOf func(File) []T, compare func(a, b T) int, name func(T) string) (rows []T, given bool) {
	for _, f := range files {
		if f.Table != t {
			continue
		}
		if !given {
			rows, given = rowsOf(f), true // sorted, as ReadFile gives them
			continue
		}
		for _, row := range rowsOf(f) {
			if _, found := slices.BinarySearchFunc(rows, row, compare); found {
				m.errs.addf("%s: %s is in another file, too", f.Name, name(row))
			}
		}
		rows = append(slices.Clip(rows), rowsOf(f)...)
		sortRows(rows, compare)
	}
	return rows, given
}

// locations returns the locations that change. An edit makes a new version, and
// a row brings a retired location back.
func (m *merge) locations(base []location.Location, files []File, goneUsers []string) []location.Location {
	rows, given := collect(m, Locations, files, func(f File) []location.Location { return f.Content.Locations },
		compareLocations, func(l location.Location) string { return string(l.ID) })
	put := make([]location.Location, 0, len(rows))
	for _, l := range rows {
		l.Version = 1
		if i, found := slices.BinarySearchFunc(base, l, compareLocations); found {
			old := base[i]
			if equalLocations(old, l) && !old.Retired {
				continue
			}
			l.Version, l.Pending = old.Version+1, old.Pending
		}
		put = append(put, l)
	}
	for _, l := range base {
		_, kept := slices.BinarySearchFunc(rows, l, compareLocations)
		_, orphan := slices.BinarySearch(goneUsers, l.Owner)
		if kept || l.Retired || !(m.replace && given && !l.Pending) && !(l.Kind == location.Personal && orphan) {
			continue
		}
		l.Retired, l.Version = true, l.Version+1
		put = append(put, l)
	}
	slices.SortFunc(put, compareLocations)
	return orNil(put)
}

// rules returns the rules that change: those of the files that are new or lead
// elsewhere, and those that go, because no file has them or because their
// personal location was retired.
func (m *merge) rules(base []matcher.Rule, files []File, changed []location.Location) (put, gone []matcher.Rule) {
	var rows []matcher.Rule
	given := false
	for _, f := range files {
		if f.Table == Wiremap {
			rows, given = append(slices.Clip(rows), f.Content.Rules...), true
		}
	}
	personal := map[location.ID]bool{}
	for _, l := range changed {
		if l.Retired && l.Kind == location.Personal {
			personal[l.ID] = true
		}
	}
	if !given && len(personal) == 0 {
		return nil, nil
	}
	sortRows(rows, matcher.Compare)
	if len(base) == 0 {
		return rows, nil
	}
	old, now := newRuleSet(base), newRuleSet(rows)
	for _, r := range rows {
		if !sameRules(old.of(r), now.of(r)) {
			put = append(put, r)
		}
	}
	for _, r := range base {
		if len(now.of(r)) == 0 && (m.replace && given || personal[r.Location]) {
			gone = append(gone, r)
		}
	}
	for _, r := range put {
		gone = append(gone, old.of(r)...)
	}
	for i := range gone {
		gone[i].Location, gone[i].Line = "", 0
	}
	slices.SortFunc(gone, matcher.Compare)
	return put, slices.Compact(gone)
}

// sameRules reports whether two groups of rules of one key say the same in the
// same words.
func sameRules(a, b []matcher.Rule) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.SortFunc(a, matcher.Compare)
	slices.SortFunc(b, matcher.Compare)
	equal := func(a, b matcher.Rule) bool { return matcher.Compare(a, b) == 0 }
	return slices.EqualFunc(slices.CompactFunc(a, equal), slices.CompactFunc(b, equal), equal)
}
