#!/bin/sh
# The main job: apply r16, ask it, apply r17, see r18 and r19 rejected, roll back. Its state is under build/demo.
set -eu
cd "$(dirname "$0")/.."
. tests/lib.sh

program=$(pwd)/build/llmdeploy
state=build/demo
route=incident-assistant
LLMDEPLOY_ROOT=$(pwd)/$state/root
export LLMDEPLOY_ROOT

title() {
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

clean() {
	# A private Engine goes with all that is in it; from another only what is this root's is removed.
	if [ ! -d "$state/engine" ] && [ -f "$LLMDEPLOY_ROOT/root-id" ] && docker version >/dev/null 2>&1; then
		id=$(cat "$LLMDEPLOY_ROOT/root-id")
		for c in $(docker ps -aq --filter "label=llmdeploy.root=$id"); do docker rm -f "$c" >/dev/null; done
		short=$(echo "$id" | cut -c1-8)
		for i in $(docker images --format '{{.Repository}}:{{.Tag}}' | grep "^localhost/llmdeploy-$short/" || true); do
			docker rmi "$i" >/dev/null
		done
	fi
	[ ! -d "$state/engine" ] || tests/engine/engine.sh stop "$state/engine"
	rm -rf "$state"
	echo "nothing is left of the demo"
}

if [ "${1:-}" = clean ]; then
	clean
	exit 0
fi
mkdir -p "$state"
engine_ready "$state/engine"
runtimes_ready "$program" examples/incident/incident-r16.yaml "$LLMDEPLOY_ROOT" "$state/runtimes"

# A state that another version of the program or of the examples left: the same version never has two contents.
"$program" build examples/incident/incident-r16.yaml --output "$state/r16.lock.json" >/dev/null
old=$LLMDEPLOY_ROOT/routes/$route/releases/incident-q4-r16/release.lock.json
if [ -f "$old" ] && ! cmp -s "$old" "$state/r16.lock.json"; then
	echo "the state in $state is another version's: starting anew"
	clean
	exec examples/demo.sh
fi

title "r16: a first release, from a manifest to an answer"
run validate examples/incident/incident-r16.yaml
run build examples/incident/incident-r16.yaml --output "$state/r16.lock.json"
run apply examples/incident/incident-r16.yaml
run ask "$route" --case rollback-status-running

title "r17: a better one"
run apply examples/incident/incident-r17.yaml
serves incident-q4-r17

title "r18: somebody copied the prompt format of another model family"
rejected examples/incident/incident-r18.yaml || { echo "r18 was not rejected" >&2; exit 1; }
serves incident-q4-r17

title "r19: somebody saved memory, two bits a weight"
two_bits "$LLMDEPLOY_ROOT" "$state/r16.lock.json" "$state/models/incident-r19.Q2_K.gguf"
r19_manifest "$state/models/incident-r19.Q2_K.gguf" "$state/incident-r19.yaml"
if ! rejected "$state/incident-r19.yaml"; then
	echo "this processor's arithmetic lets the two-bit model pass; a harder one (--pure):"
	"$program" rollback "$route" --to incident-q4-r17
	EXTRA=--pure two_bits "$LLMDEPLOY_ROOT" "$state/r16.lock.json" "$state/models/incident-r19-pure.Q2_K.gguf"
	r19_manifest "$state/models/incident-r19-pure.Q2_K.gguf" "$state/incident-r19-pure.yaml"
	sed -i 's/^version: .*/version: incident-q2-r19-pure/' "$state/incident-r19-pure.yaml"
	rejected "$state/incident-r19-pure.yaml" || { echo "r19 was not rejected" >&2; exit 1; }
fi
serves incident-q4-r17

title "three in the morning: back to the release before"
run rollback "$route"
serves incident-q4-r16
run ask "$route" --case rollback-status-running

title "where things stand"
run status
run history "$route"
