/* SPDX-License-Identifier: Apache-2.0 */
#include "compile_common.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "compile/compile.h"
#include "eval/eval.h"
#include "fallback_check.h"
#include "fs/fs.h"
#include "lockfile/lockfile.h"
#include "lockfile/plan_file.h"
#include "plan.h"
#include "plan/diff.h"
#include "plan/plan.h"
#include "report/report.h"
#include "size/size.h"
#include "spec/spec.h"
#include "json/json.h"

/* What is active on the route now. */
struct active {
	struct lockfile *lockfile;
	struct json *proof;
	uint64_t speed_milli;
};

static void active_done(struct active *x) {
	lockfile_free(x->lockfile);
	json_free(x->proof);
}

/* A route that nothing was ever deployed on is no fault. */
static int look(const struct context *c, const char *name, struct active *out, struct err *e) {
	struct release_route route CLEANUP(release_route_done) = RELEASE_ROUTE_INIT;
	struct release rel CLEANUP(release_done) = RELEASE_INIT;
	struct err none = {0};

	if (release_route_open(&c->root, name, false, &route, &none) ||
	    rollout_active_lockfile(&route, &out->lockfile, &none)) {
		if (none.code == ERR_USAGE)
			return 0;
		*e = none;
		return -1;
	}
	if (release_read(&route, out->lockfile->version, &rel, e))
		return -1;
	out->proof = json_copy(rel.proof);
	out->speed_milli = eval_speed_milli(json_get(out->proof, "golden"));
	return 0;
}

/* Without a root everything is new, and files outside of the store can still be read. */
static int open_quietly(struct args *a, struct context *c, bool *there, struct err *e) {
	struct err none = {0};

	*there = !context_open(a, "plan", NEED_STORE, c, &none);
	if (*there || (none.code == ERR_USAGE && !a->option[OPT_OUT] && !a->option[OPT_ESTIMATE]))
		return 0;
	*e = none;
	return -1;
}

static void add_changes(struct json *document, const struct spec *s, const struct active *now,
			const struct compile_preview *p) {
	struct json *o = json_object(), *list;
	enum plan_rollback_mode back =
		plan_rollback_mode(p->capacity, s->reserve_percent,
				   now->lockfile ? now->lockfile->planned_bytes : 0,
				   p->planned_bytes, s->strategy, s->previous);

	if (!p->tree) {
		json_free(o);
		return;
	}
	list = plan_diff(now->lockfile ? now->lockfile->tree : NULL, p->tree);
	json_set_str(o, "against", now->lockfile ? now->lockfile->version : NULL);
	json_set_int(o, "count", (int64_t) json_count(list));
	json_set(o, "list", list);
	json_set_str(o, "rollback", plan_rollback_mode_name(back));
	if (now->lockfile) {
		json_set_int(o, "active_bytes", (int64_t) now->lockfile->planned_bytes);
		json_set_int(o, "both_bytes",
			     (int64_t) (now->lockfile->planned_bytes + p->planned_bytes));
	}
	json_set(document, "changes", o);
}

/* The whole compilation, and the lockfile beside what is active now. */
static int write_out(struct args *a, struct context *c, const struct spec *s,
		     const struct active *now, struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(16 << 20);
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	struct plan_file_expected x = {0};

	if (now->lockfile) {
		(void) snprintf(x.active, sizeof x.active, "%s", now->lockfile->version);
		memcpy(x.active_lockfile, now->lockfile->digest, sizeof x.active_lockfile);
	}
	int r = a->option[OPT_ESTIMATE] ? compile_common_lockfile_asked(a, c, s, &l, NULL, NULL, e)
					: compile_common_lockfile(a, c, s, &l, e);

	if (r ||
	    plan_file_write(l, &x, &text, e) ||
	    fs_write(EFFECT_OUTPUT, AT_FDCWD, a->option[OPT_OUT], buf_str(&text), text.len, 0644,
		     e))
		return -1;
	report_line(a->report, "wrote %s (lock %.12s, valid while %s%s%s is active)",
		    a->option[OPT_OUT], l->digest, *x.active ? "'" : "",
		    *x.active ? x.active : "nothing", *x.active ? "'" : "");
	return 0;
}

static int show(struct args *a, const struct json *document, struct err *e) {
	const char *topic = a->option[OPT_EXPLAIN];
	struct buf text CLEANUP(buf_done) = BUF_INIT(1 << 20);

	if (topic && plan_explain(document, topic, &text, e))
		return -1;
	if (topic && a->report->mode != REPORT_JSON)
		report_text(a->report, buf_str(&text), text.len ? text.len - 1 : 0);
	else
		plan_show(a->report, document);
	report_result(a->report, document);
	return 0;
}

