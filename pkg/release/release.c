/* SPDX-License-Identifier: Apache-2.0 */
#include "release/release.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"
#include "release/dir.h"
#include "root/root.h"
#include "json/json.h"

/* "; did you mean 'x'?", or nothing; yours to free. */
static char *meant(const char *name, char **names, size_t n) {
	const char *nearest = text_nearest(name, (const char *const *) names, n);

	return nearest ? mem_printf("; did you mean '%s'?", nearest) : mem_strdup("");
}

static int no_such_route(const struct root *root, const char *name, struct err *e) {
	char **names CLEANUP(freep) = NULL;
	size_t n;

	if (release_routes(root, &names, &n, e))
		return -1;
	char *hint CLEANUP(freep) = meant(name, names, n);
	return err_set(e, ERR_USAGE, "no route '%s' under '%s'%s", name, root->path, hint);
}

static int open_route(const struct root *root, const char *name, bool create, int *fd,
		      struct err *e) {
	char *where CLEANUP(freep) = mem_printf("routes/%s", name);
	int routes CLEANUP(closep) = -1;

	if (create) {
		if (dir_make(EFFECT_ROUTE_DIR, root->fd, "routes", "routes", &routes, e) ||
		    dir_make(EFFECT_ROUTE_DIR, routes, name, where, fd, e))
			return -1;
		return 0;
	}
	if (dir_open(root->fd, "routes", "routes", &routes, e) ||
	    (routes >= 0 && dir_open(routes, name, where, fd, e)))
		return -1;
	return *fd < 0 ? no_such_route(root, name, e) : 0;
}

int release_route_open(const struct root *root, const char *name, bool create,
		       struct release_route *out, struct err *e) {
	int fd = -1;

	if (!text_is_name(name))
		return err_set(
			e, ERR_USAGE,
			"'%.80s' is not the name of a route: a-z, 0-9, '.', '_', '-', 63 at most",
			name);
	if (open_route(root, name, create, &fd, e))
		return -1;
	*out = (struct release_route){.fd = fd,
				      .name = mem_strdup(name),
				      .where = mem_printf("routes/%s", name),
				      .file_lock = -1};
	return 0;
}

void release_route_done(struct release_route *r) {
	closep(&r->file_lock);
	closep(&r->fd);
	free(r->name);
	free(r->where);
	*r = (struct release_route) RELEASE_ROUTE_INIT;
}

int release_route_lock(struct release_route *r, const char *command, uint64_t wait_ms,
		       struct err *e) {
	struct err why = {0};
	struct stat st;

	int status = root_take(r->fd, command, wait_ms, &r->file_lock, &why);
	if (!fstat(r->fd, &st) && !st.st_nlink)
		return err_set(e, ERR_BUSY, "route '%s' was removed at the same moment: try again",
			       r->name);
	if (!status)
		return 0;
	*e = why;
	return err_wrap(e, why.code == ERR_BUSY ? "route '%s' is busy" : "route '%s'", r->name);
}

int release_holder(const struct release_route *r, char **holder, struct err *e) {
	return fs_file_lock_holder(r->fd, "lock", holder, e) ? err_wrap(e, "%s", r->where) : 0;
}

int release_route_purge(const struct root *root, const struct release_route *r, struct err *e) {
	char *gone CLEANUP(freep) = mem_printf("routes/.%s.tmp-%ld", r->name, (long) getpid());

	if (fs_remove_tree(EFFECT_ROUTE_REMOVE, root->fd, gone, e))
		return -1;
	if (fs_rename(EFFECT_ROUTE_REMOVE, root->fd, r->where, gone, e))
		return -1;
	return fs_remove_tree(EFFECT_ROUTE_REMOVE, root->fd, gone, e);
}

int release_routes_clean(const struct root *root, struct err *e) {
	char **names CLEANUP(freep) = NULL;
	size_t n;

	if (fs_list(root->fd, "routes", &names, &n, e))
		return -1;
	for (size_t i = 0; i < n; i++) {
		char *path CLEANUP(freep) = mem_printf("routes/%s", names[i]);
		if (fs_is_left_over(names[i]) &&
		    fs_remove_tree(EFFECT_ROUTE_REMOVE, root->fd, path, e))
			return -1;
	}
	return 0;
}

int release_routes(const struct root *root, char ***names, size_t *n, struct err *e) {
	return dir_names(root->fd, "routes", "routes", text_is_name, names, n, e);
}

int release_list(const struct release_route *r, char ***names, size_t *n, struct err *e) {
	char *shown CLEANUP(freep) = mem_printf("%s/releases", r->where);

	return dir_names(r->fd, "releases", shown, text_is_name, names, n, e);
}

/* The directory of a version; *fd -1: there is none. */
static int open_version(const struct release_route *r, const char *version, int *fd,
			struct err *e) {
	char *shown CLEANUP(freep) = mem_printf("%s/releases", r->where);
	char *inner CLEANUP(freep) = mem_printf("%s/%s", shown, version);
	int releases CLEANUP(closep) = -1;

	if (dir_open(r->fd, "releases", shown, &releases, e))
		return -1;
	*fd = -1;
	return releases < 0 ? 0 : dir_open(releases, version, inner, fd, e);
}

