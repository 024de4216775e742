#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: signals_test.sh [BUILD_DIR]   Ctrl-C, SIGTERM and SIGHUP in each phase (signals.py), on the fake Engine with the installed HAProxy
set -u
export PYTHONDONTWRITEBYTECODE=1
cd "$(dirname "$0")/../.."
build=${1:-build}
place=/tmp
[ ! -w /dev/shm ] || place=/dev/shm
state=$(mktemp -d "$place/llmdeploy-signals-XXXXXX")
chmod 755 "$state"
trap 'rm -rf "$state"' EXIT
trap 'exit 130' INT TERM HUP
timeout 300 python3 tests/fault/signals.py "$build/llmdeploy" "$state"
