#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: switch_test.sh [BUILD_DIR]   moves traffic between tiny engines through the packaged HAProxy on a real Engine. TAP.
#
# State is under BUILD_DIR/tests/switch. PARTS="drains canaries" runs some parts alone; PORT is the gateway's, PORT + 1 its metrics.
set -u
cd "$(dirname "$0")/../.."
. tests/lib.sh
build=${1:-build}
mkdir -p "$build/tests"
state=$(cd "$build/tests" && pwd)/switch
program=$(realpath "$build")/llmdeploy
load=$(realpath "$build")/tests/load/load
root=$state/root
port=${PORT:-$((20000 + RANDOM % 6000 * 2))}
. tests/tap.sh
background=

clean() {
	# A gateway of mode host is a daemon.
	[ ! -e "$root/gateway/haproxy.pid" ] || kill "$(cat "$root/gateway/haproxy.pid")" 2>/dev/null
	[ -z "$background" ] || kill $background 2>/dev/null
	rm -f "$state/asking"
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

# A switch and a rollback under requests: nobody notices.
switches() {
	apply s1 -- --gap 5
	[ "$status" = 0 ] && holds s1 >"$state/why" 2>&1
	result "a first release, and the gateway answers for it" $? "$state/said" "$state/why"
	traffic 30
	sleep 0.5
	apply s2 rollout.watch_ms=1500 -- --gap 5
	local second=$status
	grep -q "^ok    watch  .*  [0-9]* requests, 0 failed" "$state/said"
	local saw=$?
	run rollback demo
	sleep 0.3
	end_traffic
	[ "$second" = 0 ] && [ "$status" = 0 ] && jq -e '.failed == 0 and .cut == 0 and .requests > 100 and .streams > 20 and
		([.answered[] | select(.by == "active") | .version] | sort) == ["s1", "s2"] and (.answered | length) == 2' "$state/traffic" >/dev/null
	result "apply and rollback under requests: none failed, each answered by one of the two" $? "$state/traffic" "$state/traffic.err" "$state/said"
	[ "$saw" = 0 ] && [ "$(last committed 'select(.version == "s2") | .traffic.verdict')" = pass ]
	result "the watch judged what clients saw" $? "$state/said"
	apply s3 rollout.watch_ms=600
	[ "$status" = 0 ] && says "no traffic was seen" && [ "$(last committed .traffic.verdict)" = none ]
	result "a watch without traffic says so, and records it" $? "$state/said"
	run status --json demo
	jq -e 'select(.route == "demo") | .gateway.running and .gateway.listen == "127.0.0.1:'"$port"'" and ([.gateway.servers[] | select(.version == "s3") | .want] == ["ready"])' "$state/said" >/dev/null
	result "status shows the gateway and who has traffic" $? "$state/said"
	run history demo
	says "in flight" && says "drained"
	result "history shows the drain in words" $? "$state/said"
}

stream() { # TOKENS: one long stream, its last line in $state/stream
	curl -sN -m 60 "http://127.0.0.1:$port/v1/chat/completions" -H 'Content-Type: application/json' \
		-d "{\"model\":\"demo\",\"stream\":true,\"max_tokens\":$1,\"messages\":[]}" >"$state/stream" 2>&1 &
	background=$!
	for _ in $(seq 100); do
		! grep -q '"w0 "' "$state/stream" || return 0
		sleep 0.05
	done
	return 1
}

drains() {
	apply d1 'rollout.previous="stopped"' -- --gap 100
	stream 40
	apply d2 rollout.drain_ms=20000 'rollout.previous="stopped"' -- --gap 100
	wait "$background"
	background=
	[ "$status" = 0 ] && grep -q 'DONE' "$state/stream" && [ "$(last drained '"\(.version) \(.in_flight) \(.cut)"')" = "d1 1 0" ] &&
		says "drained: 'd1': 1 in flight, 0 cut after" && [ -z "$(container d1)" ]
	result "a stream in flight ends before its container stops" $? "$state/said" "$state/stream"
	stream 600
	curl -s -m 60 -o "$state/answer" -w '%{http_code}' "http://127.0.0.1:$port/v1/chat/completions" -H 'Content-Type: application/json' \
		-d '{"model":"demo","max_tokens":600,"messages":[]}' >"$state/code" &
	local silent=$!
	sleep 0.3
	apply d3 rollout.drain_ms=700 'rollout.previous="stopped"'
	wait "$background" "$silent"
	background=
	[ "$status" = 0 ] && ! grep -q 'DONE' "$state/stream" && [ "$(last drained '"\(.version) \(.in_flight) \(.cut)"')" = "d2 2 2" ] &&
		says "2 cut after" && [ "$(last drained '.waited_ms < 2500')" = true ] && holds d3 >"$state/why" 2>&1
	result "what is left at the deadline is cut, counted and said" $? "$state/said" "$state/why"
	curl -s "http://127.0.0.1:$((port + 1))/metrics" | grep '^llmdeploy_errors_total' >"$state/why"
	grep -q 'release="d2",answered_by="active",reason="-",code="5xx"} 1$' "$state/why"
	result "the stream that was cut is an error of ours" $? "$state/why"
	# HAProxy up to 2.6 sends a request that was cut before its answer once more, to the new release.
	if [ "$(cat "$state/code")" = 200 ]; then
		grep -q 'release="d3",answered_by="active",reason="-",code="2xx"} [1-9]' <(curl -s "http://127.0.0.1:$((port + 1))/metrics" | grep '^llmdeploy_requests_total')
	else
		grep -q 'release="-",answered_by="none",reason="-",code="5xx"} [1-9]' "$state/why"
	fi
	result "a request that was cut before its answer is an error of ours, or answered by the new release" $? "$state/why" "$state/code"
}

# interrupted VERSION SIGNAL [KEY=JSON]...: applied, and the signal comes while the one before drains; what it said in said, its status in $status
interrupted() {
	local each
	release "$1" 'rollout.previous="stopped"' "${@:3}" -- --gap 100
	LLMDEPLOY_ROOT=$root "$program" apply "$state/t/$1.lock.json" >"$state/said" 2>&1 &
	each=$!
	for _ in $(seq 400); do
		! grep -q '"event":"committed".*"version":"'"$1"'"' "$root/routes/demo/journal" || break
		sleep 0.02
	done
	sleep 0.1
	kill "-$2" "$each"
	wait "$each"
	status=$?
}

# Ctrl-C and SIGTERM in a drain: the switch is made; what is in flight goes on, and the next command ends what was left.
drains_interrupted() {
	apply i1 'rollout.previous="stopped"' -- --gap 100
	stream 50
	interrupted i2 INT rollout.drain_ms=20000
	[ "$status" = 130 ] && says "interrupted; 'i2' is active and committed, and the previous release still drains: the next command on the route stops it" &&
		[ "$(active)" = i2 ] && [ -n "$(container i1)" ] && [ "$(answers)" = "200 i2" ] && kill -0 "$background"
	result "Ctrl-C in a drain: 130, the new one is active, and the stream goes on" $? "$state/said" "$state/stream"
	run recover demo
	wait "$background"
	background=
	[ "$status" = 0 ] && grep -q 'DONE' "$state/stream" && says "drained: 'i1': 1 in flight, 0 cut after" && [ -z "$(container i1)" ] && holds i2 >"$state/why" 2>&1
	result "the next command waits for it, says so, and stops the one before" $? "$state/said" "$state/stream" "$state/why"
	stream 600
	interrupted i3 TERM rollout.drain_ms=2500
	[ "$status" = 130 ] && [ "$(active)" = i3 ] && [ -n "$(container i2)" ] && kill -0 "$background"
	local left=$?
	run rollback demo --to i1
	wait "$background"
	background=
	[ "$left" = 0 ] && [ "$status" = 0 ] && ! grep -q 'DONE' "$state/stream" && says "drained: 'i2': 1 in flight, 1 cut after" &&
		[ "$(last 'drained' 'select(.version == "i2") | "\(.in_flight) \(.cut)"')" = "1 1" ] && [ -z "$(container i2)" ] && holds i1 >"$state/why" 2>&1
	result "SIGTERM in a drain: the next command gives what is in flight the rest of its time, and says how many it cut" $? "$state/said" "$state/why"
}

gate_breaks() {
	apply g1
	traffic 30 --streams 0
	apply g2 rollout.watch_ms=15000 -- --fail 50
	[ "$status" = 7 ] && says "'g2' failed a gate in its watch: error rate " && says "'g1' is active again"
	local first=$?
	end_traffic
	[ "$first" = 0 ] && holds g1 >"$state/why" 2>&1 && [ "$(last rolled_back .to)" = g1 ]
	result "a release that fails its clients in the watch: 7, and the one before is active again" $? "$state/said" "$state/why"
}

golden='eval={"golden":{"name":"tiny","sources":{},"cases":[{"id":"one","severity":"blocker","attempts":2,"seed":1,"max_tokens":4,"timeout_ms":10000,
	"context":[],"assert":[{"kind":"contains","values":["one two"]}],"messages":[{"role":"user","content":"say it"}]}]}}'
