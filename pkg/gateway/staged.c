/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "fs/fs.h"
#include "fs/step.h"
#include "root/root.h"

/* Design: HAProxy reads copies of the operator's files (certificates, key hashes, CA files, API
 * keys) in gateway/files. A copy is made only of what HAProxy has accepted, so a gateway that is
 * started again never depends on a file that was removed, closed or damaged since: it goes on with
 * the protection that it had, and no route takes another one along. */

#define FOLDER "files"
enum { FILE_CAP = 16 << 20 };

void staged_done(struct staged *f) {
	for (size_t i = 0; i < f->n; i++) {
		buf_done(&f->at[i].bytes);
		free(f->at[i].path);
	}
	free(f->at);
	free(f->missing);
	*f = (struct staged){0};
}

static int read_copy(const struct gateway *g, struct staged_file *f, bool *found) {
	char *path CLEANUP(freep) = mem_printf(FOLDER "/%s", f->name);
	struct err unread = {0};

	*found = false;
	buf_reset(&f->bytes);
	return fs_read_if(g->h.dir, path, &f->bytes, found, &unread);
}

static int read_fresh(const struct gateway *g, struct staged_file *f, struct err *e) {
	const struct haproxy_file file = {f->path, f->use};

	buf_reset(&f->bytes);
	return preflight_file(g, &file, &f->bytes, e);
}

static void read_one(const struct gateway *g, struct staged_file *f, enum staged_order order) {
	struct err fault = {0};
	bool found;

	f->from = STAGED_KEPT;
	/* A list of keys is none that HAProxy could refuse: a key that was taken out of it must not
	 * come back with an older copy. */
	if (order == STAGED_KEPT_FIRST && f->use != HAPROXY_KEY_HASHES &&
	    !read_copy(g, f, &found) && found)
		return;
	f->from = STAGED_FRESH;
	if (!read_fresh(g, f, &fault))
		return;
	(void) snprintf(f->fault, sizeof f->fault, "%s", fault.msg);
	f->from = STAGED_KEPT;
	if ((order != STAGED_KEPT_FIRST || f->use == HAPROXY_KEY_HASHES) &&
	    !read_copy(g, f, &found) && found)
		return;
	buf_reset(&f->bytes);
	f->from = STAGED_MISSING;
}

/* The list of those that are missing, as `from` says now. */
static void list_missing(struct staged *all) {
	size_t n = 0;

	for (size_t i = 0; i < all->n; i++)
		if (all->at[i].from == STAGED_MISSING)
			all->missing[n++] = all->at[i].path;
	all->missing[n] = NULL;
}

void staged_read(const struct gateway *g, const struct gateway_state *s, enum staged_order order,
		 struct staged *out) {
	struct haproxy_file *files CLEANUP(freep) = NULL;
	struct staged all = {0};

	all.n = haproxy_files(gateway_state_routes(s), &files);
	all.at = mem_zalloc(all.n + 1, sizeof *all.at);
	all.missing = mem_zalloc(all.n + 1, sizeof *all.missing);
	for (size_t i = 0; i < all.n; i++) {
		struct staged_file *f = &all.at[i];
		*f = (struct staged_file){.path = mem_strdup(files[i].path),
					  .use = files[i].use,
					  .bytes = BUF_INIT(FILE_CAP)};
		haproxy_file_name(f->path, f->name);
		read_one(g, f, order);
	}
	list_missing(&all);
	*out = all;
}

static const char *consequence(const struct staged_file *f) {
	static const char *const of[] = {[HAPROXY_CERTIFICATE] = "nothing listens on its address",
					 [HAPROXY_CA] = "the fallback is not used",
					 [HAPROXY_KEY_HASHES] = "its routes answer 503",
					 [HAPROXY_API_KEY] = "the fallback is not used"};

	return f->from == STAGED_KEPT ? "the gateway's previous copy stays in use" : of[f->use];
}

void staged_warn(const struct gateway *g, const struct staged *f) {
	for (size_t i = 0; i < f->n; i++) {
		char *said CLEANUP(freep) = NULL;
		if (!*f->at[i].fault)
			continue;
		said = mem_printf("%s; %s", f->at[i].fault, consequence(&f->at[i]));
		progress_warn(g->o.progress, "a file of the gateway cannot be read", said);
	}
}

static bool same_file(const struct staged_file *a, const struct staged_file *b) {
	if (a->from == STAGED_MISSING || b->from == STAGED_MISSING)
		return a->from == b->from;
	return a->bytes.len == b->bytes.len &&
		!memcmp(buf_str(&a->bytes), buf_str(&b->bytes), a->bytes.len);
}

bool staged_exchange(struct staged *a, struct staged *b, size_t i) {
	struct staged_file file = a->at[i];

	if (same_file(&a->at[i], &b->at[i]))
		return false;
	a->at[i] = b->at[i];
	b->at[i] = file;
	list_missing(a);
	list_missing(b);
	return true;
}

static const struct staged_file *find(const struct staged *f, const char *path) {
	for (size_t i = 0; i < f->n; i++)
		if (!strcmp(f->at[i].path, path))
			return &f->at[i];
	return NULL;
}

