/* SPDX-License-Identifier: Apache-2.0 */
#include "context.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "follow.h"
#include "release/history.h"
#include "report/report.h"
#include "json/json.h"

static struct json *as_json(const struct history_item *h) {
	struct json *o = json_copy(h->record);

	json_set_str(o, "version", h->version);
	json_set_str(o, "lock", h->lockfile);
	json_set_str(o, "by", h->by);
	json_set_str(o, "detail", h->detail);
	json_set_int(o, "duration_ms", (int64_t) h->duration_ms);
	return o;
}

enum { USUAL = 100, FOLLOW_EVERY_MS = 500 };

/* "2h" back from now, a day, or a moment; as the journal writes it. */
static int since_of(const char *text, char out[CLOCK_STAMP], struct err *e) {
	int64_t when;
	uint64_t ms;

	if (text_duration_ms(text, &ms))
		when = clock_unix() - (int64_t) (ms / 1000);
	else if (!clock_parse(text, &when))
		return err_set(e, ERR_USAGE,
			       "'--since %s' is not a time, write it like 2h, 2026-11-22 or "
			       "2026-11-22T17:41:05Z",
			       text);
	clock_stamp(when, out);
	return 0;
}

static int limit_of(const struct args *a, uint64_t *limit, struct err *e) {
	const char *text = a->option[OPT_TAIL];

	*limit = a->option[OPT_SINCE] ? 0 : USUAL;
	if (!text || (strcmp(text, "all") && text_u64(text, limit)))
		return 0;
	*limit = 0;
	return strcmp(text, "all")
		? err_set(e, ERR_USAGE, "'--tail %s' is not a number, nor all", text)
		: 0;
}

enum { COLUMNS = 5 };

/* Who began an operation stands with what it says. */
static void fill_row(const struct history_item *item, struct arena *arena, const char **row) {
	char took[TEXT_BYTES] = "";

	if (!item->begins)
		text_format_ms(item->duration_ms, took);
	/* As wide as most: the column stands still. */
	const char *after = arena_printf(arena, "%8s", took);
	const char *cells[COLUMNS] = {item->time, item->event, item->version, after, item->detail};
	if (item->begins && *item->by)
		cells[4] = arena_printf(arena, "by %s%s%s", item->by, *item->detail ? ", " : "",
					item->detail);
	memcpy(row, cells, sizeof cells);
}

static void show(struct args *a, const struct history *h) {
	static const struct report_column columns[COLUMNS] = {{"time", false, 0},
							      {"event", false, 0},
							      {"version", false, 8},
							      {"after", true, 0},
							      {"detail", false, 20}};
	struct arena *arena CLEANUP(arena_freep) = arena_new();
	const char **cells CLEANUP(freep) = mem_zalloc(COLUMNS * h->n + 1, sizeof *cells);

	for (size_t i = 0; i < h->n; i++)
		fill_row(&h->items[i], arena, cells + COLUMNS * i);
	if (h->n)
		report_table(a->report, columns, COLUMNS, cells, h->n);
	else
		report_line(a->report, "no records");
}

/* One record, as it comes: in columns of the usual width. */
static void show_next(struct args *a, const struct history_item *item) {
	struct arena *arena CLEANUP(arena_freep) = arena_new();
	const char *row[COLUMNS];

	if (a->report->mode == REPORT_JSON) {
		struct json *record CLEANUP(json_freep) = as_json(item);
		report_result(a->report, record);
		return;
	}
	fill_row(item, arena, row);
	report_line(a->report, "%s  %-14s  %-12s  %8s  %s", row[0], row[1], row[2], row[3], row[4]);
}

static int follow(struct args *a, const struct release_route *route, const struct history *h,
		  struct err *e) {
	uint64_t seen = h->n ? h->items[h->n - 1].seq : 0;
	char since[CLOCK_STAMP] = "";

	if (h->n)
		(void) snprintf(since, sizeof since, "%s", h->items[h->n - 1].time);
	while (follow_wait(FOLLOW_EVERY_MS)) {
		struct history *more CLEANUP(history_freep) = NULL;
		if (history_load(route, *since ? since : NULL, 0, true, &more, e))
			return -1;
		for (size_t i = 0; i < more->n; i++) {
			if (more->items[i].seq <= seen)
				continue;
			show_next(a, &more->items[i]);
			seen = more->items[i].seq;
			(void) snprintf(since, sizeof since, "%s", more->items[i].time);
		}
	}
	return 0;
}

int cmd_history(struct args *a, struct err *e) {
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	struct release_route route CLEANUP(release_route_done) = RELEASE_ROUTE_INIT;
	struct history *h CLEANUP(history_freep) = NULL;
	const bool as_records = a->report->mode == REPORT_JSON;
	char since[CLOCK_STAMP] = "";
	uint64_t limit;

	if (limit_of(a, &limit, e) ||
	    (a->option[OPT_SINCE] && since_of(a->option[OPT_SINCE], since, e)))
		return -1;
	if (context_open(a, "history", NEED_READ, &c, e) ||
	    release_route_open(&c.root, a->at[0], false, &route, e) ||
	    history_load(&route, since[0] ? since : NULL, limit, as_records, &h, e))
		return -1;
	if (as_records && a->option[OPT_FOLLOW])
		for (size_t i = 0; i < h->n; i++)
			show_next(a, &h->items[i]);
	if (a->option[OPT_FOLLOW]) {
		show(a, h);
		return follow(a, &route, h, e);
	}
	struct json *j CLEANUP(json_freep) = json_object(), *list = json_array();
	for (size_t i = 0; as_records && i < h->n; i++)
		json_push(list, as_json(&h->items[i]));
	show(a, h);
	bool more = h->n && h->items[0].seq > 1;
	if (more && !a->option[OPT_TAIL] && !a->option[OPT_SINCE])
		report_line(a->report,
			    "only the newest %d are shown; older ones: --tail N, --tail all, "
			    "--since TIME",
			    USUAL);
	json_set_bool(j, "more", more);
	json_set_str(j, "route", a->at[0]);
	json_set(j, "records", list);
	report_result(a->report, j);
	return 0;
}
