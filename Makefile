# SPDX-License-Identifier: Apache-2.0
# make            build/llmdeploy
# make demo       the main job on a real Engine; make demo-clean leaves nothing behind
# make check      lint, unit tests, golden compilations, corpus replay, and the whole life on a real Engine
# make SAN=1 ...  the same under ASan and UBSan
# make soak       15 minutes of flips and kills under traffic (SOAK=seconds, KILLS=n)
# make bare       the README's two commands in a fresh Debian 12 root, from a clone of HEAD
# make engines    the live tests on each container engine: Docker 20.10, 28.5 (both image stores, userns-remap, rootless), Podman
# make deb        a Debian package in build/deb, which lintian accepts
# make install | uninstall, with PREFIX (/usr/local) and DESTDIR
# make bench | fuzz | deps

.DELETE_ON_ERROR:
.SUFFIXES:

PKG_CONFIG ?= pkg-config
PREFIX  ?= /usr/local
CFLAGS  ?= -O2 -g
WARN    := -Wall -Wextra -Wpedantic -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
           -Wvla -Wformat=2 -Wundef -Wwrite-strings
STD     := -std=c17 -D_GNU_SOURCE
B       := build$(if $(SAN),/san)
ifdef SAN
  SANF  := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
endif
VENDOR  := libcurl libcjson libarchive libcrypto libgit2 yaml-0.1 libsolv libsolvext libpcre2-8 libutf8proc
ALL      = $(STD) $(WARN) -Ipkg -Icmd -I. $(CPPFLAGS) $(CFLAGS) $(SANF) $(VENDOR_CFLAGS) -MMD -MP
LDLIBS   = $(shell $(PKG_CONFIG) --libs $(VENDOR)) -lpthread -lm
VENDOR_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(VENDOR) 2>/dev/null)
TESTLIBS ?= -lcmocka

LIB     := $(patsubst %.c,$B/%.o,$(wildcard pkg/*/*.c))
CMD     := $(patsubst %.c,$B/%.o,$(wildcard cmd/*.c))
FAKE    := $(patsubst %.c,$B/%.o,$(wildcard tests/fake/*.c))
UNIT    := $(patsubst %.c,$B/%,$(wildcard tests/unit/*_test.c))
FUZZ    := $(patsubst %.c,$B/%,$(wildcard tests/fuzz/*_fuzz.c))
TOOLS   := $(patsubst %.c,$B/%,$(wildcard tests/load/*.c tests/fault/*.c tests/compare/*.c))
ROWS    := $B/tests/bench/memory_row $B/tests/bench/gguf_make

all: $B/llmdeploy

$B/llmdeploy: $(CMD) $B/libpkg.a
	@echo "LD $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) $(SANF) -o $@ $^ $(LDLIBS)
$B/libpkg.a: $(LIB)
	@rm -f $@
	@$(AR) rcs $@ $^
$B/tests/%_test: $B/tests/%_test.o $(FAKE) $B/libpkg.a
	@echo "LD $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) $(SANF) -o $@ $^ $(LDLIBS) $(TESTLIBS)
$B/tests/fuzz/%_fuzz: $B/tests/fuzz/%_fuzz.o $B/tests/fuzz/replay.o $B/libpkg.a
	@echo "LD $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) $(SANF) -o $@ $^ $(LDLIBS)
$B/pkg/haproxy/template.o: templates/haproxy/haproxy.cfg $(wildcard templates/haproxy/*.lua)
$B/cmd/completion.o: $(wildcard templates/completion/*)
$B/%.o: %.c
	@mkdir -p $(@D)
	@echo "CC $<"
	@$(CC) $(ALL) $(TESTCFLAGS) -c -o $@ $<

# What a bare machine lacks is installed first; make is then run again, so that it sees the libraries.
deps:
	@tests/deps.sh
demo: deps
	@$(MAKE) --no-print-directory -j2 all build/tests/load/load
	@tests/model.sh build/models
	@examples/demo.sh
demo-clean:
	@examples/demo.sh clean
check: deps
	@tests/deps.sh check
	@$(MAKE) --no-print-directory -j2 all tests
	@tests/model.sh build/models
	@tests/check.sh $B
tests: $(UNIT) $(FUZZ) $(TOOLS) $(ROWS) $B/tests/integration/docker_live_test
lint: all
	@awk -f tests/lint/deps.awk pkg/DEPS $(wildcard pkg/*/*.[ch])
	@ctags --languages=C --kinds-C=f --fields=+ne -f - $(wildcard cmd/*.c pkg/*/*.c tests/*/*.c) | awk -f tests/lint/length.awk
	@bad=0; for each in tests/lint/*.sh; do B=$B $$each || bad=1; done; exit $$bad
# .clang-format, and a line for each call of a chain.
format:
	@python3 tests/lint/form.py --fix $(wildcard cmd/*.[ch] pkg/*/*.[ch] tests/*/*.[ch])
unit: $(UNIT)
	@for t in $^; do $$t || exit 1; done
fuzz-replay: $(FUZZ)
	@for t in $^; do $$t tests/fuzz/corpus/$$(basename $$t)/* || exit 1; done
fuzz: deps
	@tests/fuzz/fuzz.sh
engines: deps
	@tests/deps.sh engines
	@$(MAKE) --no-print-directory all tests
	@tests/model.sh build/models
	@tests/integration/engines_all.sh $B
bench: deps
	@tests/deps.sh bench
	@$(MAKE) --no-print-directory all $(TOOLS) $(patsubst %.c,$B/%,$(wildcard tests/bench/*.c))
	@tests/model.sh build/models
	@for b in tests/bench/*.sh; do $$b || exit 1; done
# Runs inside of a release's image, where there is little more than the C library.
$B/tests/bench/arch_tensors: LDLIBS = -ldl
$B/tests/bench/%: $B/tests/bench/%.o $B/tests/fake/gguf_file.o $B/tests/fake/gguf_family.o $B/libpkg.a
	@echo "LD $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) $(SANF) -o $@ $^ $(LDLIBS)
# SOAK=SECONDS and KILLS=N change how long and how often.
soak: deps
	@$(MAKE) --no-print-directory all $(TOOLS)
	@tests/model.sh build/models
	@tests/load/soak.sh
bare:
	@tests/bare.sh
.PHONY: deb
deb:
	@tests/deps.sh deb
	@packaging/deb.sh
install: all
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' packaging/install.sh install $B/llmdeploy
uninstall:
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' packaging/install.sh uninstall
$(TOOLS): %: %.o $B/libpkg.a
	@echo "LD $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) $(SANF) -o $@ $^ $(LDLIBS)
clean:
	rm -rf build

.PHONY: all deps demo demo-clean check tests lint format unit fuzz-replay fuzz engines bench soak bare install uninstall clean
.SECONDARY:
-include $(wildcard $B/cmd/*.d $B/pkg/*/*.d $B/tests/*/*.d)
