/* SPDX-License-Identifier: Apache-2.0 */
#include "debian/debian.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/progress.h"
#include "debian/mirrors.h"
#include "store/store.h"

enum { SOURCES_MAX = 32, STALL_MS = 30000 };

/* Bytes of one package, told as bytes of all of them. */
struct whole {
	const struct progress *outer;
	uint64_t done, total;
};

static void tell_whole(void *ctx, const struct progress_event *ev) {
	const struct whole *w = ctx;

	if (ev->kind == PROGRESS_BYTES)
		progress_bytes(w->outer, "packages", w->done + ev->done, w->total);
	else if (ev->kind == PROGRESS_WARN)
		progress_warn(w->outer, ev->what, ev->detail);
	else if (ev->kind == PROGRESS_NOTE)
		progress_note(w->outer, ev->what, ev->detail);
}

struct sources {
	char *at[SOURCES_MAX];
	size_t n;
};

static void sources_done(struct sources *s) {
	for (size_t i = 0; i < s->n; i++)
		free(s->at[i]);
}

static const struct debian_index *index_of(const struct debian_lock *lock, const char *suite) {
	for (size_t i = 0; i < lock->n_indexes; i++)
		if (!strcmp(lock->indexes[i].suite, suite))
			return &lock->indexes[i];
	return NULL;
}

/* A snapshot is imported some time after the index was made, and a request for a time is answered
 * with the import before it: so ask for the time when the next index is due, six hours later, then
 * for the index's own. */
static void add_snapshots(struct sources *s, const struct debian_mirror *m,
			  const struct debian_index *index, const char *path) {
	struct tm t = {0};

	if (!strptime(index->date, "%Y-%m-%dT%H:%M:%SZ", &t))
		return;
	int64_t when = timegm(&t);
	s->at[s->n++] = mirror_snapshot_url(m, when + (int64_t) 6 * 3600, path);
	s->at[s->n++] = mirror_snapshot_url(m, when, path);
}

static void add_sources(struct sources *s, const struct debian_mirrors *m,
			const struct debian_index *index, const char *path, bool snapshots) {
	for (size_t i = 0; i < m->n && s->n + 2 <= SOURCES_MAX; i++) {
		if (m->at[i].snapshot != snapshots || !mirror_serves(&m->at[i], index->archive))
			continue;
		if (snapshots)
			add_snapshots(s, &m->at[i], index, path);
		else
			s->at[s->n++] = mirror_url(&m->at[i], path);
	}
}

static int fetch(const struct debian_lock *lock, const struct debian_package *p,
		 struct store *store, const struct debian_mirrors *m,
		 const struct progress *progress, struct err *e) {
	const struct debian_index *index = index_of(lock, p->suite);
	struct sources s CLEANUP(sources_done) = {0};
	char *what CLEANUP(freep) = mem_printf("package %s", p->name);

	add_sources(&s, m, index, p->path, false);
	add_sources(&s, m, index, p->path, true);
	if (!s.n)
		return err_set(e, ERR_UNREACHABLE,
			       "no mirror of '%s' is configured, for package '%s'", index->archive,
			       p->name);
	struct store_want want = {.sources = (const char *const *) s.at,
				  .n_sources = s.n,
				  .sha256 = p->sha256,
				  .size = p->size,
				  .what = what,
				  .effect = EFFECT_PACKAGE_FETCH,
				  .plain_http = true,
				  .stall_timeout_ms = STALL_MS};
	if (!store_fetch(store, &want, progress, e))
		return 0;
	if (e->code == ERR_UNREACHABLE)
		return err_wrap(e,
				"no mirror gives package '%s' %s; if suite '%s' has moved on, "
				"'llmdeploy runtime "
				"lock %s' locks again",
				p->name, p->version, p->suite, lock->runtime);
	return err_wrap(e, "package '%s' %s", p->name, p->version);
}

/* Which packages are not in the store yet, and how many bytes they are. */
static int missing(const struct debian_lock *lock, struct store *store, bool *lacks,
		   struct whole *w, struct err *e) {
	for (size_t i = 0; i < lock->n_packages; i++) {
		bool has = false;
		uint64_t size;

		if (store_has(store, lock->packages[i].sha256, &has, &size, e))
			return -1;
		lacks[i] = !has;
		if (!has)
			w->total += lock->packages[i].size;
	}
	return 0;
}

int debian_fetch(const struct debian_lock *lock, struct store *store,
		 const struct debian_mirrors *m, const struct progress *p, struct err *e) {
	struct whole whole = {.outer = p};
	const struct progress inner = {tell_whole, &whole};
	bool *lacks CLEANUP(freep) = mem_zalloc(lock->n_packages + 1, sizeof *lacks);

	if (missing(lock, store, lacks, &whole, e))
		return -1;
	if (!whole.total)
		return 0;
	progress_step(p, "packages");
	for (size_t i = 0; i < lock->n_packages; i++) {
		if (!lacks[i])
			continue;
		if (interrupt_check(e) ||
		    fetch(lock, &lock->packages[i], store, m, &inner, e))
			return -1;
		whole.done += lock->packages[i].size;
		progress_bytes(p, "packages", whole.done, whole.total);
	}
	progress_done(p, "packages", NULL);
	return 0;
}
