/* SPDX-License-Identifier: Apache-2.0 */
#include "compile_common.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/diagnostics.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "compile/compile.h"
#include "eval/eval.h"
#include "fs/fs.h"
#include "golden_report.h"
#include "lockfile/lockfile.h"
#include "report/report.h"
#include "spec/spec.h"
#include "json/json.h"

enum { COLUMNS = 7 };

/* One candidate on its way, in the order of its size. */
struct row {
	size_t index;
	const char *name, *choice;
	uint64_t planned, weights;
	char *verdict; /* of the golden set; NULL: not asked */
	uint64_t passed, cases, p95_ms, speed_milli;
};

struct choosing {
	struct args *a;
	struct context *c;
	struct spec *spec;
	struct row *rows;
	size_t n, chosen; /* chosen: n while there is none */
};

static void choosing_done(struct choosing *x) {
	for (size_t i = 0; i < x->n; i++)
		free(x->rows[i].verdict);
	free(x->rows);
}

static int by_size(const void *a, const void *b) {
	const struct row *x = a, *y = b;

	return x->planned != y->planned ? (x->planned > y->planned ? 1 : -1)
					: (x->index > y->index) - (x->index < y->index);
}

/* The plan's own table: what does not fit or is too poor is dropped before anything is started. */
static void take_rows(struct choosing *x, const struct json *list) {
	x->n = x->chosen = json_count(list);
	x->rows = mem_zalloc(x->n + 1, sizeof *x->rows);
	for (size_t i = 0; i < x->n; i++) {
		const struct json *k = json_at(list, i);
		x->rows[i] = (struct row){.index = i,
					  .name = json_str(k, "name"),
					  .choice = json_str(k, "choice"),
					  .planned = (uint64_t) json_int_or(k, "planned_bytes", 0),
					  .weights = (uint64_t) json_int_or(k, "weights_bytes", 0)};
	}
	qsort(x->rows, x->n, sizeof *x->rows, by_size);
}

static bool is_out(const struct row *r) {
	return !strcmp(r->choice, "does not fit") || !strcmp(r->choice, "below quality_min");
}

static void note_trial(struct row *r, const struct rollout_trial *t) {
	const struct json *totals = json_path(t->evidence, "phases.0.totals");

	r->verdict = mem_strdup(t->passed ? "passed" : t->why);
	r->passed = (uint64_t) json_int_or(totals, "PASS", 0);
	r->cases = (uint64_t) json_int_or(totals, "cases", 0);
	r->p95_ms = (uint64_t) json_int_or(json_get(t->evidence, "latency"), "value_ms", 0);
	r->speed_milli = eval_speed_milli(t->evidence);
}

static int try_one(struct choosing *x, struct rollout_session *s, size_t i, struct err *e) {
	struct rollout_trial trial CLEANUP(rollout_trial_done) = {0};
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	struct row *r = &x->rows[i];

	report_line(x->a->report, "candidate '%s'", r->name);
	spec_choose(x->spec, r->index);
	if (compile_common_lockfile_asked(x->a, x->c, x->spec, &l, NULL, NULL, e) ||
	    rollout_trial_run(s, l, &trial, e))
		return err_wrap(e, "candidate '%s'", r->name);
	note_trial(r, &trial);
	if (trial.passed)
		x->chosen = i;
	else
		report_line(x->a->report, "candidate '%s' is eliminated: %s", r->name, trial.why);
	return 0;
}

/* Smallest first; the first that passes wins. */
static int try_all(struct choosing *x, struct rollout_session *s, struct err *e) {
	for (size_t i = 0; i < x->n && x->chosen == x->n; i++) {
		struct row *r = &x->rows[i];
		if (is_out(r))
			continue;
		if (!x->spec->candidates[r->index].artifact.sha256)
			r->verdict = mem_strdup("cannot be run: no source and sha256");
		else if (try_one(x, s, i, e))
			return -1;
	}
	return 0;
}

