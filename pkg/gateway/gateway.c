/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/internal.h"

#include <sys/stat.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/progress.h"
#include "docker/docker.h"
#include "fs/fs.h"
#include "fs/step.h"
#include "root/root.h"

/* HAProxy makes its sockets in there, as the engines' uid; everything else is ours. */
static int open_dir(const struct gateway_options *o, int *out, struct err *e) {
	int fd CLEANUP(closep) = -1;
	struct stat st;

	if (fs_mkdirs(EFFECT_GATEWAY_CONFIG, o->root->fd, "run", 0755, e) ||
	    fs_mkdirs(EFFECT_GATEWAY_CONFIG, o->root->fd, "gateway", 0755, e) ||
	    fs_open_dir(o->root->fd, "gateway", &fd, e))
		return -1;
	if (fstat(fd, &st))
		return err_sys(e, "cannot look at 'gateway'");
	if (st.st_uid != o->root->instance_uid &&
	    fs_step_chown(EFFECT_GATEWAY_CONFIG, fd, o->root->instance_uid))
		return err_sys(e, "cannot give 'gateway' to uid %u",
			       (unsigned) o->root->instance_uid);
	*out = fd;
	fd = -1;
	return 0;
}

int gateway_open(const struct gateway_options *o, struct gateway **out, struct err *e) {
	struct gateway *g CLEANUP(gateway_freep) = mem_zalloc(1, sizeof *g);

	g->o = *o;
	g->none = o->settings.mode == GATEWAY_NONE;
	g->h = (struct haproxy){.root = o->root,
				.store = o->store,
				.docker = o->docker,
				.progress = o->progress,
				.program = o->settings.program,
				.config_path = o->settings.config_path,
				.host = o->settings.mode == GATEWAY_ON_HOST,
				.dir = -1,
				.memo = mem_zalloc(1, sizeof *g->h.memo)};
	if (!g->none && open_dir(o, &g->h.dir, e))
		return -1;
	*out = STEAL(g);
	return 0;
}

void gateway_free(struct gateway *g) {
	if (!g)
		return;
	closep(&g->h.dir);
	free(g->h.memo);
	free(g);
}

void gateway_freep(struct gateway **g) {
	gateway_free(*g);
}

bool gateway_present(const struct gateway *g) {
	return !g->none;
}

/* ---- ensure ---- */

static int start_process(const struct gateway *g, const struct gateway_state *s, const char *digest,
			 struct err *e) {
	struct buf words CLEANUP(buf_done) = BUF_INIT(64 << 10);
	bool up;

	progress_step(g->o.progress, "gateway");
	if (process_sweep(&g->h, true, e) ||
	    preflight_ports(g, NULL, s, e) ||
	    process_start(&g->h, e) ||
	    haproxy_await(&g->h, digest, GATEWAY_START_MS, &up, e))
		return -1;
	if (!up) {
		struct err ignored = {0};
		process_log_tail(&g->h, &words);
		(void) process_sweep(&g->h, true, &ignored);
		return haproxy_failed(&g->h, buf_str(&words), e);
	}
	if (process_keep(&g->h, e))
		return -1;
	progress_done(g->o.progress, "gateway", "started");
	return 0;
}

/* What one that runs has against what it should have: image and mounts, then the configuration,
 * then its servers. */
static int update_process(const struct gateway *g, const struct gateway_state *s,
			  const struct process *p, const char *digest, struct err *e) {
	struct socket_workers all;
	bool has;

	if (!p->same) {
		progress_step(g->o.progress, "gateway");
		if (process_take_over(&g->h, digest, e))
			return -1;
		progress_done(g->o.progress, "gateway", "another process took over");
		return 0;
	}
	if (socket_workers(g->h.dir, &all, e) ||
	    haproxy_has(&g->h, &all, digest, &has, e))
		return -1;
	if (!has && haproxy_reload(&g->h, digest, e))
		return -1;
	if (process_keep(&g->h, e) ||
	    haproxy_sync(&g->h, gateway_state_routes(s), e))
		return -1;
	return 0;
}

