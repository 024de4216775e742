#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Files of one folder do not call each other in a circle: calls are read from the symbols of the object files in B. (deps.awk holds the folders
# apart.) Folders that still have a circle are named here, and only as long as they have one: cmd, whose command table names each command and is
# printed by three of them, and seven that are left of the lockfile or beside it.
set -u
build=${B:-build}
failed=0
exceptions='cmd eval model plan schema size spec store'

# "FILE defines|needs SYMBOL" of each object of a folder.
symbols() {
	local source object
	for source in "$1"/*.c; do
		object=$build/${source%.c}.o
		[ -e "$object" ] || { echo "tests/lint/cycles.sh: there is no $object: make" >&2; return 1; }
		nm -A --format=posix "$object"
	done | sed -E 's|^[^:]*/([^/:]*)\.o: |\1 |' |
		awk '$3 ~ /^[TDBRVW]$/ { print $1, "defines", $2 } $3 == "U" { print $1, "needs", $2 }'
}

# Each call that is part of a circle, and why it is one.
circles() {
	awk -v folder="$1" '
		$2 == "defines" { home[$3] = $1; defined++; next }
		{ file[++n] = $1; symbol[n] = $3 }
		function reach(from,    k) {
			if (seen[from]++) return
			for (k = 1; k <= edges[from]; k++) reach(edge[from, k])
		}
		END {
			if (!defined) print folder ": no symbol was found: the check is broken"
			for (i = 1; i <= n; i++) {
				if (!(symbol[i] in home) || home[symbol[i]] == file[i]) continue
				from = file[i]; to = home[symbol[i]]
				if (!((from, to) in why)) edge[from, ++edges[from]] = to
				why[from, to] = why[from, to] " " symbol[i]
			}
			for (pair in why) {
				split(pair, at, SUBSEP)
				split("", seen)
				reach(at[2])
				if (at[1] in seen) printf "%s/%s.c calls%s in %s.c, which leads back to it\n", folder, at[1], why[pair], at[2]
			}
		}' | sort
}

for folder in cmd pkg/*/; do
	folder=${folder%/} name=$(basename "$folder")
	ls "$folder"/*.c >/dev/null 2>&1 || continue
	found=$(symbols "$folder" | circles "$folder")
	if [[ " $exceptions " == *" $name "* ]]; then
		[ -n "$found" ] || { echo "tests/lint/cycles.sh: the exception '$name' is not needed"; failed=1; }
	elif [ -n "$found" ]; then
		echo "$found"; failed=1
	fi
done
exit $failed
