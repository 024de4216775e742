#!/bin/bash
# usage: matrix_test.sh [BUILD_DIR]   every effect of every operation killed and failed (matrix.py), two worlds at a time
#
# Engine and model server are tests/fake/dockerd.py, the gateway is the installed HAProxy. EVERY=1 kills each time an effect happens, and
# does the operations that need a gateway, too.
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
part 1 none lock,build,pull,first,measure,collect &
pids=$!
{
	part 2 none apply,again,recover,reject,gc
	part 3 host rollback${EVERY:+,gate,apply,canary,recreate,promote,abort}
} &
pids="$pids $!"
wait
failed=0
for n in 1 2 3; do
	cat "$state/$n.said"
	[ "$(cat "$state/$n.status")" = 0 ] || { failed=1; sed 's/^/# /' "$state/$n.errors" | tail -n 20; }
done
# The rows: what an operation was seen to have is what its effects' rows say.
cat "$state"/*.said | python3 tests/fault/matrix.py --rows "$build/tests/fault/rows" || failed=1
exit $failed
