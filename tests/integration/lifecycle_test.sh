#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/integration/lifecycle_test.sh BUILD: the whole life of a route on a real Engine, with the real engine and model. TAP.
set -u
cd "$(dirname "$0")/../.."
. tests/lib.sh
build=${1:-build}
program=$(pwd)/$build/llmdeploy
state=$(pwd)/$build/tests/lifecycle
route=incident-assistant
mkdir -p "$state"
rm -rf "$state/root" "$state"/*.lock.json "$state"/*.yaml
export LLMDEPLOY_ROOT=$state/root LLMDEPLOY_PRIVATE_ENGINE=${LLMDEPLOY_PRIVATE_ENGINE:-1}
. tests/tap.sh
tap_shown="$state/out $state/err"

run() { # STATUS ARGUMENT...: runs the program, keeps what it prints, compares its exit status
	want=$1
	shift
	"$program" "$@" >"$state/out" 2>"$state/err"
	got=$?
	[ "$got" = "$want" ] || { echo "exit status $got, not $want" >>"$state/err"; return 1; }
}
says() { grep -qF -- "$1" "$state/out" "$state/err"; }
active() { "$program" status "$route" --json 2>/dev/null | tail -n 1 | jq -r '.active'; }
ours() { docker ps -aq --filter "label=llmdeploy.root=$(cat "$state/root/root-id")" "$@" | wc -l; }
container() { docker ps -aq --no-trunc --filter "label=llmdeploy.root=$(cat "$state/root/root-id")" --filter "label=llmdeploy.version=$1"; }
field() { docker inspect --format "$2" "$(container "$1")"; }

finish() {
	tests/integration/docker_engine.sh stop "$state/engine" >/dev/null 2>&1
	rm -rf "$state/root"
}
trap finish EXIT
no_gateway "$state/root" "$state/root2"
engine_ready "$state/engine" || exit 1
runtimes_ready "$program" examples/incident/incident-r16.yaml "$state/root" "$state/runtimes" || exit 1

run 0 validate examples/incident/incident-r16.yaml examples/incident/incident-r17.yaml examples/incident/incident-r18.yaml
result "the examples validate" $?

run 0 build examples/incident/incident-r16.yaml --output "$state/r16.lock.json" --archive "$state/r16.tar" --sbom "$state/r16.sbom" &&
	[ "$(jq -r ".packages | length" "$state/r16.sbom")" = $(($(jq ".image.packages | length" "$state/r16.lock.json") + 1)) ] &&
	run 0 build examples/incident/incident-r16.yaml --output "$state/r16.lock.json" && says "nothing to do"
result "build, and the second time there is nothing to do" $?

jq -e '.artifacts[0].sha256 == "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53" and
	(.artifacts[1].scale == "1.0") and (.container.argv | index("--lora-scaled")) and .budget.adapters_bytes > 4800000' "$state/r16.lock.json" >"$state/out"
result "model and adapter are in the lock, the argv and the budget" $?

run 0 apply examples/incident/incident-r16.yaml && [ "$(active)" = incident-q4-r16 ]
result "r16 is proved and active" $?

# What the engine's log says it took, beside the plan: caches to the byte, all buffers within 5 %.
jq -e '.memory | .predicted.kv_bytes == .measured.kv_bytes and .drift_permille > -50 and .drift_permille < 50 and
	(.predicted.weights_bytes - .measured.weights_bytes | fabs) < 10486 and (has("warning") | not)' \
	"$state/root/routes/$route/releases/incident-q4-r16/evidence/1.json" >"$state/out" 2>"$state/err" &&
	run 0 status "$route" && says "in the runtime's log" && run 0 status "$route" --json && says '"drift_permille"'
result "the measured memory is kept with the release, and status shows the drift" $?

hardened="none true [ALL] 65532:65532 always"
[ "${LLMDEPLOY_TEST_KIND:-}" != rootless ] || hardened="none true [ALL] 0:0 always"
[ "${LLMDEPLOY_TEST_KIND:-}" != podman ] || # it writes them out
	hardened="none true [CHOWN DAC_OVERRIDE FOWNER FSETID KILL NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT] 65532:65532 always"
[ "$(field incident-q4-r16 '{{.HostConfig.NetworkMode}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.Config.User}} {{.HostConfig.RestartPolicy.Name}}')" = \
	"$hardened" ] && [ "$(field incident-q4-r16 '{{range .Mounts}}{{.Destination}}={{.RW}} {{end}}' | tr ' ' '\n' | grep -c '^/models/.*=false')" = 2 ]
result "its container is hardened, model and adapter read-only" $?

[ "$(field incident-q4-r16 '{{index .Config.Labels "llmdeploy.manifest.commit"}}')" = "$(git rev-parse HEAD)" ] && ! grep -q "$(git rev-parse HEAD)" "$state/r16.lock.json" &&
	grep -q "$(git rev-parse HEAD)" "$state/root/routes/$route/journal" && ! docker image inspect "$(field incident-q4-r16 '{{.Image}}')" | grep -q "$(git rev-parse HEAD)"
result "the manifest's commit is in journal and label, not in lock or image" $?

run 0 apply examples/incident/incident-r16.yaml && says "nothing to do"
result "the same again: nothing to do" $?

run 0 ask "$route" --case rollback-status-running && says "14:20" && says "[RB-102]"
result "it answers a question of its golden set, and cites" $?

run 0 ask "$route" "Who owns checkout?" --sources DOC-7,DOC-8 && says "platform team"
result "it answers a question of ours" $?

curl -s --unix-socket "$("$program" ask "$route" --socket-path)" http://localhost/health >"$state/out" && says '"ok"'
result "its socket is where ask --socket-path says" $?

run 0 verify "$route" --paranoid
result "what runs is what the lock says" $?

run 0 apply examples/incident/incident-r17.yaml && [ "$(active)" = incident-q4-r17 ]
result "r17 is proved and active" $?

# A release without its adapter: fluent, invented, uncited.
here=$(pwd)/examples/incident
sed -e '/adapters:/,+1d' -e 's/^version: .*/version: bare/' -e "s|golden: golden/|golden: $here/golden/|" \
	-e "s|file:../../build|file:$(pwd)/build|" examples/incident/incident-r16.yaml >"$state/bare.yaml"
