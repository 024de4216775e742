#include "context.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "json/json.h"
#include "release/history.h"
#include "report/report.h"

static struct json *as_json(const struct history_item *h) {
	struct json *o = json_object();

	json_set_int(o, "seq", (int64_t) h->seq);
	json_set_str(o, "time", h->time);
	json_set_str(o, "event", h->event);
	json_set_str(o, "version", h->version);
	json_set_str(o, "lock", h->lock);
	json_set_str(o, "by", h->by);
	json_set_str(o, "detail", h->detail);
	json_set_int(o, "duration_ms", (int64_t) h->duration_ms);
	return o;
}

int cmd_history(struct args *a, struct err *e) {
	static const struct report_column columns[] = {{"time", false, 0}, {"event", false, 0}, {"version", false, 8}, {"after", true, 0},
		{"by", false, 4}, {"detail", false, 20}};
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	struct release_route route CLEANUP(release_route_done) = RELEASE_ROUTE_INIT;
	struct history *h CLEANUP(history_freep) = NULL;
	struct arena *arena CLEANUP(arena_freep) = arena_new();
	uint64_t limit = 0;

	if (a->option[OPT_TAIL] && !text_u64(a->option[OPT_TAIL], &limit))
		return err_set(e, ERR_USAGE, "'--tail %s' is not a number", a->option[OPT_TAIL]);
	if (context_open(a, "history", NEED_READ, &c, e) || release_route_open(&c.root, a->at[0], false, &route, e) ||
	    history_load(&route, NULL, limit, &h, e))
		return -1;
	struct json *j CLEANUP(json_freep) = json_object(), *list = json_array();
	const char **cells CLEANUP(freep) = mem_zalloc(6 * h->n, sizeof *cells);
	for (size_t i = 0; i < h->n; i++) {
		const struct history_item *item = &h->items[i];
		char took[TEXT_BYTES] = "";
		if (!item->begins)
			text_format_ms(item->duration_ms, took);
		const char *row[] = {item->time, item->event, item->version, arena_strdup(arena, took), item->begins ? item->by : "", item->detail};
		for (size_t k = 0; k < 6; k++)
			cells[6 * i + k] = row[k];
		json_push(list, as_json(item));
	}
	report_table(a->report, columns, 6, cells, h->n);
	json_set_str(j, "route", a->at[0]);
	json_set(j, "records", list);
	report_result(a->report, j);
	return 0;
}
