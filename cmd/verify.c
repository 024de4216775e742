#include "context.h"

#include "base/err.h"
#include "base/mem.h"
#include "json/json.h"
#include "report/report.h"

static void show(struct args *a, const struct rollout_differences *d) {
	static const struct report_column columns[] = {{"what", false, 10}, {"the lock says", false, 10}, {"what is there", false, 10}};
	struct json *j CLEANUP(json_freep) = json_object(), *list = json_array();
	const char **cells CLEANUP(freep) = mem_zalloc(3 * d->n, sizeof *cells);

	for (size_t i = 0; i < d->n; i++) {
		struct json *row = json_object();
		cells[3 * i] = d->at[i].what;
		cells[3 * i + 1] = d->at[i].want;
		cells[3 * i + 2] = d->at[i].have;
		json_set_str(row, "what", d->at[i].what);
		json_set_str(row, "want", d->at[i].want);
		json_set_str(row, "have", d->at[i].have);
		json_push(list, row);
	}
	if (d->n)
		report_table(a->report, columns, 3, cells, d->n);
	else
		report_line(a->report, "all is as the lock says");
	json_set(j, "differences", list);
	report_result(a->report, j);
}

/* One route; *looked counts those that had an active release to look at. */
static int one(struct args *a, const struct context *c, const char *name, struct rollout_differences *d, size_t *looked, struct err *e) {
	struct release_route route CLEANUP(release_route_done) = RELEASE_ROUTE_INIT;
	char *active CLEANUP(freep) = NULL;
	struct err damaged = {0};

	if (release_route_open(&c->root, name, false, &route, e) || rollout_verify(&c->x, name, a->option[OPT_PARANOID] != NULL, d, e))
		return -1;
	bool none = !release_active_name(&route, &active, &damaged) && !active;
	if (none)
		report_line(a->report, "route '%s' has no active release", name);
	*looked += !none;
	return 0;
}

int cmd_verify(struct args *a, struct err *e) {
	struct rollout_differences d CLEANUP(rollout_differences_done) = {0};
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	char **names CLEANUP(freep) = NULL;
	size_t n = 1, looked = 0;

	if (context_open(a, "verify", NEED_STORE | NEED_ENGINE | NEED_GATEWAY, &c, e) || (!a->n && release_routes(&c.root, &names, &n, e)))
		return -1;
	/* First: what follows puts caches right. */
	if (rollout_survey(&c.x, a->n ? a->at[0] : NULL, &d, e))
		return -1;
	for (size_t i = 0; i < n; i++)
		if (one(a, &c, a->n ? a->at[0] : names[i], &d, &looked, e))
			return -1;
	if (!a->n && rollout_verify_journal(&c.x, &d, e))
		return -1;
	/* A check that had nothing to look at has not passed. */
	if (!looked && !d.n)
		return err_set(e, ERR_USAGE, "no release is active under '%s': there is nothing to verify", c.root.path);
	show(a, &d);
	if (d.broken_journal)
		return err_set(e, ERR_INTEGRITY, "a journal is broken: put its file back from a copy, or give it up: llmdeploy recover %s --accept-journal",
			a->n ? a->at[0] : "ROUTE");
	if (d.n)
		return err_set(e, ERR_DRIFT, "%zu difference%s between the lock and what is there; apply the release again to put its container right",
			d.n, d.n == 1 ? "" : "s");
	return 0;
}
