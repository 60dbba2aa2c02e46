#!/bin/sh
# Runs every fuzz target of the project, one after another: first Go's fuzzer for
# FUZZTIME, which finds the ways through the code, then the swarm, which runs over
# the corpus that was found EXECS times (0: not at all). See testdata/swarm.
#
#	FUZZTIME=5m EXECS=20000000 testdata/fuzz.sh [TARGET...]
set -eu
: "${GO:=go}" "${FUZZTIME:=10s}" "${EXECS:=0}"
corpora=$($GO env GOCACHE)/fuzz/$($GO list -m)
grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u | while read -r dir; do
	for target in $(grep -h '^func Fuzz' "$dir"/*_test.go | sed 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/' | sort); do
		case " ${*:-$target} " in
		*" $target "*) ;;
		*) continue ;;
		esac
		if [ "$FUZZTIME" != 0 ]; then
			echo "== $dir $target $FUZZTIME"
			$GO test "$dir" -run '^$' -fuzz "^$target\$" -fuzztime "$FUZZTIME" -fuzzminimizetime 1x
		fi
		if [ "$EXECS" != 0 ]; then
			PERCH_SWARM=$EXECS PERCH_CORPUS=$corpora/$dir $GO test "$dir" -v -count=1 -timeout 0 -run "^$target\$"
		fi
	done
done
