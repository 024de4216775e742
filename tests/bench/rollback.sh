#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/bench/rollback.sh    in the repository's root, after `make`
# A rollback through the gateway, the whole command, to a release that is warm, and to one that is stopped; medians of 15. The engine is a
# tiny one, so that what is measured is llmdeploy, HAProxy and the Engine. Peers: `docker restart` of a container of the same image (what many do to go back), `docker
# start` of a stopped one, and what the engine itself takes from there to its first token. Aim: 100 ms warm, start + 300 ms stopped.
set -eu
. tests/lib.sh
program=$(pwd)/build/llmdeploy
state=$(pwd)/build/bench/rollback
runs=${RUNS:-15}
rm -rf "$state"
mkdir -p "$state"
export LLMDEPLOY_ROOT=$state/root LLMDEPLOY_PRIVATE_ENGINE=1 LLMDEPLOY_RUNTIMES=${LLMDEPLOY_RUNTIMES:-$PWD/runtimes}
clean() {
	id=$(cat "$state/root/root-id" 2>/dev/null) && docker ps -aq --filter "label=llmdeploy.root=$id" | xargs -r docker rm -f >/dev/null
	[ ! -e "$state/engine" ] || tests/integration/docker_engine.sh stop "$state/engine" >/dev/null 2>&1
	rm -rf "$state"
}
trap clean EXIT
engine_ready "$state/engine"
"${CC:-cc}" -std=c17 -D_GNU_SOURCE -static -Os -o "$state/tiny_llm" tests/integration/tiny_llm.c -lpthread
port=$((20000 + RANDOM % 10000 * 2))
release() {
	python3 tests/integration/tiny_release.py "$state/tiny_llm" "$state/t" demo "$1" \
		"gateway={\"listen\":\"127.0.0.1:$port\",\"metrics\":\"127.0.0.1:$((port + 1))\"}" "${@:2}"
}
apply() { "$program" apply "$state/t/$1.lock.json" --archive "$state/t/tiny.tar" >"$state/said" 2>&1 || { cat "$state/said" >&2; exit 1; }; }
ms() { # COMMAND...: how long it took, in milliseconds with a decimal
	local from
	from=$(date +%s%N)
	"$@" >/dev/null 2>&1
	echo $((($(date +%s%N) - from) / 100000)) | sed 's/.$/.&/'
}
median() { sort -n | sed -n "$(((runs + 1) / 2))p"; }
sample() { # KIND: rollbacks between two releases that are kept as KIND says
	release "$1-1" "rollout.previous=\"$1\""
	release "$1-2" "rollout.previous=\"$1\""
	apply "$1-1"
	for _ in $(seq "$runs"); do
		apply "$1-2"
		ms "$program" rollback demo
	done >"$state/$1"
}

release warm-1
"$program" apply "$state/t/warm-1.lock.json" --archive "$state/t/tiny.tar" >/dev/null 2>&1 || :
sha=$(sha256sum <"$state/t/model" | cut -d' ' -f1)
mkdir -p "$LLMDEPLOY_ROOT/store/sha256/${sha:0:2}"
install -m 444 "$state/t/model" "$LLMDEPLOY_ROOT/store/sha256/${sha:0:2}/$sha"
sample warm
sample stopped
image=$(docker ps --filter "label=llmdeploy.root=$(cat "$LLMDEPLOY_ROOT/root-id")" --filter label=llmdeploy.route=demo --format '{{.Image}}' | head -n 1)
docker create --name "peer-$port" --network none --read-only --cap-drop ALL --tmpfs /run/engine --stop-timeout 2 --label "llmdeploy.root=$(cat "$LLMDEPLOY_ROOT/root-id")" \
	--entrypoint /tiny "$image" --socket /run/engine/engine.sock >/dev/null
docker start "peer-$port" >/dev/null
for _ in $(seq "$runs"); do ms docker restart "peer-$port"; done >"$state/restart"
for _ in $(seq "$runs"); do
	docker stop "peer-$port" >/dev/null
	ms docker start "peer-$port"
done >"$state/start"
docker rm -f "peer-$port" >/dev/null
warm=$(median <"$state/warm")
stopped=$(median <"$state/stopped")
restart=$(median <"$state/restart")
start=$(median <"$state/start")
echo "$warm $stopped $restart $start" | awk -v runs="$runs" '{
	printf "rollback warm: median of %d %.1f ms (aim 100), docker restart %.1f ms, ratio %.2f\n", runs, $1, $3, $1 / $3
	printf "rollback stopped: median of %d %.1f ms, docker start %.1f ms, %.1f ms more (aim 300), ratio %.2f\n", runs, $2, $4, $2 - $4, $2 / $4 }'
