package provisioning

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"perch/location"
	"perch/matcher"
)

// ReadFile reads a CSV file, whose base name says which table it holds: a
// header, then a row a line, columns in any order. A byte order mark and CRLF
// are accepted; rows without any cell are skipped. Every bad line is reported
// in *Errors as "FILE:LINE: what", the header being line 1; references between
// tables are not looked at. Rows come back sorted by key.
func ReadFile(name string, r io.Reader) (File, error) {
	f := File{Name: name}
	t, err := TableOf(name)
	if err != nil {
		return f, err
	}
	f.Table = t
	c := &f.Content
	switch t {
	case Sites:
		c.Sites, err = readRows(name, r, sitesSchema(), compareSites)
	case Locations:
		c.Locations, err = readRows(name, r, locationsSchema(), compareLocations)
	case Wiremap:
		c.Rules, err = readRows(name, r, wiremapSchema(), matcher.Compare)
	case Users:
		c.Users, err = readRows(name, r, usersSchema(), compareUsers)
	case Phones:
		c.Phones, err = readRows(name, r, phonesSchema(), comparePhones)
	case Lines:
		c.Lines, err = readRows(name, r, linesSchema(), compareLines)
	}
	return f, err
}

// Export writes one table of a directory as CSV, so that ReadFile reads the
// same rows. Locations that are retired, or pending with a claim, are left out:
// the file could not say so. Cells are written as they are: what a spreadsheet
// makes of a text that begins with "=" is not changed here. Secrets are sealed.
func Export(w io.Writer, t Table, c Content) error {
	switch t {
	case Sites:
		return writeRows(w, sitesSchema(), c.Sites)
	case Locations:
		live := slices.DeleteFunc(slices.Clone(c.Locations), func(l location.Location) bool { return !l.Live() })
		return writeRows(w, locationsSchema(), live)
	case Wiremap:
		return writeRows(w, wiremapSchema(), c.Rules)
	case Users:
		return writeRows(w, usersSchema(), c.Users)
	case Lines:
		return writeRows(w, linesSchema(), c.Lines)
	}
	return writeRows(w, phonesSchema(), c.Phones)
}

func writeRows[T any](w io.Writer, s schema[T], rows []T) error {
	out := csv.NewWriter(w)
	cells := make([]string, len(s.columns))
	for i, c := range s.columns {
		cells[i] = c.name
	}
	err := out.Write(cells)
	for r := range rows {
		for i, c := range s.columns {
			cells[i] = c.get(&rows[r])
		}
		err = errors.Join(err, out.Write(cells))
	}
	out.Flush()
	return errors.Join(err, out.Error())
}

// reader reads the rows of one file.
type reader[T any] struct {
	name    string
	schema  schema[T]
	csv     *csv.Reader
	columns []*column[T] // as the header has them
	errs    Errors
}

// numbered is a row with the line where it starts.
type numbered[T any] struct {
	row  T
	line int
}

// firstRows is how many rows there is room for at first.
const firstRows = 64

func readRows[T any](name string, r io.Reader, s schema[T], compare func(a, b T) int) ([]T, error) {
	br := bufio.NewReader(r)
	if mark, err := br.Peek(3); err == nil && string(mark) == "\ufeff" {
		_, _ = br.Discard(3) // was peeked at
	}
	rd := &reader[T]{name: name, schema: s, csv: csv.NewReader(br)}
	rd.csv.FieldsPerRecord, rd.csv.ReuseRecord = -1, true
	if !rd.header() {
		return nil, rd.errs.err()
	}
	var rows []numbered[T]
	row := new(T)
	for {
		cells, err := rd.csv.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			if !rd.fault(err) {
				return nil, rd.errs.err()
			}
			continue
		}
		line, _ := rd.csv.FieldPos(0)
		var none T
		if *row = none; rd.row(line, cells, row) {
			if len(rows) == cap(rows) {
				rows = slices.Grow(rows, len(rows)+firstRows) // append grows big lists by a quarter
			}
			rows = append(rows, numbered[T]{*row, line})
		}
	}
	sortRows(rows, func(a, b numbered[T]) int { return compare(a.row, b.row) })
	return rd.unique(rows, compare), rd.errs.err()
}

