#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: packaging/install.sh install PROGRAM | uninstall; DESTDIR and PREFIX (/usr/local) as usual.
#
# `install` keeps a list of what it made, files and directories, in PREFIX/share/llmdeploy/installed. `uninstall` removes what is on that
# list, directories only where they are empty. A second install removes what an earlier version had put and this one does not have.
set -eu
export LC_ALL=C
prefix=${PREFIX:-/usr/local}
dest=${DESTDIR:-}
share=$prefix/share
ours=$share/llmdeploy
list=$dest$ours/installed

fail() {
	echo "install.sh: $*" >&2
	exit 1
}

# Debian's shells look elsewhere for what packages bring than for what an administrator installs.
zsh_dir() {
	if [ "$prefix" = /usr ]; then echo "$share/zsh/vendor-completions"; else echo "$share/zsh/site-functions"; fi
}

# What the program prints about itself, under $made with its path in the system.
generate() { # PROGRAM
	for page in $("$1" man); do
		mkdir -p "$made$share/man/man${page##*.}"
		"$1" man "$page" >"$made$share/man/man${page##*.}/$page"
	done
	mkdir -p "$made$share/bash-completion/completions" "$made$(zsh_dir)" "$made$share/fish/vendor_completions.d"
	"$1" completion bash >"$made$share/bash-completion/completions/llmdeploy"
	"$1" completion zsh >"$made$(zsh_dir)/_llmdeploy"
	"$1" completion fish >"$made$share/fish/vendor_completions.d/llmdeploy.fish"
}

# MODE SOURCE TARGET, a line a file.
files() { # PROGRAM
	echo "755 $1 $prefix/bin/llmdeploy"
	find "$made" -type f | while read -r file; do echo "644 $file ${file#"$made"}"; done
	find runtimes -type f ! -name '*.pyc' | while read -r file; do echo "644 $file $ours/$file"; done
	for file in manifests/*.json manifests/models/*.yaml; do echo "644 $file $ours/$file"; done
	for file in systemd/*.service systemd/*.timer prometheus/alerts.yaml grafana/llmdeploy.json; do
		for each in templates/$file; do echo "644 $each $ours/${each#templates/}"; done
	done
}

# Directories that are not there yet go on the list, too.
make_dir() { # DIR
	[ ! -d "$dest$1" ] || return 0
	make_dir "$(dirname "$1")"
	mkdir "$dest$1"
	echo "$1/" >>"$new"
}

install_all() { # PROGRAM
	made=$(mktemp -d)
	new=$made.list
	trap 'rm -rf "$made" "$made.list" "$made.files"' EXIT
	[ -z "$dest" ] || mkdir -p "$dest"
	[ ! -e "$list" ] || cp "$list" "$new"
	generate "$1"
	files "$1" >"$made.files"
	make_dir "$ours"
	while read -r mode source target; do
		make_dir "$(dirname "$target")"
		install -m "$mode" "$source" "$dest$target"
		echo "$target" >>"$new"
	done <"$made.files"
	remove_old
	sort -u "$new" >"$list"
	chmod 644 "$list"
}

# Files of the list that was there, of which this version has no copy.
remove_old() {
	[ -e "$list" ] || return 0
	cut -d' ' -f3- "$made.files" | sort >"$made.targets"
	grep -v '/$' "$list" | sort | comm -23 - "$made.targets" | while read -r old; do
		rm -f "$dest$old"
		grep -vxF "$old" "$new" >"$made.kept" || :
		mv "$made.kept" "$new"
	done
	rm -f "$made.targets"
}

uninstall_all() {
	[ -e "$list" ] || fail "nothing is installed under $dest$prefix: there is no $list"
	paths=$(sort -r "$list")
	rm -f "$list"
	echo "$paths" | while read -r path; do
		case $path in
		*/) [ ! -d "$dest$path" ] || rmdir --ignore-fail-on-non-empty "$dest$path" ;;
		*) rm -f "$dest$path" ;;
		esac
	done
}

case ${1:-} in
install)
	[ -x "${2:-}" ] || fail "install wants the built program"
	install_all "$2"
	;;
uninstall) uninstall_all ;;
*) fail "usage: packaging/install.sh install PROGRAM | uninstall" ;;
esac
