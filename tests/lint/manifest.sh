#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The tables of docs/manifest.md are what the program prints of the table that checks a manifest (UPDATE=1 writes them there), and the
# example above them is valid and sets a key of each section. B is the build folder.
set -u
failed=0
complain() { echo "$1"; failed=1; }
program=${B:-build}/llmdeploy
document=docs/manifest.md
work=build/lint/manifest
rm -rf $work && mkdir -p $work
[ -x "$program" ] || { echo "tests/lint/manifest.sh: there is no $program: make"; exit 1; }

# with_keys FILE: the document with the tables of FILE between the two marks.
with_keys() {
	awk -v file="$1" '
		/^<!-- end keys/ { skip = 0 }
		!skip { print }
		/^<!-- begin keys/ { skip = 1; print ""; while ((getline line < file) > 0) print line; print "" }' $document
}

# check FILE: is the document what it is with these tables?
check() {
	with_keys "$1" | diff -u $document - || return 1
}

[ "$(grep -cE '^<!-- (begin|end) keys[: ]' $document)" = 2 ] || complain "$document: the marks '<!-- begin keys' and '<!-- end keys' are missing"
"$program" schema manifest --markdown >$work/keys.md || exit 1
if [ -n "${UPDATE:-}" ]; then
	with_keys $work/keys.md >$work/next.md
	cmp -s $work/next.md $document || cp $work/next.md $document
else
	check $work/keys.md || complain "$document: not the keys of the manifest's table: UPDATE=1 tests/lint/manifest.sh"
fi
sed 's/a SHA-256/SHA-256/' $work/keys.md >$work/other.md
check $work/other.md >/dev/null && complain "tests/lint/manifest.sh: does not see another table"

# The example, with the files that it names beside it.
awk '/^```yaml$/ { on = 1; next } /^```$/ { exit } on' $document >$work/example.yaml
mkdir -p $work/golden $work/prompts
cp examples/incident/golden/incident-r16.yaml $work/golden/incident.yaml
cp examples/incident/prompts/*.jinja $work/prompts/incident.jinja
LLMDEPLOY_RUNTIMES=runtimes "$program" validate $work/example.yaml >/dev/null || complain "$document: the example is not valid"
for section in $(sed -n 's/^### `\(.*\)`$/\1/p' $work/keys.md); do
	grep -qE "^$section:" $work/example.yaml || complain "$document: the example has no '$section'"
done
exit $failed
