/* SPDX-License-Identifier: Apache-2.0 */
#include "drift/internal.h"
#include "rollout/active.h"
#include "rollout/journal_records.h"
#include "rollout/reconcile.h"
#include "rollout/recreate.h"
#include "rollout/traffic.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/progress.h"
#include "docker/docker.h"
#include "journal/journal.h"
#include "release/history.h"
#include "store/store.h"
#include "json/json.h"

/* Design: what differs is found again under the route's lock, after recovery, and repaired from the
 * ground up: bytes, image, the other containers, the active one, the gateway. Where the active
 * container has to be created again, the previous release answers meanwhile (`stand_in`): the
 * gateway turns to it and back, and the symlink stays. Killed anywhere in between, recovery stands
 * the active release up and turns back. */

enum { UP_LOOKS = 60, UP_EVERY_MS = 100 };

/* One fix on its way. */
struct repair {
	struct rollout_session *s;
	const struct lockfile *l; /* the active release's */
	struct drift_repairs *out;
	bool kinds[DRIFT_STRAY + 1];
	bool paranoid;
	bool stopped;  /* the route: nothing of it is started */
	bool restored; /* a file of the store: who runs has another one open */
};

void drift_repairs_done(struct drift_repairs *f) {
	for (size_t i = 0; i < f->n; i++) {
		free(f->at[i].what);
		free(f->at[i].how);
	}
	free(f->at);
	*f = (struct drift_repairs){0};
}

void repair_note(const struct rollout *ctx, struct drift_repairs *out, const char *what,
		 const char *how) {
	out->at = mem_grow(out->at, out->n + 1, sizeof *out->at);
	out->at[out->n++] = (struct drift_repaired){mem_strdup(what), mem_strdup(how)};
	progress_note(ctx->base.progress, what, how);
}

static void note(struct repair *f, const char *what, const char *how) {
	repair_note(f->s->ctx, f->out, what, how);
}

/* ---- model and adapters ---- */

static int put_aside(struct repair *f, const struct lockfile_artifact *a, char **aside,
		     struct err *e) {
	struct json *r = record_new(EVENT_QUARANTINED, f->l);

	json_set_str(r, "sha256", a->sha256);
	if (store_quarantine(f->s->ctx->base.store, a->sha256, aside, e)) {
		json_free(r);
		return -1;
	}
	char *what CLEANUP(freep) = *aside
		? mem_printf("%s %.12s is kept as store/%s", a->role, a->sha256, *aside)
		: mem_printf("%s %.12s was missing", a->role, a->sha256);
	json_set_str(r, "what", what);
	return record_put(f->s, r, e);
}

static int restore(struct repair *f, const struct lockfile_artifact *a, struct err *e) {
	struct store_want want = {.sources = a->sources,
				  .n_sources = a->n_sources,
				  .sha256 = a->sha256,
				  .size = a->size,
				  .what = a->role};
	char *aside CLEANUP(freep) = NULL;

	if (put_aside(f, a, &aside, e))
		return -1;
	char *kept CLEANUP(freep) = aside
		? mem_printf("; the file found in its place is kept as store/%s", aside)
		: mem_strdup("");
	if (!a->n_sources)
		return err_set(e, ERR_DRIFT,
			       "%s %.12s does not match the lockfile, and the lockfile has no "
			       "remote source%.150s: run llmdeploy model pull with its "
			       "manifest, then llmdeploy verify %s --fix",
			       a->role, a->sha256, kept, f->l->route);
	if (store_fetch(f->s->ctx->base.store, &want, f->s->ctx->base.progress, e))
		return err_wrap(e, "%s", a->role);
	char *how CLEANUP(freep) = mem_printf("fetched again%s", kept);
	note(f, a->role, how);
	f->restored = true;
	return 0;
}

static int repair_artifacts(struct repair *f, struct err *e) {
	for (size_t i = 0; i < f->l->n_artifacts; i++) {
		struct err found = {0};
		if (!store_verify(f->s->ctx->base.store, f->l->artifacts[i].sha256, f->paranoid,
				  &found))
			continue;
		if (found.code != ERR_INTEGRITY)
			return err_set(e, found.code, "%s", found.msg);
		if (restore(f, &f->l->artifacts[i], e))
			return -1;
	}
	return 0;
}

