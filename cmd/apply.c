/* SPDX-License-Identifier: Apache-2.0 */
#include "compile_common.h"

#include <fcntl.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/text.h"
#include "conflict.h"
#include "exposure.h"
#include "fallback_check.h"
#include "gc/gc.h"
#include "git/git.h"
#include "golden_report.h"
#include "image/image.h"
#include "lockfile/lockfile.h"
#include "lockfile/plan_file.h"
#include "reach.h"
#include "report/report.h"
#include "spec/spec.h"
#include "json/json.h"

static void judged(void *ctx, const struct json *evidence) {
	golden_report_show(ctx, evidence);
}

/* Commit, dirty or not, remote: for the journal and the container, never for the lockfile. */
static int origin_of(struct args *a, const char *path, struct json **out, struct err *e) {
	struct git_origin o CLEANUP(git_origin_done) = GIT_ORIGIN_INIT;
	bool found;

	/* The standard input is in no repository. */
	if (!strcmp(path, "-"))
		return 0;
	if (git_origin_of(path, &o, &found, e))
		return -1;
	if (o.note)
		report_line(a->report, "the manifest's commit is not recorded: %s", o.note);
	if (!found)
		return 0;
	*out = json_object();
	json_set_str(*out, "commit", o.commit);
	json_set_bool(*out, "dirty", o.dirty);
	json_set_str(*out, "remote", o.remote);
	return 0;
}

/* Layers and blobs that came with a lockfile from another machine. */
static int import_archive(struct args *a, struct context *c, const struct lockfile *l,
			  struct err *e) {
	const char *path = a->option[OPT_ARCHIVE];
	struct image image;

	if (!path)
		return 0;
	int fd CLEANUP(closep) = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "cannot open '%s'", path);
	return image_read_archive(c->store, fd, path, l->image_manifest, &image, e);
}

/* ", instance start 3.20 s"; what took no time is not named. */
static void add_time(struct buf *b, const char *what, uint64_t ms) {
	char took[TEXT_BYTES];

	if (!ms)
		return;
	text_format_ms(ms, took);
	(void) buf_printf(b, "%s%s %s", b->len ? ", " : "", what, took);
}

/* "12.3 s: instance start 3.20 s, golden questions 5.00 s, switch and watch 2.00 s, other 2.10
 * s" */
static char *times_of(const struct rollout_result *r, uint64_t ms) {
	struct buf parts CLEANUP(buf_done) = BUF_INIT(1000);
	uint64_t named = r->start_ms + r->eval_ms + r->canary_ms;
	char total[TEXT_BYTES];

	text_format_ms(ms, total);
	add_time(&parts, "instance start", r->start_ms);
	add_time(&parts, "golden questions", r->eval_ms - r->watch_ms);
	add_time(&parts, "canary", r->canary_ms);
	add_time(&parts, "switch and watch", r->watch_ms);
	add_time(&parts, "other", ms > named ? ms - named : 0);
	return mem_printf("%s%s%s", total, r->outcome == ROLLOUT_SWITCHED ? ": " : "",
			  r->outcome == ROLLOUT_SWITCHED ? buf_str(&parts) : "");
}

static void show_next(struct args *a, const struct lockfile *l, const struct rollout_result *r,
		      const struct reach *reach) {
	char *clients CLEANUP(freep) = mem_printf("%s  %s", reach->url, reach->note),
		      *next CLEANUP(freep) = NULL;

	if (*r->from && r->outcome == ROLLOUT_SWITCHED)
		next = mem_printf("llmdeploy status %s\nllmdeploy rollback %s  (back to '%s', %s)",
				  l->route, l->route, r->from,
				  r->previous_warm ? "which stays warm" : "which starts again");
	else
		next = mem_printf("llmdeploy status %s", l->route);
	const struct report_pair pairs[] = {{"clients", clients},
					    {"try it", reach->curl},
					    {"next", next}};
	report_pairs(a->report, pairs, sizeof pairs / sizeof *pairs);
}

static void tell_people(struct args *a, const struct lockfile *l, const struct rollout_result *r,
			uint64_t ms, const struct reach *reach) {
	char *times CLEANUP(freep) = times_of(r, ms);

	if (r->outcome == ROLLOUT_NOTHING)
		report_line(a->report, "nothing to do: '%s' is active (%s)", l->version, times);
	else if (r->outcome == ROLLOUT_STARTED)
		report_line(a->report, "started: '%s' is active, and the route was stopped (%s)",
			    l->version, times);
	else
		report_line(a->report, "'%s' is active%s%s%s (%s)", l->version,
			    *r->from ? ", after '" : "", r->from, *r->from ? "'" : "", times);
	show_next(a, l, r, reach);
}

