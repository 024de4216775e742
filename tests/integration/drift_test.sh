#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: drift_test.sh [BUILD_DIR]   breaks what stands of a release by hand, on a real Engine: verify names it, verify --fix repairs it. TAP.
#
# State is under BUILD_DIR/tests/drift. PARTS="found pins" runs some parts alone; PORT is the gateway's, PORT + 1 its metrics.
set -u
cd "$(dirname "$0")/../.."
. tests/lib.sh
build=${1:-build}
mkdir -p "$build/tests"
state=$(cd "$build/tests" && pwd)/drift
program=$(realpath "$build")/llmdeploy
load=$(realpath "$build")/tests/load/load
root=$state/root
port=${PORT:-$((20000 + RANDOM % 6000 * 2))}
. tests/tap.sh
background=
web=

clean() {
	# A gateway of mode host is a daemon.
	[ ! -e "$root/gateway/haproxy.pid" ] || kill "$(cat "$root/gateway/haproxy.pid")" 2>/dev/null
	[ -z "$background" ] || kill "$background" 2>/dev/null
	[ -z "$web" ] || kill "$web" 2>/dev/null
	id=$(cat "$root/root-id" 2>/dev/null) && docker ps -aq --filter "label=llmdeploy.root=$id" | xargs -r docker rm -f >/dev/null
	[ -z "${id:-}" ] || docker images --format '{{.Repository}}:{{.Tag}}' | grep "^localhost/llmdeploy-$(echo "$id" | cut -c1-8)/" | xargs -r docker rmi >/dev/null
	[ ! -e "$state/engine" ] || tests/integration/docker_engine.sh stop "$state/engine"
	rm -rf "$state"
}

run() { # ARGUMENT...: its status in $status, what it said in $state/said
	LLMDEPLOY_ROOT=$root timeout 120 "$program" "$@" >"$state/said" 2>&1
	status=$?
}

# release VERSION [KEY=JSON]... [-- ENGINE-ARGUMENT...]: its lock
release() {
	python3 tests/integration/tiny_release.py "$state/tiny_llm" "$state/t" demo "$1" \
		"artifacts=[{\"role\":\"model\",\"sha256\":\"$sha\",\"size\":21,\"path\":\"/models/model.gguf\",\"sources\":[\"http://127.0.0.1:$((port + 2))/model\"]}]" \
		"gateway={\"listen\":\"127.0.0.1:$port\",\"metrics\":\"127.0.0.1:$((port + 1))\"}" "${@:2}"
}

apply() { # as release; then applies it
	release "$@"
	run apply "$state/t/$1.lock.json"
}

says() { grep -qF -- "$1" "$state/said"; }
active() { basename "$(readlink "$root/routes/demo/active")"; }
# last EVENT FILTER: of the newest such record
last() { cut -d' ' -f3- "$root"/routes/demo/journal | jq -r "select(.event == \"$1\") | $2" | tail -n 1; }
answers() { curl -s -o /dev/null -m 20 -w '%{http_code} %header{x-llmdeploy-release}' "http://127.0.0.1:$port/v1/chat/completions" \
	-H 'Content-Type: application/json' -d '{"model":"demo","messages":[{"role":"user","content":"x"}],"max_tokens":2}'; }
container() { docker ps "${@:2}" --filter "label=llmdeploy.root=$(cat "$root/root-id")" --filter "label=llmdeploy.version=$1" --format '{{.ID}}'; }
holds() { # VERSION: it is active, answers, the gateway does what the link says
	[ "$(active)" = "$1" ] || { echo "active is '$(active)', not '$1'"; return 1; }
	for _ in 1 2 3; do # a server that has just been started is up with its next health check
		! LLMDEPLOY_ROOT=$root "$program" verify demo >"$state/verify" 2>&1 || break
		sleep 0.3
	done
	grep -q "everything matches the lockfile" "$state/verify" || { cat "$state/verify"; return 1; }
	[ "$(answers)" = "200 $1" ] || { echo "the gateway answers '$(answers)'"; return 1; }
}

