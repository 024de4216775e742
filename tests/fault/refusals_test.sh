#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: refusals_test.sh [BUILD_DIR]   HAProxy refuses what it is given, at every place, every time (refusals.py), on the fake Engine with the
# installed HAProxy
set -u
export PYTHONDONTWRITEBYTECODE=1
cd "$(dirname "$0")/../.."
build=${1:-build}
place=/tmp
[ ! -w /dev/shm ] || place=/dev/shm
state=$(mktemp -d "$place/llmdeploy-refusals-XXXXXX")
chmod 755 "$state"
trap 'rm -rf "$state"' EXIT
trap 'exit 130' INT TERM HUP
timeout 900 python3 tests/fault/refusals.py "$build/llmdeploy" "$state/w" /usr/sbin/haproxy "$build/tests/fault/refuser"
