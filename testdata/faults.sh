#!/bin/sh
# What `make faults` runs: the tests of faults at their full length. The table of
# results goes to standard output at the end.
set -eu
table=$(mktemp)
trap 'rm -f "$table"' EXIT
"${GO:-go}" test ./cmd/perch -count=1 -timeout=3h -run 'TestKilledReplay|TestKilledWhileMailing|TestServeFaults' \
	-replay-kills=300 -mail-kills=500 -mails=3000 -faults="$table"
"${GO:-go}" test ./store ./notify -count=1 -timeout=1h -run 'Fault|Killed|Lost|Full|ReadOnly|Restart|Postfix'
echo
echo '| what | result |'
echo '|---|---|'
cat "$table"