# client SESSION CONTENT PATIENCE: asks again and again, at most PATIENCE seconds a time, until the end of the part
client() {
	while [ -e "$state/asking" ]; do
		curl -s -o /dev/null -m "$3" "http://127.0.0.1:$port/v1/chat/completions" -H "X-Session-Id: $1" -H 'Content-Type: application/json' \
			-d "{\"model\":\"demo\",\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}],\"max_tokens\":4}"
		sleep 0.03
	done
}
asking() { # SESSION:CONTENT:PATIENCE...
	local each
	: >"$state/asking"
	for each in "$@"; do
		client "$(echo "$each" | cut -d: -f1)" "$(echo "$each" | cut -d: -f2)" "$(echo "$each" | cut -d: -f3)" &
		background="$background $!"
	done
}
asked() {
	rm -f "$state/asking"
	wait $background
	background=
}
hash_of() { printf %s "$1" | sha256sum | cut -c1-12; }

# No client can roll a release back, and no release hides behind clients that gave up.
clients() {
	apply b1 "$golden"
	asking good:hi:10 other:hi:10 secret-1:poison:10
	apply b2 "$golden" rollout.watch_ms=5000
	asked
	[ "$status" = 0 ] && [ "$(active)" = b2 ] && says "the requests of one client exceed a limit" && says "of client 'session $(hash_of secret-1)' failed" &&
		says "golden questions through the gateway passed: the release stays" && ! says secret-1
	result "one client's requests fail: the golden questions pass, and the release stays" $? "$state/said"
	[ "$(last committed '"\(.traffic.verdict) \(.traffic.set_aside | length) \(.traffic.set_aside[0].client) \(.traffic.set_aside[0] | .failed == .errors)"')" = \
		"pass 1 session $(hash_of secret-1) true" ]
	result "the journal says whose, and judges the others" $? "$root/routes/demo/journal"
	asking good:hi:10 bad-1:poison:10 bad-2:poison:10
	apply b3 "$golden" rollout.watch_ms=8000
	asked
	[ "$status" = 7 ] && [ "$(active)" = b2 ] && says "'b3' failed a gate in its watch" && ! says "the requests of one client exceed a limit"
	result "two clients' requests fail: switched back" $? "$state/said"
	asking good:hi:10
	apply b4 "$golden" rollout.watch_ms=12000 -- --spoil 3000
	asked
	[ "$status" = 7 ] && [ "$(active)" = b2 ] && says "the requests of one client exceed a limit" && says "golden questions through the gateway: "
	result "one client's requests fail, and so do the golden questions: switched back" $? "$state/said"
	asking good:hi:10 bad-1:poison:10 bad-2:poison:10
	apply b5 rollout.watch_ms=8000
	asked
	[ "$status" = 7 ] && [ "$(active)" = b2 ]
	result "without golden questions a breach stands" $? "$state/said"
	asking one:hi:0.15 two:hi:0.15 three:hi:0.15
	apply b6 "$golden" rollout.watch_ms=4000 -- --first 600
	asked
	[ "$status" = 0 ] && [ "$(active)" = b6 ] && says "no request was answered: 0 rejected as client errors, " && [ "$(last committed .traffic.verdict)" = none ] &&
		[ "$(last committed '.traffic.given_up > 5 and .traffic.requests == 0')" = true ]
	result "impatient clients do not switch a release back, and are no success of it" $? "$state/said"
	asking one:hi:1.5 two:hi:1.5 three:hi:1.5
	apply b7 "$golden" rollout.watch_ms=15000 -- --first 20 --spoil 3000 --slow 3000
	asked
	[ "$status" = 7 ] && [ "$(active)" = b6 ] && says "failed a gate in its watch"
	result "a release that became slow: clients that gave up are failures" $? "$state/said"
	asking one:hi:1.5
	apply b8 "$golden" rollout.watch_ms=25000 -- --first 20 --spoil 3000 --slow 3000
	asked
	[ "$status" = 7 ] && [ "$(active)" = b6 ] && says "the requests of one client exceed a limit" && says "cancelled by the client as too slow"
	result "the same with one client: the golden questions are as slow, and it is switched back" $? "$state/said"
	asking one:hi:1 two:hi:1 three:hi:1
	apply b9 "$golden" rollout.watch_ms=15000 'rollout.gates={"error_rate_percent":5,"p95_ms":500}' -- --first 20 --spoil 3000 --slow 3000
	asked
	[ "$status" = 7 ] && [ "$(active)" = b6 ]
	result "by the lockfile's own limit, too" $? "$state/said"
	asking one:hi:10
	apply b11 "$golden" rollout.watch_ms=15000 'rollout.gates={"error_rate_percent":5,"ttft_ms":300}' -- --first 20 --spoil 3000 --slow 1000
	asked
	[ "$status" = 7 ] && [ "$(active)" = b6 ] && says "the requests of one client exceed a limit" && says "golden questions through the gateway: "
	result "the time to the first byte, with one client: the golden questions are as slow, and it is switched back" $? "$state/said"
	asking :hi:10 :hi:10 :hi:10 peculiar:poison:10
	release b10 "$golden" 'rollout.strategy="canary"' "rollout.canary={\"steps\":[{\"weight_percent\":70,\"duration_ms\":5000,\"min_requests\":10}],
		\"gates\":{\"error_rate_percent\":5,\"against_active\":$against}}"
	run apply "$state/t/b10.lock.json"
	asked
	[ "$status" = 0 ] && [ "$(active)" = b10 ] && [ "$(last canary_verdict '"\(.verdict) \(.set_aside[0].client)"')" = "pass session $(hash_of peculiar)" ]
	result "a canary: one client's requests fail, and the golden questions are asked of the canary" $? "$state/said"
}

