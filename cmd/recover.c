#include "context.h"

#include "base/err.h"
#include "base/mem.h"
#include "report/report.h"

static int one(struct args *a, struct context *c, const char *route, struct err *e) {
	struct rollout_session s;

	if (rollout_begin(&c->x, route, false, &s, e))
		return -1;
	rollout_end(&s);
	report_line(a->report, "route '%s' is whole", route);
	return 0;
}

int cmd_recover(struct args *a, struct err *e) {
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	char **names CLEANUP(freep) = NULL;
	struct err first = {0};
	size_t n;

	if (!a->n && !a->option[OPT_ALL])
		return err_set(e, ERR_USAGE, "recover takes a ROUTE, or --all");
	if (context_open(a, "recover", NEED_STORE | NEED_ENGINE, &c, e))
		return -1;
	if (a->n)
		return one(a, &c, a->at[0], e);
	if (release_routes(&c.root, &names, &n, e))
		return -1;
	/* One route that cannot be recovered must not keep the others from it. */
	for (size_t i = 0; i < n; i++) {
		struct err here = {0};
		if (one(a, &c, names[i], &here)) {
			report_warning(a->report, "%s", here.msg);
			first = first.code ? first : here;
		}
	}
	if (!first.code)
		return 0;
	*e = first;
	return -1;
}
