#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: flips.sh STATE FLIPS REQUESTS   in the repository's root, after `make` and tests/load/load
#
# Flips a route under traffic, half of it token streams, over HTTP/1.1 and HTTP/2, on kept and on new connections: by turns an apply of a new
# release and a rollback, whole commands, on a real Engine with tiny engines and the packaged HAProxy. STATE/verdict.json says
# what clients saw (tests/load/check_answers.py), STATE/{apply,rollback}.ms how long the commands took. Ends with 1 where clients noticed anything.
# One apply in five brings another door, and so the rollback after it: HAProxy is reloaded. STATE stays; `. tests/tiny.sh; tiny_clean` removes it.
set -u
. tests/lib.sh
build=$(realpath "${BUILD:-build}")
program=$build/llmdeploy
state=$1
port=${PORT:-$((20000 + RANDOM % 5000 * 2))}
mkdir -p "$state"
. tests/tiny.sh
trap traffic_kill EXIT

timed() { # FILE ARGUMENT...
	local from
	from=$(date +%s%N)
	LLMDEPLOY_ROOT=$root timeout 120 "$program" "${@:2}" >"$state/said" 2>&1 || { echo "llmdeploy ${*:2} ended with $?" >&2; cat "$state/said" >&2; return 1; }
	echo $((($(date +%s%N) - from) / 1000)) >>"$1"
}

# answered N: until so many requests were answered; bounded
answered() {
	for _ in $(seq 12000); do
		[ "$(traffic_answered)" -lt "$1" ] || return 0
		sleep 0.05
	done
	return 1
}

tiny_ready || exit 1
traffic_begins --clients 16 --streams 9 --tokens 8 --new-connections 20
# The flips are spread over the requests: the next one when its share of them was answered.
for i in $(seq "$2"); do
	answered $(($3 * i / ($2 + 1)))
	if [ $((i % 2)) = 1 ]; then
		tiny_release "f$i" rollout.drain_ms=10000 gateway.engine.sequences=64 gateway.queue="$(tiny_door $((i % 5)))" -- --first 2 --gap 2
		timed "$state/apply.ms" apply "$state/t/f$i.lock.json" || exit 1
	else
		timed "$state/rollback.ms" rollback demo || exit 1
	fi
done
answered "$3"
traffic_ends
traffic_judge -
