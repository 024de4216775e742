#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/bench/archs.sh    in the repository's root, after `make`
# The architectures of the packaged runtime against ours. 1. Its library's own list is that of runtimes/llama.cpp/runtime.yaml. 2. Each model of
# tests/fake/archs.table is made as the runtime's loader wants it, loaded by the packaged server, and what the log says of KV cache, states and compute buffers is
# compared with what pkg/size predicts and with the table. Fails where caches or states differ, or a compute buffer is less than 70 % of what is taken.
set -u
. tests/lib.sh
. tests/memory.sh
build=build
program=$(pwd)/build/llmdeploy
state=$(pwd)/build/bench/archs
lock=$state/r16.lock.json
rm -rf "$state"
mkdir -p "$state/models"
export LLMDEPLOY_ROOT=$state/root LLMDEPLOY_PRIVATE_ENGINE=1
trap 'tests/integration/docker_engine.sh stop "$state/engine" >/dev/null 2>&1; rm -rf "$state"' EXIT
engine_ready "$state/engine" || exit 1
runtimes_ready "$program" examples/incident/incident-r16.yaml "$LLMDEPLOY_ROOT" "$state/runtimes" || exit 1
"$program" build examples/incident/incident-r16.yaml --output "$lock" --archive "$state/image.tar" >/dev/null || exit 1
docker load -q -i "$state/image.tar" >/dev/null || exit 1
rm -f "$state/image.tar"
image=$(jq -r '.image.config' "$lock")
docker image inspect "sha256:$image" >/dev/null 2>&1 || image=$(jq -r '.image.manifest' "$lock")
bad=0

# 1. The list.
id=$(docker create "sha256:$image")
docker cp -L "$id:/usr/lib/x86_64-linux-gnu/libllama.so.0" "$state/libllama.so" || exit 1
docker rm "$id" >/dev/null
python3 tests/bench/archs.py list "$state/libllama.so" runtimes/llama.cpp/runtime.yaml || bad=1

# 2. The models.
python3 tests/bench/archs.py keys tests/fake/archs.table "$state/models"
(cd "$state/models" && printf '/m/%s\n' *.keys.gguf) | xargs docker run --rm --network none --read-only --cap-drop ALL --tmpfs /tmp \
	-v "$(pwd)/build/tests/bench/arch_tensors:/arch_tensors:ro" -v "$state/models:/m:ro" --entrypoint /arch_tensors "sha256:$image" \
	>"$state/tensors" 2>"$state/tensors.err"
python3 tests/bench/archs.py models tests/fake/archs.table "$state/models" "$state/tensors" >"$state/rows"
echo "archs: predicted by pkg/size and, in brackets, from the log of the packaged runtime where that differs (MiB)"
"$build/tests/bench/memory_row"
while read -r i name kv states compute made; do
	if [ "$made" != yes ] || ! memory_engine 1024 2 f16 "$state/engine.log" "$state/models/$i.gguf" 2>"$state/err"; then
		echo "archs: $name: the runtime does not load the model of row $i: $(tail -n 1 "$state/err" 2>/dev/null)" >&2
		bad=1
		continue
	fi
	line=$("$build/tests/bench/memory_row" "$name" 1024 2 f16 "$state/engine.log" "$state/models/$i.gguf" 2>/dev/null)
	echo "$line"
	# Columns: name, load, weights, adapters, KV, states, output, compute, all; "P (L)" where they differ.
	awk -F'|' -v kv="$kv" -v states="$states" -v compute="$compute" -v name="$name" '
		function logged(s) { return match(s, /\(.*\)/) ? substr(s, RSTART + 1, RLENGTH - 2) + 0 : s + 0 }
		function off(a, b, by) { return a - b > by || b - a > by }
		{
			if (off($6 + 0, logged($6), 0.011) || off($7 + 0, logged($7), 0.011)) { print "archs: " name ": caches or states are not what the log says"; exit 1 }
			if (off(logged($6), kv, 0.011) || off(logged($7), states, 0.011) || off(logged($9), compute, 0.05 + compute / 50)) { print "archs: " name ": the log says other numbers than the table"; exit 1 }
			if ($9 + 0 < 0.7 * logged($9)) { print "archs: " name ": the compute buffer is larger than predicted"; exit 1 }
		}' <<<"$line" >&2 || bad=1
	rm -f "$state/models/$i.gguf"
done <"$state/rows"
echo "archs: $(wc -l <"$state/rows") models of $(cut -d' ' -f2 "$state/rows" | sort -u | wc -l) architectures"
exit $bad
