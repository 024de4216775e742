#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/bench/fallback.sh    in the repository's root, after `make tests`
# kill -9 of the engine, and the next question at once: how long it takes to be answered by the hosted model, and until the release answers again.
# Fails where the median of the first is 50 ms or more, or a question fails.
set -eu
. tests/lib.sh
program=$(pwd)/build/llmdeploy
state=$(pwd)/build/bench/fallback
kills=${KILLS:-9}
port=$((20000 + RANDOM % 4000 * 3))
export LLMDEPLOY_PRIVATE_ENGINE=1
. tests/tiny.sh
hosted=
clean() { [ -z "$hosted" ] || kill "$hosted"; tiny_clean; }
rm -rf "$state"
mkdir -p "$state"
trap clean EXIT
trap 'exit 130' INT TERM HUP

tiny_ready
python3 tests/integration/hosted.py $((port + 2)) &
hosted=$!
tiny_release only 'requirements.privacy="any"' "gateway.fallback={\"url\":\"http://127.0.0.1:$((port + 2))/v1\",\"model\":\"big\",\"shareable\":[]}"
LLMDEPLOY_ROOT=$root "$program" apply "$state/t/only.lock.json" >"$state/said" 2>&1 || { cat "$state/said" >&2; exit 1; }
ask() { curl -s -m 10 -o "$state/answer" -w '%{http_code} %header{x-llmdeploy-answered-by}|%{time_total}\n' "http://127.0.0.1:$port/v1/chat/completions" \
	-H 'Content-Type: application/json' -d '{"model":"demo","messages":[],"max_tokens":2}'; }
now() { date +%s%3N; }
engine() { docker inspect -f '{{.State.Pid}}' "$(docker ps -q --filter "label=llmdeploy.root=$(cat "$root/root-id")" --filter label=llmdeploy.version=only)"; }
for _ in $(seq "$kills"); do
	pid=$(engine)
	kill -KILL "$pid"
	began=$(now)
	said=$(ask)
	[ "${said%|*}" = "200 fallback; reason=down" ] || { echo "fallback: '$said' after a kill"; exit 1; }
	echo "${said#*|}" >>"$state/first"
	until [ "${said%|*}" = "200 active" ]; do
		[ $(($(now) - began)) -lt 30000 ] && [ "${said%% *}" = 200 ] || { echo "fallback: '$said', $(($(now) - began)) ms after a kill"; exit 1; }
		sleep 0.02
		said=$(ask)
	done
	echo $(($(now) - began)) >>"$state/back"
	sleep 0.5
done
sort -n "$state/first" | awk -v all="$(sort -n "$state/back" | tr '\n' ' ')" '{ t[NR] = $1 * 1000 } END {
	n = split(all, back, " ")
	printf "fallback: first answer after a kill -9 of the engine %.1f ms at the median, %.1f at most, of %d (aim 50)\n", t[int((NR + 1) / 2)], t[NR], NR
	printf "fallback: the release answers again after %d ms at the median (the Engine starts it again)\n", back[int((n + 1) / 2)]
	exit NR == 0 || t[int((NR + 1) / 2)] >= 50 }'
