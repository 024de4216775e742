/* SPDX-License-Identifier: Apache-2.0 */
#include "release/release.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"
#include "fs/step.h"
#include "release/dir.h"
#include "json/json.h"

static int sync_dir(enum effect as, int fd, const char *shown, struct err *e) {
	return fs_step_sync(as, fd) ? err_sys(e, "cannot sync directory '%s'", shown) : 0;
}

/* The bytes that are sealed: `evidence` with what it is evidence of. */
static int seal(const struct json *evidence, const char *lockfile, size_t n, unsigned number,
		struct buf *out, struct release_sealed *sealed, struct err *e) {
	struct json *j CLEANUP(json_freep) = json_copy(evidence);
	char digest[SHA256_HEX];

	sha256_of(lockfile, n, digest);
	json_set_str(j, "lock", digest);
	json_set_int(j, "number", number);
	json_print(j, out);
	(void) buf_putc(out, '\n');
	if (out->cut)
		return err_set(e, ERR_SYS, "evidence of more than %zu bytes", out->cap);
	sealed->number = number;
	sha256_of(out->data, out->len, sealed->sha256);
	return 0;
}

/* A release that is there already was proved again. */
static int add_evidence(const struct release_route *r, const char *version, const char *lockfile,
			size_t n, const struct json *evidence, struct release_sealed *out,
			struct err *e) {
	char *shown CLEANUP(freep) = mem_printf("%s/releases/%s/evidence", r->where, version);
	char *path CLEANUP(freep) = mem_printf("releases/%s", version);
	struct buf text CLEANUP(buf_done) = BUF_INIT(DIR_EVIDENCE_MAX);
	int fd CLEANUP(closep) = -1, inner CLEANUP(closep) = -1;
	unsigned newest;
	char name[32];

	if (dir_open(r->fd, path, shown, &fd, e) ||
	    dir_make(EFFECT_RELEASE_EVIDENCE, fd, "evidence", shown, &inner, e))
		return -1;
	if (dir_newest(inner, ".json", shown, &newest, e) ||
	    seal(evidence, lockfile, n, newest + 1, &text, out, e))
		return -1;
	(void) snprintf(name, sizeof name, "%u.json", newest + 1);
	return fs_write(EFFECT_RELEASE_EVIDENCE, inner, name, text.data, text.len, 0444, e)
		? err_wrap(e, "%s", shown)
		: 0;
}

static int fill_release(int fd, const char *shown, const char *lockfile, size_t n,
			const char *manifest, const struct buf *evidence, struct err *e) {
	int inner CLEANUP(closep) = -1;

	if (dir_put(EFFECT_RELEASE_PUT, fd, "release.lock.json", shown, lockfile, n, e))
		return -1;
	if (manifest &&
	    dir_put(EFFECT_RELEASE_PUT, fd, "manifest.yaml", shown, manifest, strlen(manifest), e))
		return -1;
	if (dir_make(EFFECT_RELEASE_PUT, fd, "evidence", shown, &inner, e) ||
	    dir_put(EFFECT_RELEASE_PUT, inner, "1.json", shown, evidence->data, evidence->len, e))
		return -1;
	if (sync_dir(EFFECT_RELEASE_PUT, inner, shown, e) ||
	    sync_dir(EFFECT_RELEASE_PUT, fd, shown, e))
		return -1;
	return 0;
}

/* A directory made aside as `.NAME.tmp-PID` of `parent`, for what is renamed to NAME when it is
 * whole. */
struct aside {
	enum effect as;
	int parent, fd;
	char *name;
};

static void aside_done(struct aside *a) {
	struct err unused;

	closep(&a->fd);
	if (a->name)
		(void) fs_remove_tree(a->as, a->parent, a->name, &unused);
	free(a->name);
}

static int aside_make(struct aside *a, int parent, const char *name, const char *shown,
		      struct err *e) {
	char *aside CLEANUP(freep) = mem_printf(".%s.tmp-%ld", name, (long) getpid());

	if (fs_remove_tree(a->as, parent, aside, e) ||
	    dir_make(a->as, parent, aside, shown, &a->fd, e))
		return -1;
	a->parent = parent;
	a->name = STEAL(aside);
	return 0;
}

