#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/bench/stream.sh    in the repository's root, after `make tests`
# What the gateway adds to a token stream: time to the first token and between tokens, through it against the engine's own socket, by turns and
# in the same run, medians; and how many short requests it passes against direct. Tiny engine: 20 ms to the first token, 20 ms between two.
# Fails where either is more than 1 ms at the median.
set -eu
. tests/lib.sh
program=$(pwd)/build/llmdeploy
state=$(pwd)/build/bench/stream
rounds=${ROUNDS:-5}
port=$((20000 + RANDOM % 5000 * 2))
export LLMDEPLOY_PRIVATE_ENGINE=1
. tests/tiny.sh
rm -rf "$state"
mkdir -p "$state"
trap tiny_clean EXIT
trap 'exit 130' INT TERM HUP

tiny_ready
tiny_release slow gateway.engine.sequences=64 -- --first 20 --gap 20
tiny_release quick gateway.engine.sequences=64 -- --first 0 --gap 0
apply() { LLMDEPLOY_ROOT=$root "$program" apply "$state/t/$1.lock.json" >"$state/said" 2>&1 || { cat "$state/said" >&2; exit 1; }; }
apply slow
socket=$(LLMDEPLOY_ROOT=$root "$program" ask demo --socket-path)
load() { # WHICH FILE ARGUMENT...: one line of its results more in FILE
	local at=$1 file=$2
	shift 2
	if [ "$at" = direct ]; then set -- "$@" --unix-socket "$socket"; fi
	build/tests/load/load --url "http://127.0.0.1:$port/v1/chat/completions" --model demo --http 1 --new-connections 0 "$@" >>"$state/$file.$at"
}
for _ in $(seq "$rounds"); do
	for at in direct gateway; do load "$at" stream --clients 2 --streams 2 --tokens 40 --requests 10; done
done
apply quick
socket=$(LLMDEPLOY_ROOT=$root "$program" ask demo --socket-path)
for _ in $(seq "$rounds"); do
	for at in direct gateway; do load "$at" short --clients 16 --streams 0 --tokens 1 --seconds 2; done
done
median() { # FILE FIELD
	jq -s "[.[] | $2] | sort | .[length / 2 | floor]" "$state/$1"
}
first_direct=$(median stream.direct .first_token_ms.p50)
first_gateway=$(median stream.gateway .first_token_ms.p50)
gap_direct=$(median stream.direct .between_tokens_ms.p50)
gap_gateway=$(median stream.gateway .between_tokens_ms.p50)
rate_direct=$(median short.direct .per_second)
rate_gateway=$(median short.gateway .per_second)
jq -s -e '[.[] | .failed] | add == 0' "$state"/stream.* "$state"/short.* >/dev/null || { echo "stream: requests failed"; exit 1; }
awk -v a="$first_direct" -v b="$first_gateway" -v c="$gap_direct" -v d="$gap_gateway" -v e="$rate_direct" -v f="$rate_gateway" 'BEGIN {
	printf "stream: first token direct %.2f ms, gateway %.2f ms, added %.2f ms (aim 1)\n", a, b, b - a
	printf "stream: between tokens direct %.2f ms, gateway %.2f ms, added %.2f ms (aim 1)\n", c, d, d - c
	printf "stream: short requests direct %.0f a second, gateway %.0f, ratio %.2f\n", e, f, f / e
	exit b - a > 1 || d - c > 1 || b < 20 || c < 19 }'
