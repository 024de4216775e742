#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/bench/scale.sh    in the repository's root, after `make`
# status and history on roots of three sizes, up to 100 routes of 50 releases with journals of 10,000 records, beside what git and jq take for as many
# commits and records. Medians of ten, without an Engine. Fails where the cost of a route, less the program's own start, grows more than
# threefold between a third of the size and all of it: it must not.
set -eu
. tests/lib.sh
program=$(pwd)/build/llmdeploy
state=$(pwd)/build/bench/scale
rm -rf "$state"
mkdir -p "$state"
trap 'rm -rf "$state"' EXIT
runtimes_ready "$program" examples/incident/incident-r16.yaml "$state/first" "$state/runtimes"
LLMDEPLOY_ROOT=$state/first "$program" build --output "$state/lock" examples/incident/incident-r16.yaml >/dev/null 2>&1

median() { # COMMAND: in milliseconds; a missing Engine is none of its failures
	hyperfine --shell=none --warmup 2 --runs 10 --ignore-failure --export-json "$state/took.json" "$1" >/dev/null 2>&1
	jq -r '.results[0].median * 1000' "$state/took.json"
}

commits() { # DIR N
	git init -q "$1"
	seq "$2" | awk '{ printf "commit refs/heads/main\ncommitter eva <eva@localhost> %d +0000\ndata <<END\nrecord %d\nEND\n", 1790000000 + $1 * 60, $1 }' |
		git -C "$1" fast-import --quiet
	git -C "$1" symbolic-ref HEAD refs/heads/main
}

export DOCKER_HOST=unix:///nonexistent/docker.sock
start=$(median "$program version")
printf 'scale: the program starts in %.1f ms\n' "$start"
printf '%7s %9s %8s | %8s %8s %8s %9s | %14s %10s | %s\n' routes releases records status history 'one' 'all of it' 'git log -n 100' 'jq of all' 'ratio history/git, all/jq'
while read -r routes releases records; do
	root=$state/$routes
	build/tests/bench/scale_bench "$root" "$state/lock" "$routes" "$releases" "$records"
	commits "$state/git-$routes" "$records"
	cat $(ls -v "$root"/routes/route-1/journal*) | cut -d' ' -f3- >"$state/records"
	export LLMDEPLOY_ROOT=$root
	status=$(median "$program status")
	history=$(median "$program history route-1")
	one=$(median "$program status route-1")
	all=$(median "$program history route-1 --tail all")
	git=$(median "git -C $state/git-$routes log -n 100")
	jq=$(median "jq -c . $state/records")
	echo "$routes $status $start" >>"$state/growth"
	awk -v r="$routes" -v v="$releases" -v n="$records" -v s="$status" -v h="$history" -v o="$one" -v a="$all" -v g="$git" -v j="$jq" 'BEGIN {
		printf "%7d %9d %8d | %5.1f ms %5.1f ms %5.1f ms %6.1f ms | %11.1f ms %7.1f ms | %.1f, %.1f\n", r, v, n, s, h, o, a, g, j, h / g, a / j }'
done <<'END'
10 5 1000
33 17 3333
100 50 10000
END
awk '{ each = ($2 - $3) / $1 } NR == 2 { third = each } END { printf "scale: a route costs status %.2f ms at a third of the size, %.2f ms at all of it\n", third, each; exit each > 3 * third }' "$state/growth"
