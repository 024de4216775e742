#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The version is in cmd/version.h alone, and CHANGELOG.md begins with it.
set -u
failed=0
complain() { echo "$1"; failed=1; }

version=$(sed -n 's/^#define TOOL_VERSION "\(.*\)"$/\1/p' cmd/version.h)
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || complain "cmd/version.h: '$version' is not a version like 1.2.3"
first=$(awk '/^## / { print $2; exit }' CHANGELOG.md)
[ "$first" = "$version" ] || complain "CHANGELOG.md: the first heading is of '$first', the version is '$version' (cmd/version.h)"
grep -nF "llmdeploy $version" cmd/*.[ch] pkg/*/*.[ch] Makefile examples/*.sh | grep -v '/\*.*"llmdeploy ' |
	grep . && complain "the version is in cmd/version.h alone: use TOOL"
exit $failed
