#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/bench/apply.sh    in the repository's root, after `make`
# The controller's own time in an apply (wall time less engine start, questions and watch) of a new release whose packages and
# model are in the store, as a ratio to what the docker command takes to create and start the same container. Medians of five. Aim: 300 ms.
set -eu
. tests/lib.sh
program=$(pwd)/build/llmdeploy
state=$(pwd)/build/bench/apply
rm -rf "$state/root"
mkdir -p "$state"
export LLMDEPLOY_ROOT=$state/root LLMDEPLOY_PRIVATE_ENGINE=1
trap 'tests/integration/docker_engine.sh stop "$state/engine" >/dev/null 2>&1; rm -rf "$state"' EXIT
no_gateway "$LLMDEPLOY_ROOT"
engine_ready "$state/engine"
runtimes_ready "$program" examples/incident/incident-r16.yaml "$LLMDEPLOY_ROOT" "$state/runtimes"
here=$(pwd)/examples/incident
manifest() {
	sed -e "s/^version: .*/version: bench-$1/" -e "s|source: adapters/|source: $here/adapters/|" -e "s|file:../../build|file:$(pwd)/build|" \
		-e '/^eval:/,/latency_p95/c\eval: {skip: "a benchmark of the controller"}' -e 's/watch: [0-9a-z]*/watch: 0s/' \
		examples/incident/incident-r16.yaml >"$state/$1.yaml"
}
median() { sort -n | sed -n 3p; }
manifest 0
"$program" apply "$state/0.yaml" >/dev/null 2>&1
for i in 1 2 3 4 5; do
	manifest "$i"
	"$program" apply "$state/$i.yaml" --json 2>/dev/null | tail -n 1 | jq '.total_ms - .engine_ms - .eval_ms'
done >"$state/ours"
image=$(docker images -q --filter label=llmdeploy.version=bench-5)
for i in 1 2 3 4 5; do
	from=$(date +%s%N)
	docker create --name "bench-$i" --network none --read-only --cap-drop ALL --user 65532 --entrypoint /usr/bin/llama-server "$image" --version >/dev/null
	docker start "bench-$i" >/dev/null
	echo $((($(date +%s%N) - from) / 1000000))
done >"$state/docker"
ours=$(median <"$state/ours")
docker=$(median <"$state/docker")
echo "apply: the controller's own time $ours ms (aim 300), docker create and start $docker ms, ratio $(echo "$ours $docker" | awk '{printf "%.2f", $1 / $2}')"
