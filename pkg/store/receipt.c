/* SPDX-License-Identifier: Apache-2.0 */
/* Which inode, with which size and times, was hashed: the key of a verification that costs one
 * stat. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "fs/fs.h"
#include "fs/step.h"
#include "store/internal.h"
#include "json/json.h"

enum { RECEIPT_MAX = 4096 };

static uint64_t ns_of(struct timespec t) {
	return (uint64_t) t.tv_sec * 1000000000 + (uint64_t) t.tv_nsec;
}

/* As text: nanoseconds since 1970 are beyond what a JSON number carries. */
static void set_u64(struct json *o, const char *key, uint64_t v) {
	char text[24];

	(void) snprintf(text, sizeof text, "%llu", (unsigned long long) v);
	json_set_str(o, key, text);
}

static struct json *receipt_of(const struct stat *st) {
	struct json *o = json_object();

	set_u64(o, "dev", st->st_dev);
	set_u64(o, "inode", st->st_ino);
	set_u64(o, "size", (uint64_t) st->st_size);
	set_u64(o, "mtime_ns", ns_of(st->st_mtim));
	set_u64(o, "ctime_ns", ns_of(st->st_ctim));
	return o;
}

bool store_receipt_fits(struct store *s, const char *sha256, const struct stat *st) {
	static const char *const keys[] = {"dev", "inode", "size", "mtime_ns", "ctime_ns"};
	struct json *want CLEANUP(json_freep) = receipt_of(st), *have CLEANUP(json_freep) = NULL;
	struct buf text CLEANUP(buf_done) = BUF_INIT(RECEIPT_MAX);
	char name[STORE_NAME];
	struct err ignored;
	bool found;

	store_object_name("receipts", sha256, name);
	if (fs_read_if(s->dir, name, &text, &found, &ignored) || !found ||
	    json_parse(buf_str(&text), text.len, &have, &ignored))
		return false;
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		const char *a = json_str(have, keys[i]), *b = json_str(want, keys[i]);
		if (!a || strcmp(a, b))
			return false;
	}
	return true;
}

/* No failure: a receipt that could not be written costs a hashing, nothing else. */
void store_receipt_write(struct store *s, const char *sha256, const struct stat *st) {
	struct json *o CLEANUP(json_freep) = receipt_of(st);
	struct buf text CLEANUP(buf_done) = BUF_INIT(RECEIPT_MAX);
	char name[STORE_NAME], aside[STORE_NAME], dir[STORE_NAME], stamp[CLOCK_STAMP];
	struct err ignored;
	int fd CLEANUP(closep) = -1;

	clock_stamp(clock_unix(), stamp);
	json_set_str(o, "verified_at", stamp);
	json_print(o, &text);
	(void) buf_putc(&text, '\n');
	store_object_name("receipts", sha256, name);
	(void) snprintf(dir, sizeof dir, "receipts/%.2s", sha256);
	if (fs_mkdirs(EFFECT_STORE_RECEIPT, s->dir, dir, 0755, &ignored) ||
	    store_tmp_new(s, aside, &fd, &ignored))
		return;
	if (fs_write_all(EFFECT_STORE_RECEIPT, fd, buf_str(&text), text.len, aside, &ignored) ||
	    fs_seal(EFFECT_STORE_RECEIPT, fd, 0644, aside, &ignored) ||
	    fs_rename(EFFECT_STORE_RECEIPT, s->dir, aside, name, &ignored))
		(void) fs_step_unlink(EFFECT_STORE_CLEAN, s->dir, aside, 0);
}

void store_receipt_remove(struct store *s, const char *sha256) {
	char name[STORE_NAME];

	store_object_name("receipts", sha256, name);
	(void) fs_step_unlink(EFFECT_STORE_RECEIPT, s->dir, name, 0);
}