// fault reports an error of the CSV format itself, or of reading, and whether
// reading can go on.
func (rd *reader[T]) fault(err error) bool {
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		rd.errs.addf("%s:%d: %w", rd.name, parse.StartLine, parse.Err)
		return true
	}
	rd.errs.addf("%s: %w", rd.name, err)
	return false
}

func (rd *reader[T]) header() bool {
	cells, err := rd.csv.Read()
	if errors.Is(err, io.EOF) {
		rd.errs.addf("%s:1: no header: want %s", rd.name, strings.Join(rd.known(), ","))
		return false
	}
	if err != nil {
		rd.fault(err)
		return false
	}
	names := make([]string, len(cells))
	for i, cell := range cells {
		names[i] = strings.ToLower(strings.TrimSpace(cell))
		at := slices.IndexFunc(rd.schema.columns, func(c column[T]) bool { return c.name == names[i] })
		switch {
		case at < 0:
			rd.errs.addf("%s:1: unknown column %q: want %s", rd.name, names[i], strings.Join(rd.known(), ","))
			continue
		case slices.Contains(names[:i], names[i]):
			rd.errs.addf("%s:1: column %s is given twice", rd.name, names[i])
		}
		rd.columns = append(rd.columns, &rd.schema.columns[at])
	}
	if !slices.Contains(names, rd.schema.required) {
		rd.errs.addf("%s:1: no column %s", rd.name, rd.schema.required)
	}
	return len(rd.errs.List) == 0
}

func (rd *reader[T]) known() []string {
	names := make([]string, len(rd.schema.columns))
	for i, c := range rd.schema.columns {
		names[i] = c.name
	}
	return names
}

// row reads one row, into one that is empty. All its bad cells are reported, in one
// error.
func (rd *reader[T]) row(line int, cells []string, row *T) bool {
	var bad []string
	filled, key := false, false
	if len(cells) > len(rd.columns) && strings.Trim(strings.Join(cells[len(rd.columns):], ""), " ") != "" {
		bad = append(bad, fmt.Sprintf("%d cells for %d columns", len(cells), len(rd.columns)))
	}
	for i, cell := range cells[:min(len(cells), len(rd.columns))] {
		c := rd.columns[i]
		if cell = strings.TrimSpace(cell); cell == "" {
			continue
		}
		filled = true
		key = key || c.name == rd.schema.required
		err := location.CheckText(cell)
		if err == nil {
			err = c.set(row, cell)
		}
		if err != nil {
			bad = append(bad, strings.TrimPrefix(err.Error(), c.name+" "))
			bad[len(bad)-1] = c.name + " " + bad[len(bad)-1]
		}
	}
	switch {
	case len(bad) > 0:
	case !filled:
		return false
	case !key:
		bad = append(bad, "no "+rd.schema.required)
	case rd.schema.check != nil:
		if err := rd.schema.check(row); err != nil {
			bad = append(bad, err.Error())
		}
	}
	if len(bad) > 0 {
		rd.errs.addf("%s:%d: %s", rd.name, line, strings.Join(bad, "; "))
	}
	if rule, ok := any(row).(*matcher.Rule); ok {
		rule.Line = line
	}
	return len(bad) == 0
}

// unique reports rows that repeat the key of an earlier line. Of rules, which
// have no key but what they say, repetition is harmless and left out.
func (rd *reader[T]) unique(rows []numbered[T], compare func(a, b T) int) []T {
	out := make([]T, 0, len(rows))
	type repeat struct{ line, first int }
	var repeats []repeat
	first := 0 // index in rows of the first row with the current key
	for i := range rows {
		if i > 0 && compare(rows[first].row, rows[i].row) == 0 {
			repeats = append(repeats, repeat{rows[i].line, rows[first].line})
			continue
		}
		first = i
		out = append(out, rows[i].row)
	}
	if _, rules := any(out).([]matcher.Rule); rules || len(repeats) == 0 {
		return out
	}
	for _, r := range repeats {
		rd.errs.addf("%s:%d: the same %s as in line %d", rd.name, r.line, rd.schema.required, r.first)
	}
	return out
}