int ensure_locked(struct gateway *g, const struct gateway_state *s, struct err *e) {
	struct accepted a CLEANUP(accepted_done) = {0};
	const char *digest = a.digest;
	struct socket_workers all;
	struct process p;
	bool repaired, up;

	if (process_sweep(&g->h, false, e))
		return -1;
	if (!gateway_state_count(s))
		return process_sweep(&g->h, true, e);
	/* What HAProxy refuses is not written, and what runs stays as it is. */
	if (accept_state(g, s, &a, e) ||
	    persist_save(g, s, &a, &repaired, e))
		return -1;
	if (repaired)
		progress_warn(
			g->o.progress,
			"the gateway's configuration differed from gateway/state and was rewritten",
			g->o.root->path);
	for (size_t i = 0; i < gateway_state_count(s); i++) {
		const struct haproxy_route *r = gateway_state_at(s, i);
		if (persist_link(g, r->name, 0, r->slots[0].id, e) ||
		    persist_link(g, r->name, 1, r->slots[1].id, e))
			return -1;
	}
	if (process_inspect(&g->h, &p, e) ||
	    socket_workers(g->h.dir, &all, e))
		return -1;
	/* One that the Engine has just brought back gets a moment to answer. */
	if (p.running && !all.serving &&
	    (haproxy_await(&g->h, digest, GATEWAY_BACK_MS, &up, e) ||
	     socket_workers(g->h.dir, &all, e)))
		return -1;
	bool runs = p.running && all.running && all.serving;
	/* Someone may have had the edited text loaded: the process cannot tell. */
	if (runs && repaired && haproxy_reload(&g->h, digest, e))
		return -1;
	if (runs ? update_process(g, s, &p, digest, e) : start_process(g, s, digest, e))
		return -1;
	return persist_mark_loaded(g, s, e);
}

/* A route that HAProxy does not come up with must not take the others along when it is started
 * next. */
static int restore_loaded(struct gateway *g, const struct gateway_state *s, const struct err *why,
			  struct err *e) {
	struct gateway_state *good CLEANUP(gateway_state_freep) = NULL;
	struct err ignored = {0};

	if (g->h.memo->refused && !persist_without_refused(g, s, &good, &ignored) && good)
		(void) ensure_locked(g, good, &ignored);
	return err_set(e, why->code, "%s", why->msg);
}

int gateway_ensure(struct gateway *g, struct err *e) {
	struct gateway_state *s CLEANUP(gateway_state_freep) = NULL;
	struct err why = {0};
	int file_lock CLEANUP(closep) = -1;

	if (g->none)
		return 0;
	if (persist_lock(g, &file_lock, e) ||
	    persist_state(g, &s, e))
		return -1;
	return ensure_locked(g, s, &why) ? restore_loaded(g, s, &why, e) : 0;
}

static void count_wrong(void *ctx, const char *what, const char *want, const char *have) {
	size_t *n = ctx;

	(void) what, (void) want, (void) have;
	++*n;
}

struct unfinished {
	size_t files, links, maps;
	bool torn, check; /* check: HAProxy was being asked */
};

static int find_unfinished(const struct gateway *g, const char *route, struct unfinished *h,
			   struct err *e) {
	struct gateway_state *s CLEANUP(gateway_state_freep) = NULL;
	struct err ignored = {0};
	size_t copies;
	bool loaded;

	*h = (struct unfinished){.check = fs_exists(g->h.dir, HAPROXY_CHECK_DIR)};
	if (persist_sweep(g, false, &h->files, e) ||
	    persist_state(g, &s, e) ||
	    persist_torn(g, s, &h->torn, e) ||
	    staged_sweep(g, s, false, &copies, e))
		return -1;
	h->files += copies;
	persist_links(g, s, route, count_wrong, &h->links);
	/* A change that was saved, and never told. A process that cannot be asked is brought along
	 * by an ensure. */
	if (drift_of_maps(g, s, route, count_wrong, &h->maps, &loaded, &ignored))
		h->maps = 0;
	return 0;
}

