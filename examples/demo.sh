#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The main job: build and apply r16, ask it, apply r17, see r18 and r19 rejected, roll back. From the first release on, four clients
# ask through the gateway all the time, and at the end none of their requests may have failed. Its state is under build/demo.
set -eu
cd "$(dirname "$0")/.."
. tests/lib.sh

program=$(pwd)/build/llmdeploy
load=build/tests/load/load
state=build/demo
route=incident-assistant
traffic=
LLMDEPLOY_ROOT=$(pwd)/$state/root
export LLMDEPLOY_ROOT

title() {
	traffic_alive
	if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then printf '\n\033[1m== %s\033[0m\n' "$1"; else printf '\n== %s\n' "$1"; fi
}
run() { printf '$ llmdeploy'; printf ' %s' "$@"; printf '\n'; "$program" "$@"; }
# A release that must be rejected: exit 6, and the active one is as it was.
rejected() {
	status=0
	run apply "$1" || status=$?
	[ "$status" = 6 ]
}
serves() {
	active=$("$program" status "$route" --json | tail -n 1 | jq -r '.active')
	[ "$active" = "$1" ] || { echo "expected $1 to be active, found $active" >&2; exit 1; }
	echo "active: $active"
}

# ports: where the gateway listens: 8080, and 8404 for its metrics, unless someone else does; then two others, which the state keeps.
ports() {
	port=8080
	[ ! -f "$state/port" ] || port=$(cat "$state/port")
	[ ! -d "$LLMDEPLOY_ROOT/gateway" ] || return 0
	free "$port" && free 8404 && return 0
	for port in 18080 28080 38080 48080; do
		! free "$port" || ! free $((port + 1)) || { echo "$port" >"$state/port"; echo "ports 8080 and 8404 are not both free: the gateway takes $port"; return 0; }
	done
	echo "no port is free for the gateway" >&2
	return 1
}
free() {
	status=0
	curl -s -o /dev/null --noproxy '*' --max-time 2 "http://127.0.0.1:$1/" || status=$?
	[ "$status" = 7 ]
}
# manifest RELEASE: as it is; with other ports, a copy.
manifest() {
	if [ ! -f "$state/port" ]; then
		echo "examples/incident/incident-$1.yaml"
		return
	fi
	here=$(pwd)/examples/incident
	{
		sed -e "s|source: adapters/|source: $here/adapters/|" -e "s|golden: golden/|golden: $here/golden/|" -e "s|file:../../|file:$(pwd)/|" \
			-e "s|chat_template: prompts/|chat_template: $here/prompts/|" "examples/incident/incident-$1.yaml"
		listen
	} >"$state/incident-$1.yaml"
	echo "$state/incident-$1.yaml"
}
listen() { [ ! -f "$state/port" ] || echo "gateway: {listen: 127.0.0.1:$port, metrics: 127.0.0.1:$((port + 1))}"; }

# ask CASE: a question of the active release's golden set, as a client asks it.
ask() {
	jq --arg id "$1" '{model: .route, temperature: 0, max_tokens: 96, messages: (.eval.golden.cases[] | select(.id == $id) | .messages)}' \
		"$LLMDEPLOY_ROOT/routes/$route/active/release.lock.json" >"$state/question"
	jq -r '.messages[-1].content' "$state/question"
	printf '\n$ curl http://127.0.0.1:%s/v1/chat/completions -H "Content-Type: application/json" -d @%s\n' "$port" "$state/question"
	curl -sS --noproxy '*' --max-time 300 -D "$state/head" "http://127.0.0.1:$port/v1/chat/completions" -H 'Content-Type: application/json' \
		-d "@$state/question" | jq -er '.choices[0].message.content' >"$state/answer"
	cat "$state/answer"
	tr -d '\r' <"$state/head" | sed -n 's/^x-llmdeploy-release: /answered by /ip'
}

# Four clients, two of them with token streams, two over HTTP/2; each rests two seconds between its questions. The demo goes on when the
# first answer is there: a client that is missing, or ends early, is an error at once.
traffic_begins() {
	[ -x "$load" ] || { echo "'$load' is missing, and with it the clients of the demo: make $load" >&2; exit 1; }
	rm -f "$state/traffic.log"
	"$load" --url "http://127.0.0.1:$port/v1/chat/completions" --model "$route" --clients 4 --streams 2 --http both \
		--tokens 4 --pause 2000 --new-connections 25 --seconds 7200 --log "$state/traffic.log" >"$state/traffic.json" 2>"$state/traffic.err" &
	traffic=$!
	for _ in $(seq 1800); do
		traffic_alive
		[ ! -s "$state/traffic.log" ] || { echo "from here on four clients ask all the time"; return 0; }
		sleep 0.1
	done
	echo "no client was answered within three minutes" >&2
	exit 1
}
traffic_alive() {
	[ -n "$traffic" ] || return 0
	kill -0 "$traffic" 2>/dev/null && return 0
	traffic=
	echo "the clients ended before the demo did:" >&2
	cat "$state/traffic.err" >&2
	exit 1
}
traffic_ends() {
	traffic_alive
	kill -TERM "$traffic"
	wait "$traffic" || :
	traffic=
	jq -r '"requests: \(.requests), of them \(.streams) token streams, \(.http2) over HTTP/2", "failed:   \(.failed)",
		(.answered[] | "answered by \(.version) (\(.by)): \(.requests)")' "$state/traffic.json"
	# Only releases that were accepted stand under releases/.
	jq -e --arg accepted "$(ls "$LLMDEPLOY_ROOT/routes/$route/releases")" '.failed == 0 and .requests >= 20 and ([.answered[] | select(.by != "active")] == [])
		and ([.answered[].version] - ($accepted | split("\n")) == []) and (["incident-q4-r16", "incident-q4-r17"] - [.answered[].version] == [])' \
		"$state/traffic.json" >/dev/null ||
		{ echo "clients noticed:" >&2; cat "$state/traffic.json" "$state/traffic.err" >&2; exit 1; }
}

