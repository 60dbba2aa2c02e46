package main

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// metrics are the values of one Go benchmark by unit.
type metrics map[string]float64

// benchmark runs a benchmark of a package, which checks its own result.
func (b *bench) benchmark(pkg, name string, flags ...string) (metrics, error) {
	b.say("benchmark %s", name)
	var out bytes.Buffer
	c := child{args: append([]string{"go", "test", pkg, "-run", "^$", "-bench", "^" + name + "$"}, flags...), stdout: &out}
	if _, err := c.run(); err != nil {
		return nil, fmt.Errorf("%w%s", err, out.String())
	}
	for lines := bufio.NewScanner(&out); lines.Scan(); {
		if m := parseBenchmark(lines.Text(), name); m != nil {
			return m, nil
		}
	}
	return nil, skipped(name + " does not run on this system")
}

// parseBenchmark reads a line such as "BenchmarkF9Match-2  10  1.31 ratio", or
// returns nil.
func parseBenchmark(line, name string) metrics {
	fields := strings.Fields(line)
	if len(fields) < 4 || !strings.HasPrefix(fields[0], name) {
		return nil
	}
	m := metrics{}
	for i := 2; i+1 < len(fields); i += 2 {
		if v, err := strconv.ParseFloat(fields[i], 64); err == nil {
			m[fields[i+1]] = v
		}
	}
	return m
}

// f9 measures one match against a million prefixes and a million ports.
func (b *bench) f9() error {
	m, err := b.benchmark("./matcher", "BenchmarkF9Match")
	if err != nil {
		return err
	}
	fmt.Printf("F9: %.0f ns / %.0f ns = %.2f %s\n", m["match-ns"], m["bare-ns"], m["ratio"], bound(m["ratio"], 1.5, "1.5"))
	fmt.Println("    one match to one look-up in a bare bart table and one in a bare map; median of rounds; no allocation")
	return nil
}

// f10 measures loading and checking a million rules.
func (b *bench) f10() error {
	m, err := b.benchmark("./matcher", "BenchmarkF10Load")
	if err != nil {
		return err
	}
	seconds, held := m["s/load"], m["MiB-with-rules"]
	fmt.Printf("F10: %.2f s %s, %.0f MiB %s\n", seconds, bound(seconds, 5, "5 s"), held, bound(held, 400, "400 MiB"))
	fmt.Println("    a wiremap of a million rules loaded and checked for ties; memory with the rules that it was made of")
	return nil
}
