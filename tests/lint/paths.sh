#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every path of the repository that a Markdown document names in backquotes exists, and so does every file that it links to.
set -u
failed=0
complain() { echo "$1"; failed=1; }

# Words in backquotes that are paths of the repository, with their line: LINE PATH. A path with NAME or CASE in it stands for
# names to come, and is left out; one with * stands for every file that it matches.
paths_of() {
	grep -noE '`[^` ]+`' "$1" | tr -d '`' | sed 's/:/ /' |
		grep -E '^[0-9]+ ((\.ci|\.github|cmd|docs|examples|manifests|pkg|runtimes|templates|tests)/|[A-Za-z.]+$)' |
		grep -vE '/(NAME|CASE)([/._-]|$)' | grep -E '/| (Makefile|[A-Z]+\.md|LICENSE)$'
}

# file:line of a link with its target: [text](target), without the anchor; links that leave the repository have a scheme.
links_of() {
	grep -noE '\]\([^)#: ]+[^): ]*\)' "$1" | sed -E 's/^([0-9]+):\]\(([^)#]*).*/\1 \2/'
}

while read -r page; do
	page=${page#./}
	count=0
	while read -r line path; do
		count=$((count + 1))
		compgen -G "$path" >/dev/null || [ -e "$path" ] || complain "$page:$line: there is no '$path'"
	done < <(paths_of "$page")
	case $page in
	ARCHITECTURE.md | CONTRIBUTING.md) [ "$count" -gt 40 ] || complain "$page: only $count paths were found in it" ;;
	esac
	while read -r line target; do
		[ -z "$target" ] || [ -e "$(dirname "$page")/$target" ] || complain "$page:$line: the link leads to '$target', which is not there"
	done < <(links_of "$page")
done < <(find . -path ./build -prune -o -name '*.md' -print)
exit $failed
