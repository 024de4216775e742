#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: failpoints.sh STATE   in the repository's root, after `make` and make build/tests/fault/rows, with DOCKER_HOST
#
# Every effect that an operation on a route has is killed before and after once on a real Engine, recovery is killed too, and then what must
# never be false is looked at (tests/fault/matrix.py, here with tiny engines and the installed HAProxy). TAP, and the table.
set -u
export PYTHONDONTWRITEBYTECODE=1
build=$(realpath "${BUILD:-build}")
mkdir -p "$1"
chmod 755 "$1"
"${CC:-cc}" -std=c17 -D_GNU_SOURCE -static -Os -o "$1/tiny_llm" tests/integration/tiny_llm.c -lpthread || exit 1
# An image that no Engine has yet.
head -c 8 /dev/urandom >>"$1/tiny_llm"
python3 tests/fault/matrix.py "$build/llmdeploy" "$build/tests/fault/rows" "$1/world" /dev/null --gateway=host --engine="${DOCKER_HOST#unix://}" \
	--tiny="$1/tiny_llm" --only=gate,recreate,canary,abort,promote,rollback,again,reject,recover,gc,collect
