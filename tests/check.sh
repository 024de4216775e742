#!/bin/bash
# Runs every test and ends with one line: N passed, N failed. Each test program speaks TAP: a line "ok" or "not ok" a test.
# JOBS of them run at a time (2): those with an Engine wait most of the time. What they print is kept apart and shown in order.
set -u
cd "$(dirname "$0")/.."
build=${1:-build}
jobs=${JOBS:-2}
passed=0
failed=0
said=$(mktemp -d)
trap 'rm -rf "$said"' EXIT
names=()
kinds=()

# begin KIND NAME COMMAND...: KIND is tap (count its lines) or whole (it passes or fails as one).
begin() {
	local i=${#names[@]}
	kinds+=("$1")
	names+=("$2")
	shift 2
	while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
	{
		"$@" >"$said/$i.log" 2>&1
		echo $? >"$said/$i.status"
	} &
}

show() { # NAME LINES FILE
	echo "--- $1 failed:"
	tail -n "$2" "$3"
}

# A command that fails without a "not ok" line counts as one failure; one that ran no test, too.
count() { # NAME LOG STATUS
	local ok bad
	ok=$(grep -c '^ok ' "$2")
	bad=$(grep -c '^not ok ' "$2")
	if [ "$3" != 0 ] && [ "$bad" = 0 ]; then bad=1; fi
	if [ "$3" = 0 ] && [ "$ok" = 0 ]; then
		echo "not ok $1 ran no test"
		bad=1
	fi
	if [ "$bad" != 0 ]; then
		show "$1 (exit status $3)" 80 "$2"
		grep '^not ok ' "$2"
	else
		echo "ok $1 ($ok)"
	fi
	passed=$((passed + ok))
	failed=$((failed + bad))
}

judge() { # NUMBER
	local name=${names[$1]} log=$said/$1.log status
	status=$(cat "$said/$1.status" 2>/dev/null || echo "none")
	if [ "${kinds[$1]}" = tap ]; then
		count "$name" "$log" "$status"
	elif [ "$status" = 0 ]; then
		echo "ok $name"
		passed=$((passed + 1))
	else
		show "$name" 40 "$log"
		failed=$((failed + 1))
	fi
}

# Those that take long first, so that the short ones fill the gaps.
for t in tests/fault/*_test.sh tests/engine/*_test.sh tests/screens/*_test.sh; do
	begin tap "$t" timeout 1500 "$t" "$build"
done
begin tap "the Engine client on a real Engine" env CMOCKA_MESSAGE_OUTPUT=TAP timeout 300 tests/engine/docker_live.sh "$build/tests/engine/docker_live_test"
begin whole "lint" make -s lint
for t in tests/golden/*.sh tests/compare/*_test.sh; do
	begin tap "$t" timeout 600 "$t" "$build"
done
for t in "$build"/tests/unit/*_test; do
	begin tap "unit $(basename "$t")" env CMOCKA_MESSAGE_OUTPUT=TAP timeout 300 "$t"
done
for t in "$build"/tests/fuzz/*_fuzz; do
	name=$(basename "$t")
	begin whole "corpus of $name" timeout 120 "$t" tests/fuzz/corpus/"$name"/*
done
wait
for i in "${!names[@]}"; do judge "$i"; done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
