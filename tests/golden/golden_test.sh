#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Compiler in, lock out, byte for byte. Every folder here is a case: manifest.yaml and the files that it names, the status and
# stderr that `llmdeploy build` ends with, and where it is 0 release.lock.json and argv (a word a line). `runtimes` in it
# names a variant of the packages that make.py makes; without it they are whole. `command` is what is run in place of `build`; then
# its stdout counts, too.
#
#     tests/golden/golden_test.sh build               compares; TAP
#     UPDATE=1 tests/golden/golden_test.sh build      writes what came as what is expected; look at it with git diff
set -u
export LC_ALL=C
cd "$(dirname "$0")/../.." || exit 1
build=$(cd "${1:-build}" && pwd) || exit 1
cases=$(pwd)/tests/golden
# Not below TMPDIR: a long path would be shown clipped in messages.
work=$(mktemp -d /tmp/golden.XXXXXX) || exit 1
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
. tests/tap.sh

# root DIR: a new one, that fetches from the mirror here.
root() {
	mkdir -p "$1"
	echo "mirror: file:$work/mirror" >"$1/config.yaml"
}

# same EXPECTED CAME: no file is an empty one.
same() {
	[ -e "$1" ] || [ -s "$2" ] || return 0
	[ ! -e "$1" ] || [ -e "$2" ] || { echo "# there is no ${2##*/}"; return 1; }
	cmp -s "$1" "$2" || ! diff -u "$([ -e "$1" ] && echo "$1" || echo /dev/null)" "$2" | head -n 60
}

# keep EXPECTED CAME: for UPDATE.
keep() {
	rm -f "$1"
	[ ! -s "$2" ] || cp "$2" "$1"
}

# compile NAME: leaves status, stderr, release.lock.json, argv in $work/at/NAME.
compile() {
	at=$work/at/$1
	mkdir -p "$work/at"
	cp -R "$cases/$1" "$at"
	rm -f "$at/status" "$at/stderr" "$at/stdout" "$at/release.lock.json" "$at/argv"
	root "$work/root/$1"
	runtimes=$work/runtimes/$(cat "$at/runtimes" 2>/dev/null || echo good)
	[ -e "$at/command" ] && read -ra words <"$at/command" || words=(build)
	(cd "$at" && exec "$work/bin/llmdeploy" "${words[@]}" --root "$work/root/$1" --runtimes "$runtimes" manifest.yaml) \
		>"$at/stdout.raw" 2>"$at/stderr.raw" </dev/null
	echo $? >"$at/status"
	[ ! -e "$at/command" ] || sed "s|$work|ROOT|g" "$at/stdout.raw" >"$at/stdout"
	sed "s|$work|ROOT|g" "$at/stderr.raw" >"$at/stderr"
	[ ! -e "$at/release.lock.json" ] || jq -r '.container.argv[]' "$at/release.lock.json" >"$at/argv"
}

check_case() {
	compile "$1"
	bad=0
	for file in status stderr stdout release.lock.json argv; do
		if [ -n "${UPDATE:-}" ]; then
			keep "$cases/$1/$file" "$at/$file"
		else
			same "$cases/$1/$file" "$at/$file" || bad=1
		fi
	done
	check $bad "$1"
}

# away DIR: models, mirror, runtimes and the case `full` once more, made in the opposite order, with other times and modes.
away() {
	cp -R "$cases/full" "$work/at/away"
	(cd "$work" && find models mirror runtimes/good at/away -type f | sort -r) | while read -r file; do
		install -D -m 600 "$work/$file" "$1/$file"
	done
	find "$1" -exec touch -d '2001-02-03 04:05:06' {} +
	mkdir -p "$1/state"
	echo "mirror: file://$1/mirror/" >"$1/state/config.yaml"
}

# As another user where that can be, in another year where faketime is there.
someone() {
	if [ "$(id -u)" = 0 ]; then
		chown -R 65534:65534 "$work/away" && set -- setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
	fi
	if command -v faketime >/dev/null; then
		set -- faketime '2037-12-31 23:59:58' "$@"
	fi
	"$@"
}

# The same manifest in two places that have nothing in common; then once more in the first.
check_twice() {
	here=$work/at/full
	there=$work/away
	(cd "$here" && umask 022 && HOME=$here TZ=UTC LC_ALL=C "$work/bin/llmdeploy" build --root "$work/root/full" \
		--runtimes "$work/runtimes/good" --archive image.tar --json manifest.yaml) >"$here/again" 2>&1
	check $? "built again, with an archive"
	tail -n 1 "$here/again" | jq -e '.changed == false' >/dev/null
	check $? "built again: --json says that nothing changed"
	(cd "$here" && "$work/bin/llmdeploy" build --root "$work/root/full" --runtimes "$work/runtimes/good" manifest.yaml) >"$here/again"
	grep -q '^nothing to do: release.lock.json is up to date' "$here/again"
	check $? "built again: nothing to do"
	[ "$(wc -l <"$work/root/full/journal")" = 1 ]
	check $? "built again: the journal has one record"
	away "$there"
	(cd "$there/state" && umask 077 && HOME=/nonexistent TZ=Pacific/Kiritimati LC_ALL=C.UTF-8 LANG=tr_TR.UTF-8 COLUMNS=20 \
		someone "$work/bin/llmdeploy" build --root . --runtimes ../runtimes/good --output there.json \
		--archive there.tar "$there/at/away/manifest.yaml") >"$there/said" 2>&1 || sed "s/^/# /" "$there/said"
	cmp "$here/release.lock.json" "$there/state/there.json"
	check $? "another place, user, time zone, umask: the same lock"
	cmp "$here/image.tar" "$there/state/there.tar"
	check $? "another place, user, time zone, umask: the same archive"
}

chmod 711 "$work"
mkdir "$work/bin"
cp "$build/llmdeploy" "$work/bin/" || exit 1
mkdir "$work/manifests" && cp -R manifests/models "$work/manifests/" || exit 1
python3 tests/golden/make.py "$work" runtimes/llama.cpp/runtime.yaml || exit 1
for manifest in "$cases"/*/manifest.yaml; do
	check_case "$(basename "$(dirname "$manifest")")"
done
check_twice
tap_end
