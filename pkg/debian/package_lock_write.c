/* SPDX-License-Identifier: Apache-2.0 */
#include "debian/debian.h"

#include <fcntl.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "debian/package_lock.h"
#include "fs/fs.h"
#include "json/json.h"

static struct json *strings(const char *const *at, size_t n) {
	struct json *a = json_array();

	for (size_t i = 0; i < n; i++)
		json_push_str(a, at[i]);
	return a;
}

static struct json *index_json(const struct debian_index *x) {
	struct json *o = json_object();

	json_set_str(o, "suite", x->suite);
	json_set_str(o, "archive", x->archive);
	json_set_str(o, "codename", x->codename);
	json_set(o, "components", strings(x->components, x->n_components));
	json_set_str(o, "date", x->date);
	json_set_str(o, "valid_until", x->valid_until);
	json_set_bool(o, "accepted_expired", x->accepted_expired);
	json_set_str(o, "release_sha256", x->release_sha256);
	json_set(o, "signed_by", strings(x->signed_by, x->n_signed_by));
	return o;
}

static struct json *package_json(const struct debian_package *p) {
	struct json *o = json_object();

	json_set_str(o, "name", p->name);
	json_set_str(o, "version", p->version);
	json_set_str(o, "architecture", p->architecture);
	json_set_str(o, "suite", p->suite);
	json_set_str(o, "path", p->path);
	json_set_str(o, "sha256", p->sha256);
	json_set_int(o, "size", (int64_t) p->size);
	json_set_int(o, "installed_size", (int64_t) p->installed_size);
	json_set_str(o, "layer", p->layer);
	if (p->n_files)
		json_set(o, "files", strings(p->files, p->n_files));
	json_set_str(o, "reason", p->reason);
	return o;
}

static struct json *exclude_json(const struct debian_exclude *x) {
	struct json *o = json_object();

	json_set_str(o, "name", x->name);
	json_set_str(o, "reason", x->reason);
	return o;
}

static struct json *lock_json(const struct debian_lock *lock) {
	struct json *o = json_object(), *index = json_array(), *packages = json_array(),
		    *excludes = json_array();

	for (size_t i = 0; i < lock->n_indexes; i++)
		json_push(index, index_json(&lock->indexes[i]));
	for (size_t i = 0; i < lock->n_packages; i++)
		json_push(packages, package_json(&lock->packages[i]));
	for (size_t i = 0; i < lock->n_excludes; i++)
		json_push(excludes, exclude_json(&lock->excludes[i]));
	json_set(o, "index", index);
	json_set(o, "packages", packages);
	json_set(o, "excludes", excludes);
	return o;
}

/* The locks that are in the file already, or nothing where there is no file. */
static int read_old(const char *path, const char *runtime, struct json **locks, struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(PACKAGE_LOCK_CAP);
	struct json *tree CLEANUP(json_freep) = NULL;
	bool found = false;

	*locks = json_object();
	if (fs_read_if(AT_FDCWD, path, &text, &found, e))
		return -1;
	if (!found)
		return 0;
	if (package_lock_parse(path, buf_str(&text), text.len, &tree, e))
		return -1;
	if (strcmp(json_str(tree, "runtime"), runtime) != 0)
		return err_set(e, ERR_SPEC, "'%s' is the lock of runtime '%s', not of '%s'", path,
			       json_str(tree, "runtime"), runtime);
	json_free(*locks);
	*locks = json_copy(json_get(tree, "locks"));
	return 0;
}

/* Keys in bytewise order, with one of them set to `lock`. */
static struct json *with_lock(const struct json *old, const char *key, struct json *lock) {
	struct json *out = json_object();
	bool placed = false;

	for (const struct json *c = json_first(old); c; c = json_next(c)) {
		int order = strcmp(json_key(c), key);
		if (order >= 0 && !placed) {
			json_set(out, key, lock);
			placed = true;
		}
		if (order != 0)
			json_set(out, json_key(c), json_copy(c));
	}
	if (!placed)
		json_set(out, key, lock);
	return out;
}

int debian_lock_merge_write(const char *path, const struct debian_lock *lock, struct err *e) {
	char *key CLEANUP(freep) = mem_printf("%s/%s", lock->backend, lock->architecture);
	struct json *old CLEANUP(json_freep) = NULL;
	struct json *tree CLEANUP(json_freep) = json_object();
	struct buf text CLEANUP(buf_done) = BUF_INIT(PACKAGE_LOCK_CAP);

	if (read_old(path, lock->runtime, &old, e))
		return -1;
	json_set_str(tree, "apiVersion", PACKAGE_LOCK_API);
	json_set_str(tree, "kind", PACKAGE_LOCK_KIND);
	json_set_str(tree, "runtime", lock->runtime);
	json_set(tree, "locks", with_lock(old, key, lock_json(lock)));
	json_print_pretty(tree, &text);
	if (!text.len || text.data[text.len - 1] != '\n')
		(void) buf_putc(&text, '\n');
	if (text.cut)
		return err_set(e, ERR_SYS, "'%s' would be larger than %d bytes", path,
			       PACKAGE_LOCK_CAP);
	return fs_write(EFFECT_RUNTIME_LOCK, AT_FDCWD, path, text.data, text.len, 0644, e);
}
