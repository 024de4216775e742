#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What each command shows, at 80 and 140 columns, with and without colour, and in a pipe, against tests/screens/kept.
#
#     tests/screens/screens_test.sh build               compares; TAP
#     UPDATE=1 tests/screens/screens_test.sh build      keeps what was shown; look at it with git diff
set -u
export PYTHONDONTWRITEBYTECODE=1 LC_ALL=C.UTF-8
cd "$(dirname "$0")/../.." || exit 1
build=${1:-build}
# A path of the same length everywhere: screens are cut and wrapped by it.
state=$(mktemp -d /tmp/screens-XXXXXX)
chmod 755 "$state"
trap 'rm -rf "$state"' EXIT
trap 'exit 130' INT TERM HUP
"$build/tests/bench/gguf_make" llama "$state/model" || exit 1
timeout 280 python3 tests/screens/screens.py "$build/llmdeploy" "$state" "$state/model" ${UPDATE:+--update}