before=$(ours)
run 6 apply "$state/bare.yaml" && [ "$(active)" = incident-q4-r17 ] && [ "$(ours)" = "$before" ] && says "FAIL"
result "the base model without its adapter is rejected, and leaves no container" $?

run 6 apply examples/incident/incident-r18.yaml && [ "$(active)" = incident-q4-r17 ] && [ "$(ours)" = "$before" ]
result "r18 (another family's prompt format) is rejected" $?
[ -s "$state/root/routes/$route/attempts/2/evidence.json" ] && [ -s "$state/root/routes/$route/attempts/2/engine.log" ]
result "its evidence and log are kept as an attempt" $?

two_bits "$state/root" "$state/r16.lock.json" "$state/models/r19.gguf" && r19_manifest "$state/models/r19.gguf" "$state/r19.yaml"
if ! run 6 apply "$state/r19.yaml"; then
	run 0 rollback "$route" --to incident-q4-r17
	EXTRA=--pure two_bits "$state/root" "$state/r16.lock.json" "$state/models/r19.gguf" && r19_manifest "$state/models/r19.gguf" "$state/r19.yaml"
	sed -i 's/^version: .*/version: incident-q2-r19-pure/' "$state/r19.yaml"
	run 6 apply "$state/r19.yaml"
fi
[ "$got" = 6 ] && [ "$(active)" = incident-q4-r17 ]
result "r19 (two bits a weight) is rejected" $?

