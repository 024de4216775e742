#include "context.h"

#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "json/json.h"
#include "release/history.h"
#include "report/report.h"

static struct json *as_json(const struct history_item *h) {
	struct json *o = json_copy(h->record);

	json_set_str(o, "version", h->version);
	json_set_str(o, "lock", h->lock);
	json_set_str(o, "by", h->by);
	json_set_str(o, "detail", h->detail);
	json_set_int(o, "duration_ms", (int64_t) h->duration_ms);
	return o;
}

enum { USUAL = 100 };

/* "2h" back from now, a day, or a moment; as the journal writes it. */
static int since_of(const char *text, char out[CLOCK_STAMP], struct err *e) {
	int64_t when;
	uint64_t ms;

	if (text_duration_ms(text, &ms))
		when = clock_unix() - (int64_t) (ms / 1000);
	else if (!clock_parse(text, &when))
		return err_set(e, ERR_USAGE, "'--since %s' is not a time, write it like 2h, 2026-11-22 or 2026-11-22T17:41:05Z", text);
	clock_stamp(when, out);
	return 0;
}

static int limit_of(const struct args *a, uint64_t *limit, struct err *e) {
	const char *text = a->option[OPT_TAIL];

	*limit = a->option[OPT_SINCE] ? 0 : USUAL;
	if (!text || (strcmp(text, "all") && text_u64(text, limit)))
		return 0;
	*limit = 0;
	return strcmp(text, "all") ? err_set(e, ERR_USAGE, "'--tail %s' is not a number, nor all", text) : 0;
}

int cmd_history(struct args *a, struct err *e) {
	static const struct report_column columns[] = {{"time", false, 0}, {"event", false, 0}, {"version", false, 8}, {"after", true, 0},
		{"by", false, 4}, {"detail", false, 20}};
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	struct release_route route CLEANUP(release_route_done) = RELEASE_ROUTE_INIT;
	struct history *h CLEANUP(history_freep) = NULL;
	struct arena *arena CLEANUP(arena_freep) = arena_new();
	const bool as_records = a->report->mode == REPORT_JSON;
	char since[CLOCK_STAMP] = "";
	uint64_t limit;

	if (limit_of(a, &limit, e) || (a->option[OPT_SINCE] && since_of(a->option[OPT_SINCE], since, e)))
		return -1;
	if (context_open(a, "history", NEED_READ, &c, e) || release_route_open(&c.root, a->at[0], false, &route, e) ||
	    history_load(&route, since[0] ? since : NULL, limit, as_records, &h, e))
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
		if (as_records)
			json_push(list, as_json(item));
	}
	report_table(a->report, columns, 6, cells, h->n);
	bool more = h->n && h->items[0].seq > 1;
	if (more && !a->option[OPT_TAIL] && !a->option[OPT_SINCE])
		report_line(a->report, "the newest %d; older ones: --tail N, --tail all, --since TIME", USUAL);
	json_set_bool(j, "more", more);
	json_set_str(j, "route", a->at[0]);
	json_set(j, "records", list);
	report_result(a->report, j);
	return 0;
}
