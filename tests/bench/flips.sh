#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/bench/flips.sh    in the repository's root, after `make tests`
# 100 flips under at least 100,000 requests (tests/load/flips.sh), and the peer in the same run: a plain HAProxy before two of the same engines, whose
# configuration is written and which is reloaded for each flip, as many a deployment tool does. FLIPS, REQUESTS, PEER_REQUESTS.
set -eu
. tests/lib.sh
program=$(pwd)/build/llmdeploy
state=$(pwd)/build/bench/flips
flips=${FLIPS:-100}
requests=${REQUESTS:-100000}
port=$((20000 + RANDOM % 5000 * 2))
export PORT=$port LLMDEPLOY_PRIVATE_ENGINE=1
. tests/tiny.sh
pids=
rm -rf "$state"
mkdir -p "$state"
clean() {
	[ -z "$pids" ] || kill $pids 2>/dev/null || :
	tiny_clean
}
trap clean EXIT
trap 'exit 130' INT TERM HUP
engine_ready "$state/engine"

percentiles() { sort -n "$1" | awk '{ v[NR] = $1 / 1000 } END { printf "p50 %.1f ms, p99 %.1f ms (%d)", v[int((NR + 1) / 2)], v[int((NR - 1) * 0.99) + 1], NR }'; }

status=0
tests/load/flips.sh "$state" "$flips" "$requests" || status=$?
jq -r '"flips: \(.flips), requests \(.requests) (\(.streams) streams, \(.connections) connections, \(.per_second) a second), \(.in_flight_in_a_flip) in flight in a flip",
	"flips: failed \(.failed), cut \(.cut), releases that answered \(.releases); journal to journal p50 \(.flip_ms_p50) ms, p99 \(.flip_ms_p99) ms",
	.faults[]' "$state/verdict.json"
echo "flips: whole commands: rollback $(percentiles "$state/rollback.ms"), apply $(percentiles "$state/apply.ms")"

# The peer.
peer=$((port + 4))
for s in a b; do
	"$state/tiny_llm" --socket "$state/$s.sock" --model "$s" --first 2 --gap 2 2>/dev/null &
	pids="$pids $!"
done
configure() { # SERVER
	cat >"$state/peer.cfg" <<-END
		global
			stats socket $state/peer.sock mode 600 level admin expose-fd listeners
			nbthread 1
			hard-stop-after 60s
		defaults
			mode http
			option http-no-delay
			timeout connect 2s
			timeout client 1h
			timeout server 1h
		frontend f
			bind 127.0.0.1:$peer
			default_backend b
		backend b
			http-response set-header x-llmdeploy-release $1
			server s unix@$state/$1.sock
	END
}
configure a
/usr/sbin/haproxy -W -db -S "$state/master.sock" -f "$state/peer.cfg" >"$state/peer.log" 2>&1 &
haproxy=$!
pids="$pids $haproxy"
sleep 1
ours=$(jq -c . "$state/verdict.json")
port=$peer
traffic_begins --clients 16 --streams 9 --tokens 8 --new-connections 20
pids="$pids$loads"
for i in $(seq "$flips"); do
	next=$([ $((i % 2)) = 1 ] && echo b || echo a)
	configure "$next"
	from=$(date +%s%N)
	kill -USR2 "$haproxy"
	# Until a new connection is answered by the other one.
	for _ in $(seq 500); do
		[ "$(curl -s -o /dev/null --noproxy '*' -w '%header{x-llmdeploy-release}' "http://127.0.0.1:$peer/health")" != "$next" ] || break
	done
	echo $((($(date +%s%N) - from) / 1000)) >>"$state/reload.ms"
	sleep 0.2
done
traffic_ends
jq -rs --argjson ours "$ours" '{requests: map(.requests) | add, failed: map(.failed) | add, cut: map(.cut) | add, connections: map(.connections) | add} |
	"flips: peer, a reload each: requests \(.requests), failed \(.failed) (\(.cut) streams cut), connections \(.connections)",
	"flips: connections a request, ratio to the peer: \(($ours.connections / $ours.requests) / (.connections / .requests) * 100 | round / 100)"' \
	"$state/1.json" "$state/2.json"
echo "flips: peer, from the signal until the other one answers $(percentiles "$state/reload.ms")"
exit "$status"
