#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: tests/bench/image.sh [PACKAGES.LOCK]      as root, from the top of the repository
#
# How long the package layers take, from packages that are in the store, against
#   - mmdebstrap --variant=extract of the same packages, from a repository on this disk, to a tar;
#   - dpkg-deb --fsys-tarfile of each to nowhere: what decompressing alone costs, one after the other.
# Medians of hyperfine, all from one run; prints the two ratios and what was aimed at.
set -eu

lock=${1:-runtimes/llama.cpp/packages.lock}
dir=build/bench/image
driver=build/tests/bench/image_bench
runs=${RUNS:-10}

make --no-print-directory "$driver" >&2

mkdir -p "$dir"
root=$PWD/$dir/root repository=$PWD/$dir/repository
"$driver" fetch "$lock" "$root"

# apt reads this as _apt: copies, with names that it may open.
rm -rf "$repository"
mkdir -p "$repository"
"$driver" paths "$lock" "$root" >"$dir/paths"
"$driver" index "$lock" "$root" >"$repository/Packages"
while read -r name path; do cp "$path" "$repository/$name.deb"; done <"$dir/paths"
names=$(cut -d' ' -f1 "$dir/paths" | paste -sd,)

cat >"$dir/decompress" <<'EOF'
while read -r _ path; do dpkg-deb --fsys-tarfile "$path" >/dev/null; done <"$1"
EOF
cat >"$dir/mmdebstrap" <<'EOF'
mmdebstrap --quiet --mode=root --variant=extract --include="$1" --skip=download/empty \
	testing "$3" "deb [trusted=yes] copy:$2 ./" >/dev/null
EOF

hyperfine --style basic --warmup 1 --runs "$runs" --export-json "$dir/result.json" \
	-n ours --prepare "$driver forget $lock $root" "$driver build $lock $root" \
	-n decompress --prepare true "sh $dir/decompress $dir/paths" \
	-n mmdebstrap --prepare "rm -f $dir/extract.tar" "sh $dir/mmdebstrap $names $repository $dir/extract.tar" \
	>&2

python3 - "$dir/result.json" <<'EOF'
import json, sys
t = {r["command"]: r["median"] for r in json.load(open(sys.argv[1]))["results"]}
ours, plain, other = t["ours"], t["decompress"], t["mmdebstrap"]
def line(what, ratio, good, aim):
    print(f"image: {what}: {ratio:.2f} ({aim}{'' if good else ': MISSED'})")
print(f"image: {ours * 1000:.0f} ms for the package layers, {plain * 1000:.0f} ms to decompress, {other * 1000:.0f} ms for mmdebstrap")
line("times faster than mmdebstrap --variant=extract", other / ours, other / ours >= 5, "aim: 5 or more")
line("time as a part of merely decompressing", ours / plain, ours / plain <= 1.2, "aim: 1.2 or less")
EOF
