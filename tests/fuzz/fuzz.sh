#!/bin/sh
# usage: tests/fuzz/fuzz.sh [RUNS]    every target under libFuzzer with ASan and UBSan, RUNS inputs each (a million); make fuzz
# What it finds is a file in build/fuzz/TARGET-*: put it into tests/fuzz/corpus/TARGET/ under a name that says what it was.
set -eu
cd "$(dirname "$0")/../.."
runs=${1:-${RUNS:-1000000}}
dpkg-query -W -f '${db:Status-Status}' libclang-rt-14-dev 2>/dev/null | grep -q '^installed$' ||
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends clang libclang-rt-14-dev >/dev/null
vendor="libcurl libcjson libarchive libcrypto libgit2 libfyaml libsolv libsolvext libpcre2-8"
mkdir -p build/fuzz
failed=0
for source in tests/fuzz/*_fuzz.c; do
	name=$(basename "$source" .c)
	echo "== $name"
	# shellcheck disable=SC2046,SC2086
	clang -std=c17 -D_GNU_SOURCE -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -Ipkg -I. \
		$(pkg-config --cflags $vendor) -o "build/fuzz/$name" "$source" $(ls pkg/*/*.c tests/fake/*.c 2>/dev/null) \
		$(pkg-config --libs $vendor) -lcmocka -lpthread -lm
	mkdir -p "build/fuzz/corpus/$name"
	"build/fuzz/$name" -runs="$runs" -max_total_time=1800 -max_len=65536 -rss_limit_mb=2048 -print_final_stats=1 -close_fd_mask=1 \
		-artifact_prefix="build/fuzz/$name-" "build/fuzz/corpus/$name" "tests/fuzz/corpus/$name" 2>"build/fuzz/$name.log" || {
		failed=1
		tail -n 30 "build/fuzz/$name.log"
	}
	grep -E 'stat::number_of_executed_units' "build/fuzz/$name.log" || true
done
exit $failed
