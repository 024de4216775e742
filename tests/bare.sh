#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/bare.sh [DIR]: the README's two commands, as they stand there, in a fresh Debian 12 root.
#
# DIR (build/bare) becomes a root that mmdebstrap makes of Debian's required packages and git, make and ca-certificates. The commit
# under test is cloned into it; nothing else of this checkout is seen there, no build and no downloaded model. What the machine says of
# apt and pip (sources, keys, proxies, certificates, indexes) holds inside, too. The commands run in mount and process namespaces of
# their own, so that whatever they started ends with them. The last line, N passed, N failed, counts the tests of `make check`, and the
# demo as one. Needs root.
# KEEP=1 leaves DIR behind.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/bare_root.sh
case ${1:-} in
-*)
	sed -n '/^# usage: /{s/^# //p;q}' "$0"
	exit 2
	;;
esac
root=$(realpath -m -- "${1:-build/bare}")
work=/root/llmdeploy

die() {
	echo "bare.sh: $*" >&2
	exit 1
}

# The commands of the README's section, one a line: what stands before the comment.
commands() {
	awk '/^## / { on = ($0 == "## Two commands") }
		on && /^    make / { sub(/ *#.*/, ""); sub(/^ */, ""); print }' README.md
}

remove() {
	[ ! -e "$root" ] || rm -rf --one-file-system "$root"
}

make_root() {
	bare_root "$root" git,make,ca-certificates
	! [ -f /etc/pip.conf ] || cp /etc/pip.conf "$root/etc/"
}

# The environment of a login, and what of the machine's says how pip and apt reach their packages.
environment() {
	echo HOME=/root
	echo PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
	echo LANG=C.UTF-8
	env | grep -E '^(PIP_[A-Z_]+|https?_proxy|no_proxy|HTTPS?_PROXY|NO_PROXY|JOBS|SAN)=' || :
}

# A folder of wheels that pip looks into is the machine's, like its index.
wheels() {
	for each in ${PIP_FIND_LINKS:-}; do
		if [ -d "$each" ]; then echo "$each"; fi
	done
}

enter() { # SCRIPT: runs it in the root, process 1 of its own namespaces
	local mounts='mount --bind "$1" "$1"; mount -t proc proc "$1/proc"; mount --rbind /sys "$1/sys"; mount --rbind /dev "$1/dev"'
	local vars=()
	while read -r each; do
		mkdir -p "$root$each"
		mounts="$mounts; mount --bind '$each' \"\$1$each\""
	done < <(wheels)
	mapfile -t vars < <(environment)
	unshare --mount --pid --fork --kill-child sh -euc "$mounts; exec chroot \"\$@\"" sh "$root" \
		env -i "${vars[@]}" sh "$1"
}

[ "$(id -u)" = 0 ] || die "a root of its own needs root"
mapfile -t both < <(commands)
[ "${both[*]}" = "make demo make check" ] || die "README's section 'Two commands' names '${both[*]}'"
command -v mmdebstrap >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends mmdebstrap >/dev/null; }
[ ! -e "$root" ] || [ -f "$root/bare" ] || die "'$root' is there, and no root of this script"
remove
mkdir -p "$(dirname "$root")"
[ "${KEEP:-}" = 1 ] || trap remove EXIT
trap 'exit 130' INT TERM

began=$SECONDS
make_root
touch "$root/bare"
git clone --quiet --no-hardlinks . "$root$work"
[ "$(git -C "$root$work" rev-parse HEAD)" = "$(git rev-parse HEAD)" ] || die "the clone is of another commit"
echo "bare root: $((SECONDS - began)) s, commit $(git rev-parse --short HEAD)"
{
	echo "set -e"
	echo "cd $work"
	for each in "${both[@]}"; do
		printf 'echo "$ %s"\nbegan=$(date +%%s)\n%s </dev/null\necho "%s: $(($(date +%%s) - began)) s"\n' "$each" "$each" "$each"
	done
} >"$root/commands"
status=0
enter /commands | tee "$root/log" || status=$?
[ "$status" = 0 ] || die "the commands ended with exit status $status"
counted=$(grep -E '^[0-9]+ passed, 0 failed$' "$root/log" | tail -n 1)
[ -n "$counted" ] || die "no test was counted"
echo "$((${counted%% *} + 1)) passed, 0 failed"
