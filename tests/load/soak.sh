#!/bin/bash
# usage: tests/load/soak.sh    in the repository's root, after `make` and tests/load/load; `make soak` does that
#
# SOAK seconds (900) of flips and kills under traffic: with the real engine, and beside it with tiny engines and streams of twenty seconds
# (churn.sh), and KILLS (1000) kill -9 of llmdeploy at random instants of applies and rollbacks (kills.sh). Ends when all of them
# have, with the counts; with 1 where a client noticed what it must not. SEED=N repeats instants and order.
set -u
. tests/lib.sh
state=$(pwd)/build/soak
program=$(pwd)/build/llmdeploy
seconds=${SOAK:-900}
kills=${KILLS:-1000}
seed=${SEED:-$(date +%s)}
base=$((20000 + RANDOM % 4000 * 2))
pids=
failed=0
all=$state

# Each part has a root of its own in the same Engine.
clean() {
	[ -z "$pids" ] || kill $pids 2>/dev/null
	wait
	for part in tiny real kills; do
		state=$all/$part
		. tests/tiny.sh
		tiny_clean
	done
	[ ! -e "$all/engine" ] || tests/engine/engine.sh stop "$all/engine"
	rm -rf "$all"
}
trap clean EXIT
trap 'exit 130' INT TERM HUP

rm -rf "$all"
mkdir -p "$all"
engine_ready "$all/engine" || exit 1
echo "soak: $seconds s, $kills kills of llmdeploy, SEED=$seed"
export SEED=$seed
PORT=$base tests/load/churn.sh "$all/real" real "$seconds" 2>"$all/real.err" &
real=$!
PORT=$((base + 10)) tests/load/churn.sh "$all/tiny" tiny "$seconds" 2>"$all/tiny.err" &
tiny=$!
PORT=$((base + 20)) tests/load/kills.sh "$all/kills" "$kills" 2>"$all/kills.err" &
third=$!
pids="$real $tiny $third"

tell() { # PART PID WHAT
	if ! wait "$2"; then
		failed=1
		echo "soak: $1 FAILED"
		tail -n 40 "$all/$1.err"
	fi
	[ -s "$all/$1/verdict.json" ] || return
	jq -r --arg what "$3" '"soak: \($what): \(.requests) requests, \(.streams) streams, \(.http2) over HTTP/2, \(.connections) connections",
		"soak:   \(.flips) flips of \(.releases) releases, \(.in_flight_in_a_flip) requests in flight in one; failed \(.failed), cut at a drain deadline \(.cut_at_deadline)",
		"soak:   \(.kills) kills of engines and of HAProxy, back after \(.back_ms_p50 // 0) ms at the median, \(.back_ms_max // 0) at most; requests that they cut: \(.failed_by_a_kill | tojson)",
		.faults[]' "$all/$1/verdict.json"
	[ ! -f "$all/$1/done" ] || echo "soak:   $(sort "$all/$1/done" | uniq -c | tr -s ' \n' ' ')"
}
tell real "$real" "llama.cpp"
tell tiny "$tiny" "tiny engines, streams of 20 s"
tell kills "$third" "llmdeploy killed"
[ ! -f "$all/kills/kills" ] || echo "soak:   active after a kill:$(sort "$all/kills/kills" | uniq -c | tr -s ' \n' ' ')"
[ "$failed" = 0 ] && echo "soak: passed"
exit "$failed"
