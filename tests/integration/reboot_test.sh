#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: reboot_test.sh [BUILD_DIR]   the power is cut, with everything that runs, and comes back: at rest, and in the middle of a switch. TAP.
#
# All processes of a private Engine, its containers and the gateway die by one kill -9; sockets, pid files and half written files stay on disk, what the Engine
# keeps in memory (its exec-root) is gone. Then it boots as a machine would: the Engine first, then what the systemd unit says. State is under BUILD_DIR/tests/reboot.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/lib.sh
state=$(realpath "${1:-build}")/tests/reboot
program=$(realpath "${1:-build}")/llmdeploy
port=$((20000 + RANDOM % 6000 * 2))
export LLMDEPLOY_PRIVATE_ENGINE=1
unset DOCKER_HOST
. tests/tiny.sh
unit=templates/systemd/llmdeploy-recover.service
. tests/tap.sh
rm -rf "$state"
trap tiny_clean EXIT
trap 'exit 130' INT TERM HUP

run() { # ARGUMENT...
	LLMDEPLOY_ROOT=$root timeout 120 "$program" "$@" >"$state/said" 2>&1
	status=$?
}
says() { grep -qF -- "$1" "$state/said"; }
active() { basename "$(readlink "$root/routes/demo/active")"; }
answers() { curl -s -o /dev/null -m 5 -w '%{http_code} %header{x-llmdeploy-release}' "http://127.0.0.1:$port/v1/chat/completions" \
	-H 'Content-Type: application/json' -d '{"model":"demo","messages":[{"role":"user","content":"x"}],"max_tokens":2}'; }
holds() { # VERSION: it is active, answers, and nothing differs from the lock
	[ "$(active)" = "$1" ] || { echo "active is '$(active)', not '$1'"; return 1; }
	for _ in 1 2 3 4 5 6; do # a server that has just been started is up with its next health check
		! LLMDEPLOY_ROOT=$root "$program" verify demo >"$state/verify" 2>&1 || break
		sleep 0.3
	done
	# That the Engine started the container again is told until someone takes note of it.
	if ! grep -q "everything matches the lockfile" "$state/verify" && grep -v '^what\|^start \|^llmdeploy: 1 difference' "$state/verify"; then
		return 1
	fi
	[ "$(answers)" = "200 $1" ] || { echo "the gateway answers '$(answers)'"; return 1; }
}

# Everything at once. What is killed names the short directory of our Engine, or is the first process of one of its containers.
cut_power() {
	local short pids
	short=$(cat "$state/engine/short")
	pids=$(docker ps -q | xargs -r docker inspect -f '{{.State.Pid}}')
	kill -KILL $(pgrep -f -- "$short/x") $pids 2>/dev/null
	for _ in $(seq 100); do
		[ -n "$(pgrep -f -- "$short/x")" ] || [ "$(answers | cut -c1-3)" != 000 ] || return 0
		sleep 0.05
	done
	return 1
}

