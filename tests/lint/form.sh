#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The form of C sources: that of form.py (clang-format and a line for each call of a chain), at most 100 columns (a tab is eight),
# and no chain that is returned as a condition.
set -u
status=0
mapfile -t files < <(printf '%s\n' cmd/*.[ch] pkg/*/*.[ch] tests/*/*.[ch])
python3 tests/lint/form.py "${files[@]}" || status=1
expand "${files[@]}" | awk 'length > 100 { n++ } END { if (n) print n " lines are wider than 100 columns:"; exit n > 0 }' || {
	status=1
	for f in "${files[@]}"; do expand "$f" | awk -v f="$f" 'length > 100 { print f ":" NR ": " length " columns" }'; done
}
grep -nE '(\|\||&&).*\? -1 : 0;' cmd/*.c pkg/*/*.c | sed 's/$/ (one call a line: if, and return -1)/' | grep . && status=1
exit $status
