/* SPDX-License-Identifier: Apache-2.0 */
#include "debian/debian.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "debian/package_lock.h"
#include "fs/fs.h"
#include "json/json.h"

void debian_lock_free(struct debian_lock *lock) {
	if (!lock)
		return;
	arena_free(lock->arena);
	free(lock);
}

void debian_lock_freep(struct debian_lock **lock) {
	debian_lock_free(*lock);
}

uint64_t debian_lock_installed(const struct debian_lock *lock) {
	uint64_t sum = 0;

	for (size_t i = 0; i < lock->n_packages; i++)
		sum += lock->packages[i].installed_size;
	return sum;
}

static const char *text(struct arena *a, const struct json *o, const char *key) {
	return arena_strdup(a, json_str(o, key));
}

static const char *const *texts(struct arena *a, const struct json *list, size_t *n) {
	*n = 0;
	if (!json_count(list))
		return NULL;
	const char **out = arena_zalloc(a, json_count(list), sizeof *out);
	for (const struct json *c = json_first(list); c; c = json_next(c))
		out[(*n)++] = arena_strdup(a, json_text(c));
	return out;
}

static void read_index(struct arena *a, const struct json *o, struct debian_index *x) {
	*x = (struct debian_index){
		.suite = text(a, o, "suite"),
		.archive = text(a, o, "archive"),
		.codename = text(a, o, "codename"),
		.date = text(a, o, "date"),
		.valid_until = text(a, o, "valid_until"),
		.accepted_expired = json_true(o, "accepted_expired"),
		.release_sha256 = text(a, o, "release_sha256"),
	};
	x->components = texts(a, json_get(o, "components"), &x->n_components);
	x->signed_by = texts(a, json_get(o, "signed_by"), &x->n_signed_by);
}

static void read_package(struct arena *a, const struct json *o, struct debian_package *p) {
	*p = (struct debian_package){
		.name = text(a, o, "name"),
		.version = text(a, o, "version"),
		.architecture = text(a, o, "architecture"),
		.suite = text(a, o, "suite"),
		.path = text(a, o, "path"),
		.sha256 = text(a, o, "sha256"),
		.size = (uint64_t) json_int_or(o, "size", 0),
		.installed_size = (uint64_t) json_int_or(o, "installed_size", 0),
		.layer = text(a, o, "layer"),
		.reason = text(a, o, "reason"),
	};
	p->files = texts(a, json_get(o, "files"), &p->n_files);
}

static struct debian_lock *from_tree(const struct json *tree, const struct json *o,
				     const char *backend, const char *architecture) {
	const struct json *index = json_get(o, "index"), *packages = json_get(o, "packages"),
			  *excludes = json_get(o, "excludes");
	struct debian_lock *lock = mem_zalloc(1, sizeof *lock);
	struct arena *a = lock->arena = arena_new();

	lock->runtime = text(a, tree, "runtime");
	lock->backend = arena_strdup(a, backend);
	lock->architecture = arena_strdup(a, architecture);
	lock->indexes = arena_zalloc(a, json_count(index) + 1, sizeof *lock->indexes);
	lock->packages = arena_zalloc(a, json_count(packages) + 1, sizeof *lock->packages);
	lock->excludes = arena_zalloc(a, json_count(excludes) + 1, sizeof *lock->excludes);
	for (const struct json *c = json_first(index); c; c = json_next(c))
		read_index(a, c, &lock->indexes[lock->n_indexes++]);
	for (const struct json *c = json_first(packages); c; c = json_next(c))
		read_package(a, c, &lock->packages[lock->n_packages++]);
	for (const struct json *c = json_first(excludes); c; c = json_next(c))
		lock->excludes[lock->n_excludes++] = (struct debian_exclude){text(a, c, "name"),
									     text(a, c, "reason")};
	return lock;
}

static int absent(const char *name, const struct json *tree, const char *key, struct err *e) {
	struct buf has CLEANUP(buf_done) = BUF_INIT(200);

	for (const struct json *c = json_first(json_get(tree, "locks")); c; c = json_next(c))
		(void) buf_printf(&has, "%s%s", has.len ? ", " : "", json_key(c));
	return err_set(
		e, ERR_SPEC,
		"'%s' has no lock for '%s' (it has: %s): make it with 'llmdeploy runtime lock %s'",
		name, key, has.len ? buf_str(&has) : "none", json_str(tree, "runtime"));
}

int debian_lock_parse(const char *name, const char *in, size_t n, const char *backend,
		      const char *architecture, struct debian_lock **out, struct err *e) {
	char *key CLEANUP(freep) = mem_printf("%s/%s", backend, architecture);
	struct json *tree CLEANUP(json_freep) = NULL;

	if (package_lock_parse(name, in, n, &tree, e))
		return -1;
	const struct json *lock = json_get(json_get(tree, "locks"), key);
	if (!lock)
		return absent(name, tree, key, e);
	*out = from_tree(tree, lock, backend, architecture);
	return 0;
}

int debian_lock_read(const char *path, const char *backend, const char *architecture,
		     struct debian_lock **out, struct err *e) {
	struct buf in CLEANUP(buf_done) = BUF_INIT(PACKAGE_LOCK_CAP);

	if (fs_read_user(path, &in, e))
		return -1;
	return debian_lock_parse(path, buf_str(&in), in.len, backend, architecture, out, e);
}