now() { date +%s%3N; }
of() { docker ps -aq --filter "label=llmdeploy.root=$(cat "$root/root-id")" --filter "label=llmdeploy.version=$1"; }
state_of() { docker inspect -f '{{.State.Status}}' "$(of "$1")"; }
# boot VERSION [start|revive]: the Engine; then whoever has traffic is VERSION (or "any") within 10 seconds, before anybody does anything
boot() {
	local began said
	began=$(now)
	tests/integration/docker_engine.sh "${2:-start}" "$state/engine" >/dev/null 2>"$state/why" || return
	[ "${2:-start}" = revive ] || began=$(now)
	for _ in $(seq 200); do
		said=$(answers)
		case "$1 $said" in
		"$1 200 $1" | "any 200 "*)
			took=$(($(now) - began))
			return 0
			;;
		esac
		sleep 0.05
	done
	echo "the gateway answers '$said', not $1" >"$state/why"
	return 1
}
# What the unit runs, as it is there.
unit_runs() {
	local line
	line=$(sed -n 's/^ExecStart=//p' "$unit")
	env "$(sed -n 's/^Environment=//p' "$unit" | sed "s|=.*|=$root|")" timeout 120 $program ${line#/usr/local/bin/llmdeploy } >"$state/said" 2>&1
	status=$?
}
apply() { # VERSION [FAULT]
	tiny_release "$1" rollout.drain_ms=1000
	LLMDEPLOY_FAULT=${2:-} LLMDEPLOY_ROOT=$root timeout 120 "$program" apply "$state/t/$1.lock.json" >"$state/said" 2>&1
	status=$?
}

mkdir -p "$state"
tiny_ready || exit 1

systemd-analyze verify --man=no "$unit" templates/systemd/llmdeploy-gateway.service templates/systemd/llmdeploy-metrics.service \
	templates/systemd/llmdeploy-metrics.timer >"$state/said" 2>&1
# What it may say is that the programs are not installed under their paths here.
[ -z "$(grep -v 'is not executable: No such file' "$state/said")" ] && grep -q '^After=.*docker.service' "$unit" &&
	grep -q '^WantedBy=docker.service' "$unit"
check $? "the units are what systemd takes, and recovery runs after each start of Docker" "$state/said"

# Only dockerd dies; the processes in its containers go on, until the next dockerd stops them and starts what has to run.
apply b1
apply b2
dockerd_dies() {
	local pid
	pid=$(cat "$state/engine/pid")
	kill -KILL "$pid"
	for _ in $(seq 100); do
		[ -n "$(cat "/proc/$pid/cmdline" 2>/dev/null)" ] || break
		sleep 0.05
	done
	[ "$(answers)" = "200 $1" ] || { echo "without a dockerd the gateway answers '$(answers)'" >"$state/why"; return 1; }
	boot "$1" revive
}
shims=$(pgrep -f -- "containerd-shim.*$(cat "$state/engine/short")/x" | wc -l)
dockerd_dies b2
check $? "kill -9 of dockerd alone: $shims shims go on, and the next dockerd's restart policy brings the route back (${took:-?} ms)" "$state/why"
unit_runs
[ "$status" = 0 ] && says "route 'demo' is consistent" && holds b2 >"$state/why" 2>&1 && grep -q "everything matches the lockfile" "$state/verify"
check $? "the unit's recovery takes note of it, and nothing differs" "$state/said" "$state/why"
# What was stopped on purpose stays stopped: not the one before, which a rollback has just left, and not a hand-stopped one.
tiny_release b0 rollout.drain_ms=1000 'rollout.previous="stopped"'
LLMDEPLOY_ROOT=$root timeout 120 "$program" apply "$state/t/b0.lock.json" >"$state/said" 2>&1 && run rollback demo && [ "$(state_of b0)" = exited ] &&
	dockerd_dies b2 && [ "$(state_of b0)" = exited ]
check $? "a release that was stopped on purpose stays so" "$state/said" "$state/why"
unit_runs
# An earlier version's policy is one that the next dockerd does not know to start: it is named, and the next command changes it.
docker update --restart=unless-stopped "$(of b2)" "$(docker ps -q --filter label=llmdeploy.gateway)" >/dev/null
run verify demo
[ "$status" = 11 ] && says "unless-stopped" && says "gateway's restart policy" && run recover demo && [ "$status" = 0 ] && run verify demo && [ "$status" = 0 ] &&
	dockerd_dies b2
check $? "containers with the policy of an earlier version: verify names them, recover sets it, the route comes back" "$state/said" "$state/why"
unit_runs

cut_power && boot b2
check $? "the power is cut at rest: the Engine and its restart policies alone bring back what is active (${took:-?} ms after the Engine)" "$state/why"
unit_runs
[ "$status" = 0 ] && says "route 'demo' is consistent" && holds b2 >"$state/why" 2>&1
check $? "and the unit's recovery finds nothing that differs" "$state/said" "$state/why"

# A switch is in the journal; HAProxy has turned, the link has not.
apply b3 release.flip:before:kill
[ "$(active)" = b2 ] && cut_power && boot any && unit_runs && [ "$status" = 0 ] && says "the switch was finished" && holds b3 >"$state/why" 2>&1
check $? "cut after the gateway turned, before the link did: recovery finishes the switch" "$state/said" "$state/why"
# Its files say the other one, HAProxy was not told yet, and the link says nothing of it. A rollback to a warm release has one command.
LLMDEPLOY_FAULT=gateway.socket:before:kill:1 LLMDEPLOY_ROOT=$root timeout 120 "$program" rollback demo >"$state/said" 2>&1
[ "$(active)" = b3 ] && jq -e '[.routes[0].a, .routes[0].b] | map(select(.want == "ready") | .version) == ["b2"]' "$root/gateway/state" >"$state/why" &&
	cut_power && boot b2 && unit_runs && [ "$status" = 0 ] && says "the switch was finished" && holds b2 >"$state/why" 2>&1
check $? "cut in a rollback, when only the gateway's files say where to: it serves, and recovery turns the link" "$state/said" "$state/why"
before=$(active)

# The trap: what HAProxy starts with is older than the link.
mkdir "$state/older" && cp -a "$root"/gateway/{state,state.loaded,haproxy.cfg,process.cfg,releases.map,canary.map} "$state/older"
apply b5
[ "$status" = 0 ] && [ "$(active)" = b5 ] && cut_power && cp -a "$state"/older/. "$root/gateway/" &&
	tests/integration/docker_engine.sh start "$state/engine" >/dev/null 2>"$state/why"
began=$(now)
unit_runs
took=$(($(now) - began))
[ "$status" = 0 ] && holds b5 >"$state/why" 2>&1 && [ "$(answers)" = "200 b5" ]
check $? "files of the gateway that are older than the link ($before): recovery leads to what active names, in $took ms" "$state/said" "$state/why"
run rollback demo
[ "$status" = 0 ] && says "'$before'" && [ "$(answers)" = "200 $before" ]
check $? "and the previous release is there to go back to" "$state/said"

# A route that is stopped comes back as it was: HAProxy says 503, nothing of it runs.
is_stopped() {
	[ -z "$(docker ps -q --filter "label=llmdeploy.route=demo")" ] || { docker ps; return 1; }
	for _ in $(seq 100); do
		[ "$(answers)" != "503 " ] || return 0
		sleep 0.05
	done
	echo "the gateway answers '$(answers)'"
	return 1
}
run stop demo
[ "$status" = 0 ] && cut_power && tests/integration/docker_engine.sh start "$state/engine" >/dev/null 2>"$state/why" && is_stopped >"$state/why" 2>&1
check $? "the power is cut while the route is stopped: the Engine brings none of it back" "$state/said" "$state/why"
unit_runs
[ "$status" = 0 ] && is_stopped >"$state/why" 2>&1 && run verify demo && [ "$status" = 0 ]
check $? "neither does the unit's recovery, and verify finds no difference" "$state/said" "$state/why"
run start demo
[ "$status" = 0 ] && holds "$before" >"$state/why" 2>&1
check $? "start brings it back" "$state/said" "$state/why"
tap_end
