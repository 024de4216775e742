#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/compare/compare_test.sh [BUILD]     our readers against other readers, over generated files from fixed seeds (COUNT=20000)
set -u
cd "$(dirname "$0")/../.."
build=${1:-build}
failed=0
for reader in tests/compare/*_compare.py; do
	timeout 500 /usr/bin/python3 "$reader" "$build/tests/compare/read" "${COUNT:-20000}" || failed=1
done
exit $failed
