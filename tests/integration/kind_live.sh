#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: LLMDEPLOY_TEST_KIND=KIND DOCKER_HOST=ADDRESS kind_live.sh BUILD_DIR   what is particular to one kind of container engine (engines.sh). TAP.
#
# Run by engines_all.sh. State is under BUILD_DIR/tests/kind.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/lib.sh
kind=${LLMDEPLOY_TEST_KIND:?}
state=$(realpath "${1:-build}")/tests/kind
program=$(realpath "${1:-build}")/llmdeploy
port=$((20000 + RANDOM % 6000 * 2))
. tests/tiny.sh
. tests/tap.sh
rm -rf "$state"
trap tiny_clean EXIT
trap 'exit 130' INT TERM HUP

run() { # ARGUMENT...
	LLMDEPLOY_ROOT=$root timeout 120 "$program" "$@" >"$state/said" 2>&1
	status=$?
}
says() { grep -qF -- "$1" "$state/said"; }
apply() { # VERSION [KEY=JSON]...
	tiny_release "$@"
	run apply "$state/t/$1.lock.json" --archive "$state/t/tiny.tar"
}
of() { docker ps -aq --filter "label=llmdeploy.root=$(cat "$root/root-id")" --filter "label=llmdeploy.version=$1"; }
field() { docker inspect --format "$2" "$(of "$1")"; }

mkdir -p "$state"
tiny_ready || exit 1
apply k1
[ "$status" = 0 ] && apply k2 && [ "$status" = 0 ]
check $? "two releases, one after the other" "$state/said"
for _ in 1 2 3 4 5; do # a server that has just been started is up with its next health check
	run verify
	[ "$status" != 0 ] || break
	sleep 0.3
done
[ "$status" = 0 ]
check $? "verify finds no difference" "$state/said"
curl -s -o /dev/null -m 5 -w '%{http_code} %header{x-llmdeploy-release}' "http://127.0.0.1:$port/v1/chat/completions" -H 'Content-Type: application/json' \
	-d '{"model":"demo","messages":[{"role":"user","content":"x"}],"max_tokens":2}' >"$state/said" && [ "$(cat "$state/said")" = "200 k2" ]
check $? "the gateway answers for it, on this machine's address" "$state/said"
echo "$(field k2 '{{.HostConfig.RestartPolicy.Name}}') $(field k1 '{{.HostConfig.RestartPolicy.Name}}')" >"$state/said"
[ "$(cat "$state/said")" = "always always" ]
check $? "the active one and the warm one have the policy always" "$state/said"
[ "$(stat -c %u "$root/run/$(sha256sum <"$state/t/k2.lock.json" | cut -c1-12)/engine.sock")" = "$(stat -c %u "$root/run/$(sha256sum <"$state/t/k2.lock.json" | cut -c1-12)")" ]
check $? "its socket belongs to the uid that its folder belongs to, outside"
docker exec "$(of k2)" /nonexistent >"$state/said" 2>&1
docker update --memory 100m --memory-swap 100m "$(of k2)" >/dev/null 2>&1
run verify
case $kind in
rootless) [ "$status" = 0 ] || says "memory limit" ;;
*) [ "$status" = 11 ] && says "memory limit" ;;
esac
check $? "a limit that was changed by hand is seen" "$state/said"
run verify demo --fix
[ "$status" = 0 ] && run rollback demo && [ "$status" = 0 ] && run verify demo && [ "$status" = 0 ]
check $? "verify --fix, rollback" "$state/said"

of_docker28u() {
	[ "$(field k1 '{{.HostConfig.UsernsMode}} {{.Config.User}}')" = "host 65532:65532" ]
	check $? "containers have this machine's user namespace: the files that are mounted are theirs"
}

of_rootless() {
	[ "$(field k1 '{{.Config.User}}')" = 0:0 ] && [ "$(stat -c %u "$root")" = "$(id -u)" ]
	check $? "engines run as 0:0, which is this user outside"
	apply k3
	[ "$status" = 0 ] && says "this Docker does not enforce limits of memory and processes"
	check $? "that no limit is kept is said" "$state/said"
	cp "$root/config.yaml" "$state/config.yaml"
	echo "gateway: {mode: docker}" >"$root/config.yaml"
	run verify demo
	[ "$status" = 2 ] && says "set gateway.mode to host (an installed HAProxy) or none in"
	check $? "a gateway in a container is refused when Docker is opened, with the way out" "$state/said"
	cp "$state/config.yaml" "$root/config.yaml"
}

of_podman() {
	field k1 '{{.HostConfig.CapDrop}}' >"$state/said" && ! says "[ALL]" && says SYS_CHROOT
	check $? "its list of capabilities is written out, which verify has not called a difference" "$state/said"
	tr '\0' ' ' <"/proc/$(pgrep -f "conmon.*-c $(of k1)" | head -n 1)/cmdline" >"$state/said" && says "--log-size-max 10"
	check $? "the log has a size" "$state/said"
}

# An image that is listed, and of which a layer is gone from containerd's store.
of_docker28c() {
	local ctr layer
	ctr="ctr -a $(dirname "${DOCKER_HOST#unix://}")/x/containerd/containerd.sock -n $(basename "$(dirname "${DOCKER_HOST#unix://}")")"
	echo "$RANDOM" >>"$state/tiny_llm" # an image of its own
	tiny_release k4
	docker load -q -i "$state/t/tiny.tar" >/dev/null
	layer=sha256:$(jq -r '.image.layers[0].diff_id' "$state/t/k4.lock.json")
	docker tag "sha256:$(jq -r .image.manifest "$state/t/k4.lock.json")" localhost/damaged:1
	$ctr snapshots --snapshotter overlayfs rm "$layer" && $ctr content rm "$layer" >/dev/null
	! docker create --network none localhost/damaged:1 >"$state/said" 2>&1
	check $? "an image without its layer: Docker can make no container of it" "$state/said"
	run apply "$state/t/k4.lock.json" --archive "$state/t/tiny.tar"
	[ "$status" = 0 ] && says "load image" && run verify demo && [ "$status" = 0 ]
	check $? "it is loaded again, and the release goes on" "$state/said"
	docker rmi localhost/damaged:1 >/dev/null
}

if [ "$(type -t "of_$kind")" = function ]; then "of_$kind"; fi
tap_end
