#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: docker_restart_test.sh [BUILD_DIR]   a real Engine that is killed, pruned and full, under tiny releases. TAP.
#
# Always Engines of its own; the one that gets full has its data on a tmpfs. Every fault in every phase: docker_phase_faults_test.sh, with the fake one.
# State is under BUILD_DIR/tests/restart.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/lib.sh
build=${1:-build}
mkdir -p "$build/tests"
state=$(cd "$build/tests" && pwd)/restart
program=$(realpath "$build")/llmdeploy
root=$state/root
. tests/tap.sh
ours=

clean() {
	[ -z "$ours" ] || kill -KILL "$ours" 2>/dev/null
	for each in engine small; do
		[ ! -e "$state/$each" ] || tests/integration/docker_engine.sh stop "$state/$each"
	done
	! mountpoint -q "$state/disk" || umount -l "$state/disk"
	rm -rf --one-file-system "$state"
}

# release VERSION [KEY=JSON]... [-- ENGINE-ARGUMENT...]: its lock and an image of its own
release() {
	mkdir -p "$state/t/$1"
	cp "$state/tiny_llm" "$state/t/$1/program"
	head -c 12000000 /dev/urandom >>"$state/t/$1/program"
	python3 tests/integration/tiny_release.py "$state/t/$1/program" "$state/t/$1" demo "$1" 'rollout.previous="stopped"' "${@:2}"
	rm "$state/t/$1/program"
}
words() { echo "apply $state/t/$1/$1.lock.json --archive $state/t/$1/tiny.tar"; }
run() { # ARGUMENT...: its status in $status, what it said in $state/said
	LLMDEPLOY_ROOT=$root timeout 200 "$program" "$@" >"$state/said" 2>&1
	status=$?
}
says() { grep -qF -- "$1" "$state/said"; }
active() { basename "$(readlink "$root/routes/demo/active")"; }
state_of() { docker ps -a --filter "label=llmdeploy.version=$1" --format '{{.State}}'; }
# holds VERSION: it is active, everything matches the lockfile, and one token comes of it
holds() {
	[ "$(active)" = "$1" ] || { echo "'$(active)' is active"; return 1; }
	LLMDEPLOY_ROOT=$root "$program" verify demo || return 1
	LLMDEPLOY_ROOT=$root "$program" ask demo hello >/dev/null
}

engine_up() {
	DOCKER_HOST=$(tests/integration/docker_engine.sh start "$state/engine") || exit 1
	export DOCKER_HOST
}
# restart SIGNAL: the Engine gets it, and is started again when it is gone, $down seconds later
down=0
restart() {
	local pid
	pid=$(cat "$state/engine/pid")
	kill "-$1" "$pid"
	for _ in $(seq 600); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	sleep "$down"
	engine_up
}

# struck SIGNAL STEP VERSION: an apply whose Engine gets it when the step was seen; its end in $status and $state/said
struck() {
	: >"$state/steps"
	LLMDEPLOY_FAULT=log:9 LLMDEPLOY_ROOT=$root timeout 200 "$program" $(words "$3") 9>>"$state/steps" >"$state/said" 2>&1 &
	ours=$!
	for _ in $(seq 6000); do
		! grep -qx "$2" "$state/steps" || break
		kill -0 "$ours" 2>/dev/null || break
		sleep 0.01
	done
	restart "$1"
	wait "$ours"
	status=$?
	ours=
}

first() { # VERSION: in a root that has the model
	no_gateway "$root"
	echo "engine_timeout: 60s" >>"$root/config.yaml" # a busy machine takes its time to restart an Engine
	release "$1"
	sha=$(sha256sum <"$state/t/$1/model" | cut -d' ' -f1)
	mkdir -p "$root/store/sha256/$(echo "$sha" | cut -c1-2)" && install -m 444 "$state/t/$1/model" "$root/store/sha256/$(echo "$sha" | cut -c1-2)/$sha"
	run $(words "$1")
	[ "$status" = 0 ] && holds "$1" >"$state/why" 2>&1
	result "a first release" $? "$state/said" "$state/why"
}

