#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: lost_test.sh [BUILD_DIR]   a way back that does not come up ends, and every command gets out (lost.py), on the fake Engine with the installed HAProxy
set -u
export PYTHONDONTWRITEBYTECODE=1
cd "$(dirname "$0")/../.."
build=${1:-build}
place=/tmp
[ ! -w /dev/shm ] || place=/dev/shm
state=$(mktemp -d "$place/llmdeploy-lost-XXXXXX")
chmod 755 "$state"
trap 'rm -rf "$state"' EXIT
trap 'exit 130' INT TERM HUP
timeout 300 python3 tests/fault/lost.py "$build/llmdeploy" "$state"
