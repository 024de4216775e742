#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The manual pages: groff formats each without a warning, and they name every command, option, word and key.
# usage: tests/install/man_test.sh BUILD_DIR; speaks TAP.
set -u
cd "$(dirname "$0")/../.." || exit 1
program=$(readlink -f "${1:-build}")/llmdeploy
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export LC_ALL=C.UTF-8 MANWIDTH=80 MANROFFOPT="" MANPAGER=cat
. tests/tap.sh

verdict() { # OK NAME [WHY]
	printf '%s\n' "${3:-}" >"$dir/why"
	check $((1 - $1)) "$2" "$dir/why"
}

empty() { # NAME TEXT
	verdict "$([ -z "$2" ] && echo 1 || echo 0)" "$1" "$2"
}

warnings() { # PAGE: what man and groff complain about
	man --warnings -E UTF-8 -l -Tutf8 -Z "$1" 2>&1 >/dev/null
}

"$program" man >"$dir/pages"
while read -r page; do "$program" man "$page" >"$dir/$page"; done <"$dir/pages"
commands=$("$program" help | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p')

wanted=$(echo llmdeploy.1; for c in $commands; do echo "llmdeploy-$c.1"; done; printf 'llmdeploy-%s.5\n' manifest golden config)
empty "there is a page for the program, each command, manifest, golden set and configuration" "$(diff <(sort <<<"$wanted") <(sort "$dir/pages"))"

bad=$(while read -r page; do warnings "$dir/$page" | sed "s/^/$page: /"; done <"$dir/pages")
empty "groff formats each page without a warning" "$bad"
printf '.TH X 1\n.SH NAME\nx \\- y\n.TP\n\\fQx\n.NOSUCH\n' >"$dir/bad.1"
verdict "$([ -n "$(warnings "$dir/bad.1")" ] && echo 1 || echo 0)" "a page with a macro that does not exist is found"

bad=$(while read -r page; do lexgrog "$dir/$page" | grep -q "\"${page%.*} - [^\"]" || echo "$page"; done <"$dir/pages")
empty "the index of the manual finds name and summary of each page" "$bad"
empty "the pages are ASCII" "$(cd "$dir" && LC_ALL=C grep -nP '[^\x00-\x7F]' $(cat pages))"

# The text as a reader sees it, one line a page.
text() { man -l "$dir/$1" | col -b | tr -s ' \n' ' '; }

bad=""
for c in $commands; do
	page=$(text "llmdeploy-$c.1")
	for o in $("$program" "$c" --help | grep -oE '^  (-[a-z], )?--[a-z-]+' | grep -oE -- '--[a-z-]+'); do
		grep -q -- "$o" <<<"$page" || bad="$bad $c:$o"
	done
	grep -qF "llmdeploy $c" <<<"$page" || bad="$bad $c:synopsis"
done
empty "a command's page has every option of its --help" "$bad"

page=$(text llmdeploy.1)
bad=$(for c in $commands; do grep -q " $c " <<<"$page" || echo "$c"; done)
empty "llmdeploy(1) names every command" "$bad"
bad=$("$program" help | tr -s ' \n' ' ' | grep -oE '[0-9]+ [a-z][a-z ]+[,.]' | while read -r status _; do grep -q " $status " <<<"$page" || echo "$status"; done)
empty "llmdeploy(1) has every exit status" "$bad"

keys() { # schema on stdin: every key of it, however deep
	jq -r '[.. | objects | .properties? // empty | keys[]] | unique[]'
}
for kind in manifest golden config; do
	page=$(text "llmdeploy-$kind.5")
	bad=$("$program" schema "$kind" | keys | while read -r key; do grep -qE "[ .]$key( |\$)" <<<"$page" || echo "$key"; done)
	empty "llmdeploy-$kind(5) has every key of the schema" "$bad"
done

same=$("$program" man llmdeploy-nothing.1 2>&1)
status=$?
verdict "$([ "$status $same" = "2 llmdeploy: no manual page 'llmdeploy-nothing.1': llmdeploy man lists them" ] && echo 1 || echo 0)" \
	"a page that does not exist is wrong usage" "$status $same"
tap_end
