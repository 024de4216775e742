#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/load/soak.sh    in the repository's root, after `make` and tests/load/load; `make soak` does that
#
# SOAK seconds (900) of flips and kills under traffic with tiny engines and streams of twenty seconds (chaos.sh); beside it, in the first third the same with
# llama.cpp, and then KILLS (1000) kill -9 of llmdeploy at random instants of applies and rollbacks (kills.sh, WORKERS=3), and one at
# every step of them (steps.sh), and before and after each effect of the other operations, too (failpoints.sh). What is counted is not timed: a machine that is slower or has other work takes longer than SOAK.
# Ends with the counts; with 1 where a client noticed what it must not, and what journal and gateway say around it; build/soak/evidence has the rest.
# SEED=N repeats instants and order.
set -u
. tests/lib.sh
all=$(pwd)/build/soak
program=$(pwd)/build/llmdeploy
seconds=${SOAK:-900}
kills=${KILLS:-1000}
seed=${SEED:-$(date +%s)}
base=$((20000 + RANDOM % 4000 * 2))
began=$(date +%s)
pids=
failed=0

# Each part has a root of its own in the same Engine.
clean() {
	[ -z "$pids" ] || kill $pids 2>/dev/null
	wait
	for part in tiny real kills steps; do
		state=$all/$part
		port=0
		. tests/tiny.sh
		tiny_clean
	done
	[ ! -e "$all/engine" ] || tests/integration/docker_engine.sh stop "$all/engine"
	[ -e "$all/evidence" ] || rm -rf "$all"
}
trap clean EXIT
trap 'exit 130' INT TERM HUP

counts() { sort "$@" | uniq -c | tr -s ' \n' ' '; }
tell() { # NAME WHAT
	[ -s "$all/$1/verdict.json" ] || { echo "soak: $2: no verdict"; return 1; }
	jq -r --arg what "$2" '"soak: \($what): \(.requests) requests, \(.streams) streams, \(.http2) over HTTP/2, \(.connections) connections",
		"soak:   \(.flips) flips of \(.releases) releases, \(.in_flight_in_a_flip) requests in flight in one; failed \(.failed), cut at a drain deadline \(.cut_at_deadline)",
		if .kills > 0 then "soak:   \(.kills) kills of engines and of HAProxy, back after \(.back_ms_p50) ms at the median, \(.back_ms_max) at most; requests that they cut: \(.failed_by_a_kill | tojson)" else empty end,
		(.faults[] | "soak:   FAULT \(.)"),
		(.around[] | "soak:   around \(.of[0])..\(.of[1]): the journal: \(.journal | join("; "))", (.gateway[] | "soak:     the gateway: \(.)"))' "$all/$1/verdict.json"
	jq -e '.failed == 0 and .cut_at_deadline == 0' "$all/$1/verdict.json" >/dev/null || { keep "$1"; return 1; }
}
# What a failure can be explained by stays in build/soak/evidence.
keep() {
	local to
	to=$all/evidence/$(echo "$1" | tr / -)
	mkdir -p "$to"
	cp "$all/$1"/*.json "$all/$1"/*.log "$all/$1"/kills "$all/$1"/root/routes/*/journal* "$to" 2>/dev/null
}
ended() { # NAME PID
	if ! wait "$2"; then
		failed=1
		echo "soak: $1 FAILED"
		tail -n 40 "$all/$1.err"
		for part in "$all/$1" "$all/$1"/[0-9]*; do [ ! -d "$part/root" ] || keep "${part#"$all"/}"; done
	fi
}

rm -rf "$all"
mkdir -p "$all"
engine_ready "$all/engine" || exit 1
echo "soak: $seconds s, $kills kills of llmdeploy, SEED=$seed"
export SEED=$seed
PORT=$((base + 10)) tests/load/chaos.sh "$all/tiny" tiny "$seconds" 2>"$all/tiny.err" &
tiny=$!
PORT=$base tests/load/chaos.sh "$all/real" real "$((seconds / 3))" 2>"$all/real.err" &
real=$!
pids="$tiny $real"
ended real "$real"
from=$(date +%s)
WORKERS=${WORKERS:-3} PORT=$((base + 20)) tests/load/kills.sh "$all/kills" "$kills" 2>"$all/kills.err" &
killing=$!
PORT=$((base + 40)) tests/load/steps.sh "$all/steps" 2>"$all/steps.err" &
steps=$!
tests/load/failpoints.sh "$all/points" >"$all/points.err" 2>&1 &
points=$!
pids="$tiny $killing $steps $points"
ended kills "$killing"
took=$(($(date +%s) - from))
ended steps "$steps"
ended points "$points"
ended tiny "$tiny"
pids=
tell real "llama.cpp" || failed=1
echo "soak:   $(counts "$all/real/done")"
tell tiny "tiny engines, streams of 20 s" || failed=1
echo "soak:   $(counts "$all/tiny/done")"
tell steps "every step killed" || failed=1
echo "soak:   $(cut -d' ' -f2 "$all/steps/steps" | sort | uniq -c | tr -s ' \n' ' ')"
echo "soak:   $(grep -c '^ok ' "$all/points.err") effects killed before and after, $(grep -c '^not ok ' "$all/points.err") of them badly"
for part in "$all"/kills/[0-9]*; do
	tell "kills/${part##*/}" "llmdeploy killed, ${part##*/}" || failed=1
done
cat "$all"/kills/[0-9]*/kills | cut -d' ' -f1-3 >"$all/killed"
[ "$(grep -c '^killed' "$all/killed")" = "$kills" ] || failed=1
echo "soak: active after a kill:$(counts "$all/killed"), in $took s"
[ "$failed" = 0 ] && echo "soak: passed, after $(($(date +%s) - began)) s"
exit "$failed"
