package main

import "fmt"

// f11 measures attachment changes that are committed in groups beside a bare
// SQLite loop. The rounds of both alternate within the benchmark.
func (b *bench) f11() error {
	m, err := b.benchmark("./store", "BenchmarkF11Commit", "-benchtime", "1x")
	if err != nil {
		return err
	}
	fmt.Printf("F11: %.0f rows/s / %.0f rows/s = %.2f %s\n",
		m["rows/s"], m["bare-rows/s"], m["ratio"], least(m["ratio"], 0.6, "at least 0.6"))
	fmt.Printf("F11: %.1f ms from arrival to confirmation at most %s\n", m["worst-ms"], bound(m["worst-ms"], 100, "100 ms"))
	fmt.Printf("    %.1f ms in 99 of 100 groups; the bare loop's longest transaction took %.1f ms\n", m["p99-ms"], m["bare-worst-ms"])
	fmt.Printf("    %.0f attachment changes, a phone's row and an event each, synchronous=FULL, all there afterwards\n", m["changes"])
	fmt.Println("    to 1000 rows a transaction of the same driver; medians of interleaved pairs")
	return nil
}
