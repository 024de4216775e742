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
	json_set(j, "differences", list);
	report_result(a->report, j);
}

int cmd_verify(struct args *a, struct err *e) {
	struct rollout_differences d CLEANUP(rollout_differences_done) = {0};
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	char **names CLEANUP(freep) = NULL;
	bool paranoid = a->option[OPT_PARANOID] != NULL;
	size_t n;

	if (context_open(a, "verify", NEED_STORE | NEED_ENGINE, &c, e))
		return -1;
	if (a->n) {
		if (rollout_verify(&c.x, a->at[0], paranoid, &d, e))
			return -1;
	} else {
		if (release_routes(&c.root, &names, &n, e))
			return -1;
		for (size_t i = 0; i < n; i++)
			if (rollout_verify(&c.x, names[i], paranoid, &d, e))
				return -1;
	}
	show(a, &d);
	if (d.n)
		return err_set(e, ERR_DRIFT, "%zu difference%s between the lock and what is there; apply the release again to put its container right",
			d.n, d.n == 1 ? "" : "s");
	report_line(a->report, "all is as the lock says");
	return 0;
}
