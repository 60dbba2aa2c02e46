package discovery

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Int reads a whole number of at most 18 digits.
func (r *Stored) Int() int64 {
	negative := r.take('-')
	b, i, n := r.b, 0, int64(0)
	for ; i < len(b) && i < 19 && '0' <= b[i] && b[i] <= '9'; i++ {
		n = 10*n + int64(b[i]-'0')
	}
	if i == 0 || i == 19 || b[0] == '0' && i > 1 {
		r.fail()
		return 0
	}
	if r.b = b[i:]; negative {
		n = -n
	}
	return n
}

// number reads a number from 0 to most.
func (r *Stored) number(most int64) int64 {
	n := r.Int()
	if n < 0 || n > most {
		r.fail()
	}
	return n
}

// Bool reads true or false.
func (r *Stored) Bool() bool {
	if r.takeWord("true") {
		return true
	}
	if !r.takeWord("false") {
		r.fail()
	}
	return false
}

// Instant reads what Instant.MarshalJSON writes. A row has some twenty of them.
func (r *Stored) Instant() Instant {
	const seconds = len(`"2006-01-02T15:04:05`)
	b := r.b
	if len(b) < seconds+2 || b[0] != '"' || b[11] != 'T' || b[14] != ':' || b[17] != ':' {
		r.fail()
		return 0
	}
	hour, minute, second := twoDigits(b[12:]), twoDigits(b[15:]), twoDigits(b[18:])
	nanos, end := int64(0), seconds
	if b[end] == '.' {
		unit := int64(time.Second)
		for end++; end < len(b) && b[end]-'0' <= 9 && unit > 1; end++ {
			unit /= 10
			nanos += int64(b[end]-'0') * unit
		}
		if end == seconds+1 {
			r.fail()
			return 0
		}
	}
	if len(b) < end+2 || b[end] != 'Z' || b[end+1] != '"' || hour > 23 || minute > 59 || second > 59 {
		r.fail()
		return 0
	}
	if b[1:11] != r.day && !r.newDay(b[1:11]) {
		if b[:end+2] != `"0001-01-01T00:00:00Z"` {
			r.fail()
			return 0
		}
		r.b = b[end+2:]
		return 0
	}
	r.b = b[end+2:]
	return Instant((r.dayUnix+int64(hour*3600+minute*60+second))*int64(time.Second)+nanos) + epoch
}

// newDay takes note of a day, all of which an Instant can tell.
func (r *Stored) newDay(day string) bool {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil || t.Year() < 1678 || t.Year() > 2261 {
		return false
	}
	r.day, r.dayUnix = strings.Clone(day), t.Unix()
	return true
}

// twoDigits returns the number that s begins with; more than 99 if that is none.
func twoDigits(s string) int {
	tens, ones := s[0]-'0', s[1]-'0'
	if tens > 9 || ones > 9 {
		return 100
	}
	return int(tens)*10 + int(ones)
}

// wordOf reads one of several words; another one is the first, as it is for the
// types whose words these are.
func wordOf[T ~uint8](r *Stored, words []string) T {
	q := r.plain()
	for i, word := range words {
		if q == word {
			return T(i)
		}
	}
	return 0
}

func (r *Stored) mac() (m MAC) {
	q := r.plain()
	if len(q) != 17 {
		if r.bad || m.UnmarshalText([]byte(q)) != nil {
			r.fail()
		}
		return m
	}
	for i := range m {
		high, low := hexDigit(q[3*i]), hexDigit(q[3*i+1])
		if high > 15 || low > 15 || i < 5 && q[3*i+2] != ':' {
			if m.UnmarshalText([]byte(q)) != nil {
				r.fail()
			}
			return m
		}
		m[i] = high<<4 | low
	}
	return m
}

func (r *Stored) phoneID() (id PhoneID) {
	if b := r.b; len(b) > 18 && b[3] == ':' && b[18] == '"' {
		id.MAC = r.mac()
		return id
	}
	if q := r.Text(); r.bad || id.UnmarshalText([]byte(q)) != nil {
		r.fail()
	}
	return id
}

func (r *Stored) hex() Hex {
	q := r.plain()
	if len(q)%2 != 0 {
		r.fail()
		return ""
	}
	var most [64]byte
	out := most[:0]
	for i := 0; i < len(q); i += 2 {
		high, low := hexDigit(q[i]), hexDigit(q[i+1])
		if high > 15 || low > 15 {
			r.fail()
			return ""
		}
		out = append(out, high<<4|low)
	}
	return Hex(out)
}

// relay reads a remote ID, of which a relay has one for all its phones.
func (r *Stored) relay() Hex {
	if r.remoteText != "" && r.takeWord(r.remoteText) {
		return r.remote
	}
	before := r.b
	h := r.hex()
	if !r.bad {
		r.remote, r.remoteText = h, strings.Clone(before[:len(before)-len(r.b)])
	}
	return h
}

func (r *Stored) addr() (ip netip.Addr) {
	q := r.plain()
	ip, ok := fourOf(q)
	if !ok && (r.bad || ip.UnmarshalText([]byte(q)) != nil) {
		r.fail()
	}
	return ip
}

func (r *Stored) prefix() (p netip.Prefix) {
	q := r.plain()
	if i := strings.IndexByte(q, '/'); i > 0 {
		bits, err := strconv.ParseUint(q[i+1:], 10, 8)
		ip, ok := fourOf(q[:i])
		if ok && err == nil && bits <= 32 && q[i+1] != '0' {
			return netip.PrefixFrom(ip, int(bits))
		}
	}
	if r.bad || p.UnmarshalText([]byte(q)) != nil {
		r.fail()
	}
	return p
}

// fourOf reads an IPv4 address.
func fourOf(q string) (netip.Addr, bool) {
	var four [4]byte
	field, value, digits := 0, 0, 0
	for i := range len(q) {
		switch c := q[i]; {
		case '0' <= c && c <= '9':
			if digits > 0 && value == 0 { // it begins with a zero
				return netip.Addr{}, false
			}
			value, digits = 10*value+int(c-'0'), digits+1
			if value > 255 {
				return netip.Addr{}, false
			}
		case c == '.' && field < 3 && digits > 0:
			four[field] = byte(value)
			field, value, digits = field+1, 0, 0
		default:
			return netip.Addr{}, false
		}
	}
	if field != 3 || digits == 0 {
		return netip.Addr{}, false
	}
	four[3] = byte(value)
	return netip.AddrFrom4(four), true
}