static int finish_unfinished(const struct gateway *g, const char *route, const struct unfinished *h,
			     struct err *e) {
	struct gateway_state *s CLEANUP(gateway_state_freep) = NULL;
	struct accepted a CLEANUP(accepted_done) = {0};
	size_t n;

	if (persist_sweep(g, true, &n, e) ||
	    persist_state(g, &s, e) ||
	    staged_sweep(g, s, true, &n, e))
		return -1;
	if (h->check &&
	    (process_check_sweep(&g->h, e) ||
	     fs_remove_tree(EFFECT_GATEWAY_CONFIG, g->h.dir, HAPROXY_CHECK_DIR, e)))
		return -1;
	const struct haproxy_route *r = gateway_state_find(s, route);
	if (r &&
	    (persist_link(g, route, 0, r->slots[0].id, e) ||
	     persist_link(g, route, 1, r->slots[1].id, e)))
		return -1;
	if (h->torn &&
	    (accept_state(g, s, &a, e) ||
	     (gateway_state_count(s) && persist_save(g, s, &a, NULL, e))))
		return -1;
	if (!h->torn && gateway_state_count(s) && accept_and_save(g, s, e))
		return -1;
	if (!h->maps)
		return 0;
	progress_note(g->o.progress,
		      "HAProxy's maps differed from gateway/state and were set again", route);
	return haproxy_sync(&g->h, gateway_state_routes(s), e);
}

int gateway_reconcile(struct gateway *g, const char *route, struct err *e) {
	int file_lock CLEANUP(closep) = -1;
	struct unfinished h;

	if (g->none)
		return 0;
	/* Also one that an earlier version made, with another policy. */
	if (process_keep(&g->h, e))
		return -1;
	if (find_unfinished(g, route, &h, e))
		return -1;
	if (!h.files && !h.links && !h.maps && !h.torn && !h.check)
		return 0;
	if (persist_lock(g, &file_lock, e) ||
	    finish_unfinished(g, route, &h, e))
		return -1;
	return 0;
}

static int serving_pid(const struct gateway *g, int *pid, struct err *e) {
	struct socket_workers all;

	*pid = 0;
	if (socket_workers(g->h.dir, &all, e))
		return -1;
	for (size_t i = 0; i < all.n && !*pid; i++)
		if (!all.at[i].finishing)
			*pid = all.at[i].pid;
	return 0;
}

static int reload_locked(struct gateway *g, const struct gateway_state *s, struct err *e) {
	char digest[SHA256_HEX];
	int before, after;

	if (persist_digest(g, s, digest, e) ||
	    serving_pid(g, &before, e) ||
	    haproxy_reload(&g->h, digest, e))
		return -1;
	/* Versions before 2.7 say nothing when it is done, and the one before may have the same
	 * digest. */
	for (uint64_t until = clock_mono_ms() + GATEWAY_START_MS; clock_mono_ms() < until;
	     clock_sleep_ms(20)) {
		if (interrupt_check(e) ||
		    serving_pid(g, &after, e))
			return -1;
		if (after && after != before)
			return haproxy_sync(&g->h, gateway_state_routes(s), e);
	}
	return err_set(e, ERR_UNREACHABLE, "HAProxy did not reload within %d s; see its log",
		       GATEWAY_START_MS / 1000);
}

int gateway_reload(struct gateway *g, struct err *e) {
	struct gateway_state *s CLEANUP(gateway_state_freep) = NULL;
	int file_lock CLEANUP(closep) = -1, before, after;

	if (g->none)
		return 0;
	if (persist_lock(g, &file_lock, e) ||
	    persist_state(g, &s, e))
		return -1;
	if (!gateway_state_count(s))
		return 0;
	if (accept_strictly(g, s, s, e))
		return -1;
	if (serving_pid(g, &before, e) ||
	    ensure_locked(g, s, e) ||
	    serving_pid(g, &after, e))
		return -1;
	return before == after ? reload_locked(g, s, e) : 0;
}

int gateway_upgrade(struct gateway *g, bool force, bool *changed, struct err *e) {
	struct gateway_state *s CLEANUP(gateway_state_freep) = NULL;
	struct accepted a CLEANUP(accepted_done) = {0};
	int file_lock CLEANUP(closep) = -1;
	struct process p;

	*changed = false;
	if (g->none)
		return 0;
	if (persist_lock(g, &file_lock, e) ||
	    persist_state(g, &s, e))
		return -1;
	if (!gateway_state_count(s))
		return 0;
	if (process_sweep(&g->h, false, e) ||
	    process_inspect(&g->h, &p, e) ||
	    accept_strictly(g, s, s, e))
		return -1;
	*changed = force || g->h.host || !p.running || !p.same;
	if (!p.running || (!force && !g->h.host))
		return ensure_locked(g, s, e);
	if (accept_state(g, s, &a, e) ||
	    persist_save(g, s, &a, NULL, e))
		return -1;
	return g->h.host ? reload_locked(g, s, e) : process_take_over(&g->h, a.digest, e);
}
