#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/integration/memory_test.sh BUILD: a few rows of tests/bench/memory.sh, and estimate of the runtime, with the real engine. TAP.
set -u
cd "$(dirname "$0")/../.."
. tests/lib.sh
. tests/memory.sh
build=${1:-build}
program=$(pwd)/$build/llmdeploy
state=$(pwd)/$build/tests/memory
lock=$state/r16.lock.json
mkdir -p "$state"
rm -rf "$state/root" "$state"/*.json
export LLMDEPLOY_ROOT=$state/root LLMDEPLOY_PRIVATE_ENGINE=${LLMDEPLOY_PRIVATE_ENGINE:-1}
finish() {
	id=$(cat "$state/root/root-id")
	docker ps -aq --filter "label=llmdeploy.root=$id" | xargs -r docker rm -f >/dev/null
	docker images --format '{{.Repository}}:{{.Tag}}' | grep "^localhost/llmdeploy-$(echo "$id" | cut -c1-8)/" | xargs -r docker rmi >/dev/null
	tests/integration/docker_engine.sh stop "$state/engine" >/dev/null 2>&1
	rm -rf "$state/root" "$state"/*.gguf
}
trap finish EXIT
engine_ready "$state/engine" || exit 1
no_gateway "$state/root"
runtimes_ready "$program" examples/incident/incident-r16.yaml "$state/root" "$state/runtimes" || exit 1
"$program" build examples/incident/incident-r16.yaml --output "$lock" --archive "$state/image.tar" >/dev/null 2>&1 || exit 1
docker load -q -i "$state/image.tar" >/dev/null || exit 1
rm -f "$state/image.tar"
. tests/tap.sh
tap_shown="$state/out $state/err"
row() { # NAME CONTEXT SEQUENCES KV MODEL [ADAPTER]
	memory_row "$@" >"$state/out" 2>"$state/err"
	check $? "memory: $1, $2 x $3 $4"
}
generated() { # FAMILY CONTEXT SEQUENCES KV [NAME=NUMBER]...
	family=$1
	load="$2 $3 $4"
	shift 4
	memory_model "$family" embedding=1024 vocabulary=4096 context=131072 "$@"
	# shellcheck disable=SC2086
	row "$family" $load "$state/$family.gguf"
}
blob() { sha=$(jq -r ".artifacts[$1].sha256" "$lock"); echo "$state/root/store/sha256/$(echo "$sha" | cut -c1-2)/$sha"; }
generated llama 1000 3 q8_0 heads=16 kv_heads=4 head=64 feed_forward=2816
generated tied 4096 2 f16 heads=16 kv_heads=4 head=64 feed_forward=2816
generated gemma3 4096 2 f16 heads=16 kv_heads=4 head=64 feed_forward=2816
generated gemma4 2048 1 q4_0 heads=8 kv_heads=1 head=256 feed_forward=2816
generated moe 4096 2 f16 heads=16 kv_heads=4 head=64 feed_forward=384 experts=16 experts_used=4
generated deepseek2 4096 2 f16 heads=16 head=192 latent=512 rope=64 feed_forward=384 experts=16 experts_used=4
generated qwen35moe 4096 4 f16 heads=8 kv_heads=2 head=256 rope=64 feed_forward=256 experts=16 experts_used=4 inner=2048 state=128 groups=8 rank=16
row "SmolLM2-135M with an adapter" 2048 2 f16 "$(blob 0)" "$(blob 1)"
# The architectures that the library of the packaged runtime names are those of its definition.
image=$(jq -r '.image.config' "$lock")
docker image inspect "sha256:$image" >/dev/null 2>&1 || image=$(jq -r '.image.manifest' "$lock")
container=$(docker create "sha256:$image")
docker cp -L "$container:/usr/lib/x86_64-linux-gnu/libllama.so.0" "$state/libllama.so" >"$state/out" 2>"$state/err" &&
	python3 tests/bench/archs.py list "$state/libllama.so" runtimes/llama.cpp/runtime.yaml >"$state/out" 2>"$state/err"
check $? "the runtime's own list of architectures: $(cat "$state/out")"
docker rm "$container" >/dev/null
rm -f "$state/libllama.so"
"$program" plan --estimate --json examples/incident/incident-r16.yaml >"$state/out" 2>"$state/err" &&
	tail -n 1 "$state/out" | jq -e '.estimate | .devices[0].context_bytes == 94371840 and (.total_bytes - .planned_bytes | fabs) < 3145728' >/dev/null &&
	[ -z "$(docker ps -aq --filter name=estimate)" ]
check $? "plan --estimate: the engine's own number beside ours, and no container left"
# A log of another form is said, and never a 0.
"$build/tests/bench/gguf_make" llama "$state/tiny.gguf" >/dev/null
cat >"$state/tiny.yaml" <<END
apiVersion: llmdeploy/v1
route: memory
version: v1
model: {source: "file:$state/tiny.gguf", sha256: $(sha256sum "$state/tiny.gguf" | cut -d' ' -f1)}
runtime: {name: llama.cpp, backend: cpu, context_tokens: 256, concurrent_sequences: 1}
eval: {skip: "only its memory is looked at"}
rollout: {watch: 0s}
END
rm -rf "$state/other"
mkdir -p "$state/other"
cp -R "${LLMDEPLOY_RUNTIMES:-runtimes}/llama.cpp" "$state/other/"
sed -i 's/ buffer size =/ buffer space =/' "$state/other/llama.cpp/runtime.yaml"
"$program" apply --runtimes "$state/other" "$state/tiny.yaml" >"$state/out" 2>"$state/err" &&
	grep -qF "the memory of the instance could not be measured: log format changed: no line of the runtime's log names a buffer" "$state/out" &&
	"$program" status memory --json 2>"$state/err" | tail -n 1 | tee "$state/out" | jq -e '.memory | has("warning") and (has("measured") | not)' >/dev/null &&
	"$program" status memory >"$state/out" 2>"$state/err" && grep -qF 'log format changed' "$state/out"
result "a log of another form is a warning, in the evidence, too" $?
sed -i 's/^version: v1/version: v2/' "$state/tiny.yaml"
"$program" apply "$state/tiny.yaml" >"$state/out" 2>"$state/err" &&
	"$program" status memory --json 2>"$state/err" | tail -n 1 | tee "$state/out" | jq -e '.memory | .predicted.kv_bytes == .measured.kv_bytes and
		.drift_permille >= -50 and .drift_permille <= 50 and .resident_bytes > 0' >/dev/null &&
	"$program" status memory >"$state/out" 2>"$state/err" && grep -qF "in the runtime's log, " "$state/out"
result "what the engine took is kept beside the plan, and status shows the drift" $?
tap_end
