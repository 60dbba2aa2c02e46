package swarm

import "encoding/binary"

// mostLength bounds an input: a frame with what is put in front of it still fits
// a message of 64 KiB many times.
const mostLength = 4096

// mutate appends a changed entry of the corpus to b.
func (r *runner) mutate(b []byte) []byte {
	b = append(b, r.corpus[r.random.IntN(len(r.corpus))]...)
	for range 1 + r.random.IntN(4) {
		b = changes[r.random.IntN(len(changes))](r, b)
		if len(b) > mostLength {
			b = b[:mostLength]
		}
	}
	return b
}

// telling are octets at which lengths, counts and types turn over.
var telling = []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 20, 32, 63, 64, 127, 128, 129, 253, 254, 255, '\r', '\n', ' ', ';', ',', ':', '<', '"'}

// changes are what can happen to an input.
var changes = []func(*runner, []byte) []byte{
	func(r *runner, b []byte) []byte { // a bit turns
		if len(b) > 0 {
			b[r.random.IntN(len(b))] ^= 1 << r.random.IntN(8)
		}
		return b
	},
	func(r *runner, b []byte) []byte { // an octet is another
		if len(b) > 0 {
			b[r.random.IntN(len(b))] = byte(r.random.Uint32())
		}
		return b
	},
	func(r *runner, b []byte) []byte { // an octet is a telling one
		if len(b) > 0 {
			b[r.random.IntN(len(b))] = telling[r.random.IntN(len(telling))]
		}
		return b
	},
	func(r *runner, b []byte) []byte { // an octet is a little more or less
		if len(b) > 0 {
			b[r.random.IntN(len(b))] += byte(r.random.IntN(9) - 4)
		}
		return b
	},
	func(r *runner, b []byte) []byte { // a length of two octets lies
		if len(b) >= 2 {
			i := r.random.IntN(len(b) - 1)
			binary.BigEndian.PutUint16(b[i:], uint16(r.random.IntN(2*len(b)+2)))
		}
		return b
	},
	func(r *runner, b []byte) []byte { // the end is missing
		return b[:r.random.IntN(len(b)+1)]
	},
	func(r *runner, b []byte) []byte { // a piece is missing
		from, to := r.piece(b)
		return append(b[:from], b[to:]...)
	},
	func(r *runner, b []byte) []byte { // a piece stands twice
		from, to := r.piece(b)
		return append(b[:to], append(append([]byte(nil), b[from:to]...), b[to:]...)...)
	},
	func(r *runner, b []byte) []byte { // a piece of another input stands in it
		other := r.corpus[r.random.IntN(len(r.corpus))]
		from, to := r.piece(other)
		at := r.random.IntN(len(b) + 1)
		return append(b[:at], append(append([]byte(nil), other[from:to]...), b[at:]...)...)
	},
	func(r *runner, b []byte) []byte { // octets come in
		at := r.random.IntN(len(b) + 1)
		in := make([]byte, 1+r.random.IntN(8))
		for i := range in {
			in[i] = telling[r.random.IntN(len(telling))]
		}
		return append(b[:at], append(in, b[at:]...)...)
	},
}

// piece chooses a part of b, of at most 64 octets.
func (r *runner) piece(b []byte) (from, to int) {
	from = r.random.IntN(len(b) + 1)
	return from, from + r.random.IntN(min(64, len(b)-from)+1)
}
