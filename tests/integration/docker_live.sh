#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: docker_live.sh PROGRAM   runs the built docker_live_test against the Engine at LLMDEPLOY_TEST_ENGINE, or a private one
set -eu
here=$(dirname "$(realpath "$0")")
scratch=$(mktemp -d /tmp/llmdeploy-live-XXXXXX)
clean() {
	[ ! -e "$scratch/engine" ] || "$here/docker_engine.sh" stop "$scratch/engine"
	rm -rf "$scratch"
}
trap clean EXIT
trap 'exit 130' INT TERM HUP
if [ -z "${LLMDEPLOY_TEST_ENGINE:-}" ]; then
	LLMDEPLOY_TEST_ENGINE=$("$here/docker_engine.sh" start "$scratch/engine")
fi
LLMDEPLOY_TEST_TINY=$scratch/tiny
export LLMDEPLOY_TEST_ENGINE LLMDEPLOY_TEST_TINY
"${CC:-cc}" -static -Os -o "$LLMDEPLOY_TEST_TINY" "$here/tiny.c"
"$1"
