#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/fuzz/fuzz.sh [TARGET]...    every target under libFuzzer with ASan and UBSan, RUNS inputs each (a million), JOBS at a time; make fuzz
# Prints a line a target: inputs, seconds, and what it found. Fails where one found something or ran fewer inputs than asked for.
# What it finds is a file in build/fuzz/TARGET-*: put it into tests/fuzz/corpus/TARGET/ under a name that says what it was.
set -eu
cd "$(dirname "$0")/../.."
runs=${RUNS:-1000000}
jobs=${JOBS:-$(nproc)}
vendor="libcurl libcjson libarchive libcrypto libgit2 yaml-0.1 libsolv libsolvext libpcre2-8 libutf8proc"
export ASAN_OPTIONS=malloc_context_size=4:quarantine_size_mb=32

# So long are the inputs of a target: what it reads, in its smallest form, many times over.
longest() {
	case $1 in
	report_fuzz) echo 512 ;;
	tar_fuzz | package_fuzz | gguf_fuzz) echo 12288 ;;
	*) echo 4096 ;;
	esac
}

# fuzz TARGET: its line, and whether it did what was asked
fuzz() {
	local name=$1 log=build/fuzz/$1.log began=$SECONDS status=0 did
	mkdir -p "build/fuzz/corpus/$name"
	"build/fuzz/$name" -runs="$runs" -max_len="$(longest "$name")" -timeout=60 -rss_limit_mb=2048 -print_final_stats=1 -close_fd_mask=1 \
		-artifact_prefix="build/fuzz/$name-" "build/fuzz/corpus/$name" "tests/fuzz/corpus/$name" 2>"$log" || status=$?
	did=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	[ "$status" = 0 ] || tail -n 30 "$log"
	printf '%-22s %8s of %s inputs in %5d s: %s\n' "$name" "${did:-0}" "$runs" $((SECONDS - began)) "$([ "$status" = 0 ] && echo nothing || echo "a finding ($log)")"
	[ "$status" = 0 ] && [ "${did:-0}" -ge "$runs" ]
}
if [ "${1:-}" = --one ]; then
	fuzz "$2"
	exit
fi

dpkg-query -W -f '${db:Status-Status}' libclang-rt-14-dev 2>/dev/null | grep -q '^installed$' ||
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends clang libclang-rt-14-dev >/dev/null
names=${*:-$(basename -a -s .c tests/fuzz/*_fuzz.c)}
objects=$(printf 'build/fuzz/tests/fuzz/%s.o ' $names)
# shellcheck disable=SC2086
make --no-print-directory -s -j"$(nproc)" B=build/fuzz CC=clang CFLAGS="-O1 -g" SANF="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all" \
	build/fuzz/libpkg.a $objects >/dev/null
for name in $names; do
	# shellcheck disable=SC2046,SC2086
	clang -fsanitize=fuzzer,address,undefined -o "build/fuzz/$name" "build/fuzz/tests/fuzz/$name.o" build/fuzz/libpkg.a $(pkg-config --libs $vendor) -lpthread -lm
done
printf '%s\n' $names | RUNS=$runs xargs -P "$jobs" -n 1 "$0" --one
