#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: docker_phase_faults_test.sh [BUILD_DIR]   an Engine that misbehaves in every phase of every command (docker_phase_faults.table). TAP.
#
# The Engine is the fake one, several at a time: a row waits most of its time. It stands for containerd's image store, too, which the Engine
# of Debian 12 (20.10) has not. State is in memory where the machine has such a place.
set -u
export PYTHONDONTWRITEBYTECODE=1
cd "$(dirname "$0")/../.." || exit 1
build=${1:-build}
parts=${PARTS:-4}
place=/tmp
[ ! -w /dev/shm ] || place=/dev/shm
state=$(mktemp -d "$place/llmdeploy-sick-XXXXXX")
chmod 755 "$state"
pids=
trap 'for p in $pids; do kill "$p" 2>/dev/null; done; wait; rm -rf "$state"' EXIT
trap 'exit 130' INT TERM HUP

for i in $(seq 0 $((parts - 1))); do
	{
		timeout 900 python3 tests/integration/docker_phase_faults.py "$build/llmdeploy" "$state/$i" --part="$i/$parts" >"$state/$i.said" 2>"$state/$i.errors"
		echo $? >"$state/$i.status"
	} &
	pids="$pids $!"
done
wait
failed=0
for i in $(seq 0 $((parts - 1))); do
	cat "$state/$i.said"
	[ "$(cat "$state/$i.status")" = 0 ] || { failed=1; sed 's/^/# /' "$state/$i.errors" | tail -n 20; }
done
[ "$(cat "$state"/*.said | grep -c '^ok ')" = "$(grep -c '^[a-z].*|.*|.*|.*|' tests/integration/docker_phase_faults.table)" ] || { echo "not ok - a row was not run"; failed=1; }
exit $failed
