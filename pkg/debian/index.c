/* SPDX-License-Identifier: Apache-2.0 */
#include "debian/index.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "debian/debian.h"
#include "debian/gpgv.h"
#include "debian/mirrors.h"
#include "debian/packages.h"
#include "debian/release.h"
#include "fs/fs.h"
#include "http/http.h"

enum { INRELEASE_CAP = 8 << 20, FUTURE_S = 600, CONNECT_MS = 15000, STALL_MS = 30000 };

/* A signed index that a mirror gave. */
struct found {
	struct buf text; /* what was signed */
	struct release release;
	struct signers by;
	char sha256[SHA256_HEX]; /* of the file with its signature */
	bool expired;
	size_t mirror;
};

static void found_done(struct found *f) {
	buf_done(&f->text);
}

/* Why each mirror was passed over, for the case that none is left. */
struct tries {
	struct buf why;
	bool integrity;
};

static void tries_done(struct tries *t) {
	buf_done(&t->why);
}

static void tries_add(struct tries *t, const struct err *e) {
	(void) buf_printf(&t->why, "%s%s", t->why.len ? "; " : "", e->msg);
	t->integrity |= e->code == ERR_INTEGRITY;
}

static int tries_error(const struct tries *t, const char *suite, struct err *e) {
	if (!t->why.len)
		return err_set(e, ERR_UNREACHABLE, "no mirror is configured that has suite '%s'",
			       suite);
	return err_set(e, t->integrity ? ERR_INTEGRITY : ERR_UNREACHABLE,
		       "no usable index of suite '%s': %s", suite, buf_str(&t->why));
}

static int get(const char *url, struct buf *out, struct err *e) {
	struct http *h CLEANUP(http_freep) = NULL;
	struct http_response r CLEANUP(http_response_done) = {0};
	struct buf what CLEANUP(buf_done) = BUF_INIT(300);
	struct http_request q = {.url = url,
				 .connect_timeout_ms = CONNECT_MS,
				 .stall_timeout_ms = STALL_MS,
				 .max_body = INRELEASE_CAP,
				 .follow = true,
				 .effect = EFFECT_PACKAGE_FETCH};

	if (text_starts(url, "file:")) {
		if (!fs_read_user(url + strlen("file:"), out, e))
			return 0;
		e->code = ERR_UNREACHABLE;
		return -1;
	}
	h = http_new();
	if (http_do(h, &q, &r, e))
		return -1;
	char *shown CLEANUP(freep) = http_shown(url);
	if (r.status != 200)
		return err_set(e, ERR_UNREACHABLE, "'%s' answers %ld", shown, r.status);
	if (http_unexpected(&r, url, buf_str(&r.body), r.body.len, &what))
		return err_set(e, ERR_UNREACHABLE, "'%s': %s", shown, buf_str(&what));
	(void) buf_add(out, r.body.data, r.body.len);
	return 0;
}

/* Is it of the suite that was asked for, and of this time? An attacker who cannot sign can still
 * answer with something else that was signed once. */
static int check_meaning(const struct debian_suite *suite, const char *name, struct found *f,
			 struct err *e) {
	const struct release *r = &f->release;
	int64_t now = clock_unix();
	char at[CLOCK_STAMP];

	if (strcmp(suite->name, r->suite) != 0 && strcmp(suite->name, r->codename) != 0)
		return err_set(e, ERR_INTEGRITY,
			       "'%s' is the index of suite '%s' (%s), not of '%s'", name, r->suite,
			       r->codename, suite->name);
	clock_stamp(r->date, at);
	if (r->date > now + FUTURE_S)
		return err_set(e, ERR_INTEGRITY,
			       "'%s' is dated %s, in the future: check this machine's clock", name,
			       at);
	f->expired = r->valid_until && r->valid_until < now;
	return 0;
}

static int try_mirror(const struct index_from *from, const struct debian_suite *suite,
		      const char *url, struct found *f, struct err *e) {
	struct buf raw CLEANUP(buf_done) = BUF_INIT(INRELEASE_CAP);
	const char *keyring = from->mirrors->keyring ? from->mirrors->keyring : DEBIAN_KEYRING;
	char *name CLEANUP(freep) = text_starts(url, "file:") ? mem_strdup(url) : http_shown(url);

	f->text = (struct buf) BUF_INIT(INRELEASE_CAP);
	if (get(url, &raw, e))
		return -1;
	if (gpgv_verify(name, buf_str(&raw), raw.len, keyring, &f->text, &f->by, e) ||
	    release_parse(name, buf_str(&f->text), f->text.len, &f->release, e) ||
	    check_meaning(suite, name, f, e))
		return -1;
	sha256_of(buf_str(&raw), raw.len, f->sha256);
	return 0;
}

