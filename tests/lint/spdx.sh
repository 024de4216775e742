#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every source file names its license in its first line, or in the second behind "#!". FIX=1 tests/lint/spdx.sh adds missing lines.
set -u
failed=0
line="SPDX-License-Identifier: Apache-2.0"

# The files of the repository; of a copy without git, those that are there.
files() {
	if git rev-parse --git-dir >/dev/null 2>&1; then
		git ls-files --cached --others --exclude-standard
	else
		find . -path ./build -prune -o -type f -print | sed 's|^\./||'
	fi
}

# comment FILE: the line as FILE has it; empty where no line is wanted: data, documents, and what a test compares byte for byte.
comment() {
	case $1 in
	tests/golden/*/* | tests/unit/*/* | tests/fuzz/corpus/* | tests/screens/kept/*) ;;
	*.c | *.h) echo "/* $line */" ;;
	*.lua) echo "-- $line" ;;
	*.sh | *.py | *.awk | *.cfg | *.service | *.timer | Makefile | */Makefile | .ci/run) echo "# $line" ;;
	esac
}

while read -r file; do
	[ -f "$file" ] || continue
	want=$(comment "$file")
	[ -n "$want" ] || continue
	at=1
	{ IFS= read -r first; IFS= read -r second; } <"$file"
	case $first in "#!"*) at=2 first=$second ;; esac
	[ "$first" != "$want" ] || continue
	if [ "${FIX:-}" = 1 ]; then
		sed -i "${at}i\\$want" "$file"
	else
		echo "$file:$at: '$want' is missing"
		failed=1
	fi
done < <(files)
exit $failed
