#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: matrix_test.sh [BUILD_DIR]   every effect of every operation killed and failed (matrix.py), WORLDS (4) worlds at a time
#
# Engine and model server are tests/fake/dockerd.py, the gateway is the installed HAProxy. EVERY=1 kills each time an effect happens, not
# only the first.
# State is in memory where the machine has such a place: nothing here depends on a disk, and there are thousands of syncs.
set -u
export PYTHONDONTWRITEBYTECODE=1
cd "$(dirname "$0")/../.."
build=${1:-build}
place=/tmp
[ ! -w /dev/shm ] || place=/dev/shm
state=$(mktemp -d "$place/llmdeploy-faults-XXXXXX")
chmod 755 "$state"
pids=
trap 'for p in $pids; do kill "$p" 2>/dev/null; done; wait; rm -rf "$state"' EXIT
trap 'exit 130' INT TERM HUP

"$build/tests/bench/gguf_make" llama "$state/model.gguf" || exit 1
part() { # NUMBER GATEWAY OPERATION,...
	timeout 1400 python3 tests/fault/matrix.py "$build/llmdeploy" "$build/tests/fault/rows" "$state/$1" "$state/model.gguf" --gateway="$2" \
		--only="$3" ${EVERY:+--every} >"$state/$1.said" 2>"$state/$1.errors"
	echo $? >"$state/$1.status"
}
# Those that take long first. A world waits most of the time: for late answers that it makes sure of, and for HAProxy.
n=0
while read -r gateway operations; do
	while [ "$(jobs -rp | wc -l)" -ge "${WORLDS:-4}" ]; do wait -n; done
	n=$((n + 1))
	part "$n" "$gateway" "$operations" &
	pids="$pids $!"
done <<END
host gate
host abort,rollback
none collect,gc
none pull,first
host recreate,promote
none apply,again,recover,reject
none lock,build,measure
host remove
host purge
host stop,start
host canary
host apply
END
wait
failed=0
for n in $(seq "$n"); do
	cat "$state/$n.said"
	[ "$(cat "$state/$n.status")" = 0 ] || { failed=1; sed 's/^/# /' "$state/$n.errors" | tail -n 20; }
done
# The rows: what an operation was seen to have is what its effects' rows say.
cat "$state"/*.said | python3 tests/fault/matrix.py --rows "$build/tests/fault/rows" || failed=1
exit $failed