/* Without questions what was measured before decides, and nothing else does. */
static void take_rated(struct choosing *x) {
	for (size_t i = 0; i < x->n && x->chosen == x->n; i++) {
		if (x->spec->candidates[x->rows[i].index].artifact.sha256 &&
		    !strcmp(x->rows[i].choice, "wins")) {
			x->chosen = i;
			spec_choose(x->spec, x->rows[i].index);
		}
	}
}

/* ---- what is said of it ---- */

static const char *score(struct arena *a, const struct row *r) {
	return r->cases ? arena_printf(a, "%llu of %llu", (unsigned long long) r->passed,
				       (unsigned long long) r->cases)
			: "-";
}

static const char *outcome(const struct choosing *x, size_t i) {
	const struct row *r = &x->rows[i];

	if (i == x->chosen)
		return "chosen";
	return r->verdict ? r->verdict : is_out(r) ? r->choice : "larger than the chosen candidate";
}

static void show(const struct choosing *x) {
	static const struct report_column columns[COLUMNS] = {
		{"candidate", false, 0}, {"weights", true, 0}, {"planned", true, 0},
		{"passed", true, 0},     {"latency", true, 0}, {"tokens/s", true, 0},
		{"", false, 20}};
	struct arena *a CLEANUP(arena_freep) = arena_new();
	const char **cells CLEANUP(freep) = mem_zalloc(COLUMNS * (x->n + 1), sizeof *cells);
	char weights[TEXT_BYTES], planned[TEXT_BYTES], p95[TEXT_BYTES];

	for (size_t i = 0; i < x->n; i++) {
		const struct row *r = &x->rows[i];
		text_format_bytes(r->weights, weights);
		text_format_bytes(r->planned, planned);
		text_format_ms(r->p95_ms, p95);
		const char *row[COLUMNS] = {
			r->name,
			arena_strdup(a, weights),
			arena_strdup(a, planned),
			score(a, r),
			r->cases ? arena_strdup(a, p95) : "-",
			r->speed_milli
				? arena_printf(a, "%llu.%llu",
					       (unsigned long long) r->speed_milli / 1000,
					       (unsigned long long) r->speed_milli % 1000 / 100)
				: "-",
			outcome(x, i)};
		memcpy(&cells[COLUMNS * i], row, sizeof row);
	}
	report_table(x->a->report, columns, COLUMNS, cells, x->n);
}

static struct json *as_json(const struct choosing *x, const char *path) {
	struct json *o = json_object(), *list = json_array();

	for (size_t i = 0; i < x->n; i++) {
		const struct row *r = &x->rows[i];
		struct json *k = json_object();
		json_set_str(k, "name", r->name);
		json_set_int(k, "weights_bytes", (int64_t) r->weights);
		json_set_int(k, "planned_bytes", (int64_t) r->planned);
		if (r->cases) {
			json_set_int(k, "passed", (int64_t) r->passed);
			json_set_int(k, "cases", (int64_t) r->cases);
			json_set_int(k, "latency_ms", (int64_t) r->p95_ms);
			json_set_int(k, "milli_tokens_per_s", (int64_t) r->speed_milli);
		}
		json_set_str(k, "outcome", outcome(x, i));
		json_push(list, k);
	}
	json_set_str(o, "chosen", x->chosen < x->n ? x->rows[x->chosen].name : NULL);
	json_set_str(o, "manifest", path);
	json_set(o, "candidates", list);
	return o;
}

/* ---- the finished manifest ---- */