static int expired_error(const struct found *f, struct err *e) {
	char at[CLOCK_STAMP];

	clock_stamp(f->release.valid_until, at);
	return err_set(e, ERR_INTEGRITY,
		       "its index expired on %s: use a mirror that is up to date, "
		       "or take it as it is with --accept-expired",
		       at);
}

/* The first fresh index; where there is none and that is accepted, the newest of the expired
 * ones. */
static int find(const struct index_from *from, const struct debian_suite *suite, struct found *out,
		struct err *e) {
	struct tries tries CLEANUP(tries_done) = {.why = BUF_INIT(400)};
	char *path CLEANUP(freep) = mem_printf("dists/%s/InRelease", suite->name);
	struct found best CLEANUP(found_done) = {0};

	for (size_t i = 0; i < from->mirrors->n && (!best.text.len || best.expired); i++) {
		const struct debian_mirror *m = &from->mirrors->at[i];
		struct found f CLEANUP(found_done) = {.mirror = i};
		struct err why = {0};

		if (m->snapshot || !mirror_serves(m, suite->archive))
			continue;
		char *url CLEANUP(freep) = mirror_url(m, path);
		int rc = try_mirror(from, suite, url, &f, &why);
		if (rc && why.code != ERR_UNREACHABLE && why.code != ERR_INTEGRITY) {
			*e = why;
			return -1;
		}
		if (!rc && f.expired && !from->request->accept_expired)
			rc = expired_error(&f, &why);
		if (rc) {
			tries_add(&tries, &why);
		} else if (!best.text.len || f.release.date > best.release.date || !f.expired) {
			found_done(&best);
			best = f;
			f.text = (struct buf){0};
		}
	}
	if (!best.text.len)
		return tries_error(&tries, suite->name, e);
	*out = best;
	best.text = (struct buf){0};
	return 0;
}

static void fill(const struct found *f, const struct debian_suite *suite, struct arena *a,
		 struct debian_index *out) {
	const char **components = arena_zalloc(a, suite->n_components, sizeof *components);
	const char **by = arena_zalloc(a, f->by.n, sizeof *by);
	char date[CLOCK_STAMP], until[CLOCK_STAMP];

	clock_stamp(f->release.date, date);
	clock_stamp(f->release.valid_until, until);
	for (size_t i = 0; i < suite->n_components; i++)
		components[i] = arena_strdup(a, suite->components[i]);
	for (size_t i = 0; i < f->by.n; i++)
		by[i] = arena_strdup(a, f->by.fingerprint[i]);
	*out = (struct debian_index){
		.suite = arena_strdup(a, suite->name),
		.archive = arena_strdup(a, mirror_archive(suite->archive)),
		.codename = arena_strdup(a, f->release.codename),
		.components = components,
		.n_components = suite->n_components,
		.date = arena_strdup(a, date),
		.valid_until = f->release.valid_until ? arena_strdup(a, until) : NULL,
		.accepted_expired = f->expired,
		.release_sha256 = arena_strdup(a, f->sha256),
		.signed_by = by,
		.n_signed_by = f->by.n,
	};
}

int index_fetch(const struct index_from *from, const struct debian_suite *suite, struct arena *a,
		struct debian_index *out, struct buf *packages, struct err *e) {
	struct found f CLEANUP(found_done) = {0};
	struct debian_index info;
	char *what CLEANUP(freep) = mem_printf("index of %s", suite->name);

	progress_step(from->progress, what);
	if (find(from, suite, &f, e))
		return -1;
	fill(&f, suite, a, &info);
	if (f.expired)
		progress_warn(from->progress, "expired index accepted", info.valid_until);
	progress_done(from->progress, what, info.date);
	for (size_t i = 0; i < suite->n_components; i++)
		if (packages_fetch(from, suite, suite->components[i], &f.release, f.mirror,
				   &packages[i], e))
			return -1;
	*out = info;
	return 0;
}
