package main

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// duration is a time.Duration that also knows days: "14d".
type duration time.Duration

// UnmarshalYAML reads one that is more than nothing.
func (d *duration) UnmarshalYAML(b []byte) error {
	s := strings.Trim(strings.TrimSpace(string(b)), `"'`)
	if err := d.UnmarshalText([]byte(s)); err != nil || *d <= 0 {
		return errDuration(s)
	}
	return nil
}

// UnmarshalText reads "65s", "5m", "36h" or "14d".
func (d *duration) UnmarshalText(b []byte) error {
	s, unit := string(b), time.Duration(1)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		s, unit = days+"h", 24
	}
	v, err := time.ParseDuration(s)
	if err != nil || v > math.MaxInt64/unit || v < math.MinInt64/unit {
		return errDuration(string(b))
	}
	*d = duration(v * unit)
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (d duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func errDuration(s string) error {
	return fmt.Errorf("%q is not a duration such as 65s, 5m, 36h or 14d", s)
}