static int write_manifest(const struct choosing *x, const char *path, struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(4 << 20);
	const char *slash = strrchr(path, '/');
	char *folder CLEANUP(freep) = slash
		? mem_strndup(path, slash == path ? 1 : (size_t) (slash - path))
		: mem_strdup(".");
	char *dir CLEANUP(freep) = realpath(folder, NULL);

	if (!dir)
		return err_sys(e, "cannot find the directory of '%s'", path);
	(void) buf_printf(&text, "# Chosen by llmdeploy choose from the candidates of %s:\n",
			  x->spec->path);
	for (size_t i = 0; i < x->n; i++) {
		const char *why = outcome(x, i);
		(void) buf_printf(&text, "#   %s (%llu bytes of weights): %.*s\n", x->rows[i].name,
				  (unsigned long long) x->rows[i].weights, (int) strcspn(why, "\n"),
				  why);
	}
	spec_write(x->spec, dir, &text);
	return fs_write(EFFECT_OUTPUT, AT_FDCWD, path, buf_str(&text), text.len, 0644, e);
}

static int conclude(const struct choosing *x, const char *path, struct err *e) {
	show(x);
	if (x->chosen == x->n) {
		struct json *none CLEANUP(json_freep) = as_json(x, NULL);
		report_result(x->a->report, none);
		return err_set(e, ERR_GATE,
			       "no candidate of '%s' both fits and passes; no manifest was written",
			       x->spec->version);
	}
	if (write_manifest(x, path, e))
		return -1;
	report_line(x->a->report, "'%s' is chosen: %s; next: llmdeploy apply %s",
		    x->rows[x->chosen].name, path, path);
	struct json *j CLEANUP(json_freep) = as_json(x, path);
	report_result(x->a->report, j);
	return 0;
}

static int ask_them(struct choosing *x, struct err *e) {
	struct rollout_session s;

	if (!x->spec->golden) {
		take_rated(x);
		return x->chosen < x->n
			? 0
			: err_set(e, ERR_GATE,
				  "choose has no criterion for '%s': set eval.golden, or the "
				  "quality of each candidate and a "
				  "model.quality_min",
				  x->spec->version);
	}
	if (rollout_begin(&x->c->rollout, x->spec->route, true, &s, e))
		return -1;
	int r = try_all(x, &s, e);
	rollout_end(&s);
	return r;
}

static void judged(void *ctx, const struct json *evidence) {
	golden_report_show(ctx, evidence);
}

/* "a.yaml" becomes "a.chosen.yaml". */
static char *usual_path(const char *manifest) {
	const char *dot = text_ends(manifest, ".yaml") ? manifest + strlen(manifest) - 5
						       : manifest + strlen(manifest);

	return mem_printf("%.*s.chosen.yaml", (int) (dot - manifest), manifest);
}

int cmd_choose(struct args *a, struct err *e) {
	struct compile_preview p CLEANUP(compile_preview_done) = {0};
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	struct spec *spec CLEANUP(spec_freep) = NULL;
	struct input in CLEANUP(input_done) = INPUT_INIT;
	struct compile_known unknown = {0};

	if (input_read(a->at[0], &in, e) ||
	    compile_common_spec(a, &in, &spec, e) ||
	    compile_common_can_run(a, spec, e))
		return -1;
	if (!spec->n_candidates)
		return err_at(e, spec_pos(spec, "model"),
			      "'model.candidates' is missing: choose compares candidates");
	if (context_open(a, "choose",
			 NEED_WRITE | NEED_STORE | (spec->golden ? NEED_DOCKER | NEED_GATEWAY : 0),
			 &c, e) ||
	    compile_common_preview(a, &c, spec, &unknown, &p, e))
		return -1;
	if (p.refused && !strcmp(spec->admission, "enforce"))
		return err_set(e, ERR_NOFIT, "%s",
			       json_str(json_get(p.document, "admission"), "reason"));
	c.rollout.judged = judged;
	c.rollout.ctx = a->report;
	struct choosing x CLEANUP(choosing_done) = {.a = a, .c = &c, .spec = spec};
	char *path CLEANUP(freep) = a->option[OPT_OUTPUT] ? mem_strdup(a->option[OPT_OUTPUT])
							  : usual_path(a->at[0]);
	take_rows(&x, json_path(p.document, "candidates.list"));
	if (ask_them(&x, e) ||
	    conclude(&x, path, e))
		return -1;
	return 0;
}
