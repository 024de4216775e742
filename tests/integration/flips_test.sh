#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: flips_test.sh [BUILD_DIR]   ten flips of a route under some thousand requests: no client notices. TAP.
#
# tests/bench/flips.sh is the same with 100 flips and 100,000 requests. State is under BUILD_DIR/tests/flips. FLIPS, REQUESTS, PORT.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/lib.sh
state=$(realpath "${1:-build}")/tests/flips
program=$(realpath "${1:-build}")/llmdeploy
flips=${FLIPS:-10}
requests=${REQUESTS:-4000}
. tests/tiny.sh
. tests/tap.sh
tap_shown="$state/flips.err $state/verdict.json $state/[12].json"
rm -rf "$state"
trap tiny_clean EXIT
trap 'exit 130' INT TERM HUP

holds() { jq -e "$1" "$state/$2.json" >/dev/null 2>&1; }

mkdir -p "$state"
engine_ready "$state/engine" || exit 1
BUILD=${1:-build} tests/load/flips.sh "$state" "$flips" "$requests" 2>"$state/flips.err"
check $? "$flips flips under $(jq .requests "$state/verdict.json") requests, judged with the journal"
clean=1
for each in 1 2; do holds '.failed == 0 and .cut == 0 and (.statuses | keys) == ["200"] and ([.answered[] | select(.by != "active")] == [])' $each || clean=0; done
[ $clean = 1 ]
check $? "no request failed, no stream was cut"
holds ".requests >= $requests and .flips > $flips and .in_flight_in_a_flip > 0 and .cut_at_deadline == 0" verdict
check $? "$(jq .in_flight_in_a_flip "$state/verdict.json") of them were in flight while a flip was made"
holds ".streams * 100 > .requests * 45 and .http2 * 100 > .requests * 30 and .http2 < .requests and .connections * 100 > .requests * 15 and
	.connections < .requests" verdict
check $? "about half were streams; HTTP/1.1 and HTTP/2, kept and new connections"
holds '.releases > 3' verdict
check $? "$(jq .releases "$state/verdict.json") releases answered, none before its gate had passed"
# Connections that outlive the worker they were made to.
export LLMDEPLOY_RUNTIMES=${LLMDEPLOY_RUNTIMES:-$PWD/runtimes}
timeout 300 python3 tests/load/kept.py "$program" "$state" "$(jq -r .gateway.listen "$state/t/first.lock.json" | cut -d: -f2)" >"$state/kept" 2>"$state/flips.err"
check $? "clients stay connected through switches that reload HAProxy"
while IFS= read -r line; do
	[ "${line%% -*}" = ok ]
	check $? "${line#*- }"
done <"$state/kept"
[ "$(grep -c '^ok' "$state/kept")" = 13 ]
check $? "all of these were looked at"
tap_end
