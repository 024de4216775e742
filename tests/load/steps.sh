#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: steps.sh STATE [OPERATION]...   in the repository's root, after `make` and tests/load/load
#
# Every step of an apply and of a rollback (the previous release stays warm, or is stopped) is killed once before it happens, in order, under traffic on
# a real Engine with tiny engines; recovery is killed too, at a step that goes round. After each: recover and verify end with 0, the old release or
# the new one is active; and no request may fail. STATE/verdict.json says what clients saw, STATE/steps when which step was killed. FROM=N
# begins with the N-th. OPERATION: apply-warm, apply-stopped, rollback-warm, rollback-stopped, apply-warm-door, which brings another door
# (HAProxy is reloaded); all of them where none is named.
set -u
. tests/lib.sh
build=$(realpath "${BUILD:-build}")
program=$build/llmdeploy
state=$1
shift
port=${PORT:-$((20000 + RANDOM % 5000 * 2))}
mkdir -p "$state"
. tests/tiny.sh
trap traffic_kill EXIT
n=0

fail() {
	echo "$*" >&2
	cat "$state/said" "$state/killed" >&2 2>/dev/null
	exit 1
}
active() { basename "$(readlink "$root/routes/demo/active")"; }
settled() { LLMDEPLOY_ROOT=$root timeout 60 "$program" "$@" >"$state/said" 2>&1 || fail "llmdeploy $* ended with $?"; }

# prepare OPERATION: "words" is the command that will be killed
prepare() {
	n=$((n + 1))
	to=s$n
	warm=${1#*-}
	tiny_release "s$n" rollout.drain_ms=10000 gateway.engine.sequences=64 "rollout.previous=\"${warm%-*}\"" \
		gateway.queue="$(tiny_door "$([ "${1##*-}" != door ] || echo $((n % 2)))")" -- --first 2 --gap 2
	words="apply $state/t/s$n.lock.json"
	[ "${1%%-*}" = rollback ] || return 0
	to=$(active)
	settled $words
	words="rollback demo"
}

walk() { # OPERATION
	local i steps old status
	prepare "$1"
	LLMDEPLOY_FAULT=log:9 LLMDEPLOY_ROOT=$root "$program" $words 9>"$state/log" >"$state/said" 2>&1 || fail "llmdeploy $words ended with $?"
	steps=$(grep -c ' before$' "$state/log")
	for i in $(seq "${FROM:-1}" "$steps"); do
		prepare "$1"
		old=$(active)
		LLMDEPLOY_FAULT=any:before:kill:$i LLMDEPLOY_ROOT=$root "$program" $words >"$state/killed" 2>&1
		status=$?
		[ "$status" = 137 ] || [ "$i" -gt $((steps - 8)) ] || fail "step $i of $1: $words ended with $status, and was not killed"
		echo "$(date +%s%3N) $1 $i $(grep ' before$' "$state/log" | sed -n "${i}p") $status" >>"$state/steps"
		LLMDEPLOY_FAULT=any:before:kill:$((i * 7 % 23 + 1)) LLMDEPLOY_ROOT=$root timeout 60 "$program" recover demo >"$state/killed" 2>&1
		settled recover demo
		settled verify demo
		case " $old $to " in *" $(active) "*) ;; *) fail "step $i of $1: active is '$(active)' and not '$old' or '$to'" ;; esac
	done
}

tiny_ready || exit 1
: >"$state/steps"
traffic_begins --clients 8 --streams 4 --tokens 8 --pause 5 --new-connections 20
[ $# -gt 0 ] || set -- apply-warm apply-warm-door rollback-warm apply-stopped rollback-stopped
for each in "$@"; do walk "$each"; done
traffic_ends
traffic_judge -