static int aside_commit(struct aside *a, const char *name, const char *shown, struct err *e) {
	if (fs_rename(a->as, a->parent, a->name, name, e))
		return err_wrap(e, "%s", shown);
	free(STEAL(a->name));
	return 0;
}

static int put_new(const struct release_route *r, const char *version, const char *lockfile,
		   size_t n, const char *manifest, const struct json *evidence,
		   struct release_sealed *out, struct err *e) {
	char *shown CLEANUP(freep) = mem_printf("%s/releases", r->where);
	struct buf text CLEANUP(buf_done) = BUF_INIT(DIR_EVIDENCE_MAX);
	int releases CLEANUP(closep) = -1;
	struct aside aside CLEANUP(aside_done) = {.as = EFFECT_RELEASE_PUT, .fd = -1};

	if (seal(evidence, lockfile, n, 1, &text, out, e) ||
	    dir_make(EFFECT_RELEASE_PUT, r->fd, "releases", shown, &releases, e))
		return -1;
	if (aside_make(&aside, releases, version, shown, e) ||
	    fill_release(aside.fd, shown, lockfile, n, manifest, &text, e))
		return -1;
	return aside_commit(&aside, version, shown, e);
}

int release_put(const struct release_route *r, const char *version, const char *lockfile, size_t n,
		const char *manifest, const struct json *evidence, struct release_sealed *out,
		struct err *e) {
	struct release_sealed sealed;
	bool exists;

	if (!text_is_name(version))
		return err_set(e, ERR_SPEC,
			       "'%.80s' is not a version: a-z, 0-9, '.', '_', '-', 63 at most",
			       version);
	if (n > DIR_LOCK_MAX)
		return err_set(e, ERR_SPEC, "lock of more than %u bytes", DIR_LOCK_MAX);
	if (release_compare(r, version, lockfile, n, &exists, e))
		return -1;
	if (exists ? add_evidence(r, version, lockfile, n, evidence, &sealed, e)
		   : put_new(r, version, lockfile, n, manifest, evidence, &sealed, e))
		return -1;
	*out = sealed;
	return 0;
}

int release_remove(const struct release_route *r, const char *version, struct err *e) {
	char *shown CLEANUP(freep) = mem_printf("%s/releases", r->where);
	char *gone CLEANUP(freep) = mem_printf(".%s.tmp-%ld", version, (long) getpid());
	char *active CLEANUP(freep) = NULL;
	int releases CLEANUP(closep) = -1;

	if (!text_is_name(version) || release_active_name(r, &active, e))
		return text_is_name(version)
			? -1
			: err_set(e, ERR_USAGE, "'%.80s' is not a version", version);
	if (active && !strcmp(active, version))
		return err_set(e, ERR_USAGE, "version '%s' of '%s' is active: it is not removed",
			       version, r->name);
	if (dir_open(r->fd, "releases", shown, &releases, e))
		return -1;
	if (releases < 0 || !fs_exists(releases, version))
		return 0;
	if (fs_remove_tree(EFFECT_RELEASE_REMOVE, releases, gone, e) ||
	    fs_rename(EFFECT_RELEASE_REMOVE, releases, version, gone, e) ||
	    fs_remove_tree(EFFECT_RELEASE_REMOVE, releases, gone, e))
		return err_wrap(e, "%s", shown);
	return 0;
}

static bool is_attempt(const char *name) {
	return dir_number(name, "") != 0;
}

static int compare_numbers(const void *a, const void *b) {
	unsigned x = *(const unsigned *) a, y = *(const unsigned *) b;

	return (x > y) - (x < y);
}

int release_attempts(const struct release_route *r, unsigned **numbers, size_t *n, struct err *e) {
	char *shown CLEANUP(freep) = mem_printf("%s/attempts", r->where);
	char **names CLEANUP(freep) = NULL;
	size_t have;

	if (dir_names(r->fd, "attempts", shown, is_attempt, &names, &have, e))
		return -1;
	*numbers = mem_zalloc(have, sizeof **numbers);
	for (size_t i = 0; i < have; i++)
		(*numbers)[i] = dir_number(names[i], "");
	qsort(*numbers, have, sizeof **numbers, compare_numbers);
	*n = have;
	return 0;
}

static int put_json(int fd, const char *name, const char *shown, const struct json *j,
		    struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(DIR_EVIDENCE_MAX);

	if (!j)
		return 0;
	json_print_pretty(j, &text);
	(void) buf_putc(&text, '\n');
	return dir_put(EFFECT_RELEASE_ATTEMPT, fd, name, shown, buf_str(&text), text.len, e);
}

