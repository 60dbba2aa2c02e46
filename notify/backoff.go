package notify

import (
	"encoding/binary"
	"hash/fnv"
	"time"
)

// Backoff says how long to wait after a number of failures: First after the
// first, twice as long after each further one up to Max, and each wait longer or
// shorter by up to Jitter of itself, so that what failed at one time is not tried
// again at one time.
type Backoff struct {
	First, Max time.Duration
	Jitter     float64 // share: 0.2 is ±20 %
}

// Delay returns the wait after failure number n, from 1, of whatever id names. It
// draws no random number: the same id and n give the same wait.
func (b Backoff) Delay(id int64, n int) time.Duration {
	d := b.First
	for i := 1; i < n && d < b.Max; i++ {
		d *= 2
	}
	d = min(d, b.Max)
	var seed [16]byte
	binary.BigEndian.PutUint64(seed[:8], uint64(id))
	binary.BigEndian.PutUint64(seed[8:], uint64(n))
	h := fnv.New64a()
	h.Write(seed[:])
	// The upper bits of FNV differ little between neighbours: multiply them apart
	// (the finalizer of MurmurHash3).
	x := h.Sum64()
	x = (x ^ x>>33) * 0xff51afd7ed558ccd
	x ^= x >> 33
	share := float64(x>>11) / (1 << 53) // [0, 1)
	return d + time.Duration(float64(d)*b.Jitter*(2*share-1))
}