traffic() { # SECONDS [ARGUMENT...]: in the background, its process in $background
	"$load" --url "http://127.0.0.1:$port/v1/chat/completions" --model demo --clients 12 --seconds "$1" --http 1 --tokens 6 --new-connections 20 "${@:2}" >"$state/traffic" 2>"$state/traffic.err" &
	background=$!
}
end_traffic() {
	[ -n "$background" ] || return
	kill -TERM "$background" 2>/dev/null
	wait "$background"
	background=
}

# ---- parts ----

object() { echo "$root/store/sha256/${sha:0:2}/$sha"; }
name() { docker ps -a --filter "label=llmdeploy.root=$(cat "$root/root-id")" --filter "label=llmdeploy.version=$1" --format '{{.Names}}'; }
gateway() { docker ps -a --filter "label=llmdeploy.root=$(cat "$root/root-id")" --filter label=llmdeploy.gateway --format '{{.ID}}'; }

# What someone does by hand. Each breaks one thing of the active release d2 (d1 is warm beside it).
restart_it() { sleep 1.1; docker restart -t 1 "$(name d2)"; }
remove_it() { docker rm -f "$(name d2)"; }
stop_it() { docker stop -t 1 "$(name d2)"; }
no_policy() { docker update --restart=no "$(name d2)"; }
old_policy() { docker update --restart=unless-stopped "$(name d2)"; }
old_gateway_policy() { docker update --restart=unless-stopped "$(gateway)"; }
more_memory() { docker update --memory 100m --memory-swap 100m "$(name d2)"; }
more_processes() { docker update --pids-limit 1000 "$(name d2)"; }
another_one() { # of the same name, made by hand
	local n
	n=$(name d2)
	image=$(docker inspect -f '{{.Image}}' "$n")
	docker rm -f "$n"
	docker run -d --name "$n" --network none -e SECRET=x -v "$(object):/models/model.gguf" "$image" --socket /tmp/x
}
no_image() {
	local n
	n=$(name d2)
	image=$(docker inspect -f '{{.Image}}' "$n")
	docker rmi "localhost/llmdeploy-$(cut -c1-8 "$root/root-id")/other:image" # it was made from it
	docker ps -aq --filter "label=llmdeploy.root=$(cat "$root/root-id")" --filter label=llmdeploy.version | xargs docker rm -f
	docker rmi -f "$image"
}
edit_config() { sed -i 's/timeout connect.*/timeout connect 9s/' "$root/gateway/haproxy.cfg"; }
turn_server() {
	python3 - "$root" <<-'END'
		import socket, sys, os
		os.chdir(sys.argv[1] + "/gateway")
		for line in ("@1 set server r:demo/a state maint; set server r:demo/b state maint", "set server r:demo/a state maint; set server r:demo/b state maint"):
		    s = socket.socket(socket.AF_UNIX)
		    s.connect("admin.sock")
		    s.sendall(line.encode() + b"\n")
		    s.recv(4096)
	END
}
remove_gateway() { docker rm -f "$(gateway)"; }
seat_link() { ln -sfn ../../000000000000/engine.sock "$root/run/routes/demo/a.sock"; ln -sfn ../../000000000000/engine.sock "$root/run/routes/demo/b.sock"; }
other_model() { # in its place, as an update of someone's would
	rm -f "$(object)"
	echo "another one of few" >"$(object)"
}
edit_model() { chmod u+w "$(object)"; printf X | dd of="$(object)" conv=notrunc status=none; chmod 444 "$(object)"; }
no_model() { rm -f "$(object)"; }
turn_link() { ln -sfn releases/d1 "$root/routes/demo/active"; }
no_link() { rm "$root/routes/demo/active"; }
stray() { docker create --name "drift-stray-$port" --label "llmdeploy.root=$(cat "$root/root-id")" --label llmdeploy.route=demo --label llmdeploy.version=d9 "$(docker inspect -f '{{.Image}}' "$(name d2)")"; }

