package store

import (
	"fmt"
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

// The keys of meta, besides those of counters. The tracker's state is large and
// written at checkpoints only.
const (
	typeKey    = "type"
	timeKey    = "time"
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
		{"last_event", &c.Event},
		{"last_mail", &c.Mail},
		{"last_location", &c.Location},
	}
}

// metaOf returns the rows that a batch sets, always in the same order.
func metaOf(b *gateway.Batch) []entry {
	var at int64
	if !b.Time.IsZero() {
		at = b.Time.UnixMicro()
	}
	ids := b.Counters
	rows := []entry{{typeKey, string(b.Type)}, {timeKey, strconv.FormatInt(at, 10)}}
	for _, c := range counters(&ids) {
		rows = append(rows, entry{c.key, strconv.FormatInt(*c.n, 10)})
	}
	if b.Tracker != nil {
		rows = append(rows, entry{trackerKey, string(b.Tracker)})
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
	case trackerKey:
		s.Tracker = []byte(row.Value)
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
