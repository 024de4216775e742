#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Idioms that do not come back, in messages, comments and documents. A row: the phrase | what to write instead.
# usage: tests/lint/idioms.sh [FILE...]    without FILEs every tracked text; exit 1 names file, line and phrase
#
# A phrase is found in any case, and across the end of a line. Not looked at: what tests keep byte for byte (screens, golden
# cases, fuzz inputs), the model's own texts in examples, and this file.
set -u
cd "$(dirname "$0")/../.." || exit 2

table() {
	cat <<-'END'
		stands in | fails over to, replaces, is in
		stand in | fail over to, replace, be in
		comes to nothing | fails, has no effect
		come to nothing | fail, have no effect
		put right | repair, correct
		puts right | repairs, corrects
		somebody | someone, another program, a person
		of 95 % | p95
		made anew | rebuilt, created again, replaced
		written anew | rewritten
		anew | again
		last words | last log lines
		three in the morning | on call, at night
		the release before | the previous release
		the way back | the switch back, the rollback
		all the same | anyway
		in the place of | instead of
		reckon with | use, compute with
		out of all proportion | out of range
		stands there | is there
		stood there | was there
		as it stands | as it is
		makes room | stops, frees the device
		given up when they were late | cancelled by the client as too slow
		their clients' fault | client errors
		was measured of no request | no samples
	END
}

files() {
	git ls-files '*.c' '*.h' '*.md' '*.sh' '*.py' '*.awk' '*.lua' '*.cfg' '*.yaml' '*.service' '*.timer' '*.table' Makefile |
		grep -vE '^tests/(screens/kept|fuzz/corpus|golden/[a-z0-9-]+)/|^examples/incident/(golden|prompts|adapters)/|^tests/lint/idioms\.sh$'
}

# Words of a phrase are separated by blanks, a line's end and the marks that begin a line of a comment, or the quotes of a split text.
search() {
	awk -v rows="$(table)" '
		BEGIN {
			n = split(rows, row, "\n")
			for (i = 1; i <= n; i++) {
				split(row[i], half, " \\| ")
				phrase[i] = half[1]; instead[i] = half[2]
			}
		}
		function words(s) {
			s = tolower(s)
			gsub(/"[ \t]*$/, "", s)
			gsub(/^[ \t]*("|\/\*|\*|#|--|\/\/|>)?[ \t]*/, "", s)
			gsub(/[ \t]+/, " ", s)
			return " " s " "
		}
		function has(s, p,    at, before, after) {
			at = index(s, p)
			while (at) {
				before = substr(s, at - 1, 1); after = substr(s, at + length(p), 1)
				if (before !~ /[a-z0-9_-]/ && after !~ /[a-z0-9_]/) return 1
				s = substr(s, at + 1); at = index(s, p)
			}
			return 0
		}
		FNR == 1 { last = "" }
		{
			now = words($0)
			both = last now; gsub(/  +/, " ", both)
			for (i = 1; i <= n; i++)
				if (has(now, phrase[i]) || (has(both, phrase[i]) && !has(last, phrase[i]))) {
					printf "%s:%d: \"%s\": write %s\n", FILENAME, FNR, phrase[i], instead[i]
					bad = 1
				}
			last = now
		}
		END { exit bad }' "$@"
}

# The search itself: each phrase is found on one line, and split over two lines of a comment.
check_search() {
	work=$(mktemp -d) || exit 2
	table | sed 's/ | .*//' >"$work/phrases"
	while IFS= read -r phrase; do
		printf '/* It %s now. */\n' "$phrase" >"$work/one.c"
		printf '/* It %s now. */\n' "$phrase" | sed 's/ \([^ ]* now\)/\n * \1/' >"$work/two.c"
		for f in one two; do
			! search "$work/$f.c" >/dev/null || { echo "idioms.sh does not find '$phrase' ($f line)"; rm -rf "$work"; exit 1; }
		done
	done <"$work/phrases"
	rm -rf "$work"
}

check_search
if [ $# -gt 0 ]; then search "$@"; else search $(files); fi
