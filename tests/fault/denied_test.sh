#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: denied_test.sh [BUILD_DIR]   an ordinary user and the root of another (denied.py), on the fake Engine with the installed HAProxy
set -u
export PYTHONDONTWRITEBYTECODE=1
cd "$(dirname "$0")/../.."
build=${1:-build}
place=/tmp
[ ! -w /dev/shm ] || place=/dev/shm
state=$(mktemp -d "$place/llmdeploy-denied-XXXXXX")
chmod 755 "$state"
trap 'rm -rf "$state"' EXIT
trap 'exit 130' INT TERM HUP
timeout 300 python3 tests/fault/denied.py "$build/llmdeploy" "$state"
