#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: tests/bench/bandwidth.sh    in the repository's root, after `make`
# What `host --measure` says of this machine's memory against what sysbench (reads, all processors, a buffer for each) and mbw (memcpy of
# one thread, which reads and writes) get in the same minutes. In turns, and the best of each: whatever else runs can only take
# away. Aim: no less than 0.95 of the best peer, or plans would call a ceiling what is none. --check makes a miss of it a failure.
set -eu
check=
[ "${1:-}" = --check ] && check=1
program=$PWD/build/llmdeploy
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
trap 'exit 130' INT TERM
threads=$(nproc)
ours=0
reads=0
copies=0
best() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.0f", (a > b ? a : b) }'; }
for _ in $(seq "${RUNS:-3}"); do
	ours=$(best "$ours" "$("$program" host --measure --json --root "$root" | tail -n 1 | jq .bandwidth_bytes_per_second)")
	# "(12345.67 MiB/sec)"; blocks of 64 MiB are larger than the caches.
	reads=$(best "$reads" "$(sysbench memory --threads="$threads" --memory-scope=local --memory-oper=read --memory-block-size=64M \
		--memory-total-size=1T --time=2 run | sed -n 's/.*(\([0-9.]*\) MiB\/sec).*/\1/p' | awk '{ printf "%.0f", $1 * 1048576 }')")
	# "AVG Method: MEMCPY ... Copy: 5000.000 MiB/s"
	copies=$(best "$copies" "$(mbw -q -t0 -n 3 128 | sed -n 's/^AVG.*Copy: \([0-9.]*\) MiB\/s.*/\1/p' | awk '{ printf "%.0f", $1 * 1048576 * 2 }')")
done
awk -v o="$ours" -v r="$reads" -v c="$copies" -v n="$threads" -v check="$check" 'BEGIN {
	peer = r > c ? r : c
	printf "bandwidth: ours %.2f GB/s on %d processors, sysbench read %.2f GB/s, mbw memcpy %.2f GB/s (read and write, one thread)\n", o / 1e9, n, r / 1e9, c / 1e9
	printf "bandwidth ratio to the best peer: %.3f (aim 0.95)\n", o / peer
	exit check && o < 0.95 * peer
}'
