# SPDX-License-Identifier: Apache-2.0
# Sourced: what the packaged engine takes for a model, beside what pkg/size says. Wants $build, $state, and $lock: any lock of the packaged
# llama.cpp for the processor, whose image is in the Engine.

# memory_engine CONTEXT SEQUENCES KV LOG MODEL [ADAPTER]: starts the engine of the lock until it is ready, keeps its log.
memory_engine() {
	image=$(jq -r '.image.config' "$lock")
	docker image inspect "sha256:$image" >/dev/null 2>&1 || image=$(jq -r '.image.manifest' "$lock")
	set -- "$1" "$2" "$3" "$4" "$(readlink -f "$5")" "${6:+$(readlink -f "$6")}"
	# The lock's own arguments behind the program's name, with this model and load.
	jq -r --arg context $(($1 * $2)) --arg sequences "$2" --arg kv "$3" --arg adapter "${6:+/models/adapter.gguf:1.0}" '
		.container.argv | .[index("/usr/bin/llama-server") + 1:] as $a | [range(0; $a | length)] | map($a[.] as $v | $a[. - 1] as $k |
		if . > 0 and $k == "--model" then "/models/model.gguf" elif . > 0 and $k == "--ctx-size" then $context
		elif . > 0 and $k == "--parallel" then $sequences elif . > 0 and ($k | startswith("--cache-type-")) then $kv
		elif $v == "--lora-scaled" or $k == "--lora-scaled" then empty else $v end) |
		. + (if $adapter == "" then [] else ["--lora-scaled", $adapter] end) | .[]' "$lock" >"$4.argv"
	mapfile -t argv <"$4.argv"
	container=$(docker run -d --network none --read-only --cap-drop ALL --security-opt no-new-privileges --tmpfs /run/engine:uid=65532,gid=65532 --tmpfs /tmp \
		-v "$5:/models/model.gguf:ro" ${6:+-v "$6:/models/adapter.gguf:ro"} --entrypoint /usr/bin/llama-server "sha256:$image" "${argv[@]}") || return 1
	for _ in $(seq 300); do
		docker logs "$container" >"$4" 2>&1
		grep -q 'server is listening\|listening on\|error loading model\|exiting due to' "$4" && break
		[ "$(docker inspect -f '{{.State.Running}}' "$container")" = true ] || break
		sleep 0.1
	done
	docker rm -f "$container" >/dev/null
	grep -q 'listening on' "$4" || { tail -n 5 "$4" >&2; return 1; }
}

# memory_row NAME CONTEXT SEQUENCES KV MODEL [ADAPTER]: one row of the table.
memory_row() {
	memory_engine "$2" "$3" "$4" "$state/engine.log" "$5" "${6:-}" &&
		"$build/tests/bench/memory_row" "$1" "$2" "$3" "$4" "$state/engine.log" "$5" ${6:+"$6"}
}

# memory_model FAMILY [NAME=NUMBER]...: makes $state/FAMILY.gguf, tensors as a hole.
memory_model() {
	family=$1
	shift
	"$build/tests/bench/gguf_make" "$family" "$state/$family.gguf" hollow=1 "$@" >/dev/null
}