restarts() {
	release b1
	struck KILL "image.load before" b1
	[ "$status" = 0 ] && says "the Docker Engine went away: waiting for it to come back" && holds b1 >"$state/why" 2>&1
	result "kill -9 of the Engine while an image is loaded: it is waited for, and loaded again" $? "$state/said" "$state/why"
	release b2 -- --start 60000
	struck TERM "container.start after" b2
	[ "$status" = 9 ] && says "run the command again; 'b1' is untouched" && [ -z "$(state_of b2)" ] && [ ! -e "$root/routes/demo/releases/b2" ]
	result "SIGTERM while the candidate gets ready: 9, undone" $? "$state/said"
	LLMDEPLOY_ROOT=$root "$program" recover demo >"$state/said" 2>&1 && holds b1 >"$state/why" 2>&1
	result "and the active release came back by its restart policy" $? "$state/said" "$state/why"
	release b3 rollout.watch_ms=4000
	down=3 # longer than the watch's pause between two looks
	struck KILL "release.flip after" b3
	down=0
	[ "$status" = 0 ] && says "the watch goes on" && holds b3 >"$state/why" 2>&1
	result "kill -9 in the watch: it goes on, and the release is committed" $? "$state/said" "$state/why"
	restart TERM
	for _ in $(seq 100); do
		run verify demo
		[ "$status" != 0 ] || break
		sleep 0.1
	done
	[ "$status" = 0 ] && says "everything matches the lockfile"
	result "after a restart of the Engine verify finds nothing: that is what the policy is for" $? "$state/said"
	docker stop -t 1 "$(docker ps -q --filter label=llmdeploy.version=b3)" >/dev/null
	run verify demo
	[ "$status" = 11 ] && says "exited"
	result "one that was stopped by hand is a difference" $? "$state/said"
	docker start "$(docker ps -aq --filter label=llmdeploy.version=b3)" >/dev/null
	run verify demo
	[ "$status" = 11 ] && says "by another program"
	result "so is one that was started again by hand" $? "$state/said"
	run recover demo
	[ "$status" = 0 ] && holds b3 >"$state/why" 2>&1
	result "recover takes note of it" $? "$state/said" "$state/why"
}

pruned() {
	docker system prune -a -f >"$state/said" 2>&1
	[ -z "$(state_of b1)" ] && [ "$(docker images -q | wc -l)" = 1 ]
	result "docker system prune -a takes the previous release, and its image" $? "$state/said"
	LLMDEPLOY_ROOT=$root timeout 200 unshare --net "$program" rollback demo >"$state/said" 2>&1
	status=$?
	[ "$status" = 0 ] && holds b1 >"$state/why" 2>&1
	result "a rollback after it, without a network: from our own store" $? "$state/said" "$state/why"
}

full() {
	# Not below the Engine's directory: what is mounted there is its own, and is unmounted before it starts.
	mkdir -p "$state/disk" "$state/small"
	mount -t tmpfs -o size=100m tmpfs "$state/disk" && ln -s "$state/disk" "$state/small/data" && mountpoint -q "$state/disk" || { result "a small disk" 1; return; }
	DOCKER_HOST=$(tests/integration/docker_engine.sh start "$state/small")
	root=$state/small-root
	first c0
	release c1
	# All but 6 MB of what is left.
	fallocate -l "$(($(df --output=avail -B1 "$state/disk" | tail -n 1) - 6000000))" "$state/disk/filler"
	run $(words c1)
	[ "$status" = 1 ] && says "no space left on device" && says "free space where Docker keeps its data (docker system df), then run the command again; 'c0' is untouched"
	result "a full disk while an image is loaded: 1, and what to do" $? "$state/said"
	[ -z "$(state_of c1)" ] && [ ! -e "$root/routes/demo/releases/c1" ] && [ "$(state_of c0)" = running ] && holds c0 >"$state/why" 2>&1
	result "nothing half is there, and what is active goes on" $? "$state/why"
	rm "$state/disk/filler"
	run $(words c1)
	[ "$status" = 0 ] && holds c1 >"$state/why" 2>&1
	result "when there is space again the image is whole" $? "$state/said" "$state/why"
}

trap clean EXIT
trap 'exit 130' INT TERM HUP
clean
mkdir -p "$state/t"
engine_up
"${CC:-cc}" -std=c17 -D_GNU_SOURCE -static -Os -o "$state/tiny_llm" tests/integration/tiny_llm.c -lpthread || exit 1
first a1
for part in restarts pruned full; do
	began=$SECONDS
	"$part"
	echo "# $part took $((SECONDS - began)) s"
done
tap_end