static void tell(struct args *a, const struct context *c, const struct lockfile *l,
		 const struct rollout_result *r, uint64_t began) {
	struct json *j CLEANUP(json_freep) = json_object();
	struct reach reach CLEANUP(reach_done) = {0};
	uint64_t ms = clock_mono_ms() - began;

	reach_of(c, l, &reach);
	if (a->report->mode != REPORT_JSON)
		tell_people(a, l, r, ms, &reach);
	json_set_str(j, "route", l->route);
	json_set_str(j, "active", l->version);
	json_set_str(j, "from", r->from);
	json_set_str(j, "lock", l->digest);
	json_set_str(j, "outcome",
		     r->outcome == ROLLOUT_NOTHING           ? "nothing"
			     : r->outcome == ROLLOUT_STARTED ? "started"
							     : "switched");
	json_set_int(j, "total_ms", (int64_t) ms);
	json_set_int(j, "engine_ms", (int64_t) r->start_ms);
	json_set_int(j, "eval_ms", (int64_t) r->eval_ms);
	json_set_int(j, "canary_ms", (int64_t) r->canary_ms);
	json_set_int(j, "watch_ms", (int64_t) r->watch_ms);
	json_set_bool(j, "previous_warm", r->previous_warm);
	json_set_str(j, "url", reach.url);
	report_result(a->report, j);
}

/* A plan is good for the release that was active when it was made, and, once applied, for
 * itself. */
static int check_expected(const struct rollout_session *s, const struct lockfile *l,
			  const struct plan_file_expected *x, struct err *e) {
	struct lockfile *now CLEANUP(lockfile_freep) = NULL;
	struct err none = {0};

	if (rollout_active_lockfile(&s->route, &now, &none) && none.code != ERR_USAGE) {
		*e = none;
		return -1;
	}
	if ((!strcmp(now ? now->digest : "", x->active_lockfile) &&
	     !strcmp(now ? now->version : "", x->active)) ||
	    (now && !strcmp(now->digest, l->digest)))
		return 0;
	return err_set(
		e, ERR_BUSY,
		"the plan is stale: it expects %s%s%s to be active, and %s%s%s is; plan again",
		*x->active ? "'" : "", *x->active ? x->active : "nothing", *x->active ? "'" : "",
		now ? "'" : "", now ? now->version : "nothing", now ? "'" : "");
}

/* `manifest`: its text, where a manifest and not a lockfile is applied. */
static int under_lock(struct args *a, struct context *c, struct rollout_session *s,
		      const struct spec *spec, const struct input *manifest, struct lockfile **l,
		      struct err *e) {
	uint64_t began = clock_mono_ms();
	struct rollout_result result;

	if (spec && compile_common_lockfile_asked(a, c, spec, l, NULL, NULL, e))
		return -1;
	if (conflict_check(a, &s->route, *l, e))
		return -1;
	if (import_archive(a, c, *l, e) ||
	    rollout_apply(s, *l, spec ? buf_str(&manifest->text) : NULL, &result, e))
		return -1;
	if (result.outcome == ROLLOUT_SWITCHED)
		gc_after(s);
	tell(a, c, *l, &result, began);
	return 0;
}

int cmd_apply(struct args *a, struct err *e) {
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	struct json *origin CLEANUP(json_freep) = NULL;
	struct spec *spec CLEANUP(spec_freep) = NULL;
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	struct input in CLEANUP(input_done) = INPUT_INIT;
	struct plan_file_expected expected;
	struct rollout_session s;
	struct err silent = {0};
	bool made;
	bool planned;

	if (a->option[OPT_DRY_RUN])
		return cmd_plan(a, e);
	/* Everything that can be refused without touching anything is refused first. */
	if (input_read(a->at[0], &in, e) ||
	    (a->option[OPT_ARCHIVE] && input_check(a->option[OPT_ARCHIVE], e)) ||
	    compile_common_read_lockfile(&in, &l, &expected, &planned, e) ||
	    (!l && (compile_common_spec(a, &in, &spec, e) ||
		    compile_common_can_run(a, spec, e))) ||
	    origin_of(a, a->at[0], &origin, e))
		return -1;
	if (l)
		exposure_warn(a, json_get(l->tree, "gateway"), NULL);
	if (context_open(a, "apply", NEED_WRITE | NEED_STORE | NEED_DOCKER | NEED_GATEWAY, &c, e))
		return -1;
	/* A machine without the gateway's image makes it before anything of the route is
	 * touched. */
	if (compile_common_gateway(a, &c, false, &made, e))
		return -1;
	/* Whether it is needed is not known, and whether it answers then neither: no reason to
	 * refuse. */
	if (fallback_check(l ? json_get(l->tree, "gateway") : spec->gateway, &silent))
		progress_warn(&a->report->progress, "the fallback did not pass its check",
			      silent.msg);
	c.rollout.base.origin = origin;
	c.rollout.judged = judged;
	c.rollout.ctx = a->report;
	c.rollout.asked = true;
	if (rollout_begin(&c.rollout, l ? l->route : spec->route, true, &s, e))
		return -1;
	int r = 0;
	if ((planned && check_expected(&s, l, &expected, e)) ||
	    under_lock(a, &c, &s, spec, &in, &l, e))
		r = -1;
	rollout_end(&s);
	return r;
}
