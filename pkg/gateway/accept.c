/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/internal.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "fs/fs.h"

/* Design: nothing is written, reloaded or journalled of a configuration that the HAProxy which will
 * load it has not accepted. It is laid out whole in gateway/check, as it would lie in gateway/, and
 * `haproxy -c` reads it there: in a container of the gateway's image, with its uid and its mounts,
 * or as the installed program under its user. What a process serves already needs no question. */

void accepted_done(struct accepted *a) {
	staged_done(&a->files);
}

static int is_known(const struct gateway *g, const char *digest, bool *known, struct err *e) {
	struct socket_workers all;
	struct process p;

	*known = !strcmp(g->h.memo->accepted, digest);
	if (*known)
		return 0;
	if (socket_workers(g->h.dir, &all, e))
		return -1;
	if (!all.running || !all.serving)
		return 0;
	if (process_inspect(&g->h, &p, e))
		return -1;
	return p.running && p.same ? haproxy_has(&g->h, &all, digest, known, e) : 0;
}

static int lay_out(const struct gateway *g, const struct gateway_state *s, const struct staged *f,
		   struct err *e) {
	if (fs_remove_tree(EFFECT_GATEWAY_CONFIG, g->h.dir, HAPROXY_CHECK_DIR, e))
		return err_wrap(e, "gateway");
	if (staged_own_dir(g, HAPROXY_CHECK_DIR, e) ||
	    staged_own_dir(g, HAPROXY_CHECK_DIR "/gateway", e) ||
	    staged_put(g, HAPROXY_CHECK_DIR "/gateway/", f, e))
		return -1;
	return persist_lay_out(g, s, f, HAPROXY_CHECK_DIR "/gateway/", e);
}

static int check(const struct gateway *g, const struct gateway_state *s, const struct accepted *a,
		 struct err *e) {
	struct buf said CLEANUP(buf_done) = BUF_INIT(64 << 10);
	bool fine = false;

	if (lay_out(g, s, &a->files, e))
		return -1;
	if (process_check(&g->h, &fine, &said, e))
		return -1;
	if (!fine)
		return haproxy_refused(&g->h, buf_str(&said), e);
	(void) strcpy(g->h.memo->accepted, a->digest);
	return 0;
}

/* Whatever it came to: the copies in it are of keys. */
static int check_and_clean(const struct gateway *g, const struct gateway_state *s,
			   const struct accepted *a, struct err *e) {
	struct err why = {0}, more = {0};
	int r = check(g, s, a, &why);

	if (fs_remove_tree(EFFECT_GATEWAY_CONFIG, g->h.dir, HAPROXY_CHECK_DIR, &more))
		progress_warn(g->o.progress, "the files of a check could not be removed", more.msg);
	return r ? err_set(e, why.code, "%s", why.msg) : 0;
}

static int accept_taken(const struct gateway *g, const struct gateway_state *s, struct accepted *a,
			struct err *e) {
	bool known;

	if (persist_digest_of(s, &a->files, a->digest, e))
		return -1;
	if (is_known(g, a->digest, &known, e))
		return -1;
	return known ? 0 : check_and_clean(g, s, a, e);
}

/* Of the changed files those that HAProxy accepts, one after the other; of the others the copies
 * from before. `fresh` was refused as a whole for `why`, and what is left in it afterwards does not
 * matter. */
static int accept_in_part(const struct gateway *g, const struct gateway_state *s,
			  struct accepted *fresh, struct accepted *out, struct err *why) {
	struct accepted a CLEANUP(accepted_done) = {0};
	struct err refused = {0};
	size_t changed = 0;

	staged_read(g, s, STAGED_KEPT_FIRST, &a.files);
	staged_leave_out_unseen(&a.files);
	if (accept_taken(g, s, &a, &refused))
		return -1;
	for (size_t i = 0; i < a.files.n; i++) {
		if (!staged_exchange(&a.files, &fresh->files, i))
			continue;
		changed++;
		refused = (struct err){0};
		if (accept_taken(g, s, &a, &refused)) {
			(void) staged_exchange(&a.files, &fresh->files, i);
			(void) err_set(why, refused.code, "%s", refused.msg);
		}
	}
	if (!changed || persist_digest_of(s, &a.files, a.digest, &refused))
		return -1;
	*out = a;
	a = (struct accepted){0};
	return 0;
}

static void warn_of_kept(const struct gateway *g, const struct err *why) {
	progress_warn(
		g->o.progress,
		"HAProxy refuses changed files of the gateway: the previous copies stay in use",
		why->msg);
}

int accept_state(const struct gateway *g, const struct gateway_state *s, struct accepted *out,
		 struct err *e) {
	struct accepted fresh CLEANUP(accepted_done) = {0};
	struct err why = {0}, last = {0};

	staged_read(g, s, STAGED_FRESH_FIRST, &fresh.files);
	if (!accept_taken(g, s, &fresh, &why)) {
		staged_warn(g, &fresh.files);
		*out = fresh;
		fresh = (struct accepted){0};
		return 0;
	}
	last = why;
	if (why.code != ERR_SPEC || accept_in_part(g, s, &fresh, out, &last))
		return err_set(e, why.code, "%s", why.msg);
	warn_of_kept(g, &last);
	return 0;
}

int accept_strictly(const struct gateway *g, const struct gateway_state *s,
		    const struct gateway_state *own, struct err *e) {
	struct accepted fresh CLEANUP(accepted_done) = {0}, part CLEANUP(accepted_done) = {0};
	struct staged now CLEANUP(staged_done) = {0};
	struct err why = {0}, last = {0};

	if (preflight_files(g, own, e))
		return -1;
	staged_read(g, s, STAGED_FRESH_FIRST, &fresh.files);
	if (!accept_taken(g, s, &fresh, &why))
		return 0;
	last = why;
	staged_read(g, s, STAGED_FRESH_FIRST, &now);
	if (why.code != ERR_SPEC || accept_in_part(g, s, &fresh, &part, &last) ||
	    !staged_same_for(&part.files, &now, own))
		return err_set(e, why.code, "%s", why.msg);
	warn_of_kept(g, &last);
	return 0;
}

int accept_and_save(const struct gateway *g, const struct gateway_state *s, struct err *e) {
	struct accepted a CLEANUP(accepted_done) = {0};
	struct staged kept CLEANUP(staged_done) = {0};
	struct err ignored = {0};

	staged_read(g, s, STAGED_KEPT_FIRST, &kept);
	if (staged_has_unseen(&kept) && !accept_state(g, s, &a, &ignored))
		return persist_save(g, s, &a, NULL, e);
	return persist_save(g, s, NULL, NULL, e);
}
