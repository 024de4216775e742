#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# .ci/run with stubs in place of its tools: the order of its parts, what it counts, and its exit status. TAP.
#
#     tests/ci/run_test.sh
set -u
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d /tmp/ci.XXXXXX) || exit 1
trap 'rm -rf "$work"' EXIT
. tests/tap.sh

# Every stub does what the file with its part's name in $work/do says; without one it succeeds.
mkdir -p "$work/.ci" "$work/tests" "$work/bin" "$work/do"
cp .ci/run "$work/.ci/"
cat >"$work/stub" <<'END'
#!/bin/sh
work=$(dirname "$0")
case "${0##*/} $*" in
*"-s "*"B=build/ci-gcc CC=gcc lint") part=lint ;;
*build/ci-gcc*CC=gcc*"all tests") part=gcc ;;
*build/ci-clang*CC=clang*"all tests") part=clang ;;
*build/ci-san*SAN=1*"all tests") part=san ;;
"check.sh build/ci-san golden unit corpus") part=check work=$work/.. ;;
"deps.sh ci") part=deps work=$work/.. ;;
"bare.sh ") part=bare work=$work/.. ;;
*) echo "unexpected: $0 $*"; exit 99 ;;
esac
[ "$part" != "${0##*/}" ] || exit 98
case $0 in */bin/make) work=$work/.. ;; esac
echo "$part" >>"$work/ran"
[ ! -e "$work/do/$part" ] || . "$work/do/$part"
END
chmod +x "$work/stub"
cp "$work/stub" "$work/bin/make"
for each in deps check bare; do cp "$work/stub" "$work/tests/$each.sh"; done

# row NAME STATUS "LAST LINES" "PARTS THAT RAN" ARGUMENT...: the lines are separated by '|'.
row() {
	local name=$1 status=$2 last=$3 ran=$4 came why=
	shift 4
	: >"$work/ran"
	PATH=$work/bin:$PATH "$work/.ci/run" "$@" >"$work/output" 2>&1
	came=$?
	[ "$came" = "$status" ] || why="exit status $came in place of $status"
	grep -qE "$last\$" <(tr '\n' '|' <"$work/output" | sed 's/|$//; s/, [0-9]* s|/, T s|/g') || why="$why; not the last lines"
	[ "$(tr '\n' ' ' <"$work/ran")" = "$ran" ] || why="$why; ran $(tr '\n' ' ' <"$work/ran")"
	[ "$(grep -cE '^[0-9]+ passed, [0-9]+ failed$' "$work/output")" = "$([ "$status" = 2 ] && echo 0 || echo 1)" ] || why="$why; not one count"
	echo "$why" >"$work/why"
	check "$([ -z "$why" ]; echo $?)" "$name" "$work/why" "$work/output"
	rm -rf "$work/do"
	mkdir "$work/do"
}

# say PART LINES [STATUS]
say() { printf 'printf "%%s\\n" "%s"\nexit %s\n' "$2" "${3:-0}" >"$work/do/$1"; }

every="deps gcc lint clang san check bare "
say check "10 passed, 0 failed"
say bare "200 passed, 0 failed"
row "everything passes" 0 'bare: 200 passed, 0 failed, T s\|214 passed, 0 failed' "$every"
say check "10 passed, 0 failed"
say bare "3 passed, 0 failed"
say lint "pkg/x.c:1: too long" 1
row "parts run after one that failed" 1 'failed parts: lint\|16 passed, 1 failed' "$every"
say check "8 passed, 2 failed" 1
say bare "1 passed, 4 failed" 1
row "failed tests are counted" 1 'failed parts: san bare\|13 passed, 6 failed' "$every"
say bare "5 passed, 0 failed" 1
row "a part that failed with every test passed" 1 'failed parts: bare\|5 passed, 1 failed' "bare " bare
say clang "x.c:1:2: warning: unused variable 'x' [-Wunused-variable]"
row "a warning" 1 'failed parts: clang\|1 passed, 1 failed' "gcc clang " gcc clang
say gcc "ld: warning: x.o: missing .note.GNU-stack section"
row "a warning of the linker" 1 'failed parts: gcc\|0 passed, 1 failed' "gcc " gcc
say san "x.c:1: error" 2
row "sanitized tests that do not build" 1 'failed parts: san\|0 passed, 1 failed' "san " san
say bare "bare.sh: a root of its own needs root" 1
row "no bare root" 1 'failed parts: bare\|0 passed, 1 failed' "bare " bare
row "an unknown part" 2 "run: no part 'all'; the parts are: deps gcc lint clang san bare" "" lint all
tap_end
