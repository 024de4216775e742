# SPDX-License-Identifier: Apache-2.0
# Sourced after tests/lib.sh by what moves traffic between tiny engines (tests/integration/tiny_llm.c) on a real Engine.
# The caller sets program, state (absolute), and port: the gateway's, port + 1 its metrics. Route "demo".

root=$state/root

# tiny_ready: a root with the tiny engine's image, its model and the gateway's image; an Engine.
tiny_ready() {
	engine_ready "$state/engine" || return
	LLMDEPLOY_RUNTIMES=${LLMDEPLOY_RUNTIMES:-$PWD/runtimes}
	export LLMDEPLOY_RUNTIMES
	gateway_for "$root"
	[ -n "${LLMDEPLOY_TEST_GATEWAY:-}" ] || gateway_ready "$program" "$root" "$(dirname "$state")/runtimes" >"$state/said" 2>&1 ||
		{ cat "$state/said" >&2; return 1; }
	"${CC:-cc}" -std=c17 -D_GNU_SOURCE -static -Os -o "$state/tiny_llm" tests/integration/tiny_llm.c -lpthread || return
	tiny_release first rollout.drain_ms=40000 gateway.engine.sequences=64 gateway.queue="$(tiny_door 0)" -- --first 2 --gap 2
	sha=$(sha256sum <"$state/t/model" | cut -d' ' -f1)
	mkdir -p "$root/store/sha256/$(echo "$sha" | cut -c1-2)" && install -m 444 "$state/t/model" "$root/store/sha256/$(echo "$sha" | cut -c1-2)/$sha"
	LLMDEPLOY_ROOT=$root "$program" apply "$state/t/first.lock.json" --archive "$state/t/tiny.tar" >"$state/said" 2>&1 || { cat "$state/said" >&2; return 1; }
}

# tiny_release VERSION [KEY=JSON]... [-- ENGINE-ARGUMENT...]: its lock, $state/t/VERSION.lock.json
tiny_release() {
	version=$1
	shift
	python3 tests/integration/tiny_release.py "$state/tiny_llm" "$state/t" demo "$version" \
		"gateway={\"listen\":\"127.0.0.1:$port\",\"metrics\":\"127.0.0.1:$((port + 1))\"}" "$@"
}

# tiny_door N: for gateway.queue; 1 is another one, which HAProxy learns by a reload
tiny_door() { echo "{\"length\":$([ "$1" = 1 ] && echo 200 || echo 100),\"timeout_ms\":60000}"; }

# Traffic: traffic_watch first (what the gateway says of it), then traffic_load for each kind, or traffic_begins, which does all. traffic_ends waits for what is in
# flight; traffic_kill does not, for who ends early. traffic_answered prints how many answers there were.
loads=
watcher=
parts=
traffic_watch() {
	python3 tests/load/watch.py "$root" "$state/gateway.log" 2>"$state/watch.err" &
	watcher=$!
}
# traffic_load NAME ARGUMENT...: into $state/NAME.{log,json}
traffic_load() {
	: >"$state/$1.log"
	"$(dirname "$program")/tests/load/load" --url "http://127.0.0.1:$port/v1/chat/completions" --model demo --seconds 14400 \
		--log "$state/$1.log" "${@:2}" >"$state/$1.json" 2>>"$state/load.err" &
	loads="$loads $!"
	parts="$parts $1"
}
# traffic_begins ARGUMENT...: half of it over HTTP/1.1 and half over HTTP/2, a process each, because a libcurl of both mixes their connections up
traffic_begins() {
	traffic_watch
	for http in 1 2; do traffic_load $http --http $http "$@"; done
}
traffic_ends() {
	kill -TERM $loads 2>/dev/null
	wait $loads || :
	loads=
	kill -TERM $watcher 2>/dev/null
	watcher=
}
traffic_kill() { [ -z "$loads$watcher" ] || kill $loads $watcher 2>/dev/null; }
traffic_answered() { for each in $parts; do cat "$state/$each.log"; done | wc -l; }
# traffic_judge KILLS: $state/verdict.json; 1 where a client noticed anything
traffic_judge() {
	for each in $parts; do
		set -- "$@" "$state/$each.json" "$state/$each.log"
	done
	python3 tests/load/check_answers.py "$root/routes/demo" "$1" "$state/gateway.log" "${@:2}" >"$state/verdict.json"
}

# tiny_clean: the gateways, what the root, and those of the parts in $state/N, have in the Engine, the Engine if it is ours, and the state
tiny_clean() {
	for each in "$state/root" "$state"/[0-9]*/root; do
		id=$(cat "$each/root-id" 2>/dev/null) || continue
		# A gateway of mode host is a daemon.
		[ ! -e "$each/gateway/haproxy.pid" ] || kill "$(cat "$each/gateway/haproxy.pid")" 2>/dev/null
		docker ps -aq --filter "label=llmdeploy.root=$id" | xargs -r docker rm -f >/dev/null
		docker images --format '{{.Repository}}:{{.Tag}}' | grep "^localhost/llmdeploy-$(echo "$id" | cut -c1-8)/" | xargs -r docker rmi >/dev/null
	done
	[ ! -e "$state/engine" ] || tests/integration/docker_engine.sh stop "$state/engine"
	rm -rf "$state"
}
