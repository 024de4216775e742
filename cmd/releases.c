/* SPDX-License-Identifier: Apache-2.0 */
#include "context.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "docker/docker.h"
#include "lockfile/lockfile.h"
#include "release/history.h"
#include "report/report.h"
#include "rollback_view.h"
#include "json/json.h"

/* One release on disk, as it is shown. */
struct row {
	char *state, *evidence, *size, *note;
	const char *when;
	char minute[CLOCK_STAMP]; /* of it */
	uint64_t bytes;
};

/* What all rows are looked up in. */
struct releases {
	const struct context *c;
	struct release_route route;
	char **versions;
	size_t n;
	struct release_version *histories;
	size_t n_histories;
	char *active, *held, *held_why;
	enum release_state state;
	struct rollback_view back;
};

static void releases_done(struct releases *r) {
	release_route_done(&r->route);
	free(r->versions);
	free(r->histories);
	free(r->active);
	free(r->held);
	free(r->held_why);
	rollback_view_done(&r->back);
}

static int releases_open(const struct context *c, const char *route, struct releases *r,
			 struct err *e) {
	struct docker_containers all CLEANUP(docker_containers_done) = {0};
	struct err ignored = {0};

	r->c = c;
	if (release_route_open(&c->root, route, false, &r->route, e) ||
	    release_list(&r->route, &r->versions, &r->n, e))
		return -1;
	if (release_versions(&r->route, &r->histories, &r->n_histories, e) ||
	    release_active_name(&r->route, &r->active, e))
		return -1;
	if (rollout_held(&r->route, &r->held, &r->held_why, e) ||
	    release_state(&r->route, &r->state, NULL, e))
		return -1;
	bool asked = c->docker && !instance_list(&c->rollout.base, route, &all, &ignored);
	rollback_view_read(&c->rollout, &r->route, asked ? &all : NULL, &r->back);
	return 0;
}

static const struct release_version *history_of(const struct releases *r, const char *version) {
	for (size_t i = 0; i < r->n_histories; i++)
		if (!strcmp(r->histories[i].version, version))
			return &r->histories[i];
	return NULL;
}

static bool is(const char *a, const char *b) {
	return a && !strcmp(a, b);
}

static const char *state_of(const struct releases *r, const char *version,
			    const struct release_version *f) {
	if (is(r->active, version))
		return r->state == RELEASE_STOPPED ? "active, stopped" : "active";
	if (is(r->held, version))
		return "held";
	if (f && f->left)
		return "rolled back from";
	return f && f->committed[0] ? "committed" : "proved";
}

/* "12 of 12 passed" or "no questions" */
static char *evidence_of(const struct release *rel) {
	const struct json *phases = json_path(rel->proof, "golden.phases");
	int64_t passed = 0, cases = 0;

	if (!json_get(rel->proof, "golden"))
		return mem_strdup("no questions");
	for (const struct json *p = json_first(phases); p; p = json_next(p))
		for (const struct json *c = json_first(json_get(p, "cases")); c; c = json_next(c)) {
			passed += json_str(c, "verdict") && !strcmp(json_str(c, "verdict"), "PASS");
			cases++;
		}
	return mem_printf("%lld of %lld passed", (long long) passed, (long long) cases);
}

/* Models and adapters, and the image's layers. */
static uint64_t size_of(const struct lockfile *l) {
	uint64_t bytes = 0;

	for (size_t i = 0; i < l->n_artifacts; i++)
		bytes += l->artifacts[i].size;
	for (size_t i = 0; i < l->n_layers; i++)
		bytes += l->layers[i].size;
	return bytes;
}

static char *note_of(const struct releases *r, const char *version) {
	char *reason CLEANUP(freep) = NULL;
	struct err ignored = {0};
	bool back = is(r->back.to, version), forward = is(r->back.forward, version);

	if (release_pinned(&r->route, version, &reason, &ignored))
		reason = NULL;
	return mem_printf("%s%s%s%s%s%s%s%s",
			  back              ? "rollback target"
				  : forward ? "roll forward"
					    : "",
			  back && r->back.known ? (r->back.warm ? ", warm" : ", stopped") : "",
			  (back || forward) && reason ? "; " : "", reason ? "pinned" : "",
			  reason && *reason ? " (" : "", reason ? reason : "",
			  reason && *reason ? ")" : "",
			  is(r->held, version) ? "waits for promote or abort" : "");
}