against='{"error_rate_percent":2,"p95_percent":200,"ttft_percent":200}'
canary() { # VERSION MIN_REQUESTS [-- ENGINE-ARGUMENT...]
	release "$1" 'rollout.strategy="canary"' "rollout.canary={\"steps\":[{\"weight_percent\":20,\"duration_ms\":1500,\"min_requests\":$2},
		{\"weight_percent\":60,\"duration_ms\":1500,\"min_requests\":$2}],\"gates\":{\"error_rate_percent\":5,\"against_active\":$against}}" "${@:3}"
	run apply "$state/t/$1.lock.json"
}

canaries() {
	apply c1 -- --first 20
	traffic 60 --streams 4
	canary c2 20 -- --first 20
	[ "$status" = 0 ] && [ "$(last canary_verdict '"\(.step) \(.verdict)"')" = "2 pass" ] && [ "$(active)" = c2 ]
	result "a canary that holds its gates: both steps, then the switch" $? "$state/said"
	grep -Eq "'c2' is active, after '[^']*' \(.*, canary [0-9.]+ m?s, switch and watch .*\)" "$state/said"
	result "its own time is named" $? "$state/said"
	[ "$(last canary_verdict '(.candidate.requests > .active.requests)')" = true ]
	result "its share grows: in the second step it has the most requests" $? "$root/routes/demo/journal"
	canary c3 20 -- --first 20 --fail 60
	[ "$status" = 6 ] && says "candidate 'c3' failed a gate in canary step 1 of 2" && says "'c2' is untouched" && [ "$(active)" = c2 ]
	result "a canary that fails its clients: 6, the active one untouched" $? "$state/said"
	canary c4 8 -- --first 200
	[ "$status" = 6 ] && says "times the active release's" && [ "$(active)" = c2 ]
	result "a canary that is slower than the active one: 6" $? "$state/said"
	end_traffic
	jq -e '[.answered[] | select(.by == "canary") | .version] | sort == ["c2", "c3", "c4"]' "$state/traffic" >/dev/null &&
		jq -e '(.statuses | keys) - ["200", "500"] == []' "$state/traffic" >/dev/null && holds c2 >"$state/why" 2>&1
	result "who answered is in the answers, and nobody got anything else" $? "$state/traffic" "$state/why"
}

holding() {
	apply h1
	canary h2 20
	[ "$status" = 10 ] && says "has no verdict in canary step 1 of 2: no traffic was seen" && says "llmdeploy promote demo" && holds h1 >"$state/why" 2>&1 &&
		[ -n "$(container h2)" ]
	result "no traffic, no verdict: 10, held without traffic, still there" $? "$state/said" "$state/why"
	run status demo
	says "'h2' waits for llmdeploy promote demo --reason TEXT, or llmdeploy abort demo"
	result "status shows who is held, and the ways out" $? "$state/said"
	run recover demo
	[ "$status" = 0 ] && [ -n "$(container h2)" ] && run gc && [ "$status" = 0 ] && [ -d "$root/routes/demo/releases/h2" ]
	result "recover and gc leave a held candidate alone" $? "$state/said"
	run promote demo
	[ "$status" = 2 ] && says "promote needs --reason TEXT"
	result "promote wants a reason" $? "$state/said"
	mkdir -p "$root/run/fedcba987654"
	run promote demo --reason "two of us looked"
	[ "$status" = 0 ] && says "garbage collected" && [ ! -e "$root/run/fedcba987654" ]
	result "promote: its commit collects, as an apply's does" $? "$state/said"
	[ "$status" = 0 ] && says "promoted: 'h2' is active, after 'h1'" && holds h2 >"$state/why" 2>&1 && [ "$(last promote .reason)" = "two of us looked" ]
	result "promote: switched, and the journal has the reason" $? "$state/said" "$state/why"
	canary h3 20
	run abort demo --reason "not now"
	[ "$status" = 0 ] && says "aborted: 'h3' is dropped, 'h2' stays active" && [ -z "$(container h3 -a)" ] && holds h2 >"$state/why" 2>&1
	result "abort: dropped, with its container" $? "$state/said" "$state/why"
	run abort demo
	[ "$status" = 2 ] && says "route 'demo' has no held candidate"
	result "nothing to abort: 2" $? "$state/said"
	canary h4 20
	apply h5
	[ "$status" = 0 ] && says "the held candidate is aborted first: h4" && holds h5 >"$state/why" 2>&1 && [ "$(last aborted .version)" = h4 ]
	result "the next apply aborts what is held" $? "$state/said" "$state/why"
	canary h6 20
	# The first one belongs to an older release, which is stopped by what comes first.
	LLMDEPLOY_FAULT=container.update:before:kill:2 LLMDEPLOY_ROOT=$root timeout 60 "$program" promote demo --reason x >"$state/said" 2>&1
	run recover demo
	holds h6 >"$state/why" 2>&1
	result "a promote that is killed in its switch is finished" $? "$state/said" "$state/why"
}

recreates() {
	apply r1 'rollout.strategy="recreate"' 'rollout.previous="auto"'
	traffic 60 --streams 0 --new-connections 100
	apply r2 'rollout.strategy="recreate"' 'rollout.previous="auto"'
	[ "$status" = 0 ] && says "no release serves this route: clients get 503 with Retry-After" && [ "$(active)" = r2 ] && [ -z "$(container r1)" ]
	result "recreate: says what clients will see, stops the old one, starts the new one" $? "$state/said"
	apply r3 'rollout.strategy="recreate"' health.startup_timeout_ms=1500 -- --start 60000
	[ "$status" = 6 ] && says "'r2' is active again" && [ "$(active)" = r2 ] && [ -z "$(container r3 -a)" ]
	result "recreate that fails: the old one is started again" $? "$state/said"
	run rollback demo
	[ "$status" = 0 ] && [ "$(active)" = r1 ] && [ -z "$(container r2)" ]
	result "rollback between such releases stops one before it starts the other" $? "$state/said"
	end_traffic
	jq -e '(.statuses | keys) - ["200", "503"] == [] and .statuses["503"] > 0' "$state/traffic" >/dev/null && holds r1 >"$state/why" 2>&1
	result "meanwhile clients had 503, and nothing else" $? "$state/traffic" "$state/why"
	release r4 'rollout.strategy="recreate"' -- --start 3000
	LLMDEPLOY_ROOT=$root "$program" apply "$state/t/r4.lock.json" >"$state/said" 2>&1 &
	background=$!
	for _ in $(seq 200); do
		! grep -q '"event":"started".*"version":"r4"' "$root/routes/demo/journal" || break
		sleep 0.02
	done
	[ "$(answers | cut -c1-3)" = 503 ]
	local gap=$?
	kill -KILL "$background"
	wait "$background" 2>/dev/null
	background=
	run recover demo
	[ "$gap" = 0 ] && [ "$status" = 0 ] && holds r1 >"$state/why" 2>&1
	result "recreate that is killed while nobody has traffic: the old one comes back" $? "$state/said" "$state/why"
}

rollbacks() {
	apply w1
	apply w2
	[ -n "$(container w1)" ] && run rollback demo && [ "$status" = 0 ] && holds w1 >"$state/why" 2>&1
	result "rollback, the old one warm" $? "$state/said" "$state/why"
	for _ in $(seq 40); do
		[ -n "$(container w2)" ] || break
		sleep 0.05
	done
	[ -z "$(container w2)" ]
	result "what was rolled back from stops by itself" $?
	apply w3 'rollout.previous="stopped"'
	apply w4 'rollout.previous="stopped"'
	[ -z "$(container w3)" ] && run rollback demo && [ "$status" = 0 ] && holds w3 >"$state/why" 2>&1
	result "rollback, the old one stopped" $? "$state/said" "$state/why"
}

# elsewhere WHY FILTER: of status --json
elsewhere() { LLMDEPLOY_ROOT=$root "$program" status --json demo | jq -e "select(.route == \"demo\") | .gateway.fallback | $1" >"$state/why" 2>&1; }

# The engine dies: who may is answered elsewhere, and what that took is in status; then it is back.
elsewheres() {
	python3 tests/integration/hosted.py $((port + 2)) &
	background=$!
	release e1 "gateway.fallback={\"url\":\"http://127.0.0.1:$((port + 2))/v1\",\"model\":\"big\",\"shareable\":[\"demo-large\"],
		\"price\":{\"currency\":\"EUR\",\"input_per_million_tokens\":\"2.5\",\"output_per_million_tokens\":\"10\"}}" \
		'requirements.privacy="any"' -- --start 1500
	run apply "$state/t/e1.lock.json"
	[ "$status" = 0 ] && holds e1 >"$state/why" 2>&1 && run status demo && says "fallback" && says "0 requests since 2"
	result "a release with a fallback, and nothing came from there" $? "$state/said" "$state/why"
	kill -KILL "$(docker inspect -f '{{.State.Pid}}' "$(container e1)")"
	ask_with() { curl -s -m 10 -o "$state/answer" -w '%{http_code} %header{x-llmdeploy-answered-by} %{time_total}' "http://127.0.0.1:$port/v1/chat/completions" \
		-H 'Content-Type: application/json' -d "$1"; }
	local first back=
	first=$(ask_with '{"model":"demo","messages":[]}')
	ask_with '{"model":"demo","stream":true,"messages":[]}' >/dev/null
	ask_with '{"model":"demo-large","messages":[]}' >/dev/null
	for _ in $(seq 100); do
		[ "$(answers)" != "200 e1" ] || { back=1; break; }
		sleep 0.05
	done
	[ "${first% *}" = "200 fallback; reason=down" ] && [ -n "$back" ] && [ "$(active)" = e1 ]
	result "after a kill -9 of the engine: answered elsewhere ($first s), and by the release when it is back" $? "$state/answer" "$state/why"
	elsewhere '.down.requests > 1 and .down.estimated_requests == 1 and .asked == {"requests":1,"prompt_tokens":100,"generated_tokens":20,
		"estimated_requests":0,"cost_micro":450} and .queue.requests == 0 and .currency == "EUR" and .requests == .down.requests + 1 and
		.cost_micro == (.prompt_tokens * 25 + .generated_tokens * 100 + 9) / 10 - ((.prompt_tokens * 25 + .generated_tokens * 100 + 9) % 10) / 10'
	local sums=$?
	run status demo
	[ $sums = 0 ] && says "; requested by the client: 1 request, 100 + 20 tokens, 0.0004 EUR; the tokens of 1 are estimated" && says ": release down: "
	result "status sums up what came from elsewhere: why, tokens, cost" $? "$state/said" "$state/why"
	kill "$background"
	wait "$background" 2>/dev/null
	background=
	run verify demo --fix
}

