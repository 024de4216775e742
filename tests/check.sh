#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/check.sh [BUILD [GROUP...]]
#
# Runs the tests of the named groups (live lint ci golden compare install unit corpus), or of all, and ends with one line: N passed, N failed.
# Each test program speaks TAP: a line "ok" or "not ok" a test. JOBS of them run at a time (2): those with a Docker Engine wait most
# of the time. The output of each is kept apart and shown in order.
set -u
cd "$(dirname "$0")/.."
build=${1:-build}
groups=${*:2}
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

print_result() { # NUMBER
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

# What takes long comes first, so that the short tests fill the gaps.
start() { # GROUP
	local t name
	case $1 in
	live)
		for t in tests/fault/*_test.sh tests/integration/*_test.sh tests/screens/*_test.sh; do
			begin tap "$t" timeout 1500 "$t" "$build"
		done
		begin tap "the Docker client on a real Docker Engine" env CMOCKA_MESSAGE_OUTPUT=TAP timeout 300 \
			tests/integration/docker_live.sh "$build/tests/integration/docker_live_test"
		;;
	lint) begin whole "lint" make -s lint ;;
	ci) begin tap tests/ci/run_test.sh timeout 60 tests/ci/run_test.sh ;;
	golden)
		for t in tests/golden/*_test.sh; do begin tap "$t" timeout 600 "$t" "$build"; done
		;;
	compare)
		for t in tests/compare/*_test.sh; do begin tap "$t" timeout 600 "$t" "$build"; done
		;;
	install)
		for t in tests/install/*_test.sh; do begin tap "$t" timeout 1500 "$t" "$build"; done
		;;
	unit)
		for t in "$build"/tests/unit/*_test; do
			begin tap "unit $(basename "$t")" env CMOCKA_MESSAGE_OUTPUT=TAP timeout 300 "$t"
		done
		;;
	corpus)
		for t in "$build"/tests/fuzz/*_fuzz; do
			name=$(basename "$t")
			begin whole "corpus of $name" timeout 120 "$t" tests/fuzz/corpus/"$name"/*
		done
		;;
	*)
		echo "check.sh: no group '$1'" >&2
		exit 2
		;;
	esac
}

for group in ${groups:-live lint ci golden compare install unit corpus}; do start "$group"; done
wait
for i in "${!names[@]}"; do print_result "$i"; done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