other_image() { # of the same layers and one more, by the same name
	local n other
	n=$(name d2)
	other=localhost/llmdeploy-$(cut -c1-8 "$root/root-id")/other:image
	docker commit "$n" "$other" && docker rm -f "$n" && docker create --name "$n" "$other" --socket /tmp/x
}
server() { # COMMAND: said of the server that d2 has, to HAProxy itself
	python3 - "$root" "$1" <<-'END'
		import json, os, socket, sys
		os.chdir(sys.argv[1] + "/gateway")
		slot = next(s for s in "ab" if json.load(open("state"))["routes"][0][s].get("version") == "d2")
		s = socket.socket(socket.AF_UNIX)
		s.connect("admin.sock")
		s.sendall(sys.argv[2].replace("SERVER", "r:demo/" + slot).encode() + b"\n")
		sys.stdout.write(s.recv(4096).decode())
	END
}
no_weight() { server "set server SERVER weight 0"; }
more_share() { server "set map gateway/canary.map demo/a 40; set map gateway/canary.map demo/b 40"; }
no_state() { rm "$root/gateway/state"; }
no_gateway_files() { find "$root/gateway" -type f ! -name gateway.lock.json -delete; }
cut_state() { truncate -s 100 "$root/gateway/state"; }
link_state() { mv "$root/gateway/state" "$state/state" && ln -s "$state/state" "$root/gateway/state"; }
edit_lua() { echo "-- mine" >>"$root/gateway/llmdeploy.lua"; }
edit_process() { sed -i 's/noreuseport.*/noreuseport/' "$root/gateway/process.cfg"; }
no_map() { rm "$root/gateway/releases.map"; }

# row BREAK FOUND FIXED: verify ends with 11 and says FOUND, every part of it between bars; --fix ends with 0, says FIXED, and all is as it was.
row() {
	local part missing=
	"$1" >"$state/break" 2>&1 || { result "$1 can be done" 1 "$state/break"; return; }
	run verify demo
	cp "$state/said" "$state/found"
	while read -r part; do says "$part" || missing="$missing '$part'"; done <<<"${2//|/$'\n'}"
	[ -z "$missing" ] || echo "not named:$missing" >>"$state/found"
	[ "$status" = 11 ] && [ -z "$missing" ]
	result "$1: verify ends with 11 and names it" $? "$state/found"
	run verify demo --fix
	[ "$status" = 0 ] && says "$3" && holds d2 >"$state/why" 2>&1
	result "$1: verify --fix repairs it" $? "$state/said" "$state/why"
}

found() {
	apply d1
	apply d2
	row restart_it "by another program; it answers" "recorded in the journal"
	row remove_it "nothing" "container  started again"
	row stop_it "exited" "container  started again"
	row no_policy "restart policy" "restart policy  set"
	row old_policy "unless-stopped" "restart policy  set"
	row old_gateway_policy "gateway's restart policy" "everything matches the lockfile"
	row more_processes "process limit" "replaced; 'd1' served meanwhile"
	row another_one "argv|environment|/models/model.gguf|llmdeploy.lock|user|capabilities dropped|root file system|memory limit|security option|restart policy|SECRET" \
		"replaced; 'd1' served meanwhile"
	! grep -q "SECRET=" "$state/found"
	result "a variable's value is not shown" $? "$state/found"
	row other_image "image" "replaced; 'd1' served meanwhile"
	row no_image "nothing" "started again"
	row edit_config "gateway/haproxy.cfg" "its files and slots follow the active release again"
	row turn_server "MAINT" "the gateway's traffic differed from the journal and was reset"
	row remove_gateway "gateway" "everything matches the lockfile"
	row no_weight "weight 0" "its files and slots follow the active release again"
	row more_share "share" "HAProxy's maps differed from gateway/state and were set again"
	row no_state "the route is not configured" "gateway/state was missing and is rebuilt from the active releases"
	row no_gateway_files "the route is not configured" "gateway/state was missing and is rebuilt from the active releases"
	row cut_state "gateway/state" "gateway/state was damaged and is rebuilt from the active releases; the file found there is kept as gateway/state.damaged-1"
	row link_state "gateway/state" "a link to '$state/state' was found there and is removed"
	row edit_lua "gateway/llmdeploy.lua" "its files and slots follow the active release again"
	row edit_process "gateway/process.cfg" "its files and slots follow the active release again"
	row no_map "gateway/releases.map" "its files and slots follow the active release again"
	row seat_link "run/routes/demo/" "everything matches the lockfile"
	row other_model "model" "fetched again; the file found in its place is kept as store/quarantine/$sha"
	row edit_model "model" "fetched again"
	row no_model "model" "fetched again"
	row turn_link "active" "the link 'active' differed from the journal and was reset"
	row no_link "active" "the link 'active' differed from the journal and was reset"
	row stray "orphan container" "everything matches the lockfile"
	[ "$(last fixed '.version')" = d2 ] && last fixed '.what' | grep -q "fetched again" && [ "$(last fix '.by')" != null ]
	result "the journal has what was found, and what was done" $? "$root/routes/demo/journal"
	run history demo
	says "fixed" && says "quarantined" && says "relinked"
	result "history shows it" $? "$state/said"
}

