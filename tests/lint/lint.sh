#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What deps.awk and length.awk cannot see: files too long, vendor headers in two folders, printing and exiting in deep code,
# names that may not be in the repository, and what cppcheck finds.
set -u
failed=0
complain() { echo "$1"; failed=1; }

while read -r n file; do
	[ "$file" = total ] || [ "$n" -le 600 ] || complain "$file: $n lines, the limit is 600"
done < <(wc -l cmd/*.[ch] pkg/*/*.[ch] tests/*/*.[ch])
[ "$(wc -l < Makefile)" -lt 161 ] || complain "Makefile: the limit is 160 lines"

# vendor header : the one folder that may include it
while read -r header folder; do
	grep -lE "^#include <$header" pkg/*/*.[ch] cmd/*.[ch] 2>/dev/null | grep -v "^pkg/$folder/" |
		sed "s|\$|: <$header...> belongs to pkg/$folder alone|" | grep . && failed=1
done <<'EOF'
curl/ http
git2 git
archive archive
openssl/ crypto
cJSON json
yaml.h yaml
solv/ debian
pcre2 eval
utf8proc eval
EOF

grep -nE '\b(printf|puts|fputs|perror|vprintf) *\(' pkg/*/*.c | grep -vE '^pkg/(report|base/mem)' | grep . && complain "only cmd/ and pkg/report print"
grep -nE '\b_?exit *\(' pkg/*/*.c | grep -vE '_exit\(|^pkg/report' | grep . && complain "only main exits"
grep -nE '\b(clock_gettime|time|gettimeofday) *\(' pkg/*/*.c | grep -v '^pkg/base/clock.c' | grep . && complain "only base/clock reads the clock"

# Every effect has a failpoint: what changes the world is in the low functions that have one, and every effect of the table is used.
calls='fsync|fdatasync|rename|renameat2?|write|pwrite|unlink|unlinkat|rmdir|mkdir|mkdirat|symlink|symlinkat|link|linkat|ftruncate|truncate|fchmod|fchmodat|chmod|fchown|fchownat|chown|creat|remove|fopen|mkstemp|mkdtemp|mknod|mkfifo'
grep -nE "(^|[^_[:alnum:].>])($calls) *\\(" pkg/*/*.c cmd/*.c | grep -vE '^pkg/(fs/step|base/failpoint|base/interrupt)\.c:|^[^:]*:[0-9]*:.*(/\*|^ \*).*\*/ *$' |
	grep . && complain "the file system is changed by pkg/fs alone: call fs_... or fs_step_... with the effect's name"
grep -nE 'O_CREAT|O_TMPFILE' pkg/*/*.c cmd/*.c | grep -v '^pkg/fs/step\.c:' | grep . && complain "files are made by fs_step_create"
awk '/"(POST|PUT|DELETE)"/ && FILENAME !~ /^pkg.http/ { where = FILENAME ":" FNR; until = FNR + 2 }
	where && /EFFECT_/ { where = "" }
	where && FNR == until { print where; where = ""; bad = 1 }
	END { exit bad }' pkg/*/*.c cmd/*.c || complain "a request that changes something names its effect within two lines"
for effect in $(grep -oE 'X\(EFFECT_[A-Z_]+' pkg/base/failpoint.h | cut -c3-); do
	# The gateway's are named before its process is written.
	case $effect in EFFECT_GATEWAY_*) [ -e pkg/gateway/gateway.c ] || continue ;; esac
	grep -qwE "$effect" pkg/*/*.c cmd/*.c || complain "pkg/base/failpoint.h: nothing has the effect $effect"
done
grep -nE "echo \"(not )?ok \\$" tests/*/*.sh | grep . && complain "a shell test says ok and not ok by tests/tap.sh"
if git rev-parse --git-dir >/dev/null 2>&1; then
	git grep -nIE '(deb|snapshot|security)\.debian\.org|pypi[.]org|python[h]osted' -- . ':!tests/lint' ':!examples/incident/adapters/scripts' |
		grep . && complain "no host of a package registry may be in the repository"
	git grep -nE '(//|/\*|^ \*|# ).*(TODO|FIXME|XXX)' -- '*.c' '*.h' '*.sh' | grep -vE '#[0-9]+|XXXXXX|tests/lint' | grep . && complain "a TODO needs an issue's number"
fi

# Exceptions: the style wants declarations where first used and no casts away; unknown macros are cmocka's and X-macros.
mkdir -p build/cppcheck
cppcheck --quiet -j 2 --cppcheck-build-dir=build/cppcheck --std=c11 --inline-suppr --error-exitcode=1 --enable=warning,portability -D_GNU_SOURCE \
	--suppress=missingIncludeSystem --suppress=unknownMacro --suppress=nullPointerRedundantCheck \
	-Ipkg -Icmd cmd pkg 2>&1 || failed=1
exit $failed