clean() {
	# A private Engine goes with all that is in it; from another only what is this root's is removed, its gateway among it.
	if [ ! -d "$state/engine" ] && [ -f "$LLMDEPLOY_ROOT/root-id" ] && docker version >/dev/null 2>&1; then
		id=$(cat "$LLMDEPLOY_ROOT/root-id")
		for c in $(docker ps -aq --filter "label=llmdeploy.root=$id"); do docker rm -f "$c" >/dev/null; done
		short=$(echo "$id" | cut -c1-8)
		for i in $(docker images --format '{{.Repository}}:{{.Tag}}' | grep "^localhost/llmdeploy-$short/" || true); do
			docker rmi "$i" >/dev/null
		done
	fi
	[ ! -d "$state/engine" ] || tests/integration/docker_engine.sh stop "$state/engine"
	rm -rf "$state"
	echo "nothing is left of the demo"
}

if [ "${1:-}" = clean ]; then
	clean
	exit 0
fi
# build_r16: as the reader types it. Where the mirror no longer has a locked package (exit 9), the packages are locked again first.
build_r16() {
	status=0
	run build "$r16" --output "$state/r16.lock.json" || status=$?
	[ "$status" != 0 ] || return 0
	[ "$status" = 9 ] || exit "$status"
	runtimes_ready "$program" "$r16" "$LLMDEPLOY_ROOT" "$state/runtimes"
	run build "$r16" --output "$state/r16.lock.json"
}

mkdir -p "$state"
trap '[ -z "$traffic" ] || kill "$traffic" 2>/dev/null || :' EXIT
trap 'exit 130' INT TERM
ports
engine_ready "$state/engine"
r16=$(manifest r16)
if [ -f "$state/runtimes/llama.cpp/packages.lock" ]; then # of an earlier run
	LLMDEPLOY_RUNTIMES=$state/runtimes
	export LLMDEPLOY_RUNTIMES
fi

title "r16: a first release, from a manifest to an answer"
run validate "$r16"
build_r16
# A state that another version of the program or of the examples left: the same version never has two contents.
old=$LLMDEPLOY_ROOT/routes/$route/releases/incident-q4-r16/release.lock.json
if [ -f "$old" ] && ! cmp -s "$old" "$state/r16.lock.json"; then
	echo "the state in $state is another version's: starting again"
	clean
	exec examples/demo.sh
fi
gateway_ready "$program" "$LLMDEPLOY_ROOT" "$state/runtimes"
run apply "$r16"
traffic_begins
ask rollback-status-running

title "r17: a better one"
run apply "$(manifest r17)"
serves incident-q4-r17

title "r18: with the prompt format of another model family"
rejected "$(manifest r18)" || { echo "r18 was not rejected" >&2; exit 1; }
serves incident-q4-r17

title "r19: a model of two bits a weight, to save memory"
two_bits "$LLMDEPLOY_ROOT" "$state/r16.lock.json" "$state/models/incident-r19.Q2_K.gguf"
r19_manifest "$state/models/incident-r19.Q2_K.gguf" "$state/incident-r19.yaml"
listen >>"$state/incident-r19.yaml"
if ! rejected "$state/incident-r19.yaml"; then
	echo "this processor's arithmetic lets the two-bit model pass; a harder one (--pure):"
	"$program" rollback "$route" --to incident-q4-r17
	EXTRA=--pure two_bits "$LLMDEPLOY_ROOT" "$state/r16.lock.json" "$state/models/incident-r19-pure.Q2_K.gguf"
	r19_manifest "$state/models/incident-r19-pure.Q2_K.gguf" "$state/incident-r19-pure.yaml"
	listen >>"$state/incident-r19-pure.yaml"
	sed -i 's/^version: .*/version: incident-q2-r19-pure/' "$state/incident-r19-pure.yaml"
	rejected "$state/incident-r19-pure.yaml" || { echo "r19 was not rejected" >&2; exit 1; }
fi
serves incident-q4-r17

title "on call at night: back to the previous release"
run rollback "$route"
serves incident-q4-r16
ask rollback-status-running

title "where things stand"
run status
run history "$route"

title "what clients saw meanwhile"
traffic_ends