/* For people, and where an apply would take it. */
static bool can_be_applied(const struct args *a, const struct spec *s,
			   const struct json *document) {
	const char *launch = json_str(json_get(document, "runtime"), "launch");
	struct err unready = {0};

	if (a->report->mode == REPORT_JSON || a->option[OPT_EXPLAIN])
		return false;
	return launch && !strcmp(launch, "packages") && !spec_is_release(s, &unready);
}

/* Shown first, judged then. */
static int conclude(struct args *a, struct context *c, const struct spec *s,
		    const struct active *now, const struct compile_preview *p, struct err *e) {
	const struct json *changes = json_get(p->document, "changes");
	size_t n = json_count(json_get(changes, "list"));

	if (show(a, p->document, e))
		return -1;
	if (p->refused && !strcmp(s->admission, "enforce"))
		return err_set(e, ERR_NOFIT, "%s",
			       json_str(json_get(p->document, "admission"), "reason"));
	if (a->option[OPT_OUT] && write_out(a, c, s, now, e))
		return -1;
	if (can_be_applied(a, s, p->document))
		report_line(a->report, "next        llmdeploy apply %s",
			    a->option[OPT_OUT] ? a->option[OPT_OUT] : a->at[0]);
	if (!a->option[OPT_EXIT_CODE] || !n)
		return 0;
	return err_set(e, ERR_DRIFT, "apply of '%s' would make %zu change%s compared with %s%s%s",
		       s->version, n, n == 1 ? "" : "s", now->lockfile ? "'" : "",
		       now->lockfile ? now->lockfile->version : "nothing",
		       now->lockfile ? "'" : "");
}

/* A plan that is not known exactly is created again with what the runtime said. */
static int add_estimate(struct args *a, struct context *c, const struct spec *s,
			const struct compile_known *known, struct compile_preview *p,
			struct err *e) {
	struct json *estimate CLEANUP(json_freep) = NULL;
	struct size_measured measured;

	if (plan_estimate(a, c, s, &estimate, &measured, e))
		return -1;
	if (json_get(json_get(p->document, "memory"), "uncertain_bytes")) {
		compile_preview_done(p);
		*p = (struct compile_preview){0};
		if (compile_common_preview_measured(a, c, s, known, &measured, p, e))
			return -1;
	}
	json_set(p->document, "estimate", STEAL(estimate));
	return 0;
}

int cmd_plan(struct args *a, struct err *e) {
	struct compile_preview p CLEANUP(compile_preview_done) = {0};
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	struct active now CLEANUP(active_done) = {0};
	struct spec *s CLEANUP(spec_freep) = NULL;
	struct buf help CLEANUP(buf_done) = BUF_INIT(1 << 16);
	struct input in CLEANUP(input_done) = INPUT_INIT;
	struct lockfile *compiled CLEANUP(lockfile_freep) = NULL;
	struct plan_file_expected expected;
	bool there, planned;

	if (a->option[OPT_EXPLAIN] && !strcmp(a->option[OPT_EXPLAIN], "help")) {
		plan_explain_help(&help);
		report_text(a->report, buf_str(&help), help.len - 1);
		return 0;
	}
	if (input_read(a->at[0], &in, e) ||
	    compile_common_read_lockfile(&in, &compiled, &expected, &planned, e))
		return -1;
	if (compiled)
		return plan_of_lockfile(a, compiled, e);
	if (compile_common_spec(a, &in, &s, e) ||
	    ((a->option[OPT_OUT] || a->option[OPT_ESTIMATE]) && spec_is_release(s, e)) ||
	    open_quietly(a, &c, &there, e) ||
	    (there && look(&c, s->route, &now, e)))
		return -1;
	struct compile_known known = {.measured_milli = now.speed_milli};
	if (now.lockfile)
		known = (struct compile_known){lockfile_model(now.lockfile)->sha256,
					       now.lockfile->backend, now.lockfile->version,
					       now.speed_milli, NULL};
	if (compile_common_preview(a, &c, s, &known, &p, e))
		return -1;
	if (a->option[OPT_ESTIMATE] && add_estimate(a, &c, s, &known, &p, e))
		return -1;
	if (plan_runtimes(a, s, p.document, e))
		return -1;
	add_changes(p.document, s, &now, &p);
	if (a->option[OPT_CHECK] && fallback_check(s->gateway, e))
		return -1;
	return conclude(a, &c, s, &now, &p, e);
}
