#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The lockfile is all that the two halves share: no folder of the second half reaches the manifest, its reader or the planner, by whatever
# way. deps.awk holds the includes to pkg/DEPS; this follows the ways through it. An exception is one step, with its reason:
set -u
exceptions=''
moves='capacity lockfile store journal release docker probe eval memory_estimate haproxy gateway instance rollout drift gc'
compiles='spec plan model schema yaml compile config runtime'

awk -v moves="$moves" -v compiles="$compiles" -v exceptions="$exceptions" '
	function follow(folder, way,    i, n, next_ones) {
		if (folder in forbidden) { print "pkg/DEPS: " way ": nothing right of the lockfile reaches " folder; bad = 1; return }
		n = split(to[folder], next_ones, " ")
		for (i = 1; i <= n; i++) {
			if ((folder " " next_ones[i]) in excepted) used[folder " " next_ones[i]] = 1
			else if (!((folder, next_ones[i]) in seen)) {
				seen[folder, next_ones[i]] = 1
				follow(next_ones[i], way " -> " next_ones[i])
			}
		}
	}
	BEGIN {
		n = split(compiles, list, " ")
		for (i = 1; i <= n; i++) forbidden[list[i]] = 1
		n = split(exceptions, list, "\n")
		for (i = 1; i <= n; i++) { split(list[i], word, " "); excepted[word[1] " " word[2]] = 1 }
	}
	/^[a-z_]+:/ { name = substr($1, 1, length($1) - 1); $1 = ""; to[name] = $0; found++ }
	END {
		n = split(moves, list, " ")
		for (i = 1; i <= n; i++) if (list[i] in to) { checked++; follow(list[i], list[i]) }
		for (step in excepted) if (!(step in used)) { print "tests/lint/waist.sh: the exception \"" step "\" is not needed"; bad = 1 }
		if (checked < 10) { print "pkg/DEPS: only " checked + 0 " folders of the second half were found"; bad = 1 }
		exit bad
	}' pkg/DEPS