# What bears the root's name and belongs to none of its routes: named and taken away by a verify of all routes; another root's is left.
ghost() {
	jq -cS '{id: "", version: "", want: "maint", sequences: 0, metrics: "", prompt_tokens: "", generated_tokens: ""} as $none |
		.routes += [.routes[0] + {name: "ghost", since: 99, a: $none, b: $none}]' "$root/gateway/state"
}
orphans() {
	local id eight image kind mine
	apply o1
	run verify
	[ "$status" = 0 ]
	result "without orphans a verify of all routes ends with 0" $? "$state/said"
	id=$(cat "$root/root-id")
	eight=$(echo "$id" | cut -c1-8)
	image=$(docker inspect -f '{{.Image}}' "$(name o1)")
	mkdir -p "$root/run/0123456789ab" "$root/run/routes/gone"
	docker create --name "drift-gone-$port" --label "llmdeploy.root=$id" --label llmdeploy.route=gone "$image" >/dev/null
	docker network create --internal --label "llmdeploy.root=$id" "drift-net-$port" >/dev/null
	docker commit --change "LABEL llmdeploy.route=gone" "drift-gone-$port" "localhost/llmdeploy-$eight/gone:0123456789ab" >/dev/null
	docker create --name "drift-other-root-$port" --label llmdeploy.root=0123456789abcdef --label llmdeploy.route=gone "$image" >/dev/null
	docker network create --internal --label llmdeploy.root=0123456789abcdef "drift-other-net-$port" >/dev/null
	docker tag "localhost/llmdeploy-$eight/gone:0123456789ab" "localhost/llmdeploy-01234567/gone:0123456789ab"
	ghost >"$state/state" && cp "$state/state" "$root/gateway/state"
	run gc --dry-run --json
	jq -Re 'fromjson? | select(.garbage) | [.garbage[].kind] | contains(["container", "directory", "image", "network"])' "$state/said" >/dev/null
	result "gc --dry-run names them" $? "$state/said"
	run verify
	[ "$status" = 11 ] && for kind in "run/0123456789ab" "run/routes/gone" "drift-gone-$port" "drift-net-$port" "localhost/llmdeploy-$eight/gone:0123456789ab" ghost; do
		says "$kind" || { status="no $kind"; break; }
	done && [ "$status" = 11 ] && ! says other-
	result "orphans: verify ends with 11 and names each" $? "$state/said"
	run verify --fix
	[ "$status" = 0 ] && [ ! -e "$root/run/0123456789ab" ] && [ ! -e "$root/run/routes/gone" ] && ! docker inspect "drift-gone-$port" >/dev/null 2>&1 &&
		! docker network inspect "drift-net-$port" >/dev/null 2>&1 && [ "$(jq '.routes | length' "$root/gateway/state")" = 1 ] && holds o1 >"$state/why" 2>&1
	result "orphans: verify --fix takes them away" $? "$state/said" "$state/why"
	run verify
	[ "$status" = 0 ] && cut -d' ' -f3- "$root/journal" | jq -se 'map(select(.event == "fixed")) | last | .orphans | length == 6' >/dev/null
	result "a second verify says nothing, and the root's journal has what was done" $? "$state/said" "$root/journal"
	docker inspect "drift-other-root-$port" >/dev/null && docker network inspect "drift-other-net-$port" >/dev/null &&
		docker image inspect "localhost/llmdeploy-01234567/gone:0123456789ab" >/dev/null
	mine=$?
	docker rm -f "drift-other-root-$port" >/dev/null
	docker network rm "drift-other-net-$port" >/dev/null
	docker rmi "localhost/llmdeploy-01234567/gone:0123456789ab" >/dev/null
	result "what is another root's is still there" "$mine"
}

