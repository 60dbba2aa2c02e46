package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"perch/gateway"
)

// entry is one row of meta: a single value that is not a record.
type entry struct{ Key, Value string }

var meta = table[entry]{
	name:    "meta",
	columns: []string{"key", "value"},
	key:     1,
	fields:  func(dst []any, x *entry) []any { return append(dst, &x.Key, &x.Value) },
}

// The keys of meta, besides those of counters.
const (
	typeKey   = "type"
	timeKey   = "time"
	secretKey = "instance_key" // hex; of a live database
	eventKey  = "last_event"
	changeKey = "last_change" // how many changes of the directory there were

	// trackerKey is large and written at checkpoints only.
	trackerKey = "tracker"
)

// number is a value of meta that counts something.
type number struct {
	key string
	n   *int64
}

func counters(c *gateway.Counters) []number {
	return []number{
		{"last_prompt", &c.Prompt},
		{"last_claim", &c.Claim},
		{"last_answer", &c.Answer},
		{eventKey, &c.Event},
		{"last_mail", &c.Mail},
		{"last_location", &c.Location},
		{"last_emergency", &c.Emergency},
	}
}

// marks are the rows of meta without the tracker: whoever writes leaves a trace
// in them. Every batch with events, mails or new records raises a counter, one
// with changes of the directory their number, and a checkpoint the time.
type marks map[string]string

func readMarks(ctx context.Context, q querier) (marks, error) {
	found := marks{}
	err := each(ctx, q, &meta, selection{where: "key <> $1", args: []any{trackerKey}},
		func(x entry) { found[x.Key] = x.Value })
	return found, err
}

// after returns the marks as a batch leaves them.
func (m marks) after(b *gateway.Batch) (marks, error) {
	left := maps.Clone(m)
	left[typeKey] = string(b.Type)
	left[timeKey] = "0"
	if !b.Time.IsZero() {
		left[timeKey] = strconv.FormatInt(b.Time.UnixMicro(), 10)
	}
	ids := b.Counters
	for _, c := range counters(&ids) {
		left[c.key] = strconv.FormatInt(*c.n, 10)
	}
	if !b.Key.IsZero() {
		hex, err := b.Key.MarshalText()
		if err != nil {
			return nil, err
		}
		left[secretKey] = string(hex)
	}
	var changes int64
	for i := range b.Directory {
		if !b.Directory[i].Empty() {
			changes++
		}
	}
	if changes > 0 {
		if before, ok := m[changeKey]; ok {
			n, err := strconv.ParseInt(before, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("read meta: %s: %w", changeKey, err)
			}
			changes += n
		}
		left[changeKey] = strconv.FormatInt(changes, 10)
	}
	return left, nil
}

// count reports whether the events of a batch are counted already. Their ids only
// grow.
func (m marks) count(b *gateway.Batch) bool {
	if len(b.Events) == 0 {
		return false
	}
	last, err := strconv.ParseInt(m[eventKey], 10, 64)
	return err == nil && b.Events[len(b.Events)-1].ID <= last
}

// since returns the rows that differ from before, in order of key.
func (m marks) since(before marks) []entry {
	var rows []entry
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if v, ok := before[key]; !ok || v != m[key] {
			rows = append(rows, entry{key, m[key]})
		}
	}
	return rows
}

// setMeta takes over one row. A key that is not known is left alone: what a
// later version cannot do without raises the version of the schema.
func setMeta(s *gateway.State, row entry) error {
	switch row.Key {
	case typeKey:
		s.Type = gateway.DatabaseType(row.Value)
		return nil
	case secretKey:
		if err := s.Key.UnmarshalText([]byte(row.Value)); err != nil {
			return fmt.Errorf("read meta: %s: %w", row.Key, err)
		}
		return nil
	}
	var at int64
	known := append(counters(&s.Counters), number{timeKey, &at})
	i := slices.IndexFunc(known, func(c number) bool { return c.key == row.Key })
	if i < 0 {
		return nil
	}
	n, err := strconv.ParseInt(row.Value, 10, 64)
	if err != nil {
		return fmt.Errorf("read meta: %s: %w", row.Key, err)
	}
	*known[i].n = n
	if at != 0 {
		s.Time = time.UnixMicro(at).UTC()
	}
	return nil
}
