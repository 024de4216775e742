#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: packaging/deb.sh [DIR]: builds the Debian package of the files of this checkout in DIR (build/deb), and has lintian look at it.
#
# The version is that of cmd/version.h, the date that of the commit, so that the same commit gives the same package. Needs what
# `tests/deps.sh deb` installs, and no network.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-build/deb}
version=$(sed -n 's/^#define TOOL_VERSION "\(.*\)"$/\1/p' cmd/version.h)
tree=$out/llmdeploy-$version

die() {
	echo "deb.sh: $*" >&2
	exit 1
}

# Of a copy without git, every file that is there.
files() {
	if git rev-parse --git-dir >/dev/null 2>&1; then
		git ls-files --cached --others --exclude-standard
	else
		find . -path ./build -prune -o -type f -print | sed 's|^\./||'
	fi
}

[ -n "$version" ] || die "cmd/version.h has no version"
rm -rf "$out"
mkdir -p "$tree"
files | while read -r file; do if [ -f "$file" ]; then echo "$file"; fi; done | tar -cf - -T - | tar -xf - -C "$tree"
cp -R packaging/debian "$tree/debian"
when=$(git log -1 --format=%ct 2>/dev/null || echo "${SOURCE_DATE_EPOCH:-0}")
cat >"$tree/debian/changelog" <<EOF
llmdeploy ($version) unstable; urgency=medium

  * See CHANGELOG.md.

 -- $(sed -n 's/^Maintainer: //p' packaging/debian/control)  $(LC_ALL=C date -u -R -d "@$when")
EOF
(cd "$tree" && DEB_BUILD_OPTIONS="parallel=${JOBS:-2} ${DEB_BUILD_OPTIONS:-}" dpkg-buildpackage -us -uc -b) >"$out/log" 2>&1 ||
	{ tail -n 40 "$out/log" >&2; die "dpkg-buildpackage failed, see $out/log"; }
lintian --fail-on error,warning --tag-display-limit 0 "$out"/*.changes || die "lintian has complaints"
ls "$out"/llmdeploy_*.deb
