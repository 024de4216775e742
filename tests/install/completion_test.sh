#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Completion: what the program offers for a command line, and what bash, zsh and fish make of it when TAB is pressed.
# usage: tests/install/completion_test.sh BUILD_DIR; speaks TAP.
set -u
cd "$(dirname "$0")/../.." || exit 1
program=$(readlink -f "${1:-build}")/llmdeploy
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export LLMDEPLOY_RUNTIMES="$PWD/runtimes" LC_ALL=C.UTF-8
. tests/tap.sh

verdict() { # OK NAME [WHY]
	printf '%s\n' "${3:-}" >"$dir/why"
	check $((1 - $1)) "$2" "$dir/why"
}

# A root with two routes, as completion looks at it: names alone.
mkdir -p "$dir/root/routes/incident/releases/r1" "$dir/root/routes/incident/releases/r2" "$dir/root/routes/invoice/releases/v1" "$dir/root/routes/search"
chmod -R go-w "$dir/root"
printf '0123456789abcdef\n' >"$dir/root/root-id"
export LLMDEPLOY_ROOT="$dir/root"

# offers NAME WANTED WORD...: the words that are offered for the last WORD, in order, with a blank between them.
offers() {
	local name=$1 wanted=$2 got
	shift 2
	got=$("$program" completion words -- "$@" 2>&1 | cut -f1 | tr '\n' ' ')
	verdict "$([ "${got% }" = "$wanted" ] && echo 1 || echo 0)" "$name" "$* may become '$got', wanted '$wanted'"
}

offers "a command" "rollback" ro
offers "commands that begin alike" "stop start status" st
offers "help is a command" "help" hel
offers "a command after help" "rollback" help ro
offers "no second command after help" "" help apply ""
offers "a command that does not exist" "" frobnicate ""
offers "options" "--root --runtimes" apply --r
offers "an option of this command alone" "--to" rollback --t
offers "help is an option of each command" "--help" version --h
offers "no options after --" ":files" apply -- --r
offers "a file" ":files" apply inc
offers "files without end" ":files" validate a.yaml b.yaml ""
offers "one file is enough" "" apply a.yaml ""
offers "a route" "incident invoice" rollback in
offers "every route" "incident invoice search" stop ""
offers "no second route" "" stop incident ""
offers "an option before the route" "incident" rollback --lock-wait 5s inc
offers "the value of an option is no route" "" rollback --lock-wait inc
offers "the routes of another root" "" status --root "$dir/none" ""
offers "the routes of --root=DIR" "incident invoice search" status "--root=$dir/root" ""
offers "the routes of --root = DIR, as bash cuts it" "search" status --root = "$dir/root" se
offers "a version of the route" "r1 r2" pin incident ""
offers "a version as a value" "v1" rollback invoice --to ""
offers "a version as a value behind =" "--to=r1 --to=r2" rollback incident --to=r
offers "a folder" ":folders" apply --root ""
offers "a folder behind =" ":folders" apply --root=
offers "a file after a letter" ":files" apply -f ""
offers "verbs" "list pull verify show" model ""
offers "verbs of two words, once" "keys" gateway k
offers "the second word of a verb" "list add remove" gateway keys ""
offers "the route of a verb" "search" gateway keys add s
offers "nothing after a verb without arguments" "" gateway status ""
offers "an unknown verb" "" gateway frobnicate ""
offers "a runtime" "llama.cpp lm-studio" runtime show l
offers "a backend" "cpu cuda" runtime lock llama.cpp --backend c
offers "a topic" "memory" plan a.yaml --explain m
offers "capabilities, with a comma" "openai_api,metrics" runtime list --requires openai_api,metr
offers "a kind of schema" "manifest model-card" schema m
offers "a shell" "bash" completion b
offers "a manual page" "llmdeploy-gateway.1" man llmdeploy-ga
out=$("$program" completion words -- "" | awk -F '\t' 'NF != 2 || !length($2)')
verdict "$([ -z "$out" ] && echo 1 || echo 0)" "each word is followed by what it means" "$out"
wanted=$("$program" --help | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p' | sort)
got=$("$program" completion words -- "" | cut -f1 | grep -vxE 'help|--help|--version' | sort)
verdict "$([ "$got" = "$wanted" ] && echo 1 || echo 0)" "the commands are those of --help" "$(diff <(echo "$wanted") <(echo "$got"))"
out=$("$program" completion tcsh 2>&1)
verdict "$([ "$? $out" = "2 llmdeploy: completion wants bash, zsh, fish or words, got 'tcsh'" ] && echo 1 || echo 0)" "another shell" "$out"

# Real shells, with the installed scripts. The program that they run tells completion from the rest, and keeps the words of the latter.
DESTDIR=$dir/dest PREFIX=/usr/local packaging/install.sh install "$program"
mkdir "$dir/bin" "$dir/home"
cat >"$dir/bin/llmdeploy" <<EOF
#!/bin/sh
[ "\$1" = completion ] && exec "$program" "\$@"
for each; do echo "\$each"; done >"$dir/words"
EOF
chmod +x "$dir/bin/llmdeploy"
touch "$dir/home/release.yaml"

# presses SHELL NAME WANTED KEYS: what the shell runs once the keys were pressed; T is the key TAB.
presses() {
	local shell=$1 name=$2 wanted=$3 keys=$4 got
	rm -f "$dir/words"
	out=$(cd "$dir/home" && timeout 60 python3 "$here/tests/install/press.py" "$shell" "$dir/dest/usr/local/share" "$dir/bin" "$keys" 2>&1)
	got=$(tr '\n' ' ' <"$dir/words" 2>/dev/null)
	verdict "$([ "${got% }" = "$wanted" ] && echo 1 || echo 0)" "$shell: $name" "ran '$got', wanted '$wanted'; the screen: $out"
}

here=$PWD
for shell in bash zsh fish; do
	presses "$shell" "a command" "rollback" "rollbT"
	presses "$shell" "an option, its value by hand" "apply --lock-wait 5s" "apply --lockT5s"
	presses "$shell" "a route" "rollback incident" "rollback incT"
	presses "$shell" "command, option, route and version in one line" "rollback incident --to r2" "rollbTincT--tTrT2"
	presses "$shell" "a verb of two words" "gateway keys list search" "gateway keTlTseT"
	presses "$shell" "a file" "apply release.yaml" "apply relT"
done
tap_end