/* ---- containers ---- */

static int is_stale(struct repair *f, const struct lockfile *l, bool *stale, struct err *e) {
	struct docker_container c CLEANUP(docker_container_done) = {0};
	char *name CLEANUP(freep) = instance_name(f->s->ctx->base.root, l);
	bool found;

	if (docker_container_inspect(f->s->ctx->base.docker, name, &found, &c, e))
		return -1;
	*stale = found && c.running && f->restored;
	for (size_t i = 0; found && c.running && i < l->n_artifacts; i++)
		*stale = *stale || instance_is_stale(&f->s->ctx->base, l, i, &c);
	return 0;
}

/* The previous release, for a while: NULL where there is none, or none that can. *up: it runs
 * already. */
static int find_failover(struct repair *f, bool serving, struct lockfile **before, bool *up,
			 struct err *e) {
	struct release target CLEANUP(release_done) = RELEASE_INIT;
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	struct err none = {0};

	*before = NULL;
	if (!traffic_has_gateway(f->s->ctx) ||
	    release_rollback_target(&f->s->route, NULL, &target, &none) ||
	    lockfile_parse(target.version, target.lockfile, target.lockfile_len, &l, &none) ||
	    !strcmp(l->id, f->l->id))
		return 0;
	if (instance_is_running(&f->s->ctx->base, l, up, e))
		return -1;
	/* To start it takes as long as to start the right one: that helps only while that one still
	 * answers. */
	if (*up || (serving && !recreate_needed(f->s, f->l, l) && reconcile_fits(f->l, l)))
		*before = STEAL(l);
	return 0;
}

static int failover_to_previous(struct repair *f, const struct lockfile *before, struct err *e) {
	struct rollout_session *s = f->s;
	struct json *r;

	progress_step(s->ctx->base.progress, "fail over to the previous release");
	if (instance_start(&s->ctx->base, before, e) ||
	    instance_await_ready(&s->ctx->base, before, NULL, e) ||
	    traffic_assign_slot(s->ctx, before, e))
		return -1;
	r = record_new(EVENT_STAND_IN, f->l);
	json_set_str(r, "stand_in", before->version);
	char *what CLEANUP(
		freep) = mem_printf("'%s' serves while the container of '%s' is replaced",
				    before->version, f->l->version);
	json_set_str(r, "what", what);
	if (record_put(s, r, e) ||
	    traffic_shift(s->ctx, s->route.name, before, e) ||
	    traffic_drain(s, f->l, f->l->drain_ms, e))
		return -1;
	progress_done(s->ctx->base.progress, "fail over to the previous release", before->version);
	return 0;
}

static int make_again(struct repair *f, struct err *e) {
	char *name CLEANUP(freep) = instance_name(f->s->ctx->base.root, f->l);

	progress_step(f->s->ctx->base.progress, "replace the container");
	if (instance_remove(&f->s->ctx->base, f->l, e) ||
	    instance_start(&f->s->ctx->base, f->l, e) ||
	    instance_await_ready(&f->s->ctx->base, f->l, NULL, e) ||
	    docker_container_set_restart(f->s->ctx->base.docker, name, DOCKER_RESTART_KEEP, e))
		return -1;
	progress_done(f->s->ctx->base.progress, "replace the container", f->l->version);
	return 0;
}

/* 1. Someone else answers, if one can. 2. The container goes, and comes as the lock says. 3. It
 * answers again. */