sed "s/keep: 5/keep: 4/; s|adapters/|$here/adapters/|; s|golden/|$here/golden/|; s|file:../../build|file:$(pwd)/build|" examples/incident/incident-r16.yaml >"$state/other.yaml"
run 3 apply "$state/other.yaml" && says "exists with other content"
result "the same version with other content is refused" $?

sed "s/^version: .*/version: recreate/; s/blue-green/recreate/; s|adapters/|$here/adapters/|; s|golden/|$here/golden/|; s|file:../../build|file:$(pwd)/build|" examples/incident/incident-r16.yaml >"$state/recreate.yaml"
run 3 apply "$state/recreate.yaml" && says "use blue-green" && [ "$(active)" = incident-q4-r17 ]
result "a strategy that cannot be kept is refused, not approximated" $?
sed "s/^version: .*/version: ungated/; /golden:/d; /latency_p95/d; /^eval:/d; s|adapters/|$here/adapters/|; s|file:../../build|file:$(pwd)/build|" examples/incident/incident-r16.yaml >"$state/ungated.yaml"
run 6 apply "$state/ungated.yaml" && says "has no golden set"
result "a release without a golden set is refused" $?

run 2 rollback "$route" --to nothing && run 2 rollback no-such-route && run 2 status no-such-route
result "an unknown version or route is refused" $?

run 0 rollback "$route" && [ "$(active)" = incident-q4-r16 ] && run 0 ask "$route" --case rollback-status-running && says "14:20"
result "rollback: r16 is active again and answers" $?

run 2 rollback "$route" && [ "$(active)" = incident-q4-r16 ]
result "there is nowhere else to roll back to" $?

docker stop "$(container incident-q4-r16)" >/dev/null && run 11 verify "$route" && says "running" &&
	run 0 apply examples/incident/incident-r16.yaml && run 0 verify "$route"
result "a stopped container is drift, and apply repairs it" $?

docker rm -f "$(container incident-q4-r17)" >/dev/null && docker rmi -f "$(docker images -q --filter label=llmdeploy.version=incident-q4-r17)" >/dev/null &&
	run 0 rollback "$route" --to incident-q4-r17 && [ "$(active)" = incident-q4-r17 ] && run 0 rollback "$route" --to incident-q4-r16
result "a rollback works after its container and image were removed" $?

run 0 eval examples/incident/golden/incident-r16.yaml --endpoint "unix:$("$program" ask "$route" --socket-path)" --model "$route" --output "$state/evidence.json" &&
	[ "$(jq -r .gate.passed "$state/evidence.json")" = true ]
result "eval asks a golden set of a running server" $?

"$program" history "$route" --json | tail -n 1 | jq -e '[.records[].event] | index("flip_intent") and index("rejected") and index("committed")' >"$state/out"
result "the history tells all of it" $?

run 0 gc --dry-run && run 0 gc && run 0 verify "$route" && run 0 model verify && run 0 ask "$route" --case rollback-status-running
result "gc frees what no release needs, and nothing else" $?

# Another root, as another machine: the lock and the archive are all it gets; the artifacts are in its store.
LLMDEPLOY_ROOT=$state/root2 "$program" model pull examples/incident/incident-r16.yaml >"$state/out" 2>"$state/err" &&
	LLMDEPLOY_ROOT=$state/root2 "$program" apply "$state/r16.lock.json" --archive "$state/r16.tar" >"$state/out" 2>"$state/err" &&
	[ "$(jq -r .version "$state/root2/routes/$route/active/release.lock.json")" = incident-q4-r16 ]
result "a lock and its archive are applied elsewhere" $?
rm -rf "$state/root2" "$state/r16.tar"

# A byte of the model changes behind our back.
object=$state/root/store/sha256/b1/b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
printf 'X' | dd of="$object" bs=1 seek=50000000 conv=notrunc status=none
run 11 verify "$route" && says "b179c9523d0e"
result "a changed model is found" $?

tap_end