# The files that the gateway, the measurements and a repair make, damaged in every way: verify says which, no command hangs, dies by a signal
# or writes through a link, and once it is put back all is well. The others are in hostile_test.sh.
damage() { # FILE HOW
	rm -rf "${root:?}/$1"
	case $2 in
	garbage) head -c 150 /dev/urandom >"$root/$1" ;;
	link) ln -s "$state/victim" "$root/$1" ;;
	pipe) mkfifo "$root/$1" ;;
	dir) mkdir "$root/$1" ;;
	owner) cp -a "$state/save/$1" "$root/$1" && chown -h 12345:12345 "$root/$1" ;;
	esac
}
stranger() { # FILE HOW
	local problem='' word
	cp "$state/secret" "$state/victim"
	damage "$1" "$2"
	for word in verify status recover; do
		run "$word" demo
		case $status in
		0 | 1 | 2 | 3 | 5 | 8 | 9 | 11 | 12) ;;
		*) problem="$problem$word ended with $status; " ;;
		esac
		[ "$word" != verify ] || { [ "$status" != 0 ] && says "$(basename "$1")"; } || problem="${problem}verify did not name it ($status: $(tail -n 1 "$state/said")); "
		cmp -s "$state/secret" "$state/victim" || problem="$problem$word wrote through the link; "
	done
	if [ -e "$state/save/$1" ] || [ -L "$state/save/$1" ]; then
		{ [ -S "$state/save/$1" ] && [ ! -L "$state/save/$1" ]; } || { rm -rf "${root:?}/$1" && cp -a "$state/save/$1" "$root/$1"; }
	else
		rm -rf "${root:?}/$1"
	fi
	echo "$problem" >"$state/why"
	[ -z "$problem" ]
	result "$1: $2" $? "$state/why"
}
strangers() {
	local file hows how v
	for v in s1 s2; do apply "$v"; done
	run pin demo s1 --reason "the audit wants it"
	mkdir -p "$root/store/quarantine"
	echo x >"$root/store/quarantine/x"
	echo "someone else's file" >"$state/secret"
	cp -a "$root" "$state/save"
	while read -r file hows; do
		for how in ${hows//,/ }; do stranger "$file" "$how"; done
	done <<-END
		gateway/state garbage,link,pipe,dir,owner
		gateway/state.loaded link,pipe,owner
		gateway/haproxy.cfg garbage,link,pipe,dir,owner
		gateway/releases.map garbage,link
		gateway/process.cfg garbage,link
		gateway/gateway.lock.json garbage,link
		gateway/lock link,owner
		run/routes/demo/a.sock garbage,dir
		store/quarantine/x link,owner
		host.json link,pipe,dir
		routes/demo/releases/s1/pinned link,pipe
	END
	run verify demo --fix
	[ "$status" = 0 ] && holds s2 >"$state/why" 2>&1
	result "after all that --fix ends with 0" $? "$state/said" "$state/why"
	rm -rf "$state/save"
}

# Clients notice nothing of a container that is created again while the previous release can answer.
unnoticed() {
	apply u1
	apply u2
	traffic 30
	sleep 0.5
	docker update --memory 100m --memory-swap 100m "$(name u2)" >/dev/null
	run verify demo --fix
	sleep 0.3
	end_traffic
	[ "$status" = 0 ] && says "replaced; 'u1' served meanwhile" && jq -e '.failed == 0 and .cut == 0 and .requests > 50' "$state/traffic" >/dev/null &&
		holds u2 >"$state/why" 2>&1
	result "a container is created again under requests: none failed" $? "$state/said" "$state/traffic" "$state/why"
	docker rm -f "$(name u1)" >/dev/null
	apply u3 'rollout.previous="stopped"'
	run rollback demo
	apply u4 'rollout.strategy="recreate"' 'rollout.previous="stopped"'
	docker update --memory 100m --memory-swap 100m "$(name u4)" >/dev/null
	run verify demo --fix
	[ "$status" = 0 ] && says "no other release can serve meanwhile: until it is ready, clients get the fallback if the route has one, else 503 with Retry-After" &&
		holds u4 >"$state/why" 2>&1
	result "where no other release can answer, it says what clients see" $? "$state/said" "$state/why"
}

# Killed before its n-th effect, a fix is ended by the next one.
killed_fix() {
	local n bad=0
	apply x1
	apply x2
	for n in 3 6 9 12 16 20 24; do
		docker update --memory 100m --memory-swap 100m "$(name x2)" >/dev/null 2>&1
		LLMDEPLOY_FAULT=any:before:kill:$n LLMDEPLOY_ROOT=$root timeout 60 "$program" verify demo --fix >"$state/said" 2>&1
		run recover demo
		[ "$status" = 0 ] && [ "$(answers)" = "200 x2" ] || { bad=1; echo "effect $n" >"$state/why"; break; }
		run verify demo --fix
		[ "$status" = 0 ] && holds x2 >"$state/why" 2>&1 || { bad=1; break; }
	done
	result "kill -9 in a fix: recover makes the active release answer, and the next fix ends it" "$bad" "$state/said" "$state/why"
}

# What cannot be repaired is said, with the way out.
beyond() {
	apply b1
	kill "$web"
	wait "$web" 2>/dev/null
	web=
	no_model
	run verify demo --fix
	[ "$status" = 11 ] && says "difference" && says "model" && [ "$(active)" = b1 ] && [ "$(last failed .version)" = b1 ]
	result "a model that no source has: 11, and it says so" $? "$state/said"
	serve
	run verify demo --fix
	[ "$status" = 0 ] && holds b1 >"$state/why" 2>&1
	result "once a source has it: repaired" $? "$state/said" "$state/why"
	mv "$root/gateway/gateway.lock.json" "$state/gateway.lock.json"
	run verify demo
	[ "$status" = 11 ] && says "gateway/gateway.lock.json"
	result "the gateway's image is not known any more: named" $? "$state/said"
	run verify demo --fix
	[ "$status" = 11 ] && says "llmdeploy gateway upgrade makes it"
	result "and how it is made" $? "$state/said"
	mv "$state/gateway.lock.json" "$root/gateway/gateway.lock.json"
	mkfifo "$root/routes/demo/pipe"
	run verify demo --fix
	[ "$status" = 11 ] && says "routes/demo/pipe" && says "1 difference is left: repair by hand"
	result "a foreign file is named and left" $? "$state/said"
	rm "$root/routes/demo/pipe"
}

# gc by reachability.
pins() {
	local v
	for v in p1 p2 p3; do apply "$v" rollout.keep=1; done
	run pin demo p9
	[ "$status" = 2 ]
	result "pin: a version that is not there" $? "$state/said"
	run pin demo p3 --reason "the audit wants it"
	[ "$status" = 0 ] && says "pinned: gc keeps 'p3' of 'demo'"
	result "pin" $? "$state/said"
	run status demo
	says "p3 (the audit wants it)"
	result "status shows what is pinned" $? "$state/said"
	apply p4 rollout.keep=1
	says "garbage collected: "
	local said=$?
	apply p5 rollout.keep=1
	[ -d "$root/routes/demo/releases/p3" ] && [ ! -e "$root/routes/demo/releases/p1" ] && [ -d "$root/routes/demo/releases/p4" ]
	result "after a commit what no release needs is collected, and what is pinned stays" $? "$state/said"
	result "and it is said" "$said" "$state/said"
	run unpin demo p3
	[ "$status" = 0 ] && run unpin demo p3 && [ "$status" = 2 ] && says "is not pinned"
	result "unpin" $? "$state/said"
	echo junk | install -m 444 /dev/stdin "$root/store/sha256/00/$(printf '0%.0s' $(seq 64))" 2>/dev/null ||
		{ mkdir -p "$root/store/sha256/00" && echo junk | install -m 444 /dev/stdin "$root/store/sha256/00/$(printf '0%.0s' $(seq 64))"; }
	run gc --dry-run --json
	jq -e 'select(.garbage) | .dry_run and .bytes >= 5 and ([.garbage[] | select(.kind == "object" and .bytes == 5)] | length) == 1 and
		([.garbage[] | select(.kind == "release" and .name == "demo/p3")] | length) == 1' "$state/said" >/dev/null
	result "gc --dry-run shows what, with its bytes" $? "$state/said"
	run gc
	[ "$status" = 0 ] && [ ! -e "$root/routes/demo/releases/p3" ] && holds p5 >"$state/why" 2>&1
	result "gc frees it, and nothing else" $? "$state/said" "$state/why"
	mkdir -p "$root/run/fedcba987654"
	run rollback demo
	[ "$status" = 0 ] && [ -e "$root/run/fedcba987654" ] && [ -d "$root/routes/demo/releases/p5" ] && rmdir "$root/run/fedcba987654"
	result "a rollback collects nothing, so that one can go forward again" $? "$state/said"
	run rollback demo --to p5
	[ "$status" = 0 ] && holds p5 >"$state/why" 2>&1
	result "and forward again" $? "$state/said" "$state/why"
}

# Nobody's apply fails because someone collects, and no collecting fails an apply.
collectors() {
	flock_root() { python3 -c 'import fcntl,struct,sys,time
f = open(sys.argv[1], "r+"); fcntl.fcntl(f, 37, struct.pack("hhqqi4x", 1, 0, 0, 0, 0)); f.truncate(0); f.write(sys.argv[2]); f.flush(); time.sleep(float(sys.argv[3]))' "$@"; }
	apply q1
	flock_root "$root/routes/demo/lock" "max@host pid 1: gc, since 2026-11-22T17:41:05Z" 2 &
	background=$!
	sleep 0.3
	apply q2
	[ "$status" = 0 ] && [ "$(active)" = q2 ]
	result "an apply waits for who collects, without --lock-wait" $? "$state/said"
	wait "$background"
	flock_root "$root/routes/demo/lock" "max@host pid 1: apply, since 2026-11-22T17:41:05Z" 2 &
	background=$!
	sleep 0.3
	apply q3
	[ "$status" = 8 ] && says "is held by max@host pid 1: apply"
	result "and for nobody else" $? "$state/said"
	wait "$background"
	background=
	release q3 rollout.keep=1
	LLMDEPLOY_FAULT=release.remove:during:EIO LLMDEPLOY_ROOT=$root timeout 60 "$program" apply "$state/t/q3.lock.json" >"$state/said" 2>&1
	status=$?
	[ "$status" = 0 ] && says "the release is active: run llmdeploy gc" && [ "$(active)" = q3 ]
	result "a garbage collection that fails is a warning" $? "$state/said"
}

trap clean EXIT
trap 'exit 130' INT TERM HUP
[ ! -e "$state/engine" ] || tests/integration/docker_engine.sh stop "$state/engine"
rm -rf "$state"
mkdir -p "$state"
engine_ready "$state/engine" || exit 1
LLMDEPLOY_RUNTIMES=${LLMDEPLOY_RUNTIMES:-$PWD/runtimes}
export LLMDEPLOY_RUNTIMES
"${CC:-cc}" -std=c17 -D_GNU_SOURCE -static -Os -o "$state/tiny_llm" tests/integration/tiny_llm.c -lpthread || exit 1
echo "$state $port" >>"$state/tiny_llm" # an image of its own: it is taken away from the Engine
sha=$(printf 'a model of few bytes\n' | sha256sum | cut -d' ' -f1)
serve() {
	python3 -m http.server --bind 127.0.0.1 --directory "$state/t" $((port + 2)) >/dev/null 2>&1 &
	web=$!
	for _ in $(seq 100); do
		! curl -s -o /dev/null "http://127.0.0.1:$((port + 2))/" || return 0
		sleep 0.05
	done
}
release first
gateway_for "$root"
serve
run apply "$state/t/first.lock.json" --archive "$state/t/tiny.tar"
result "a root with a tiny engine and a gateway" "$status" "$state/said"
for part in ${PARTS:-found orphans strangers unnoticed killed_fix beyond pins collectors}; do
	began=$SECONDS
	"$part"
	echo "# $part took $((SECONDS - began)) s"
done
tap_end
