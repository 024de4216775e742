#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/bench/memory.sh    in the repository's root, after `make`
# Memory that pkg/size predicts beside what the packaged engine's log says, for generated models of every family and the demo's model, at several
# contexts, sequences and types of KV cache: MiB, in brackets the log's where it differs. Fails where caches, states or weights differ, or the
# sum of all buffers by more than 5 %.
set -u
. tests/lib.sh
. tests/memory.sh
build=build
program=$(pwd)/build/llmdeploy
state=$(pwd)/build/bench/memory
lock=$state/r16.lock.json
rm -rf "$state/root"
mkdir -p "$state"
export LLMDEPLOY_ROOT=$state/root LLMDEPLOY_PRIVATE_ENGINE=1
trap 'tests/integration/docker_engine.sh stop "$state/engine" >/dev/null 2>&1; rm -rf "$state"' EXIT
engine_ready "$state/engine" || exit 1
runtimes_ready "$program" examples/incident/incident-r16.yaml "$LLMDEPLOY_ROOT" "$state/runtimes" || exit 1
"$program" build examples/incident/incident-r16.yaml --output "$lock" --archive "$state/image.tar" >/dev/null || exit 1
docker load -q -i "$state/image.tar" >/dev/null || exit 1
rm -f "$state/image.tar"
bad=0
row() { memory_row "$@" || bad=1; }
sizes() { # NAME MODEL
	row "$1" 4096 2 f16 "$2"
	row "$1" 8192 4 f16 "$2"
	row "$1" 1000 3 q8_0 "$2"
	row "$1" 2048 1 q4_0 "$2"
}
echo "memory: predicted by pkg/size and, in brackets, from the log of the packaged engine where that differs (MiB)"
"$build/tests/bench/memory_row"
big="embedding=1024 heads=16 kv_heads=4 head=64 feed_forward=2816 vocabulary=4096 context=131072"
for family in llama mqa mha tied moe gemma3 gemma4 gpt-oss deepseek2 qwen35moe granite-hybrid jamba mamba lfm2; do
	case $family in
	mqa) shape="$big kv_heads=1" ;;
	mha) shape="$big kv_heads=16" ;;
	moe) shape="$big feed_forward=384 experts=16 experts_used=4" ;;
	gemma4) shape="$big kv_heads=1 head=256 heads=8" ;;
	gpt-oss) shape="$big feed_forward=1024 experts=16 experts_used=4" ;;
	deepseek2) shape="$big head=192 latent=512 rope=64 feed_forward=384 experts=16 experts_used=4" ;;
	qwen35moe) shape="$big heads=8 kv_heads=2 head=256 rope=64 feed_forward=256 experts=16 experts_used=4 inner=2048 state=128 groups=8 rank=16" ;;
	granite-hybrid) shape="$big inner=2048 state=128 groups=1 rank=32" ;;
	jamba | mamba) shape="$big inner=2048 state=16 rank=64" ;;
	*) shape=$big ;;
	esac
	# shellcheck disable=SC2086
	memory_model "$family" $shape && sizes "$family" "$state/$family.gguf"
	rm -f "$state/$family.gguf"
done
blob() { sha=$(jq -r ".artifacts[$1].sha256" "$lock"); echo "$LLMDEPLOY_ROOT/store/sha256/$(echo "$sha" | cut -c1-2)/$sha"; }
sizes "SmolLM2-135M" "$(blob 0)"
row "SmolLM2-135M with an adapter" 2048 2 f16 "$(blob 0)" "$(blob 1)"
row "SmolLM2-135M with an adapter" 2048 4 q8_0 "$(blob 0)" "$(blob 1)"
exit $bad