static int replace(struct repair *f, bool serving, struct err *e) {
	struct rollout_session *s = f->s;
	struct lockfile *before CLEANUP(lockfile_freep) = NULL;
	struct err why = {0};
	bool up = false;

	if (find_failover(f, serving, &before, &up, e))
		return -1;
	if (before && failover_to_previous(f, before, e))
		return -1;
	if (!before && serving)
		progress_warn(s->ctx->base.progress,
			      "its container is replaced and no other release can serve meanwhile: "
			      "until it is ready, clients get the "
			      "fallback if the route has one, else 503 with Retry-After",
			      f->l->version);
	if (make_again(f, &why))
		return err_set(e, why.code,
			       "%.250s; '%s' is active and does not become ready%s%.64s%s: "
			       "llmdeploy rollback %s",
			       why.msg, f->l->version, before ? "; '" : "",
			       before ? before->version : "",
			       before ? "' serves until the next command" : "", f->l->route);
	if (traffic_assign_slot(s->ctx, f->l, e) ||
	    traffic_shift(s->ctx, s->route.name, f->l, e) ||
	    (before && traffic_drain(s, before, before->drain_ms, e)))
		return -1;
	char *how CLEANUP(freep) = before
		? mem_printf("replaced; '%s' served meanwhile", before->version)
		: mem_strdup("replaced");
	note(f, "container", how);
	return 0;
}

/* Those that have no traffic. */
static int repair_others(struct repair *f, struct err *e) {
	struct release target CLEANUP(release_done) = RELEASE_INIT;
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	struct err none = {0};
	bool stale;

	if (release_rollback_target(&f->s->route, NULL, &target, &none) ||
	    lockfile_parse(target.version, target.lockfile, target.lockfile_len, &l, &none) ||
	    !strcmp(l->id, f->l->id))
		return 0;
	if (is_stale(f, l, &stale, e))
		return -1;
	if (!stale)
		return 0;
	if (instance_stop(&f->s->ctx->base, l, e) ||
	    instance_start(&f->s->ctx->base, l, e) ||
	    instance_await_ready(&f->s->ctx->base, l, NULL, e))
		return err_wrap(e, "'%s'", l->version);
	note(f, "previous release", "restarted with the right files");
	return 0;
}

/* One that runs and does not answer in its time is stopped, and started. */
static int start(struct repair *f, struct err *e) {
	struct rollout_session *s = f->s;
	struct err silent = {0};
	bool running;

	if (instance_is_running(&s->ctx->base, f->l, &running, e))
		return -1;
	if (running && active_ensure(s, f->l, NULL, &silent)) {
		if (silent.code == ERR_INTERRUPTED || silent.code == ERR_UNREACHABLE)
			return err_set(e, silent.code, "%s", silent.msg);
		return replace(f, false, e);
	}
	if (!running && active_ensure(s, f->l, NULL, e))
		return -1;
	note(f, "container", running ? "answers" : "started again");
	return 0;
}

static int repair_container(struct repair *f, struct err *e) {
	char *name CLEANUP(freep) = instance_name(f->s->ctx->base.root, f->l);
	bool stale, alive;
	char image[65];

	if (instance_image(&f->s->ctx->base, f->l, image, e) ||
	    is_stale(f, f->l, &stale, e))
		return -1;
	if (f->kinds[DRIFT_IMAGE])
		note(f, "image", "loaded from the store");
	if (stale || f->kinds[DRIFT_REPLACE]) {
		if (instance_is_ready(&f->s->ctx->base, f->l, &alive, e) ||
		    replace(f, alive, e))
			return -1;
		return 0;
	}
	if (f->kinds[DRIFT_START])
		return start(f, e);
	if (!f->kinds[DRIFT_POLICY])
		return 0;
	if (docker_container_set_restart(f->s->ctx->base.docker, name, DOCKER_RESTART_KEEP, e))
		return -1;
	note(f, "restart policy", "set");
	return 0;
}

/* What was just started passes the gateway's health check in a moment; where it does not, verify
 * says so. */
static int await_up(struct repair *f, struct err *e) {
	struct gateway_route_view v;

	for (unsigned i = 0; i < UP_LOOKS; i++) {
		if (gateway_status_route(f->s->ctx->gateway, f->s->route.name, &v, e))
			return -1;
		for (size_t k = 0; k < 2; k++)
			if (!strcmp(v.servers[k].id, f->l->id) && v.servers[k].up)
				return 0;
		clock_sleep_ms(UP_EVERY_MS);
	}
	return 0;
}