bool staged_same_for(const struct staged *a, const struct staged *b,
		     const struct gateway_state *own) {
	struct haproxy_file *files CLEANUP(freep) = NULL;
	size_t n = haproxy_files(gateway_state_routes(own), &files);

	for (size_t i = 0; i < n; i++) {
		const struct staged_file *x = find(a, files[i].path), *y = find(b, files[i].path);
		if (!x || !y || !same_file(x, y))
			return false;
	}
	return true;
}

/* HAProxy has not seen a file of which there is no copy. A list of key hashes was checked by
 * ourselves, and HAProxy refuses none. */
static bool is_unseen(const struct staged_file *f) {
	return f->from == STAGED_FRESH && f->use != HAPROXY_KEY_HASHES;
}

bool staged_has_unseen(const struct staged *f) {
	for (size_t i = 0; i < f->n; i++)
		if (is_unseen(&f->at[i]))
			return true;
	return false;
}

void staged_leave_out_unseen(struct staged *f) {
	for (size_t i = 0; i < f->n; i++)
		if (is_unseen(&f->at[i]))
			f->at[i].from = STAGED_MISSING;
	list_missing(f);
}

/* ---- on disk ---- */

int staged_own_dir(const struct gateway *g, const char *path, struct err *e) {
	int fd CLEANUP(closep) = -1;
	struct stat st;

	if (fs_mkdirs(EFFECT_GATEWAY_CONFIG, g->h.dir, path, 0700, e) ||
	    fs_open_dir(g->h.dir, path, &fd, e))
		return -1;
	if (fstat(fd, &st))
		return err_sys(e, "cannot look at 'gateway/%s'", path);
	if (st.st_uid != g->o.root->instance_uid &&
	    fs_step_chown(EFFECT_GATEWAY_CONFIG, fd, g->o.root->instance_uid))
		return err_sys(e, "cannot give 'gateway/%s' to uid %u", path,
			       (unsigned) g->o.root->instance_uid);
	return 0;
}

static int put_file(const struct gateway *g, const char *folder, const struct staged_file *f,
		    struct err *e) {
	char *path CLEANUP(freep) = mem_printf("%s" FOLDER "/%s", folder, f->name);
	struct buf old CLEANUP(buf_done) = BUF_INIT(FILE_CAP);
	bool found;

	if (fs_read_if(g->h.dir, path, &old, &found, e))
		return -1;
	if (found && old.len == f->bytes.len && !memcmp(buf_str(&old), buf_str(&f->bytes), old.len))
		return 0;
	/* The directory is closed to everybody else; a file of root's in it is read by the gateway
	 * anyway. */
	return fs_write(EFFECT_GATEWAY_CONFIG, g->h.dir, path, buf_str(&f->bytes), f->bytes.len,
			0644, e);
}

int staged_put(const struct gateway *g, const char *folder, const struct staged *f, struct err *e) {
	char *dir CLEANUP(freep) = mem_printf("%s" FOLDER, folder);

	if (!f->n)
		return 0;
	if (staged_own_dir(g, dir, e))
		return err_wrap(e, "gateway");
	for (size_t i = 0; i < f->n; i++)
		if (f->at[i].from != STAGED_MISSING && put_file(g, folder, &f->at[i], e))
			return err_wrap(e, "gateway");
	return 0;
}

int staged_refresh(const struct gateway *g, const char *path, struct err *e) {
	struct staged_file f CLEANUP(staged_file_done) = {.path = mem_strdup(path),
							  .use = HAPROXY_KEY_HASHES,
							  .bytes = BUF_INIT(FILE_CAP)};
	char *copy CLEANUP(freep) = NULL;

	haproxy_file_name(path, f.name);
	copy = mem_printf(FOLDER "/%s", f.name);
	if (!fs_exists(g->h.dir, copy))
		return 0;
	if (fs_read_user(path, &f.bytes, e) ||
	    put_file(g, "", &f, e))
		return -1;
	return 0;
}

void staged_file_done(struct staged_file *f) {
	buf_done(&f->bytes);
	free(f->path);
}

static bool is_needed(const struct gateway_state *s, const char *name) {
	struct haproxy_file *files CLEANUP(freep) = NULL;
	size_t n = haproxy_files(gateway_state_routes(s), &files);
	char own[HAPROXY_FILE_NAME];

	for (size_t i = 0; i < n; i++) {
		haproxy_file_name(files[i].path, own);
		if (!strcmp(own, name))
			return true;
	}
	return false;
}

int staged_sweep(const struct gateway *g, const struct gateway_state *s, bool removes, size_t *n,
		 struct err *e) {
	char **names CLEANUP(freep) = NULL;
	size_t all;

	*n = 0;
	if (fs_list(g->h.dir, FOLDER, &names, &all, e))
		return -1;
	for (size_t i = 0; i < all; i++) {
		char *path CLEANUP(freep) = mem_printf(FOLDER "/%s", names[i]);
		if (is_needed(s, names[i]))
			continue;
		++*n;
		if (removes && fs_unlink(EFFECT_GATEWAY_CONFIG, g->h.dir, path, e))
			return -1;
	}
	return 0;
}
