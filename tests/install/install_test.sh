#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# make install and make uninstall: what is put, that it works from there, and that nothing is left.
# usage: tests/install/install_test.sh BUILD_DIR; speaks TAP.
set -u
cd "$(dirname "$0")/../.." || exit 1
program=$(readlink -f "${1:-build}")/llmdeploy
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
. tests/tap.sh

verdict() { # OK NAME [WHY]
	printf '%s\n' "${3:-}" >"$dir/why"
	check $((1 - $1)) "$2" "$dir/why"
}

install() { # DESTDIR [PREFIX]
	DESTDIR=$1 PREFIX=${2:-/usr/local} packaging/install.sh install "$program"
}

uninstall() { # DESTDIR [PREFIX]
	DESTDIR=$1 PREFIX=${2:-/usr/local} packaging/install.sh uninstall
}

tree() { # DIR: everything in it, with mode and content
	(cd "$1" && find . -mindepth 1 -printf '%p %m ' -exec sh -c '[ -d "$1" ] && echo dir || sha256sum <"$1"' sh {} \; | sort)
}

# same NAME WANTED GOT
same() {
	verdict "$([ "$2" = "$3" ] && echo 1 || echo 0)" "$1" "$(diff <(echo "$2") <(echo "$3"))"
}

root=$dir/empty
mkdir "$root"
out=$(install "$root" 2>&1)
verdict "$([ -z "$out" ] && [ -x "$root/usr/local/bin/llmdeploy" ] && echo 1 || echo 0)" "install is silent, and puts the program" "$out"
same "the installed program says its version" "$("$program" version)" "$(cd / && env -i "$root/usr/local/bin/llmdeploy" version 2>&1)"
out=$(cd / && env -i HOME="$dir" "$root/usr/local/bin/llmdeploy" runtime show llama.cpp 2>&1)
verdict "$(grep -q 'llama.cpp' <<<"$out" && ! grep -q '^llmdeploy:' <<<"$out" && echo 1 || echo 0)" \
	"the installed program finds the installed runtimes" "$out"
same "every manual page is installed" "$("$program" man | sort)" "$(find "$root/usr/local/share/man" -type f -printf '%f\n' | sort)"
same "the installed page is what the program prints" "$("$program" man llmdeploy-apply.1)" "$(cat "$root/usr/local/share/man/man1/llmdeploy-apply.1")"
for each in bash-completion/completions/llmdeploy zsh/site-functions/_llmdeploy fish/vendor_completions.d/llmdeploy.fish; do
	verdict "$([ -s "$root/usr/local/share/$each" ] && echo 1 || echo 0)" "share/$each is installed"
done
wrong=$(find "$root" -type f ! -perm 644 ! -path '*/bin/llmdeploy'; find "$root" -type l)
verdict "$([ -z "$wrong" ] && echo 1 || echo 0)" "everything but the program is a file of mode 644" "$wrong"

before=$(tree "$root")
install "$root"
same "a second install changes nothing" "$before" "$(tree "$root")"
uninstall "$root"
same "uninstall leaves nothing in an empty DESTDIR" "" "$(find "$root" -mindepth 1)"

# What was there before stays: a directory that is empty, files beside ours, and in our own directory.
root=$dir/used
mkdir -p "$root/usr/local/share/man/man1" "$root/usr/local/bin" "$root/usr/local/share/llmdeploy"
echo other >"$root/usr/local/bin/other"
echo mine >"$root/usr/local/share/llmdeploy/notes"
before=$(tree "$root")
install "$root"
echo late >"$root/usr/local/share/llmdeploy/runtimes/late"
uninstall "$root"
same "uninstall leaves what someone else put among our files" "late" "$(cat "$root/usr/local/share/llmdeploy/runtimes/late")"
rm -r "$root/usr/local/share/llmdeploy/runtimes"
same "uninstall leaves what was there before, empty directories too" "$before" "$(tree "$root")"

# An earlier version had a file that this one does not have.
root=$dir/upgraded
install "$root" /opt/x
after=$(tree "$root")
mkdir "$root/opt/x/share/llmdeploy/old"
echo gone >"$root/opt/x/share/llmdeploy/old/page"
printf '%s\n' /opt/x/share/llmdeploy/old/ /opt/x/share/llmdeploy/old/page >>"$root/opt/x/share/llmdeploy/installed"
install "$root" /opt/x
verdict "$([ ! -e "$root/opt/x/share/llmdeploy/old/page" ] && echo 1 || echo 0)" "an upgrade removes the files that this version does not have"
uninstall "$root" /opt/x
same "uninstall after an upgrade leaves nothing" "" "$(find "$root" -mindepth 1)"
verdict "$(grep -q '^./opt/x/bin/llmdeploy 755 ' <<<"$after" && echo 1 || echo 0)" "PREFIX is where everything goes" "$after"
out=$(uninstall "$root" 2>&1)
same "uninstall of nothing says so, with exit status 1" \
	"install.sh: nothing is installed under $root/usr/local: there is no $root/usr/local/share/llmdeploy/installed 1" "$out $?"
tap_end