static int repair_gateway(struct repair *f, struct err *e) {
	if (!traffic_has_gateway(f->s->ctx))
		return 0;
	if (gateway_ensure(f->s->ctx->gateway, e) ||
	    reconcile_traffic(f->s, e) ||
	    await_up(f, e))
		return -1;
	if (f->kinds[DRIFT_GATEWAY])
		note(f, "gateway", "its files and slots follow the active release again");
	return 0;
}

/* Recovery has stopped what ran of a route that is stopped, before this. */
static int repair_stopped(struct repair *f, struct err *e) {
	if (repair_artifacts(f, e))
		return -1;
	if (f->kinds[DRIFT_STOPPED]) {
		if (instance_stop(&f->s->ctx->base, f->l, e))
			return -1;
		note(f, "container", "stopped: the route is stopped");
	}
	return traffic_has_gateway(f->s->ctx)
		? gateway_ensure(f->s->ctx->gateway, e) || reconcile_traffic(f->s, e) ? -1 : 0
		: 0;
}

/* From the ground up: what is above stands on it. */
static int repair_all(struct repair *f, struct err *e) {
	if (f->stopped) {
		if (interrupt_check(e) ||
		    repair_stopped(f, e))
			return -1;
		return 0;
	}
	if (interrupt_check(e) ||
	    repair_artifacts(f, e) ||
	    repair_others(f, e) ||
	    repair_container(f, e))
		return -1;
	return repair_gateway(f, e);
}

static int begin(struct repair *f, const struct drift_differences *d, struct err *e) {
	struct buf found CLEANUP(buf_done) = BUF_INIT(2000);

	for (size_t i = 0; i < d->n; i++) {
		f->kinds[d->at[i].kind] = true;
		(void) buf_printf(&found, "%s%s", i ? ", " : "", d->at[i].what);
	}
	return record_begin_for(f->s, EVENT_FIX, f->l, f->l->version, buf_str(&found), e);
}

static int end(struct repair *f, struct err *e) {
	const struct err *why = &f->out->why;
	struct json *r = record_new(!why->code                             ? EVENT_FIXED
					    : why->code == ERR_INTERRUPTED ? EVENT_INTERRUPTED
									   : EVENT_FAILED,
				    f->l);
	struct buf what CLEANUP(buf_done) = BUF_INIT(4000);

	for (size_t i = 0; i < f->out->n; i++)
		(void) buf_printf(&what, "%s%s: %s", i ? "; " : "", f->out->at[i].what,
				  f->out->at[i].how);
	json_set_str(r, "what", buf_str(&what));
	if (why->code)
		json_set_str(r, "reason", why->msg);
	return record_put(f->s, r, e);
}

static int repair(struct repair *f, const struct drift_differences *d, struct err *e) {
	bool was;

	if (active_note_restart(f->s, f->l, &was, e))
		return -1;
	if (was)
		note(f, "start", "recorded in the journal");
	if (d->n == 1 && d->at[0].kind == DRIFT_RESTARTED && was)
		return 0;
	if (begin(f, d, e))
		return -1;
	interrupt_hold();
	(void) repair_all(f, &f->out->why);
	int r = end(f, e);
	interrupt_release();
	return r;
}

int drift_repair(struct rollout_session *s, bool paranoid, struct drift_repairs *out,
		 struct err *e) {
	struct repair f = {.s = s, .out = out, .paranoid = paranoid};
	struct drift_differences d CLEANUP(drift_differences_done) = {0};
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	char *active CLEANUP(freep) = NULL;
	enum release_state state;

	if (release_state(&s->route, &state, NULL, e))
		return -1;
	f.stopped = state == RELEASE_STOPPED;
	if (verify_route(s->ctx, &s->route, paranoid, &d, e) ||
	    release_active_name(&s->route, &active, e))
		return -1;
	if (!d.n || !active)
		return 0;
	if (rollout_lockfile_of(&s->route, active, &l, e))
		return -1;
	f.l = l;
	return repair(&f, &d, e);
}
