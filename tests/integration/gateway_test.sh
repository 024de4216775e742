#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: gateway_test.sh [BUILD_DIR]   the packaged HAProxy on a real Engine, before model servers that answer at once
#
# State is under BUILD_DIR/tests/gateway, or where every user can reach it; the Engine is one of its own, because it is killed. Every wait is bounded.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/lib.sh
build=$(realpath "${1:-build}")
state=$(reachable "$build/tests/gateway")
root=$state/root
tool=$build/tests/load/gateway
. tests/tap.sh
pids=

clean() {
	local id
	[ -z "$pids" ] || kill $pids 2>/dev/null
	[ ! -e "$state/host.root" ] || "$tool" "$(cat "$state/host.root")" stop
	[ ! -e "$state/engine" ] || tests/integration/docker_engine.sh stop "$state/engine"
	rm -rf "$state"
}

# release ROUTE VERSION GATEWAY: the lock of a release, and its model server. The route's privacy is in GATEWAY, too.
release() {
	local id
	jq -cSj --arg r "$1" --arg v "$2" --argjson g "$3" '.route = $r | .version = $v | .gateway = ($g | del(.privacy)) |
		.requirements.privacy = ($g.privacy // "local")' \
		tests/golden/minimal/release.lock.json >"$state/$2.lock"
	echo >>"$state/$2.lock"
	id=$("$tool" "$root" id "$state/$2.lock") || return
	python3 tests/integration/upstream.py "$root/run/$id/engine.sock" "$2" 2>/dev/null &
	pids="$pids $!"
	for _ in $(seq 100); do
		[ ! -S "$root/run/$id/engine.sock" ] || return 0
		sleep 0.05
	done
	return 1
}

gw() { timeout 60 "$tool" "$root" "$@" >"$state/said" 2>&1; }
port() { echo $((20000 + RANDOM % 12000)); }
who() { curl -s --max-time 5 "$@" "http://127.0.0.1:$port/v1/models" | jq -r '.data[0].id' 2>/dev/null; }
master() { docker inspect -f '{{.State.Pid}}' "$name" 2>/dev/null; }

# Until the gateway says this; for at most SECONDS.
comes() { # SECONDS WANTED
	for _ in $(seq $(($1 * 20))); do
		[ "$(who)" != "$2" ] || return 0
		sleep 0.05
	done
	return 1
}

ask() { # TOKENS FILE: a stream into FILE
	curl -sN --max-time 30 "http://127.0.0.1:$port/v1/chat/completions" -H 'Content-Type: application/json' \
		-d "{\"model\":\"m\",\"stream\":true,\"max_tokens\":$1,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}" >"$2" 2>&1
}

traffic() { # SECONDS: in the background; its result in load.json
	"$build/tests/load/load" --url "http://127.0.0.1:$port/v1/chat/completions" --http 1 --clients 8 --streams 4 --tokens 10 --seconds "$1" >"$state/load.json" 2>&1 &
	load=$!
	sleep 0.3
}

unharmed() { # the traffic ended well
	wait "$load"
	jq -e '.requests > 30 and .failed == 0 and .cut == 0' "$state/load.json" >/dev/null
}

trap clean EXIT
trap 'exit 130' INT TERM HUP
rm -rf "$state"
mkdir -p "$root"
LLMDEPLOY_RUNTIMES=$PWD/runtimes LLMDEPLOY_ROOT=$root
export LLMDEPLOY_RUNTIMES LLMDEPLOY_ROOT
DOCKER_HOST=$(tests/integration/docker_engine.sh start "$state/engine") || exit 1
export DOCKER_HOST

# ---- the image ----

if ! "$build/llmdeploy" gateway upgrade >"$state/said" 2>&1 && grep -q 'no mirror has' "$state/said"; then
	cat "$state/said" >&2
	cp -R runtimes "$state/runtimes"
	LLMDEPLOY_RUNTIMES=$state/runtimes
	"$build/llmdeploy" runtime lock haproxy --accept-expired >&2 && "$build/llmdeploy" gateway upgrade >"$state/said" 2>&1
fi
digest=$(jq -r .image.config "$root/gateway/gateway.lock.json")
mkdir -p "$state/again" && cp -a --reflink=auto "$root/store" "$state/again/store" && rm -rf "$state/again/store/notes"
"$build/llmdeploy" gateway upgrade --root "$state/again" >"$state/said" 2>&1
result "the image is the same wherever it is made" \
	"$([ -n "$digest" ] && [ "$digest" = "$(jq -r .image.config "$state/again/gateway/gateway.lock.json")" ]; echo $?)" "$state/said"
rm -rf "$state/again"
"$build/llmdeploy" gateway upgrade >"$state/said" 2>&1 && grep -qx 'nothing to do: the gateway runs the newest image' "$state/said"
result "and not made twice" $? "$state/said"

# ---- a route ----

port=$(port)
metrics=$(port)
door="{\"listen\":\"127.0.0.1:$port\",\"metrics\":\"127.0.0.1:$metrics\"}"
release inc v1 "$door" && release inc v2 "$door" || exit 1
gw seat "$state/v1.lock" && [ "$(who)" != v1 ] && gw flip "$state/v1.lock" && comes 5 v1
result "a release is seated without traffic, and flipped to" $? "$state/said"
name=$(docker ps --filter label=llmdeploy.gateway --format '{{.Names}}')
docker inspect "$name" | jq -e '.[0] | .Config.User == "65532:65532" and .HostConfig.ReadonlyRootfs and .HostConfig.CapDrop == ["ALL"] and
	.HostConfig.NetworkMode == "host" and .HostConfig.RestartPolicy.Name == "always" and (.HostConfig.SecurityOpt | index("no-new-privileges")) != null and
	([.Mounts[] | select(.Destination == "/llmdeploy/run") | .RW] == [false]) and ([.Mounts[] | select(.RW) | .Destination] == ["/llmdeploy/gateway"])' >"$state/said"
result "its container is hardened, and sees run/ read-only" $? "$state/said"
gw seat "$state/v2.lock" && gw seat "$state/v2.lock" && [ "$(who)" = v1 ]
result "a candidate beside it gets nothing" $? "$state/said"

# ---- flips, drain ----

traffic 4
ok=0
for _ in 1 2 3 4 5; do
	for v in v2 v1; do gw flip "$state/$v.lock" || ok=1; sleep 0.1; done
done
unharmed || ok=1
result "ten flips under requests: $(jq -r '"\(.requests) requests, \(.failed) failed, \(.cut) cut"' "$state/load.json")" $ok "$state/load.json" "$state/said"
sleep 0.3

ask 40 "$state/stream" &
stream=$!
sleep 0.3
gw flip "$state/v2.lock" && gw inflight "$state/v1.lock" && grep -qx 1 "$state/said" && [ "$(who)" = v2 ] && gw drain "$state/v1.lock" 10000 &&
	grep -qx 0 "$state/said" && wait $stream && grep -q 'DONE' "$state/stream" && grep -q '"v1"' "$state/stream" && ! grep -q '"v2"' "$state/stream"
result "a drain waits for the answer in flight, and cuts none" $? "$state/said" "$state/stream"
gw drain "$state/v2.lock" 100
result "the active release is not drained" "$([ $? = 2 ] && grep -qx "release 'v2' is the active release of route 'inc' and keeps its traffic" "$state/said"; echo $?)" "$state/said"
ask 500 "$state/stream" &
stream=$!
sleep 0.3
gw flip "$state/v1.lock" && gw drain "$state/v2.lock" 300 && grep -qx 1 "$state/said" && ! wait $stream && ! grep -q 'DONE' "$state/stream"
result "at the deadline what is left is cut, and counted" $? "$state/said"
gw unseat "$state/v1.lock"
result "the active one keeps its seat" "$([ $? = 2 ]; echo $?)" "$state/said"

# ---- what is killed ----

gw seat "$state/v2.lock" && gw flip "$state/v2.lock" && kill -KILL "$(master)" && sleep 0.2 && comes 10 v2
result "kill -9 of HAProxy: it comes back with the release that was flipped to" $? "$state/said"
gw ensure && gw look && grep -q 'b=v2:ready:UP\|a=v2:ready:UP' "$state/said"
result "and nothing is left to repair" $? "$state/said"
kill -KILL "$(cat "$state/engine/pid")"
sleep 0.5
[ "$(who)" = v2 ]
result "kill -9 of the Engine: who asks is answered" $?
tests/integration/docker_engine.sh start "$state/engine" >/dev/null 2>"$state/said"
comes 20 v2 && gw ensure && [ "$(who)" = v2 ]
result "and when it is back, it serves what it served" $? "$state/said"
docker rm -f "$name" >/dev/null 2>&1
docker rmi -f "$(docker images -q --filter label=llmdeploy.gateway)" >/dev/null 2>&1
gw ensure && comes 5 v2
result "container and image are gone: made again from the store alone" $? "$state/said"

# ---- upgrade, reload, another route ----

traffic 5
"$build/llmdeploy" gateway upgrade --force >"$state/said" 2>&1
ok=$?
sleep 1
"$build/llmdeploy" gateway reload >>"$state/said" 2>&1 || ok=1
unharmed || ok=1
result "upgrade and reload under requests: $(jq -r '"\(.requests) requests, \(.failed) failed, \(.cut) cut"' "$state/load.json")" $ok "$state/load.json" "$state/said"
gw ensure && gw look && grep -q 'workers=1 ' "$state/said" && [ "$(docker ps -aq --filter label=llmdeploy.gateway | wc -l)" = 1 ]
result "what had finished is gone" $? "$state/said"

traffic 3
ask 100 "$state/stream" &
stream=$!
second=$(port)
release other w1 "{\"listen\":\"127.0.0.1:$second\",\"metrics\":\"127.0.0.1:$metrics\"}"
gw seat "$state/w1.lock" && gw flip "$state/w1.lock" && port=$second comes 5 w1 && gw remove other && unharmed && wait $stream && grep -q DONE "$state/stream"
result "another route comes and goes, and disturbs nobody" $? "$state/said" "$state/load.json"

# ---- what an operator may have wrong ----

taken=$(port)
python3 -c "
import socket, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('127.0.0.1', $taken)); s.listen(); time.sleep(60)" &
pids="$pids $!"
sleep 0.3
release taken t1 "{\"listen\":\"127.0.0.1:$taken\",\"metrics\":\"127.0.0.1:$metrics\"}"
gw seat "$state/t1.lock"
[ $? = 3 ] && grep -qx "the gateway cannot listen on '127.0.0.1:$taken': another program does; see ss -ltnp, or choose another gateway.listen" "$state/said" &&
	! grep -q taken "$root/gateway/state" && [ "$(who)" = v2 ]
