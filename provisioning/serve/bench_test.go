package serve

import (
	"fmt"
	"math"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"perch/discovery"
)

// BenchmarkHarvest asks for the file of a phone that is listed and of one that is not, in
// turn, 10 000 times each, with a wrong password and without one, and reports by how much of
// one standard deviation the times differ: effect, of which less than 0.05 is wanted. The
// tenth that took longest, in which something else ran, is left out of both.
//
//	go test ./provisioning/serve -run '^$' -bench Harvest -benchtime 1x
func BenchmarkHarvest(b *testing.B) {
	for _, password := range []string{"", "wrong"} {
		b.Run("password "+password, func(b *testing.B) {
			s := newServer(nil)
			ask := func(m discovery.MAC, n int) time.Duration {
				r := httptest.NewRequest("GET", "https://perch/"+User(m)+".cfg", nil)
				r.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:5060", n>>16&0xff, n>>8&0xff, n&0xff)
				if password != "" {
					r.SetBasicAuth(User(m), password)
				}
				w := httptest.NewRecorder()
				began := time.Now()
				s.ServeHTTP(w, r)
				took := time.Since(began)
				if w.Code != 401 {
					b.Fatalf("got %d", w.Code)
				}
				return took
			}
			const each = 10_000
			for range b.N {
				times := [2][]float64{}
				for i := range each {
					order := []int{0, 1}
					if i%2 == 1 {
						order = []int{1, 0}
					}
					for _, k := range order {
						m := known
						if k == 1 {
							m = unknown
						}
						times[k] = append(times[k], float64(ask(m, 2*i+k)))
					}
				}
				b.ReportMetric(effect(times[0], times[1]), "effect")
			}
		})
	}
}

// effect is the difference of two means in standard deviations of both.
func effect(x, y []float64) float64 {
	mx, vx := moments(x)
	my, vy := moments(y)
	return math.Abs(mx-my) / math.Sqrt((vx+vy)/2)
}

// moments are the mean and the variance of the nine tenths that are smallest.
func moments(x []float64) (mean, variance float64) {
	x = trimmed(x)
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		variance += (v - mean) * (v - mean) / float64(len(x)-1)
	}
	return mean, variance
}

func trimmed(x []float64) []float64 {
	y := append([]float64(nil), x...)
	slices.Sort(y)
	return y[:len(y)*9/10]
}
