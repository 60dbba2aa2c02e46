#!/bin/sh
# What `make faults` runs: the tests of faults at their full length. The table of
# results goes to standard output at the end, also when one of them has failed.
set -u
table=$(mktemp)
trap 'rm -f "$table"' EXIT
failed=0
"${GO:-go}" test ./cmd/perch -count=1 -timeout=3h -run 'TestKilledReplay|TestKilledWhileMailing|TestServeFaults|TestEmergencyFaults' \
	-replay-kills=300 -mail-kills=500 -mails=3000 -help-calls=1000 -help-delay=50ms -faults="$table" || failed=1
"${GO:-go}" test ./store ./notify -count=1 -timeout=1h -run 'Fault|Killed|Lost|Full|ReadOnly|Restart|Postfix' || failed=1
PERCH_FLOOD=1000000 "${GO:-go}" test ./discovery -count=1 -timeout=1h -run 'TestFloods' || failed=1
echo
echo '| what | result |'
echo '|---|---|'
cat "$table"
exit $failed
