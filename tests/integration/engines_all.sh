#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: engines_all.sh [BUILD_DIR [KIND [TEST...]]]   the live tests on each container engine (engines.sh: KIND), or TESTs on one. TAP.
#
# Each kind has a build folder of its own below BUILD_DIR/tests/engines, so that nothing is shared with the same test on another engine. At the end
# a table: engine, test, how many passed, seconds. An engine that cannot be had is a failure.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=$(realpath "${1:-build}")
base=$build/tests/engines
. tests/tap.sh
tests=${*:3}
kinds=${2:-docker20 docker28 docker28c docker28u rootless podman}

# What is sensible on which: tests that end a dockerd start their own, which only Docker's can; the parts of drift and gateway that turn the
# gateway's container need one.
tests_of() {
	case $1 in
	docker20 | docker28 | docker28c) echo "docker_live kind reboot docker_restart lifecycle switch drift gateway" ;;
	docker28u) echo "docker_live kind lifecycle switch drift" ;;
	rootless) echo "docker_live kind lifecycle switch drift flips" ;;
	podman) echo "docker_live kind lifecycle switch drift flips" ;;
	esac
}

verdict() { # STATUS NAME LOG
	{
		grep -A 15 '^not ok' "$3" | head -n 60
		tail -n 8 "$3"
	} >"$base/why"
	check "$1" "$2" "$base/why"
}

# The programs, as links or copies: in a place where the kind's user may write.
prepare() { # KIND
	case $1 in
	rootless)
		mine=$(cat "$base/$1/engine/short")/build
		copy="install -o 54321 -g 54321"
		;;
	*)
		mine=$base/$1/build
		copy=install
		;;
	esac
	for each in llmdeploy tests/load/load tests/load/gateway tests/integration/docker_live_test; do
		$copy -d "$mine" "$mine/tests" "$mine/$(dirname "$each")"
		$copy -m 755 "$build/$each" "$mine/$each"
	done
}

# in_kind KIND COMMAND...: with the engine's address, or with what docker_engine.sh needs to start more of its kind
in_kind() {
	local kind=$1 words
	shift
	case $kind in
	rootless) tests/integration/engines.sh as "$base/$kind/engine" sh -c 'cd "$1/repo" && shift && exec "$@"' sh "$(cat "$base/$kind/engine/short")" \
		env LLMDEPLOY_TEST_ENGINE="$address" LLMDEPLOY_TEST_GATEWAY=host LLMDEPLOY_TEST_KIND="$kind" LLMDEPLOY_RUNTIMES="$(cat "$base/$kind/engine/short")/repo/runtimes" "$@" ;;
	podman | docker28u) DOCKER_HOST=$address LLMDEPLOY_TEST_ENGINE=$address LLMDEPLOY_TEST_KIND=$kind "$@" ;;
	*)
		mapfile -t words < <(tests/integration/engines.sh settings "$kind")
		env "${words[@]}" LLMDEPLOY_PRIVATE_ENGINE=1 LLMDEPLOY_TEST_KIND="$kind" LLMDEPLOY_TEST_ENGINE="$address" "$@"
		;;
	esac
}

one() { # KIND TEST
	local log=$base/$1/$2.log began=$SECONDS where=$mine status passed
	[ "$1" != rootless ] || where=../build # relative to the repository, as its user sees it
	case "$1 $2" in
	*" docker_live") set -- "$1" "$2" tests/integration/docker_live.sh "$where/tests/integration/docker_live_test" ;;
	*" kind") set -- "$1" "$2" env DOCKER_HOST="$address" tests/integration/kind_live.sh "$where" ;;
	"rootless drift") set -- "$1" "$2" env PARTS="orphans pins collectors" tests/integration/drift_test.sh "$where" ;;
	"rootless lifecycle") set -- "$1" "$2" tests/integration/lifecycle_test.sh "$where" ;;
	*" lifecycle") set -- "$1" "$2" tests/integration/lifecycle_test.sh "$(realpath --relative-to=. "$where")" ;;
	*) set -- "$1" "$2" "tests/integration/$2_test.sh" "$where" ;;
	esac
	local kind=$1 name=$2
	shift 2
	CMOCKA_MESSAGE_OUTPUT=TAP in_kind "$kind" timeout 1500 "$@" >"$log" 2>&1 </dev/null
	status=$?
	passed=$(grep -c '^ok ' "$log")
	[ "$passed" != 0 ] || status=1
	! grep -q '^not ok ' "$log" || status=1
	verdict "$status" "$kind: $name, $passed tests" "$log"
	printf '%-10s %-15s %4d passed  %4d failed  %4d s\n' "$kind" "$name" "$passed" "$(grep -c '^not ok ' "$log")" $((SECONDS - began)) >>"$base/table"
}

clean() {
	for each in $kinds; do
		[ ! -e "$base/$each" ] || tests/integration/engines.sh stop "$each" "$base/$each/engine"
		rm -rf --one-file-system "$base/$each/build"
	done
}

export LLMDEPLOY_RUNTIMES=$PWD/runtimes
trap clean EXIT
trap 'exit 130' INT TERM HUP
clean
mkdir -p "$base"
: >"$base/table"
for kind in $kinds; do
	mkdir -p "$base/$kind"
	address=$(tests/integration/engines.sh start "$kind" "$base/$kind/engine" 2>"$base/$kind/start.log")
	verdict $? "$kind: $(curl -s --max-time 5 --unix-socket "${address#unix://}" http://engine/version | jq -r '.Components[0] | "\(.Name) \(.Version)"') is there" "$base/$kind/start.log"
	[ -n "$address" ] || continue
	prepare "$kind"
	for each in ${tests:-$(tests_of "$kind")}; do one "$kind" "$each"; done
	tests/integration/engines.sh stop "$kind" "$base/$kind/engine"
done
sed 's/^/# /' "$base/table"
tap_end