static int incomplete(const struct release_route *r, const char *version, struct err *e,
		      const char *why) {
	return err_set(e, ERR_INTEGRITY,
		       "release '%s' of '%s' is incomplete: %s; move '%s/releases/%s' away, and "
		       "apply it again",
		       version, r->name, why, r->where, version);
}

/* What we have no right to read is not damaged. */
static bool is_denied(int dir, const char *name) {
	return faccessat(dir, name, R_OK, AT_EACCESS) && errno == EACCES;
}

static int read_lockfile(const struct release_route *r, int fd, const char *version,
			 struct buf *out, struct err *e) {
	bool found;
	struct err inner = {0};

	if (fs_read_if(fd, "release.lock.json", out, &found, &inner))
		return is_denied(fd, "release.lock.json")
			? err_set(e, ERR_SYS, "%s/releases/%s: %.250s", r->where, version,
				  inner.msg)
			: incomplete(r, version, e, inner.msg);
	return found ? 0 : incomplete(r, version, e, "it has no release.lock.json");
}

static int read_proof(const struct release_route *r, int fd, struct release *out, struct err *e) {
	char *shown CLEANUP(freep) = mem_printf("%s/releases/%s/evidence", r->where, out->version);
	struct buf text CLEANUP(buf_done) = BUF_INIT(DIR_EVIDENCE_MAX);
	int evidence CLEANUP(closep) = -1;
	char name[32];

	if (dir_open(fd, "evidence", shown, &evidence, e))
		return -1;
	if (evidence >= 0 && dir_newest(evidence, ".json", shown, &out->evidence, e))
		return -1;
	if (!out->evidence)
		return incomplete(r, out->version, e, "it has no evidence that it was proved");
	(void) snprintf(name, sizeof name, "%u.json", out->evidence);
	if (fs_read(evidence, name, &text, e) ||
	    json_parse(text.data, text.len, &out->proof, e)) {
		struct err inner = *e;
		if (is_denied(evidence, name))
			return err_set(e, ERR_SYS, "%s: %.250s", shown, inner.msg);
		return err_set(e, ERR_INTEGRITY, "'%s/%s' is damaged: %.250s", shown, name,
			       inner.msg);
	}
	const char *sealed = json_str(out->proof, "lock");
	if (sealed && !strcmp(sealed, out->digest))
		return 0;
	return err_set(e, ERR_INTEGRITY,
		       "'%s/releases/%s/release.lock.json' is not the file that passed the gate: "
		       "its digest is %.12s, evidence/%s is of %.12s",
		       r->where, out->version, out->digest, name, sealed ? sealed : "none");
}

static int no_such_version(const struct release_route *r, const char *version, struct err *e) {
	char **names CLEANUP(freep) = NULL;
	size_t n;

	if (release_list(r, &names, &n, e))
		return -1;
	char *hint CLEANUP(freep) = meant(version, names, n);
	return err_set(e, ERR_USAGE, "no version '%.80s' of route '%s'%s", version, r->name, hint);
}

int release_read(const struct release_route *r, const char *version, struct release *out,
		 struct err *e) {
	struct release rel CLEANUP(release_done) = {.version = mem_strdup(version)};
	struct buf text CLEANUP(buf_done) = BUF_INIT(DIR_LOCK_MAX);
	int fd CLEANUP(closep) = -1;

	if (text_is_name(version) && open_version(r, version, &fd, e))
		return -1;
	if (fd < 0)
		return no_such_version(r, version, e);
	if (read_lockfile(r, fd, version, &text, e))
		return -1;
	sha256_of(buf_str(&text), text.len, rel.digest);
	if (read_proof(r, fd, &rel, e))
		return -1;
	rel.lockfile_len = text.len;
	rel.lockfile = buf_steal(&text);
	memcpy(rel.id, rel.digest, sizeof rel.id - 1);
	*out = rel;
	rel = (struct release) RELEASE_INIT;
	return 0;
}

void release_done(struct release *r) {
	free(r->version);
	free(r->lockfile);
	json_free(r->proof);
	*r = (struct release) RELEASE_INIT;
}

int release_compare(const struct release_route *r, const char *version, const char *lockfile,
		    size_t n, bool *exists, struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(DIR_LOCK_MAX);
	char there[SHA256_HEX], here[SHA256_HEX];
	int fd CLEANUP(closep) = -1;

	if (open_version(r, version, &fd, e) ||
	    (fd >= 0 && read_lockfile(r, fd, version, &text, e)))
		return -1;
	sha256_of(buf_str(&text), text.len, there);
	sha256_of(lockfile, n, here);
	if (fd >= 0 && strcmp(there, here) != 0)
		return err_set(e, ERR_SPEC,
			       "version '%s' of '%s' exists with other content (lock %.12s there, "
			       "%.12s here): give it a new version",
			       version, r->name, there, here);
	*exists = fd >= 0;
	return 0;
}
