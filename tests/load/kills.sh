#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: kills.sh STATE KILLS   in the repository's root, after `make` and tests/load/load
#
# KILLS times: an apply of a new release, or a rollback, is killed (kill -9) at a random instant, under traffic on a real Engine with tiny engines, and
# recovered and looked at (kills.py); and no request may have failed. WORKERS (2) of them at a time, each with a root, a route and a gateway of
# its own, in STATE/N: N/verdict.json says what its clients saw, N/kills what was killed. SEED=N repeats the instants.
set -u
. tests/lib.sh
build=$(realpath "${BUILD:-build}")
program=$build/llmdeploy
all=$1
workers=${WORKERS:-2}
base=${PORT:-$((20000 + RANDOM % 5000 * 2))}
seed=${SEED:-$(date +%s)}
pids=

worker() { # NUMBER KILLS
	state=$all/$1
	port=$((base + 2 * $1))
	status=1
	. tests/tiny.sh
	trap traffic_kill EXIT
	trap 'exit 130' INT TERM HUP
	tiny_ready || exit 1
	traffic_begins --clients 4 --streams 2 --tokens 8 --pause "${PAUSE:-10}" --new-connections 20
	python3 tests/load/kills.py "$program" "$state" "$port" "$2" "$((seed + $1))" &
	ours=$!
	trap 'kill $ours 2>/dev/null; exit 130' INT TERM HUP
	wait "$ours" && status=0
	traffic_ends
	traffic_judge - && [ "$status" = 0 ]
}

mkdir -p "$all"
engine_ready "$all/engine" || exit 1
trap '[ -z "$pids" ] || kill $pids 2>/dev/null; wait' EXIT
trap 'exit 130' INT TERM HUP
failed=0
for i in $(seq "$workers"); do
	mkdir -p "$all/$i"
	worker "$i" "$((($2 + workers - i) / workers))" &
	pids="$pids $!"
done
for each in $pids; do
	wait "$each" || failed=1
done
pids=
exit "$failed"
