#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/lint/unused.sh      B=DIR where the object files are; build
# Production code that no production code uses: a global symbol of an object file that no other object needs, and that its own source
# names only where it is defined. What tests alone call goes, with its tests. Exceptions, a pattern a line, with the reason:
set -u
exceptions='^[a-z0-9_]+_freep$  the form for CLEANUP belongs to the type, whether or not someone owns one by now
^docker_info$          what an Engine can do is shown before the first apply: issue 11
^bandwidth_rows$       a test holds the arithmetic of every row of the table
^interrupt_clear$      a test of an interrupt goes on in the same process'
allowed=$(sed 's/  .*//' <<<"$exceptions" | paste -sd '|')
B=${B:-build}
status=0
n=0
while read -r symbol object; do
	n=$((n + 1))
	[ "$object" != - ] || continue
	! [[ $symbol =~ $allowed ]] || continue
	source=${object#"$B"/}
	source=${source%.o}.c
	uses=$(sed -E -e 's,/\*.*\*/,,' -e '/^ \*/d' -e "s/\b(struct|enum) $symbol\b//g" "$source" | grep -ow "$symbol" | wc -l)
	[ "$uses" -le 1 ] || continue
	echo "$source: nothing in cmd or pkg uses $symbol"
	status=1
done < <(printf '%s\n' cmd/*.c pkg/*/*.c | sed "s|^|$B/|; s|c\$|o|" | xargs nm -A | awk '
	{ split($0, at, ":"); n = split($0, field, " ") }
	field[n - 1] == "U" { needed[field[n]] = 1 }
	field[n - 1] ~ /^[TDBRC]$/ { from[field[n]] = at[1] }
	END { for (s in from) print s, s in needed || s == "main" ? "-" : from[s] }' | sort)
[ "$n" -gt 0 ] || { echo "unused.sh: no symbol in $B"; status=1; }
exit $status
