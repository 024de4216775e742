#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# pkg/release/event.h is the one table of journal events: docs/formats.md says the same (UPDATE=1 writes it there), no other
# file has an event's name to compare with, and an event or a recovery action that lacks its part does not compile.
set -u
failed=0
complain() { echo "$1"; failed=1; }
cc=(${CC:-cc} -std=c17 -D_GNU_SOURCE -Wall -Wextra -Werror)
work=build/lint/events
rm -rf $work && mkdir -p $work/bad/release
"${cc[@]}" -Ipkg -o $work/events tests/lint/events.c || exit 1

# 1. Between a pair of marks of the document stands what is generated.
document=docs/formats.md
cp $document $work/want.md
for part in route actions root; do
	[ "$(grep -cE "^<!-- (begin|end) events $part[: ]" $document)" = 2 ] || complain "$document: there is no pair of marks '<!-- begin events $part', '<!-- end events $part'"
	$work/events $part > $work/part || exit 1
	awk -v part="$part" -v file=$work/part '
		$0 ~ "^<!-- end events " part { skip = 0 }
		!skip { print }
		$0 ~ "^<!-- begin events " part { skip = 1; while ((getline line < file) > 0) print line }' $work/want.md > $work/next.md
	mv $work/next.md $work/want.md
done
if [ -n "${UPDATE:-}" ]; then
	cmp -s $work/want.md $document || cp $work/want.md $document
else
	diff -u $document $work/want.md || complain "$document: not the events of pkg/release/event.h: UPDATE=1 tests/lint/events.sh"
fi

# The picture has every event of a route's journal.
while read -r name; do
	grep -qw "$name" docs/state-machine.txt || complain "docs/state-machine.txt: '$name' is not in the picture"
done < <($work/events route | sed -nE 's/^\| `([a-z_]+)`.*/\1/p')

# 2. Names. Those that are also commands, states or members of JSON may stand where no event is meant.
also='apply|rollback|promote|abort|stop|start|remove|build|gc|fix|ready|started|stopped|held|committed|proved|pinned|drained|failed|interrupted|removed|repaired'
all=$($work/events names | paste -sd'|')
alone=$($work/events names | grep -vxE "$also" | paste -sd'|')
files=$(ls pkg/*/*.[ch] cmd/*.[ch] | grep -v '^pkg/release/event\.[ch]$')
members='json_[a-z_]+\([^"]*' # {"aborted": ...} of a command's answer is no event
grep -nE "\"($alone)\"" $files | sed -E "s/${members}\"($alone)\"//g" | grep -E "\"($alone)\"" | grep -vE '^pkg/journal/journal\.h:[0-9]*:#define JOURNAL_(ACCEPTED|TORN) ' |
	grep . && complain "an event's name is in pkg/release/event.h alone: use EVENT_..., or ask for its row"
compared='(cmp|is_text|text_starts) *\([^()]*(\bevent\b|json_[a-z]+\([^)]*"event")'
grep -nE "$compared|\"event\", *\"($all)\"|record_[a-z]+\([^\"]*\"($all)\"|= *json_(str|get)\([^)]*\"event\"\)" $files |
	grep -vE '^pkg/journal/(frame|file)\.c:.*(out->event|JOURNAL_ACCEPTED)' |
	grep . && complain "an event is compared by event_of, event_means or event_row (pkg/release/event.h), and recorded by its id"

# 3. Each of these leaves something out, and must not compile; the whole must.
actions=$(grep -l 'case RECOVERY_UNDO' pkg/*/*.c)
compiles() { "${cc[@]}" -Wpedantic -fsyntax-only -I$work/bad -Ipkg "$@" 2>$work/said; }
cp pkg/release/event.c $work/bad/release
while IFS=$'\t' read -r want change file what; do
	sed -E "$change" pkg/release/event.h > $work/bad/release/event.h
	[ "$want" = yes ] || ! cmp -s pkg/release/event.h $work/bad/release/event.h || complain "tests/lint/events.sh: '$what' changes nothing"
	if compiles "${file/ACTIONS/$actions}"; then got=yes; else got=no; fi
	[ $got = "$want" ] || { complain "compiles: $got, wanted: $want: $what"; head -3 $work/said; }
done <<CASES
yes	s/^//	$work/bad/release/event.c	the table as it is
yes	s/^//	ACTIONS	the actions as they stand
no	s/(X\(READY, "ready", STEP), UNDO,/\1,/	$work/bad/release/event.c	an event without a recovery action
no	s/(X\(READY, "ready", STEP), UNDO,/\1, ,/	$work/bad/release/event.c	an event with an empty recovery action
no	s/(X\(READY, "ready", STEP), UNDO,/\1, NOTHING,/	$work/bad/release/event.c	an operation that would be left as it is
no	s/(X\(HELD, "held", ENDS), NOTHING,/\1, UNDO,/	$work/bad/release/event.c	an operation that ended and would be undone
no	s/(X\(HOLD, "hold")/X(NEW, "new", "new") \1/	ACTIONS	a recovery action without a function
CASES
exit $failed
