#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: kills_test.sh [BUILD_DIR]   fifty kill -9 at random instants of applies and rollbacks, under traffic. TAP.
#
# `make soak` has a thousand. State is under BUILD_DIR/tests/kills. KILLS, WORKERS, SEED, PORT.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/lib.sh
state=$(realpath "${1:-build}")/tests/kills
program=$(realpath "${1:-build}")/llmdeploy
kills=${KILLS:-50}
port=0
. tests/tiny.sh
. tests/tap.sh
tap_shown="$state/kills.err $state/[0-9]*/verdict.json"
rm -rf "$state"
trap tiny_clean EXIT
trap 'exit 130' INT TERM HUP

count() { grep -c "$1" "$state/killed"; }
ours() { LLMDEPLOY_ROOT=$state/1/root timeout 120 "$program" "$@" >"$state/kills.err" 2>&1; }

mkdir -p "$state"
engine_ready "$state/engine" || exit 1
BUILD=${1:-build} tests/load/kills.sh "$state" "$kills" 2>"$state/kills.err"
check $? "after each of $kills instants: the old release or the new one, whole, and answering"
cat "$state"/[0-9]*/kills >"$state/killed"
[ "$(count '^killed')" = "$kills" ]
check $? "of $(wc -l <"$state/killed") commands $(count '^killed') were killed before they ended; $(count 'killed old') times the old one was active, $(count 'killed new') times the new one"
[ "$(count 'killed old')" -gt 0 ] && [ "$(count 'killed new')" -gt 0 ]
check $? "kills fell before and after the switch"
jq -se '(map(.requests) | min) > 100 and (map(.failed) | add) == 0' "$state"/[0-9]*/verdict.json >/dev/null
check $? "no request of $(jq -s 'map(.requests) | add' "$state"/[0-9]*/verdict.json) failed meanwhile"

# What random instants hardly ever meet.
root=$state/1/root
touch "$root/gateway/.state.loaded.tmp-1" "$root/run/routes/demo/.a.sock.tmp-1"
ours recover demo && [ ! -e "$root/gateway/.state.loaded.tmp-1" ] && [ ! -e "$root/run/routes/demo/.a.sock.tmp-1" ]
check $? "what was half written for the gateway goes with recover"
# applies FAULT VERSION CHANGE: such a release, with this fault
applies() {
	jq -cS ".version = \"$2\" | $3" "$state/1/t/first.lock.json" >"$state/$2.lock.json"
	LLMDEPLOY_FAULT=$1 ours apply "$state/$2.lock.json"
}
dies_at() {
	applies "$@"
	[ $? = 137 ]
}
dies_at gateway.link:after:kill:2 x1 . && ! ours verify demo && grep -q '^run/routes/demo/[ab].sock ' "$state/kills.err" && ours recover demo && ours verify demo
check $? "a link that was turned before the state said so is turned back by recover"
# Of the last change that an apply like the one before makes there: the previous release has ended its requests.
applies "" xa . && applies log:9 xb . 9>"$state/log"
last=$(awk '/^gateway.state before/ { after = 1 } /^gateway.config before/ { n++; if (after) last = n; after = 0 } END { print last }' "$state/log")
dies_at "gateway.config:before:kill:$last" x2 . && ! ours verify demo && grep -q '^gateway/haproxy.cfg ' "$state/kills.err" && ours recover demo && ours verify demo
check $? "a configuration that was not yet what the state says is so after recover"
other=127.0.0.1:$(($(jq -r .gateway.listen "$state/1/t/first.lock.json" | cut -d: -f2) - 1))
dies_at gateway.reload:before:kill:1 x3 ".gateway.metrics = \"$other\"" && ours recover demo && [ "$(basename "$(readlink "$root/routes/demo/active")")" = x3 ] &&
	curl -s -m 10 --noproxy '*' "http://$other/metrics" | grep -q '^llmdeploy_'
check $? "a listener that the switch brought is there after recover"
tap_end
