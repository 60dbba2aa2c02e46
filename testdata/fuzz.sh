#!/bin/sh
# Runs every fuzz target of the project for FUZZTIME, one after another.
set -eu
: "${GO:=go}" "${FUZZTIME:=10s}"
grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u | while read -r dir; do
	for target in $(grep -h '^func Fuzz' "$dir"/*_test.go | sed 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/' | sort); do
		echo "== $dir $target $FUZZTIME"
		$GO test "$dir" -run '^$' -fuzz "^$target\$" -fuzztime "$FUZZTIME" -fuzzminimizetime 1x
	done
done
