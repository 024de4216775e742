/* SPDX-License-Identifier: Apache-2.0 */
#include "debian/packages.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <solv/solv_xfopen.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "crypto/crypto.h"
#include "debian/debian.h"
#include "debian/index.h"
#include "debian/mirrors.h"
#include "debian/release.h"
#include "store/store.h"

#define PACKAGES_CAP (UINT64_C(512) << 20)

enum { SOURCES_MAX = 32, STALL_MS = 30000 };

/* One of the forms in which the file is offered. */
struct form {
	char path[256]; /* beneath dists/SUITE/ */
	char sha256[SHA256_HEX];
	uint64_t size;
};

static int choose_form(const struct release *r, const char *suite, const char *component,
		       const char *arch, struct form *packed, struct form *plain, struct err *e) {
	static const char *const ends[] = {".xz", ".gz", ""};
	char *base CLEANUP(freep) = mem_printf("%s/binary-%s/Packages", component, arch);

	(void) snprintf(plain->path, sizeof plain->path, "%s", base);
	if (!release_find(r, base, plain->sha256, &plain->size))
		return err_set(e, ERR_SPEC, "suite '%s' has no component '%s' for %s", suite,
			       component, arch);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		(void) snprintf(packed->path, sizeof packed->path, "%s%s", base, ends[i]);
		if (release_find(r, packed->path, packed->sha256, &packed->size))
			break;
	}
	if (plain->size > PACKAGES_CAP || packed->size > PACKAGES_CAP)
		return err_set(e, ERR_INTEGRITY, "'%s' of suite '%s' is larger than %llu bytes",
			       base, suite, (unsigned long long) PACKAGES_CAP);
	return 0;
}

/* Places to ask for it: by digest (that file cannot change under us), then by name. */
struct sources {
	char *at[SOURCES_MAX];
	size_t n;
};

static void sources_done(struct sources *s) {
	for (size_t i = 0; i < s->n; i++)
		free(s->at[i]);
}

static void add_sources(struct sources *s, const struct debian_mirror *m, const char *suite,
			const struct form *f, bool by_hash) {
	const char *name = strrchr(f->path, '/') + 1;
	char *hashed CLEANUP(freep) = mem_printf("dists/%s/%.*sby-hash/SHA256/%s", suite,
						 (int) (name - f->path), f->path, f->sha256);
	char *named CLEANUP(freep) = mem_printf("dists/%s/%s", suite, f->path);

	if (s->n + 2 > SOURCES_MAX)
		return;
	if (by_hash)
		s->at[s->n++] = mirror_url(m, hashed);
	s->at[s->n++] = mirror_url(m, named);
}

static int fetch(const struct index_from *from, const struct debian_suite *suite,
		 const struct form *f, bool by_hash, size_t first, struct err *e) {
	struct sources s CLEANUP(sources_done) = {0};
	char *what CLEANUP(freep) = mem_printf("packages of %s/%.*s", suite->name,
					       (int) strcspn(f->path, "/"), f->path);
	size_t n = from->mirrors->n;

	for (size_t i = 0; i < n; i++) {
		const struct debian_mirror *m = &from->mirrors->at[(first + i) % n];
		if (!m->snapshot && mirror_serves(m, suite->archive))
			add_sources(&s, m, suite->name, f, by_hash);
	}
	struct store_want want = {.sources = (const char *const *) s.at,
				  .n_sources = s.n,
				  .sha256 = f->sha256,
				  .effect = EFFECT_PACKAGE_FETCH,
				  .size = f->size,
				  .what = what,
				  .plain_http = true,
				  .stall_timeout_ms = STALL_MS};
	return store_fetch(from->store, &want, from->progress, e);
}

/* Not more than the signed size is ever unpacked. */
static int unpack(struct store *store, const struct form *packed, const struct form *plain,
		  struct buf *out, struct err *e) {
	char part[65536], sha256[SHA256_HEX];
	int fd = -1;
	size_t got;

	if (store_open_object(store, packed->sha256, &fd, e))
		return -1;
	FILE *f = solv_xfopen_fd(packed->path, fd, "r");
	if (!f) {
		(void) close(fd);
		return err_set(e, ERR_SYS, "libsolv cannot unpack '%s'", packed->path);
	}
	*out = (struct buf) BUF_INIT((size_t) plain->size);
	while ((got = fread(part, 1, sizeof part, f)) > 0 && buf_add(out, part, got))
		;
	(void) fclose(f);
	sha256_of(buf_str(out), out->len, sha256);
	if (out->cut || out->len != plain->size || strcmp(sha256, plain->sha256) != 0)
		return err_set(e, ERR_INTEGRITY,
			       "'%s' does not unpack to the file that the index names",
			       packed->path);
	return 0;
}

int packages_fetch(const struct index_from *from, const struct debian_suite *suite,
		   const char *component, const struct release *r, size_t first_mirror,
		   struct buf *out, struct err *e) {
	struct form packed = {0}, plain = {0};

	if (choose_form(r, suite->name, component, from->request->architecture, &packed, &plain,
			e) ||
	    fetch(from, suite, &packed, r->by_hash, first_mirror, e))
		return -1;
	return unpack(from->store, &packed, &plain, out, e);
}