# Someone turns the gateway by hand; and a gateway that is away while the switch wants it.
drifts() {
	local gateway
	apply v1
	apply v2
	gateway=$(docker ps --filter "label=llmdeploy.root=$(cat "$root/root-id")" --filter label=llmdeploy.gateway --format '{{.ID}}')
	python3 - "$root" <<-'END'
		import socket, sys, os
		os.chdir(sys.argv[1] + "/gateway")
		name = "admin.sock"
		for line in ("@1 set server r:demo/a state maint; set server r:demo/b state maint", "set server r:demo/a state maint; set server r:demo/b state maint"):
		    s = socket.socket(socket.AF_UNIX)
		    s.connect(name)
		    s.sendall(line.encode() + b"\n")
		    s.recv(4096)
	END
	run verify demo
	[ "$status" = 11 ] && says "gateway slot" && says "MAINT"
	result "a server that someone turned is drift" $? "$state/said"
	run recover demo
	[ "$status" = 0 ] && says "the gateway's traffic differed from the journal and was reset" && holds v2 >"$state/why" 2>&1
	result "recover repairs it" $? "$state/said" "$state/why"
	docker kill "$gateway" >/dev/null 2>&1
	docker update --restart no "$gateway" >/dev/null 2>&1
	run rollback demo
	[ "$status" = 0 ] && holds v1 >"$state/why" 2>&1
	result "a gateway that was killed is there again when a rollback wants it" $? "$state/said" "$state/why"
	local begun=1 bad=0 n old
	for n in 1 2 3 4 5 6; do
		old=$(active)
		release "v3-$n"
		LLMDEPLOY_FAULT=gateway.socket:during:gone:$n+ LLMDEPLOY_ROOT=$root timeout 60 "$program" apply "$state/t/v3-$n.lock.json" >"$state/said" 2>&1
		status=$?
		! says "; the switch to 'v3-$n' has begun: repair this, then llmdeploy recover demo" || begun=0
		[ "$status" = 9 ] || { [ "$status" = 0 ] && [ "$n" -gt 4 ]; } || { bad=1; break; }
		run recover demo
		[ "$status" = 0 ] && { holds "$old" || holds "v3-$n"; } >"$state/why" 2>&1 || { bad=1; break; }
	done
	[ "$begun$bad" = 00 ]
	result "a gateway that stops answering, from its n-th command on: 9 and the way out, and recover ends it" $? "$state/said" "$state/why"
}

