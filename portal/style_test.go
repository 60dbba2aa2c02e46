package portal

import (
	"math"
	"regexp"
	"strconv"
	"testing"
)

// TestContrast: WCAG 2.1, 1.4.3 and 1.4.11, level AA, in both schemes.
func TestContrast(t *testing.T) {
	colour := regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6});`)
	schemes := []map[string]float64{{}}
	for _, m := range colour.FindAllStringSubmatch(string(styleSheet), -1) {
		last := schemes[len(schemes)-1]
		if _, again := last[m[1]]; again {
			last = map[string]float64{}
			schemes = append(schemes, last)
		}
		last[m[1]] = luminance(t, m[2])
	}
	if len(schemes) != 2 || len(schemes[0]) != len(schemes[1]) {
		t.Fatalf("%d schemes, want a light and a dark one with the same colours", len(schemes))
	}
	for i, c := range schemes {
		for _, pair := range []struct {
			front, back string
			least       float64
		}{
			{"text", "ground", 4.5},
			{"text", "card", 4.5},
			{"text", "tint", 4.5},
			{"text", "bad-tint", 4.5},
			{"soft", "ground", 4.5},
			{"soft", "card", 4.5},
			{"soft", "tint", 4.5},
			{"soft", "bad-tint", 4.5},
			{"link", "ground", 4.5},
			{"link", "card", 4.5},
			{"link", "bad-tint", 4.5},
			{"bad", "ground", 4.5},
			{"bad", "card", 4.5},
			{"on-fill", "fill", 4.5},
			{"edge", "card", 3},
			{"edge", "ground", 3},
			{"fill", "ground", 3},
			{"focus", "ground", 3},
			{"focus", "card", 3},
		} {
			a, b := c[pair.front], c[pair.back]
			if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < pair.least {
				t.Errorf("scheme %d: %s on %s: contrast %.2f, want %.1f", i, pair.front, pair.back, ratio, pair.least)
			}
		}
	}
}

// luminance is WCAG's relative luminance of an sRGB colour in hex.
func luminance(t *testing.T, hex string) float64 {
	v, err := strconv.ParseUint(hex, 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	linear := func(c uint64) float64 {
		x := float64(c&255) / 255
		if x <= 0.04045 {
			return x / 12.92
		}
		return math.Pow((x+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(v>>16) + 0.7152*linear(v>>8) + 0.0722*linear(v)
}