static int fill_attempt(int fd, const char *shown, const struct release_attempt *a, struct err *e) {
	if (put_json(fd, "reason.json", shown, a->reason, e) ||
	    put_json(fd, "evidence.json", shown, a->evidence, e))
		return -1;
	if (a->runtime_log &&
	    dir_put(EFFECT_RELEASE_ATTEMPT, fd, "engine.log", shown, a->runtime_log,
		    strlen(a->runtime_log), e))
		return -1;
	if (a->lockfile &&
	    dir_put(EFFECT_RELEASE_ATTEMPT, fd, "release.lock.json", shown, a->lockfile,
		    a->lockfile_len, e))
		return -1;
	if (a->manifest &&
	    dir_put(EFFECT_RELEASE_ATTEMPT, fd, "manifest.yaml", shown, a->manifest,
		    strlen(a->manifest), e))
		return -1;
	return sync_dir(EFFECT_RELEASE_ATTEMPT, fd, shown, e);
}

/* What cannot be removed is tried again at the next attempt. */
static void keep_newest(int attempts, const unsigned *numbers, size_t n) {
	struct err unused;

	for (size_t i = 0; i + RELEASE_ATTEMPTS_KEPT < n; i++) {
		char *name CLEANUP(freep) = mem_printf("%u", numbers[i]);
		(void) fs_remove_tree(EFFECT_RELEASE_ATTEMPT, attempts, name, &unused);
	}
}

int release_attempt_put(const struct release_route *r, const struct release_attempt *a,
			unsigned *number, struct err *e) {
	char *shown CLEANUP(freep) = mem_printf("%s/attempts", r->where);
	int attempts CLEANUP(closep) = -1;
	struct aside aside CLEANUP(aside_done) = {.as = EFFECT_RELEASE_ATTEMPT, .fd = -1};
	unsigned *numbers CLEANUP(freep) = NULL;
	unsigned next;
	size_t n;

	if (dir_make(EFFECT_RELEASE_ATTEMPT, r->fd, "attempts", shown, &attempts, e) ||
	    dir_newest(attempts, "", shown, &next, e))
		return -1;
	char *name CLEANUP(freep) = mem_printf("%u", ++next);
	if (aside_make(&aside, attempts, name, shown, e) ||
	    fill_attempt(aside.fd, shown, a, e))
		return -1;
	if (aside_commit(&aside, name, shown, e) ||
	    release_attempts(r, &numbers, &n, e))
		return -1;
	keep_newest(attempts, numbers, n);
	*number = next;
	return 0;
}

/* ".NAME.tmp-PID", as this module and fs_write name what is not finished. */
static bool is_aside(const char *name) {
	return name[0] == '.' && strstr(name, ".tmp-");
}

static int clean_dir(const struct release_route *r, const char *name, size_t *removed,
		     struct err *e) {
	char *shown CLEANUP(freep) = mem_printf("%s/%s", r->where, name);
	char **names CLEANUP(freep) = NULL;
	int fd CLEANUP(closep) = -1;
	size_t n;

	if (dir_open(r->fd, name, shown, &fd, e) || fd < 0)
		return fd < 0 ? 0 : -1;
	if (fs_list(fd, ".", &names, &n, e))
		return err_wrap(e, "%s", shown);
	for (size_t i = 0; i < n; i++)
		if (is_aside(names[i])) {
			if (fs_remove_tree(EFFECT_RELEASE_CLEAN, fd, names[i], e))
				return err_wrap(e, "%s", shown);
			++*removed;
		}
	return 0;
}

int release_clean(const struct release_route *r, size_t *removed, struct err *e) {
	char **names CLEANUP(freep) = NULL;
	size_t n, count = 0;

	if (clean_dir(r, ".", &count, e) ||
	    clean_dir(r, "releases", &count, e) ||
	    clean_dir(r, "attempts", &count, e))
		return -1;
	if (release_list(r, &names, &n, e))
		return -1;
	for (size_t i = 0; i < n; i++) {
		char *inner CLEANUP(freep) = mem_printf("releases/%s/evidence", names[i]);
		if (clean_dir(r, inner, &count, e))
			return -1;
	}
	*removed = count;
	return 0;
}