result "a port that is taken: said before anything is touched" $? "$state/said"
release page t3 "{\"listen\":\"127.0.0.1:$second\",\"metrics\":\"127.0.0.1:$taken\"}"
gw seat "$state/t3.lock"
[ $? = 3 ] && grep -qx "the gateway cannot listen on '127.0.0.1:$taken': another program does; see ss -ltnp, or choose another gateway.metrics" "$state/said"
result "a taken port of the metrics is called so" $? "$state/said"
release low t2 '{"listen":"127.0.0.1:80","metrics":"127.0.0.1:'"$metrics"'"}'
gw seat "$state/t2.lock"
[ $? = 3 ] && grep -q "^the gateway cannot listen on '127.0.0.1:80': it has no privilege for ports below [0-9]*; choose another gateway.listen, or sysctl" "$state/said"
result "a port below 1024" $? "$state/said"
secret=$state/secret
echo sk-1234 >"$secret"
chmod 640 "$secret"
hosted() { echo "{\"listen\":\"127.0.0.1:$second\",\"metrics\":\"127.0.0.1:$metrics\",\"privacy\":\"any\",\"fallback\":{\"url\":\"https://127.0.0.1:1/v1\",\"model\":\"m\",\"api_key_file\":\"$secret\"}}"; }
release hosted h1 "$(hosted)"
gw seat "$state/h1.lock"
[ $? = 3 ] && grep -qx "'$secret' holds a key and can be read by others: chmod 600 it" "$state/said"
result "a key that others can read" $? "$state/said"
chmod 600 "$secret"
gw seat "$state/h1.lock"
[ $? = 3 ] && grep -qx "'$secret' cannot be read by the gateway, which runs as uid 65532: chown 65532 it" "$state/said"
result "a key that the gateway cannot read" $? "$state/said"
chown 65532 "$secret"
traffic 3
same=$(docker inspect -f '{{.Id}}' "$name")
gw seat "$state/h1.lock" && [ "$(docker inspect -f '{{.Id}}' "$name")" = "$same" ] && grep -qx sk-1234 "$root"/gateway/files/* &&
	[ "$(stat -c '%a %u' "$root/gateway/files")" = "700 65532" ] && unharmed
result "a file of a route is copied where nobody but the gateway looks, and reaches it by a reload, under requests" $? "$state/said" "$state/load.json"
rm "$secret" && kill -KILL "$(master)" && sleep 0.2 && comes 10 v2
result "the file is gone: a gateway that is started again serves anyway" $? "$state/said"
gw unseat "$state/h1.lock" && gw remove hosted
result "and is given up with its route" $? "$state/said"
echo 'nonsense here' >>"$root/gateway/haproxy.cfg"
gw ensure && ! grep -q nonsense "$root/gateway/haproxy.cfg" && [ "$(who)" = v2 ]
result "gateway/ edited by hand is repaired" $? "$state/said"
echo '{' >"$root/gateway/state.tmp" && cp "$root/gateway/state" "$state/good" && echo 'x' >>"$root/gateway/state"
gw ensure
[ $? = 5 ] && [ "$(who)" = v2 ]
result "a damaged state is refused, and serving goes on" $? "$state/said"
cp "$state/good" "$root/gateway/state"

# ---- certificates, and what HAProxy refuses ----

certificate() { # NAME BITS
	openssl req -x509 -newkey "rsa:$2" -nodes -keyout "$state/$1.key" -out "$state/$1.crt" -days 2 -subj "/CN=$1" -addext subjectAltName=DNS:localhost 2>/dev/null
	cat "$state/$1.crt" "$state/$1.key" >"$state/$1.pem"
}
certificate good 2048
certificate weak 1024
tls() { echo "{\"listen\":\"127.0.0.1:$second\",\"metrics\":\"127.0.0.1:$metrics\",\"tls\":{\"certificate\":\"$state/door.pem\"}}"; }
door_file() { # FILE...: what is in it from now on; the file stays the one that is mounted
	cat "$@" >"$state/door.pem"
	chmod 600 "$state/door.pem"
	chown 65532 "$state/door.pem"
}
subject() { echo | openssl s_client -connect "127.0.0.1:$second" 2>/dev/null | openssl x509 -noout -subject 2>/dev/null; }
release tls x1 "$(tls)"
ok=0
: >"$state/rows"
while IFS='|' read -r files message; do
	# shellcheck disable=SC2086
	(cd "$state" && door_file $files)
	gw seat "$state/x1.lock"
	[ $? = 3 ] && grep -qx "'$state/door.pem'$message" "$state/said" && [ "$(who)" = v2 ] && ! grep -q '"tls"' "$root/gateway/state" || { ok=1; cat "$state/said" >>"$state/rows"; }
done <<'END'
v1.lock| holds no certificate in PEM form
good.key| holds no certificate in PEM form
good.crt| holds no private key that can be read without a passphrase: certificate, chain and key are in one PEM file
good.crt weak.key|: its private key is not that of its first certificate
END
result "a file that is no certificate with its key: said before anything is touched" $ok "$state/rows"
cp "$root/gateway/haproxy.cfg" "$state/before.cfg"
traffic 6
door_file "$state/weak.pem"
gw seat "$state/x1.lock"
[ $? = 3 ] && grep -q "^HAProxy refuses the gateway's configuration: .*key too small" "$state/said" && [ ! -e "$root/gateway/check" ] && unharmed && cmp "$root/gateway/haproxy.cfg" "$state/before.cfg" &&
	! grep -q x1 "$root/gateway/state" && [ -z "$(docker ps -aq --filter "name=$name-")" ] && gw ensure && kill -KILL "$(master)" && sleep 0.2 && comes 10 v2
result "what HAProxy itself refuses: its reason, nobody is disturbed, and the files are given back: it comes up with them" $? "$state/said" "$state/load.json"
door_file "$state/good.pem"
release tls x2 "$(tls)"
gw seat "$state/x2.lock" && gw flip "$state/x2.lock" && sleep 0.5 && [ "$(subject)" = "subject=CN = good" ]
result "the same route with a certificate that is one" $? "$state/said"
door_file "$state/weak.pem"
traffic 5
"$build/llmdeploy" gateway upgrade --force >"$state/said" 2>&1
[ $? = 3 ] && grep -q "HAProxy refuses the gateway's configuration" "$state/said" && unharmed && [ "$(subject)" = "subject=CN = good" ] &&
	[ "$(docker ps -aq --filter label=llmdeploy.gateway | wc -l)" = 1 ] && [ ! -e "$root/gateway/master.old.sock" ]
result "an upgrade that fails gives everything back: the process before serves on" $? "$state/said" "$state/load.json"
certificate newer 2048
door_file "$state/newer.pem"
"$build/llmdeploy" gateway upgrade --force >"$state/said" 2>&1 && [ "$(subject)" = "subject=CN = newer" ] && [ "$(who)" = v2 ] && gw remove tls && [ "$(who)" = v2 ]
result "and goes through when it is repaired" $? "$state/said"

# ---- keys ----

keys=$state/keys
key=$("$build/llmdeploy" gateway keys add "$keys" alice)
release inc k1 "{\"listen\":\"127.0.0.1:$port\",\"metrics\":\"127.0.0.1:$metrics\",\"api_keys\":\"$keys\"}"
gw seat "$state/k1.lock" && gw flip "$state/k1.lock" && sleep 0.3 && [ "$(who)" != k1 ] && [ "$(who -H "Authorization: Bearer $key")" = k1 ]
result "a door with keys: put up with the release that asks for it" $? "$state/said"
serving() { curl -s --max-time 5 "http://127.0.0.1:$metrics/metrics" | grep '^llmdeploy_gateway_start_time_seconds'; }
process=$(serving)
bob=$("$build/llmdeploy" gateway keys add inc bob) && [ "$(who -H "Authorization: Bearer $bob")" = k1 ] && "$build/llmdeploy" gateway keys remove inc alice >"$state/said" &&
	[ "$(who -H "Authorization: Bearer $key")" != k1 ] && [ -n "$process" ] && [ "$(serving)" = "$process" ] && kill -KILL "$(master)" && sleep 1 && gw ensure && [ "$(who -H "Authorization: Bearer $bob")" = k1 ] &&
	[ "$(who -H "Authorization: Bearer $key")" != k1 ] && ! grep -qF "$bob" "$keys" && [ "$("$build/llmdeploy" gateway keys list inc)" = bob ]
result "keys come and go at once, and survive a kill -9" $? "$state/said" "$keys"
"$build/llmdeploy" gc >"$state/said" 2>&1 && [ "$(docker ps -q --filter label=llmdeploy.gateway | wc -l)" = 1 ] && docker rm -f "$name" >/dev/null &&
	docker rmi -f "$digest" >/dev/null 2>&1
gw ensure && gw look && grep -q running=1 "$state/said"
result "gc takes nothing that the gateway needs" $? "$state/said"
gw stop && [ -z "$(docker ps -aq --filter label=llmdeploy.gateway)" ]
result "stopped, and nothing of it is left" $? "$state/said"

# ---- an installed HAProxy, in a root with a long path ----

root=$state/a-root-whose-path-is-longer-than-a-unix-socket-may-have-because-someone-likes-to-say-what-is-in-it/and-then-some
mkdir -p "$root"
LLMDEPLOY_ROOT=$root
chmod 755 "$state"
echo 'gateway: {mode: host}' >"$root/config.yaml"
echo "$root" >"$state/host.root"
unset DOCKER_HOST
release inc v1 "$door" && release inc v2 "$door" && gw seat "$state/v1.lock" && gw flip "$state/v1.lock" && comes 5 v1 && gw seat "$state/v2.lock" && sleep 0.6
ok=$?
result "mode host: $(/usr/sbin/haproxy -v | head -n 1 | cut -d' ' -f1-3), as uid $(ps -o uid= -p "$(cat "$root/gateway/haproxy.pid")" | tr -d ' ')" $ok "$state/said" "$root/gateway/haproxy.log"
traffic 4
gw flip "$state/v2.lock" && sleep 0.3 && "$build/llmdeploy" gateway reload >"$state/said" 2>&1 && sleep 0.3 && gw flip "$state/v1.lock" && "$build/llmdeploy" gateway upgrade >"$state/said" 2>&1 && unharmed
ok=$?
result "flips, a reload and an upgrade under requests: $(jq -r '"\(.requests) requests, \(.failed) failed, \(.cut) cut"' "$state/load.json")" $ok "$state/said" "$state/load.json"
kill -KILL "$(cat "$root/gateway/haproxy.pid")"
sleep 0.2
gw ensure && comes 5 v1
result "kill -9 of it: the next command starts it again, with the release that was flipped to" $? "$state/said"
gw stop && sleep 0.2 && [ "$(who)" != v1 ] && ! pgrep -f "haproxy.*$root" >/dev/null
result "and it is stopped" $? "$state/said"
tap_end
