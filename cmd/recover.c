#include "context.h"

#include "base/err.h"
#include "base/mem.h"
#include "json/json.h"
#include "report/report.h"

static int one(struct args *a, struct context *c, const char *route, struct json *whole, struct err *e) {
	struct rollout_session s;

	if (rollout_begin(&c->x, route, false, &s, e))
		return -1;
	rollout_end(&s);
	report_line(a->report, "route '%s' is whole", route);
	json_push_str(whole, route);
	return 0;
}

static int every(struct args *a, struct context *c, struct json *whole, struct err *e) {
	char **names CLEANUP(freep) = NULL;
	struct err first = {0};
	size_t n;

	if (release_routes(&c->root, &names, &n, e))
		return -1;
	if (!n)
		report_line(a->report, "no routes under '%s': nothing to recover", c->root.path);
	/* One route that cannot be recovered must not keep the others from it. */
	for (size_t i = 0; i < n; i++) {
		struct err here = {0};
		if (one(a, c, names[i], whole, &here)) {
			report_warning(a->report, "%s", here.msg);
			first = first.code ? first : here;
		}
	}
	if (!first.code)
		return 0;
	*e = first;
	return -1;
}

int cmd_recover(struct args *a, struct err *e) {
	struct json *j CLEANUP(json_freep) = json_object(), *whole = json_array();
	struct context c CLEANUP(context_done) = CONTEXT_INIT;

	json_set(j, "whole", whole);
	if (!a->n && !a->option[OPT_ALL])
		return err_set(e, ERR_USAGE, "recover wants a ROUTE, or --all");
	if (context_open(a, "recover", NEED_STORE | NEED_ENGINE, &c, e))
		return -1;
	c.x.insist = true;
	int r = a->n ? one(a, &c, a->at[0], whole, e) : every(a, &c, whole, e);
	report_result(a->report, j);
	return r;
}
