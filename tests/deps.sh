#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: tests/deps.sh [check | ci | deb | engines | bench]
#
# Installs with apt what building, the demo and the tests need, or one of the other targets; does nothing where all of it is there.
set -eu
packages="gcc clang clang-format clang-tidy libc6-dev make pkg-config git ca-certificates universal-ctags cppcheck jq curl
	libcurl4-openssl-dev libcjson-dev libarchive-dev libssl-dev libgit2-dev libyaml-dev libsolv-dev libsolvext-dev
	libpcre2-dev libutf8proc-dev libcmocka-dev docker.io iptables gpgv gnupg debian-archive-keyring xz-utils openssl procps strace haproxy systemd python3 python3-pip python3-ruamel.yaml"
case ${1:-} in
check) packages="$packages man-db groff-base zsh fish build-essential debhelper fakeroot lintian mmdebstrap" ;;
deb) packages="$packages build-essential debhelper fakeroot lintian" ;;
ci | engines) packages="$packages mmdebstrap" ;;
bench) packages="$packages hyperfine mmdebstrap openssl sysbench mbw" ;;
esac
missing=
for p in $packages; do
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
	echo "these packages are missing; install them as root:" >&2
	echo "  apt-get install -y --no-install-recommends$missing" >&2
	exit 1
fi
echo "installing:$missing"
apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
# A HAProxy of the system would only be in the way: the tests run their own.
case $missing in
*haproxy*)
	if [ -d /run/systemd/system ]; then systemctl disable --now haproxy >/dev/null 2>&1 || :; else service haproxy stop >/dev/null 2>&1 || :; fi
	;;
esac
