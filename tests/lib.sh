# SPDX-License-Identifier: Apache-2.0
# Sourced by the demo and by the tests that need a real Engine. No command line of its own.

# reachable DIR: DIR, where every user can pass through its parents; else, in a clone below a closed home directory, one of its own under /var/tmp.
# For tests whose gateway runs as another user: what lies below a closed directory is rightly refused.
reachable() {
	each=$1
	while [ "$each" != / ]; do
		each=$(dirname "$each")
		case $(stat -c %A "$each") in
		d????????[xt]) ;;
		*) echo "/var/tmp/llmdeploy-$(printf %s "$1" | cksum | cut -d' ' -f1)" && return 0 ;;
		esac
	done
	echo "$1"
}

# engine_ready DIR: sets DOCKER_HOST to an Engine that answers; starts a private one under DIR where there is none.
engine_ready() {
	if [ -n "${DOCKER_HOST:-}" ] && docker version >/dev/null 2>&1; then
		return 0
	fi
	if [ -z "${DOCKER_HOST:-}" ] && [ "${LLMDEPLOY_PRIVATE_ENGINE:-}" != 1 ] && docker version >/dev/null 2>&1; then
		return 0
	fi
	DOCKER_HOST=$(tests/integration/docker_engine.sh start "$1")
	export DOCKER_HOST
}

# runtimes_ready PROGRAM MANIFEST ROOT DIR: sets LLMDEPLOY_RUNTIMES to definitions whose locked packages can be had. Where
# the mirror has moved on, they are locked again under DIR.
runtimes_ready() {
	if [ -f "$4/llama.cpp/packages.lock" ]; then
		LLMDEPLOY_RUNTIMES=$4
		export LLMDEPLOY_RUNTIMES
		return 0
	fi
	status=0
	"$1" build --root "$3" --lock-wait 120s --output "$3.$$.lock.json" "$2" >"$3.$$.log" 2>&1 || status=$?
	rm -f "$3.$$.lock.json"
	[ "$status" = 9 ] || { [ "$status" = 0 ] || cat "$3.$$.log" >&2; return "$status"; }
	echo "!!! ----------------------------------------------------------------------" >&2
	sed 's/^/!!! /' "$3.$$.log" >&2
	echo "!!! Locking the packages again, under $4; the repository's lock stays as it is." >&2
	echo "!!! ----------------------------------------------------------------------" >&2
	mkdir -p "$4"
	cp -R runtimes/. "$4/"
	"$1" runtime lock llama.cpp --root "$3" --runtimes "$4" --backend cpu --accept-expired >&2
	LLMDEPLOY_RUNTIMES=$4
	export LLMDEPLOY_RUNTIMES
}

# gateway_ready PROGRAM ROOT DIR: likewise for the gateway's packages, after runtimes_ready. It makes the gateway's image, in ROOT.
gateway_ready() {
	status=0
	"$1" gateway upgrade --root "$2" --lock-wait 120s >"$3.$$.log" 2>&1 || status=$?
	[ "$status" = 9 ] || { [ "$status" = 0 ] || cat "$3.$$.log" >&2; rm -f "$3.$$.log"; return "$status"; }
	sed 's/^/!!! /' "$3.$$.log" >&2
	echo "!!! Locking the gateway's packages again, under $3; the repository's lock stays as it is." >&2
	rm -f "$3.$$.log"
	[ -d "$3/haproxy" ] || { mkdir -p "$3" && cp -R "${LLMDEPLOY_RUNTIMES:-runtimes}/." "$3/"; }
	"$1" runtime lock haproxy --root "$2" --runtimes "$3" --accept-expired >&2
	LLMDEPLOY_RUNTIMES=$3
	export LLMDEPLOY_RUNTIMES
	"$1" gateway upgrade --root "$2" --lock-wait 120s >&2
}

# two_bits ROOT LOCK OUT: the base model re-quantized to two bits by the packaged engine's own tool, in its own image.
# EXTRA may hold --pure.
two_bits() {
	model=$(jq -r '.artifacts[0].sha256' "$2")
	image=$(jq -r '.image.config' "$2")
	docker image inspect "sha256:$image" >/dev/null 2>&1 || image=$(jq -r '.image.manifest' "$2")
	store=$(cd "$1" && pwd)/store/sha256/$(echo "$model" | cut -c1-2)/$model
	out=$(mkdir -p "$(dirname "$3")" && cd "$(dirname "$3")" && pwd)
	user=$(id -u):$(id -g)
	[ "${LLMDEPLOY_TEST_KIND:-}" != rootless ] || user=0:0
	docker run --rm --network none --read-only --cap-drop ALL --security-opt no-new-privileges --user "$user" \
		-v "$store:/in.gguf:ro" -v "$out:/out" --entrypoint /usr/bin/llama-quantize "sha256:$image" \
		--allow-requantize ${EXTRA:-} /in.gguf "/out/$(basename "$3").part" Q2_K >"$3.log" 2>&1 || { cat "$3.$$.log" >&2; return 1; }
	mv "$3.part" "$3"
}

# r19_manifest MODEL OUT: fills in the template; OUT may be anywhere.
r19_manifest() {
	here=$(pwd)/examples/incident
	sha=$(sha256sum "$1" | cut -d' ' -f1)
	sed -e "s|@MODEL@|$(readlink -f "$1")|" -e "s|@SHA256@|$sha|" -e "s|source: adapters/|source: $here/adapters/|" \
		-e "s|golden: golden/|golden: $here/golden/|" examples/incident/incident-r19.yaml.in >"$2"
}

# fake_docker DIR: sets DOCKER_HOST to an Engine of tests/fake/dockerd.py, which is in this process's group, and FAKE_DOCKER to its process.
fake_docker() {
	python3 tests/fake/dockerd.py "$1/d.sock" &
	FAKE_DOCKER=$!
	DOCKER_HOST=unix://$1/d.sock
	export DOCKER_HOST
	for _ in $(seq 100); do
		[ ! -S "$1/d.sock" ] || return 0
		sleep 0.05
	done
	return 1
}

# gateway_for ROOT: the gateway that this kind of Docker can have (LLMDEPLOY_TEST_GATEWAY: host where it is rootless), else the default.
gateway_for() {
	[ -n "${LLMDEPLOY_TEST_GATEWAY:-}" ] || return 0
	mkdir -p "$1"
	grep -qs '^gateway:' "$1/config.yaml" || echo "gateway: {mode: $LLMDEPLOY_TEST_GATEWAY}" >>"$1/config.yaml"
}

# no_gateway ROOT...: makes the roots, without a HAProxy in front of their routes: what is tested in them is something else.
no_gateway() {
	for each in "$@"; do
		mkdir -p "$each"
		grep -qs '^gateway:' "$each/config.yaml" || echo 'gateway: {mode: none}' >>"$each/config.yaml"
	done
}
