#!/bin/bash
# usage: kills.sh STATE KILLS   in the repository's root, after `make` and tests/load/load
#
# KILLS times: an apply of a new release, or a rollback, is killed (kill -9) at a random instant, under traffic on a real Engine with tiny engines. Then
# `recover` must end with 0, the old release or the new one be active and answering through the gateway, and nothing be left but what is named;
# and no request may have failed. STATE/verdict.json says what clients saw, STATE/kills how often which was active. SEED=N repeats the instants.
set -u
. tests/lib.sh
build=$(realpath "${BUILD:-build}")
program=$build/llmdeploy
state=$1
port=${PORT:-$((20000 + RANDOM % 5000 * 2))}
seed=${SEED:-$(date +%s)}
RANDOM=$seed
mkdir -p "$state"
. tests/tiny.sh
trap '[ -z "$loads" ] || kill $loads 2>/dev/null' EXIT

fail() {
	echo "kill $i (SEED=$seed), $*" >&2
	cat "$state/said" "$state/killed" "$state/why" >&2 2>/dev/null
	exit 1
}
active() { basename "$(readlink "$root/routes/demo/active")"; }
answers() { curl -s -o /dev/null -m 20 --noproxy '*' -w '%{http_code} %header{x-llmdeploy-release}' "http://127.0.0.1:$port/v1/chat/completions" \
	-H 'Content-Type: application/json' -d '{"model":"demo","messages":[{"role":"user","content":"x"}],"max_tokens":2}'; }

# whole OLD NEW: one of the two, verified, answering; no container, directory or temporary file of anybody else
whole() {
	local now id names
	now=$(active)
	case " $1 $2 " in *" $now "*) ;; *) echo "active is '$now', not '$1' or '$2'"; return 1 ;; esac
	LLMDEPLOY_ROOT=$root "$program" verify demo || return 1
	[ "$(answers)" = "200 $now" ] || { echo "the gateway answers '$(answers)', active is '$now'"; return 1; }
	names=$(docker ps -a --filter "label=llmdeploy.root=$(cat "$root/root-id")" --format '{{.Names}} {{.Label "llmdeploy.version"}} {{.State}}')
	[ "$(grep -c ' running$' <<<"$names")" -le 3 ] || { echo "more run than two releases and the gateway:"; echo "$names"; return 1; }
	# A collection that was killed leaves what nobody needs to the next one, as it leaves objects of the store.
	no_strays "$names" || LLMDEPLOY_ROOT=$root "$program" gc >/dev/null || return 1
	no_strays "$names" || return 1
	[ -z "$(find "$root" \( -name '.*.tmp-*' -o -path '*/store/tmp/w-*' \))" ] || { echo "temporary files are left"; return 1; }
}

no_strays() { # CONTAINERS: each run/ID has one
	local id
	for id in "$root"/run/*/; do
		id=$(basename "$id")
		[ "$id" = routes ] || grep -q -- "-$id " <<<"$1" || { echo "'run/$id' has no container"; return 1; }
	done
}

begin() { # the next command, in the background
	if [ $((RANDOM % 4)) = 0 ] && [ "$i" -gt 2 ]; then
		LLMDEPLOY_ROOT=$root "$program" rollback demo >"$state/killed" 2>&1 &
		span_ms=$((whole_ms / 4))
	else
		tiny_release "k$i" rollout.drain_ms=10000 gateway.engine.sequences=64 'rollout.previous="'"$([ $((RANDOM % 2)) = 0 ] && echo warm || echo stopped)"'"' -- --first 2 --gap 2
		LLMDEPLOY_ROOT=$root "$program" apply "$state/t/k$i.lock.json" >"$state/killed" 2>&1 &
		span_ms=$whole_ms
	fi
	ours=$!
}
: >"$state/kills"

i=0
tiny_ready || exit 1
traffic_begins --clients 4 --streams 2 --tokens 8 --pause 10 --new-connections 20
# What one takes that is not killed, in ms, so that kills fall everywhere in it.
for i in 1001 1002; do
	from=$(date +%s%N)
	tiny_release "k$i" rollout.drain_ms=10000 gateway.engine.sequences=64 -- --first 2 --gap 2
	LLMDEPLOY_ROOT=$root "$program" apply "$state/t/k$i.lock.json" >"$state/said" 2>&1 || fail "apply ended with $?"
	whole_ms=$((($(date +%s%N) - from) / 1000000))
done
# Those that ended before they were killed do not count.
for i in $(seq $(($2 * 3))); do
	[ "$(grep -c '^killed' "$state/kills")" -lt "$2" ] || break
	old=$(active)
	begin
	at=$((RANDOM * 32768 + RANDOM))
	sleep "$(awk -v n="$at" -v max="$span_ms" 'BEGIN { printf "%.4f", n / 1073741824 * max / 1000 }')"
	if kill -KILL "$ours" 2>/dev/null; then killed=killed; else
		killed=ended
	fi
	wait "$ours" 2>/dev/null
	LLMDEPLOY_ROOT=$root timeout 60 "$program" recover demo >"$state/said" 2>&1 || fail "recover ended with $?"
	# What was killed may have been the collecting after a commit, which the next one ends.
	LLMDEPLOY_ROOT=$root timeout 60 "$program" gc >"$state/collected" 2>&1 || fail "gc ended with $?"
	new=$(ls "$root/routes/demo/releases" | grep -vx "$old" | grep -x "$(active)" || echo "k$i")
	whole "$old" "$new" >"$state/why" 2>&1 || fail "not whole"
	echo "$killed $([ "$(active)" = "$old" ] && echo old || echo new)" >>"$state/kills"
done
traffic_ends
python3 tests/load/judge.py "$root/routes/demo" - "$state/1.json" "$state/1.log" "$state/2.json" "$state/2.log" >"$state/verdict.json"
