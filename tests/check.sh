#!/bin/bash
# Runs every test and ends with one line: N passed, N failed. Each test program speaks TAP: a line "ok" or "not ok" a test.
set -u
cd "$(dirname "$0")/.."
build=${1:-build}
passed=0
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# count NAME COMMAND...: its TAP lines; a command that fails without a "not ok" line counts as one failure.
count() {
	name=$1
	shift
	"$@" >"$log" 2>&1
	status=$?
	ok=$(grep -c '^ok ' "$log")
	bad=$(grep -c '^not ok ' "$log")
	if [ "$status" != 0 ] && [ "$bad" = 0 ]; then bad=1; fi
	if [ "$status" = 0 ] && [ "$ok" = 0 ]; then
		echo "not ok $name ran no test"
		bad=1
	fi
	if [ "$bad" != 0 ]; then
		echo "--- $name failed (exit status $status):"
		tail -n 80 "$log"
	else
		echo "ok $name ($ok)"
	fi
	passed=$((passed + ok))
	failed=$((failed + bad))
}

# one NAME COMMAND...: a command that passes or fails as a whole.
one() {
	name=$1
	shift
	if "$@" >"$log" 2>&1; then
		echo "ok $name"
		passed=$((passed + 1))
	else
		echo "--- $name failed:"
		tail -n 40 "$log"
		failed=$((failed + 1))
	fi
}

one "lint" make -s lint
for t in "$build"/tests/unit/*_test; do
	count "unit $(basename "$t")" env CMOCKA_MESSAGE_OUTPUT=TAP timeout 300 "$t"
done
for t in "$build"/tests/fuzz/*_fuzz; do
	name=$(basename "$t")
	one "corpus of $name" timeout 120 "$t" tests/fuzz/corpus/"$name"/*
done
count "the Engine client on a real Engine" env CMOCKA_MESSAGE_OUTPUT=TAP timeout 300 tests/engine/docker_live.sh "$build/tests/engine/docker_live_test"
for t in tests/golden/*.sh tests/engine/*_test.sh; do
	[ -f "$t" ] || continue
	count "$t" timeout 1500 "$t" "$build"
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