static void look(const struct releases *r, const char *version, struct row *row) {
	const struct release_version *f = history_of(r, version);
	struct release rel CLEANUP(release_done) = RELEASE_INIT;
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	char text[TEXT_BYTES] = "";
	struct err why = {0};

	row->when = f ? f->committed : "";
	row->state = mem_strdup(state_of(r, version, f));
	if (release_read(&r->route, version, &rel, &why) ||
	    lockfile_parse(version, rel.lockfile, rel.lockfile_len, &l, &why)) {
		free(row->state);
		row->state = mem_strdup(why.code == ERR_SYS ? "unknown" : "damaged");
		row->evidence = mem_strdup("");
		row->size = mem_strdup("");
		row->note = mem_strdup(why.msg);
		return;
	}
	row->evidence = evidence_of(&rel);
	row->bytes = size_of(l);
	text_format_bytes(row->bytes, text);
	row->size = mem_strdup(text);
	row->note = note_of(r, version);
}

static struct json *as_json(const struct releases *r, const char *version, const struct row *row) {
	char *reason CLEANUP(freep) = NULL;
	struct json *o = json_object();
	struct err ignored = {0};

	json_set_str(o, "version", version);
	json_set_str(o, "state", row->state);
	json_set_str(o, "committed", row->when[0] ? row->when : NULL);
	json_set_str(o, "evidence", row->evidence);
	json_set_int(o, "bytes", (int64_t) row->bytes);
	bool pinned = !release_pinned(&r->route, version, &reason, &ignored) && reason;
	json_set_bool(o, "pinned", pinned);
	json_set_str(o, "reason", pinned ? reason : NULL);
	json_set_bool(o, "rollback", is(r->back.to, version));
	json_set_bool(o, "forward", is(r->back.forward, version));
	return o;
}

/* By the last that happened to them, as the journal has it; what it does not know comes last. */
static size_t place_of(const struct releases *r, const char *version) {
	const struct release_version *f = history_of(r, version);

	if (is(r->active, version))
		return 0;
	return f ? 1 + (size_t) (f - r->histories) : 1 + r->n_histories;
}

static void sort(struct releases *r) {
	for (size_t i = 1; i < r->n; i++)
		for (size_t k = i;
		     k && place_of(r, r->versions[k]) < place_of(r, r->versions[k - 1]); k--) {
			char *swap = r->versions[k];
			r->versions[k] = r->versions[k - 1];
			r->versions[k - 1] = swap;
		}
}

static void show(struct args *a, const struct releases *r, struct json *list) {
	static const struct report_column columns[] = {
		{"version", false, 8},   {"state", false, 6}, {"committed", false, 0},
		{"evidence", false, 13}, {"size", true, 0},   {"note", false, 18}};
	const char **cells CLEANUP(freep) = mem_zalloc(6 * r->n + 1, sizeof *cells);
	struct row *rows CLEANUP(freep) = mem_zalloc(r->n + 1, sizeof *rows);

	for (size_t i = 0; i < r->n; i++) {
		struct row *row = &rows[i];
		look(r, r->versions[i], row);
		/* To the minute. */
		(void) snprintf(row->minute, sizeof row->minute, "%.10s %.5s", row->when,
				*row->when ? row->when + 11 : "");
		const char *texts[] = {r->versions[i], row->state, *row->when ? row->minute : "",
				       row->evidence,  row->size,  row->note};
		memcpy(&cells[6 * i], texts, sizeof texts);
		json_push(list, as_json(r, r->versions[i], row));
	}
	report_table(a->report, columns, 6, cells, r->n);
	for (size_t i = 0; i < r->n; i++) {
		free(rows[i].state);
		free(rows[i].evidence);
		free(rows[i].size);
		free(rows[i].note);
	}
}

int cmd_releases(struct args *a, struct err *e) {
	struct json *j CLEANUP(json_freep) = json_object(), *list = json_array();
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	struct releases r CLEANUP(releases_done) = {.route = RELEASE_ROUTE_INIT};

	json_set(j, "releases", list);
	if (context_open(a, "releases", NEED_READ, &c, e))
		return -1;
	context_try_docker(a, &c);
	if (c.denied.code && !c.docker)
		report_warning(a->report, "%s", c.denied.msg);
	if (releases_open(&c, a->at[0], &r, e))
		return -1;
	sort(&r);
	if (r.n)
		show(a, &r, list);
	else
		report_line(a->report, "route '%s' has no release%s", a->at[0],
			    r.state == RELEASE_REMOVED ? ": it was removed" : "");
	char *words CLEANUP(freep) = rollback_view_words(&r.back),
		    *forward CLEANUP(freep) = rollback_view_forward_words(&r.back, a->at[0]);
	const struct report_pair pairs[] = {{"rollback", r.active ? words : NULL},
					    {"roll forward", forward}};
	if (r.n)
		report_pairs(a->report, pairs, 2);
	json_set_str(j, "route", a->at[0]);
	json_set_str(j, "active", r.active);
	json_set_str(j, "rollback_to", r.back.to);
	json_set_str(j, "rollback_why", r.back.why);
	json_set_str(j, "forward_to", r.back.forward);
	report_result(a->report, j);
	return 0;
}
