/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What debian_test.c and debian_fetch_test.c share. */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../fake/apt.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "crypto/crypto.h"
#include "debian/debian.h"
#include "fs/fs.h"
#include "store/store.h"

enum { DAY = 24 * 3600 };

/* What all tests share: keys, a time, and the content of the toy archive. */
struct harness {
	char *dir;
	char key[41];
	char *keyring, *packages;
	int64_t now;
};

static const char tool_deb[] = "the tool, as it were", lib_deb[] = "the library, as it were";

#define TOOL_PATH "pool/main/t/tool/tool_1+1_amd64.deb"
#define LIB_PATH "pool/main/l/lib/lib_2_all.deb"

static int set_up(void **state) {
	struct harness *w = mem_zalloc(1, sizeof *w);
	char tool[SHA256_HEX], lib[SHA256_HEX];

	w->dir = mem_strdup("/tmp/debian-test-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->now = clock_unix();
	fake_apt_keys(w->dir, w->key);
	w->keyring = mem_printf("%s/keyring.gpg", w->dir);
	sha256_of(tool_deb, strlen(tool_deb), tool);
	sha256_of(lib_deb, strlen(lib_deb), lib);
	w->packages = mem_printf(
		"Package: tool\nVersion: 1+1\nArchitecture: amd64\nDepends: lib (>= 1), sh\n"
		"Installed-Size: 3\nFilename: " TOOL_PATH "\nSize: %zu\nSHA256: %s\n\n"
		"Package: lib\nVersion: 2\nArchitecture: all\nInstalled-Size: "
		"4\nFilename: " LIB_PATH "\nSize: %zu\nSHA256: %s\n",
		strlen(tool_deb), tool, strlen(lib_deb), lib);
	*state = w;
	return 0;
}

static int tear_down(void **state) {
	struct harness *w = *state;
	struct err e = {0};

	fake_apt_keys_done(w->dir);
	(void) fs_remove_tree(EFFECT_NONE, AT_FDCWD, w->dir, &e);
	free(w->packages);
	free(w->keyring);
	free(w->dir);
	free(w);
	return 0;
}

/* An empty folder under the world's; yours. */
static char *folder(const struct harness *w, const char *name) {
	char *path = mem_printf("%s/%s", w->dir, name);
	struct err e = {0};

	assert_int_equal(fs_remove_tree(EFFECT_NONE, AT_FDCWD, path, &e), 0);
	assert_int_equal(fs_mkdirs(EFFECT_NONE, AT_FDCWD, path, 0755, &e), 0);
	return path;
}

static struct store *fresh_store(const struct harness *w) {
	char *path CLEANUP(freep) = folder(w, "root");
	int fd CLEANUP(closep) = -1;
	struct store *s = NULL;
	struct err e = {0};

	assert_int_equal(fs_open_dir(AT_FDCWD, path, &fd, &e), 0);
	assert_int_equal(store_open(fd, path, &s, &e), 0);
	return s;
}

/* A good suite; rows change what they are about. */
static struct fake_suite toy(const struct harness *w) {
	return (struct fake_suite){.name = "toy",
				   .codename = "bear",
				   .component = "main",
				   .packages = w->packages,
				   .date = w->now - DAY,
				   .valid_until = w->now + DAY,
				   .packed = "",
				   .signers = "good"};
}

static const char *const mains[] = {"main"};
static const struct debian_suite toy_suite = {.name = "toy",
					      .components = mains,
					      .n_components = 1};
static const struct debian_root tool_root = {.name = "tool", .layer = "engine"};
static const struct debian_exclude no_shell = {"sh", "nothing runs a shell"};
static const struct debian_request ask_tool = {
	.runtime = "toy",
	.backend = "cpu",
	.architecture = "amd64",
	.suites = &toy_suite,
	.n_suites = 1,
	.roots = &tool_root,
	.n_roots = 1,
	.excludes = &no_shell,
	.n_excludes = 1,
};

/* What a module told, one line an event: steps and warnings. */
static void tell(void *ctx, const struct progress_event *ev) {
	static const char *const kinds[] = {"step", "bytes", "done", "note", "case", "warn"};

	if (ev->kind != PROGRESS_BYTES && ev->kind != PROGRESS_NOTE)
		(void) buf_printf(ctx, "%s %s\n", kinds[ev->kind], ev->what);
}

static void assert_tool_lock(const struct harness *w, const struct debian_lock *lock) {
	assert_int_equal(lock->n_packages, 2);
	assert_string_equal(lock->packages[0].name, "lib");
	assert_string_equal(lock->packages[0].reason, "tool depends on lib (>= 1)");
	assert_int_equal(lock->packages[0].size, strlen(lib_deb));
	assert_string_equal(lock->packages[1].name, "tool");
	assert_string_equal(lock->packages[1].path, TOOL_PATH);
	assert_string_equal(lock->packages[1].layer, "engine");
	assert_int_equal(debian_lock_installed(lock), 7 * 1024);
	assert_string_equal(lock->excludes[0].name, "sh");
	assert_string_equal(lock->indexes[0].codename, "bear");
	assert_string_equal(lock->indexes[0].archive, "debian");
	assert_int_equal(lock->indexes[0].n_signed_by, 1);
	assert_string_equal(lock->indexes[0].signed_by[0], w->key);
	assert_true(*lock->indexes[0].date);
	assert_int_equal(strlen(lock->indexes[0].release_sha256), 64);
}

static void assert_message(const char *got, const char *want) {
	size_t n = strlen(want);

	if (n && want[n - 1] == '*' && !strncmp(got, want, n - 1))
		return;
	assert_string_equal(got, want);
}
