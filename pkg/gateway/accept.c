#include "gateway/internal.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "fs/fs.h"

/* Design: nothing is written, reloaded or journalled of a configuration that the HAProxy which will load it has not accepted. It is laid out whole in
 * gateway/check, as it would lie in gateway/, and `haproxy -c` reads it there: in a container of the gateway's image, with its uid and its mounts, or
 * as the installed program under its user. What a process serves already needs no question. */

void accepted_done(struct accepted *a) {
	staged_done(&a->files);
}

static int take(const struct gateway *g, const struct gateway_state *s, enum staged_order order, struct accepted *out, struct err *e) {
	struct accepted a CLEANUP(accepted_done) = {0};

	staged_read(g, s, order, &a.files);
	if (persist_digest_of(s, &a.files, a.digest, e))
		return -1;
	accepted_done(out);
	*out = a;
	a = (struct accepted){0};
	return 0;
}

static int is_known(const struct gateway *g, const char *digest, bool *known, struct err *e) {
	struct socket_workers all;
	struct process p;

	*known = !strcmp(g->memo->accepted, digest);
	if (*known)
		return 0;
	if (socket_workers(g->dir, &all, e))
		return -1;
	if (!all.running || !all.serving)
		return 0;
	if (process_inspect(g, &p, e))
		return -1;
	return p.running && p.same ? haproxy_has(g, &all, digest, known, e) : 0;
}

static int lay_out(const struct gateway *g, const struct gateway_state *s, const struct staged *f, struct err *e) {
	if (fs_remove_tree(EFFECT_GATEWAY_CONFIG, g->dir, CHECK_DIR, e))
		return err_wrap(e, "gateway");
	if (staged_own_dir(g, CHECK_DIR, e) ||
	    staged_own_dir(g, CHECK_DIR "/gateway", e) ||
	    staged_put(g, CHECK_DIR "/gateway/", f, e))
		return -1;
	return persist_lay_out(g, s, f, CHECK_DIR "/gateway/", e);
}

static int check(const struct gateway *g, const struct gateway_state *s, const struct accepted *a, struct err *e) {
	struct buf said CLEANUP(buf_done) = BUF_INIT(64 << 10);
	bool fine = false;

	if (lay_out(g, s, &a->files, e))
		return -1;
	if (process_check(g, &fine, &said, e))
		return -1;
	if (!fine)
		return haproxy_refused(g, buf_str(&said), e);
	(void) strcpy(g->memo->accepted, a->digest);
	return 0;
}

/* Whatever it came to: the copies in it are of keys. */
static int check_and_clean(const struct gateway *g, const struct gateway_state *s, const struct accepted *a, struct err *e) {
	struct err why = {0}, more = {0};
	int r = check(g, s, a, &why);

	if (fs_remove_tree(EFFECT_GATEWAY_CONFIG, g->dir, CHECK_DIR, &more))
		progress_warn(g->o.progress, "the files of a check could not be removed", more.msg);
	return r ? err_set(e, why.code, "%s", why.msg) : 0;
}

static int accept_as(const struct gateway *g, const struct gateway_state *s, enum staged_order order, struct accepted *out, struct err *e) {
	bool known;

	if (take(g, s, order, out, e) || is_known(g, out->digest, &known, e))
		return -1;
	return known ? 0 : check_and_clean(g, s, out, e);
}

int accept_state(const struct gateway *g, const struct gateway_state *s, struct accepted *out, struct err *e) {
	struct accepted fresh CLEANUP(accepted_done) = {0}, kept CLEANUP(accepted_done) = {0};
	struct err why = {0}, again = {0};

	if (!accept_as(g, s, STAGED_FRESH_FIRST, &fresh, &why)) {
		staged_warn(g, &fresh.files);
		*out = fresh;
		fresh = (struct accepted){0};
		return 0;
	}
	/* A file that was changed into something that HAProxy refuses: what it had before holds, so that the routes of others can go on. */
	if (why.code != ERR_SPEC || take(g, s, STAGED_KEPT_FIRST, &kept, &again) || !staged_differ(&fresh.files, &kept.files) ||
	    accept_as(g, s, STAGED_KEPT_FIRST, &kept, &again))
		return err_set(e, why.code, "%s", why.msg);
	progress_warn(g->o.progress, "files of the gateway were changed, and HAProxy refuses them: the copies that it has stay in use", why.msg);
	*out = kept;
	kept = (struct accepted){0};
	return 0;
}

/* The files of a route that is to change have to be there as they are now. */
int accept_strictly(const struct gateway *g, const struct gateway_state *s, const struct gateway_state *own, struct err *e) {
	struct accepted a CLEANUP(accepted_done) = {0};

	if (preflight_files(g, own, e))
		return -1;
	return accept_as(g, s, STAGED_FRESH_FIRST, &a, e);
}
