# SPDX-License-Identifier: Apache-2.0
# Sourced by the tests that are shell scripts: a line of TAP a test, and the end.

tap_count=0
tap_failed=0
tap_shown= # files that explain a failure which names none; patterns may be in it

# check STATUS NAME [FILE]...: the status first, because a substitution in the name would change it. The files are shown when it failed.
check() {
	tap_count=$((tap_count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $tap_count - $2"
		return
	fi
	echo "not ok $tap_count - $2"
	tap_failed=$((tap_failed + 1))
	shift 2
	# shellcheck disable=SC2086
	[ $# -gt 0 ] || set -- $tap_shown
	for tap_each in "$@"; do tail -n 40 "$tap_each" 2>/dev/null | sed 's/^/# /'; done
}

# result NAME STATUS [FILE]...
result() {
	tap_name=$1
	tap_status=$2
	shift 2
	check "$tap_status" "$tap_name" "$@"
}

# tap_end: the last command of a test: its status is the test's.
tap_end() {
	echo "1..$tap_count"
	[ "$tap_failed" = 0 ] && [ "$tap_count" -gt 0 ]
}