# killed STRATEGY STEP...: before the n-th effect of an apply; then it is one or the other, whole, and the gateway does what the link says
killed() {
	local old n strategy=$1 bad=0
	shift
	for n in "$@"; do
		old=$(active)
		release "k-$strategy-$n" "rollout.strategy=\"$strategy\"" 'rollout.previous="auto"' $([ "$strategy" != canary ] ||
			echo "rollout.canary={\"steps\":[{\"weight_percent\":30,\"duration_ms\":400,\"min_requests\":5}],\"gates\":{\"error_rate_percent\":50,\"against_active\":{\"error_rate_percent\":50,\"p95_percent\":9000,\"ttft_percent\":9000}}}")
		LLMDEPLOY_FAULT=any:before:kill:$n LLMDEPLOY_ROOT=$root timeout 60 "$program" apply "$state/t/k-$strategy-$n.lock.json" >"$state/said" 2>&1
		run recover demo
		[ "$status" = 0 ] && { holds "$old" || holds "k-$strategy-$n"; } >"$state/why" 2>&1 || { bad=1; break; }
	done
	result "kill -9 in an apply, $strategy, before effects $*: one or the other, and the gateway follows" "$bad" "$state/said" "$state/why"
}

kills() {
	apply k1
	killed blue-green 44 60 74 86
	traffic 60 --streams 2
	killed canary 64 72 80
	end_traffic
	killed recreate 38 54 70
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
release first
gateway_for "$root"
run status # makes nothing; the root comes with the first apply, which misses its model
run apply "$state/t/first.lock.json" --archive "$state/t/tiny.tar"
sha=$(sha256sum <"$state/t/model" | cut -d' ' -f1)
mkdir -p "$root/store/sha256/${sha:0:2}" && install -m 444 "$state/t/model" "$root/store/sha256/${sha:0:2}/$sha"
run apply "$state/t/first.lock.json" --archive "$state/t/tiny.tar"
result "a root with a tiny engine and a gateway" "$status" "$state/said"
for part in ${PARTS:-switches drains drains_interrupted gate_breaks clients canaries holding recreates rollbacks drifts elsewheres kills}; do
	began=$SECONDS
	"$part"
	echo "# $part took $((SECONDS - began)) s"
done
tap_end
