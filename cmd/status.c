/* SPDX-License-Identifier: Apache-2.0 */
#include "context.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "cost/cost.h"
#include "docker/docker.h"
#include "eval/eval.h"
#include "follow.h"
#include "gateway_report.h"
#include "host/host.h"
#include "host/measure.h"
#include "lockfile/lockfile.h"
#include "operation_view.h"
#include "reach.h"
#include "release/history.h"
#include "report/report.h"
#include "rollback_view.h"
#include "status_prometheus.h"
#include "json/json.h"

enum { WATCH_EVERY_MS = 2000 };

/* What a person wants to know of a route, in one row. */
struct row {
	char *active, *state, *since, *held, *note, *drift, *speed, *pinned;
	uint64_t speed_milli; /* tokens a second, thousandths; 0: not measured */
	struct json *memory;  /* of the active release's newest evidence, or NULL */
	struct json *gate;    /* the same of its golden run: what metrics say of it, or NULL */
	uint64_t planned_bytes, measured_bytes; /* by the lockfile; by Docker, now. 0: not known */
	struct json *pins;
	struct gateway_report traffic;
	struct rollback_view back;
	struct operation_view now;
	struct reach reach; /* of the active release */
};

static void row_done(struct row *r) {
	free(r->active);
	free(r->state);
	rollback_view_done(&r->back);
	operation_view_done(&r->now);
	free(r->since);
	free(r->held);
	free(r->note);
	free(r->drift);
	free(r->speed);
	free(r->pinned);
	json_free(r->pins);
	json_free(r->memory);
	json_free(r->gate);
	gateway_report_done(&r->traffic);
	reach_done(&r->reach);
}

/* "264 MB planned, 1.2 % less in the runtime's log, 310 MB resident" */
static char *drift_of(const struct json *m) {
	char planned[TEXT_BYTES], resident[TEXT_BYTES];
	int64_t off = json_int_or(m, "drift_permille", 0),
		used = json_int_or(m, "resident_bytes", 0);
	const struct json *predicted = json_get(m, "predicted");

	if (!predicted)
		return mem_strdup(json_str(m, "warning"));
	text_format_bytes((uint64_t) json_int_or(predicted, "planned_bytes", 0), planned);
	text_format_bytes((uint64_t) used, resident);
	return mem_printf("%s planned, %lld.%lld %% %s in the runtime's log%s%s%s", planned,
			  (long long) (off < 0 ? -off : off) / 10,
			  (long long) (off < 0 ? -off : off) % 10, off < 0 ? "less" : "more",
			  used ? ", " : "", used ? resident : "", used ? " resident" : "");
}

/* "25.6 tokens/s, 59 % of what 400 GB/s allow" */
static char *speed_of(const struct context *c, const struct lockfile *l, uint64_t milli) {
	struct host_facts here = {0};
	struct err none = {0};

	/* What was measured of this machine counts where the manifest says nothing, and processors
	 * compute. */
	if (!l->bandwidth && !strcmp(l->backend, "cpu") && !host_read("", &here, &none))
		(void) host_cache_read(c->root.fd, &here, &none);
	uint64_t bytes_s = l->bandwidth ? l->bandwidth : here.bandwidth;
	struct cost_speed in = {.bandwidth = bytes_s,
				.active_bytes = l->active_bytes,
				.sequences = 1};
	unsigned long long v = milli;
	uint64_t ceiling, ignored, percent;
	char bandwidth[TEXT_BYTES];

	if (!cost_ceiling(&in, &ceiling, &ignored, &ignored))
		return mem_printf("%llu.%llu tokens/s in its evaluation", v / 1000, v % 1000 / 100);
	const char *hint = cost_efficiency_hint(cost_efficiency(milli, ceiling, &percent));
	text_format_bytes(bytes_s, bandwidth);
	return mem_printf("%llu.%llu tokens/s in its evaluation, %llu %% of what %s/s allow%s%s",
			  v / 1000, v % 1000 / 100, (unsigned long long) percent, bandwidth,
			  hint ? "; " : "", hint ? hint : "");
}

static void fill_memory(const struct context *c, const struct release_route *route,
			const struct lockfile *l, struct row *r) {
	struct release rel CLEANUP(release_done) = RELEASE_INIT;
	struct err ignored = {0};

	if (!r->active || release_read(route, r->active, &rel, &ignored))
		return;
	r->gate = status_gate(rel.proof);
	r->planned_bytes = l ? l->planned_bytes : 0;
	r->speed_milli = eval_speed_milli(json_get(rel.proof, "golden"));
	if (r->speed_milli && l)
		r->speed = speed_of(c, l, r->speed_milli);
	if (!json_get(rel.proof, "memory"))
		return;
	r->memory = json_copy(json_get(rel.proof, "memory"));
	r->drift = drift_of(r->memory);
}

/* Where rows are looked up: Engine and gateway are asked once for all of them. */
struct sources {
	const struct context *c;
	bool detail;  /* what the table of all routes has no room for */
	bool metrics; /* for Prometheus: also what a person would not wait for */
	bool asked;   /* the Engine answered */
	struct docker_containers containers;
	struct gateway_report_source traffic;
};

static void sources_open(const struct context *c, const char *route, bool detail,
			 struct sources *s) {
	struct err ignored = {0};

	s->c = c;
	s->detail = detail;
	s->asked = c->docker && !instance_list(&c->rollout.base, route, &s->containers, &ignored);
	if (detail)
		gateway_report_open(c, &s->traffic);
}

static void sources_done(struct sources *s) {
	docker_containers_done(&s->containers);
	gateway_report_close(&s->traffic);
}

/* Without an Engine the state is unknown, which is not a failure of status. */
static char *state_of(const struct sources *s, const struct lockfile *l, bool stopped) {
	struct err ignored = {0};
	bool ours, answers = false;

	if (!s->c->docker)
		return mem_strdup(s->c->denied.code ? "unknown: permission denied"
						    : "unknown: no Docker Engine");
	if (!s->asked)
		return mem_strdup("unknown: Docker does not answer");
	const struct docker_container_entry *found = instance_among(&s->c->rollout.base, l,
								    &s->containers, &ours);
	if (stopped)
		return mem_strdup(found && !strcmp(found->state, "running")
					  ? "stopped, but its container is running"
					  : "stopped");
	if (!found)
		return mem_strdup("no container");
	if (!strcmp(found->state, "running") && s->c->denied.code)
		return mem_strdup("unknown: running, permission denied");
	if (strcmp(found->state, "running") ||
	    (ours && instance_answers(&s->c->rollout.base, l, &answers, &ignored)))
		return mem_strdup(found->state);
	return mem_strdup(answers ? "serving" : "running, not ready");
}

static void fill_from_history(const struct release_route *route, struct row *r) {
	char since[CLOCK_STAMP];
	struct err broken = {0};

	if (r->now.state != RELEASE_STARTED) {
		r->since = mem_strdup(r->now.since);
		return;
	}
	if (history_newest(route, EVENT_FLIPPED, 200, since, &broken)) {
		free(r->note);
		r->note = mem_strdup(broken.msg);
		return;
	}
	if (since[0])
		r->since = mem_strdup(since);
}

static void look_held(const struct release_route *route, struct row *r) {
	char *version CLEANUP(freep) = NULL, *reason CLEANUP(freep) = NULL;
	struct err ignored = {0};

	if (!rollout_held(route, &version, &reason, &ignored) && version)
		r->held = mem_printf("'%s' waits for llmdeploy promote %s --reason TEXT, or "
				     "llmdeploy abort %s: %s",
				     version, route->name, route->name, reason);
}

/* Of one route, in words and as a list. */
static void look_pinned(const struct release_route *route, struct row *r) {
	char **versions CLEANUP(freep) = NULL;
	struct buf text CLEANUP(buf_done) = BUF_INIT(16000);
	struct err ignored = {0};
	size_t n = 0;

	r->pins = json_array();
	if (release_pins(route, &versions, &n, &ignored))
		return;
	for (size_t i = 0; i < n; i++) {
		char *reason CLEANUP(freep) = NULL;
		if (release_pinned(route, versions[i], &reason, &ignored) || !reason)
			continue;
		struct json *pin = json_object();
		json_set_str(pin, "version", versions[i]);
		json_set_str(pin, "reason", reason);
		json_push(r->pins, pin);
		(void) buf_printf(&text, "%s%s%s%s%s", text.len ? ", " : "", versions[i],
				  *reason ? " (" : "", reason, *reason ? ")" : "");
	}
	r->pinned = text.len ? mem_strdup(buf_str(&text)) : NULL;
}

/* What Docker says that the active release's container takes; 0: not known. */
static uint64_t memory_now(const struct sources *s, const struct lockfile *l) {
	struct err ignored = {0};
	uint64_t bytes = 0;
	bool ours;

	if (!s->asked || !instance_among(&s->c->rollout.base, l, &s->containers, &ours) || !ours)
		return 0;
	char *name CLEANUP(freep) = instance_name(&s->c->root, l);
	return docker_container_memory(s->c->docker, name, &bytes, &ignored) ? 0 : bytes;
}

static void look_closer(const struct sources *s, const struct release_route *route,
			const struct lockfile *l, struct row *r) {
	fill_memory(s->c, route, l, r);
	look_pinned(route, r);
	gateway_report_read(&s->traffic, route->name, l, &r->traffic);
	if (l && s->metrics)
		r->measured_bytes = memory_now(s, l);
}

static int look(const struct sources *s, const char *name, struct row *r, struct err *e) {
	struct release_route route CLEANUP(release_route_done) = RELEASE_ROUTE_INIT;
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	struct err why = {0};

	if (release_route_open(&s->c->root, name, false, &route, e) ||
	    release_active_name(&route, &r->active, e))
		return -1;
	if (r->active && rollout_lockfile_of(&route, r->active, &l, &why))
		r->note = mem_strdup(why.msg);
	else if (l && l->eval_skip)
		r->note = mem_printf("no golden questions: %s", l->eval_skip);
	operation_view_read(&route, &r->now);
	if (r->now.state == RELEASE_REMOVED && !r->active)
		r->state = mem_strdup("removed");
	else if (l)
		r->state = state_of(s, l, r->now.state == RELEASE_STOPPED);
	else
		r->state = mem_strdup(why.code == ERR_SYS ? "unknown: permission denied"
					      : r->active ? "damaged"
							  : "nothing active");
	rollback_view_read(&s->c->rollout, &route, s->asked ? &s->containers : NULL, &r->back);
	if (l)
		reach_of(s->c, l, &r->reach);
	fill_from_history(&route, r);
	look_held(&route, r);
	if (s->detail)
		look_closer(s, &route, l, r);
	return 0;
}

static struct json *as_json(const char *route, const struct row *r) {
	struct json *o = json_object();

	json_set_str(o, "route", route);
	json_set(o, "active", json_string(r->active));
	json_set_str(o, "state", r->state);
	json_set(o, "rollback_to", json_string(r->back.to));
	if (r->back.known)
		json_set_bool(o, "rollback_warm", r->back.warm);
	json_set_str(o, "rollback_why", r->back.why);
	json_set_str(o, "forward_to", r->back.forward);
	if (r->now.json)
		json_set(o, "under_way", json_copy(r->now.json));
	json_set_str(o, "since", r->since);
	json_set_str(o, "note", r->note);
	if (r->speed_milli)
		json_set_int(o, "milli_tokens_per_s", (int64_t) r->speed_milli);
	if (r->memory)
		json_set(o, "memory", json_copy(r->memory));
	if (r->gate)
		json_set(o, "gate", json_copy(r->gate));
	if (r->planned_bytes)
		json_set_int(o, "planned_bytes", (int64_t) r->planned_bytes);
	if (r->measured_bytes)
		json_set_int(o, "measured_bytes", (int64_t) r->measured_bytes);
	json_set_str(o, "held", r->held);
	if (r->pins)
		json_set(o, "pinned", json_copy(r->pins));
	json_set_str(o, "url", r->reach.url);
	if (r->traffic.json)
		json_set(o, "gateway", json_copy(r->traffic.json));
	return o;
}

/* What to run next, by what is there. */
static char *next_of(const char *route, const struct row *r) {
	if (r->held)
		return mem_printf("llmdeploy promote %s --reason TEXT\nllmdeploy abort %s", route,
				  route);
	if (r->now.state == RELEASE_STOPPED)
		return mem_printf("llmdeploy start %s\nllmdeploy history %s", route, route);
	if (!r->active)
		return mem_printf("llmdeploy history %s\nllmdeploy apply FILE", route);
	if (strcmp(r->state, "serving") && strncmp(r->state, "unknown", 7))
		return mem_printf(
			"llmdeploy verify %s  (--fix repairs what differs)\nllmdeploy logs %s",
			route, route);
	return mem_printf("llmdeploy logs %s\nllmdeploy history %s%s%s", route, route,
			  r->back.to ? "\nllmdeploy rollback " : "", r->back.to ? route : "");
}

static void show_one(struct args *a, const char *route, const struct row *r) {
	char *back CLEANUP(freep) = rollback_view_words(&r->back);
	char *forward CLEANUP(freep) = rollback_view_forward_words(&r->back, route);
	char *clients CLEANUP(freep) = r->reach.url
		? mem_printf("%s  %s", r->reach.url, r->reach.note)
		: NULL;
	char *next CLEANUP(freep) = next_of(route, r);
	const struct report_pair pairs[] = {{"route", route},
					    {"active", r->active ? r->active : "none"},
					    {"state", r->state},
					    {"since", r->since},
					    {"under way", r->now.words},
					    {"clients", clients},
					    {"try it", r->reach.curl},
					    {"rollback", back},
					    {"roll forward", forward},
					    {"held", r->held},
					    {"pinned", r->pinned},
					    {"gateway", r->traffic.gateway},
					    {"traffic", r->traffic.servers},
					    {"fallback", r->traffic.fallback},
					    {"memory", r->drift},
					    {"speed", r->speed},
					    {"note", r->note},
					    {"next", next}};

	report_pairs(a->report, pairs, sizeof pairs / sizeof *pairs);
}

/* "3 d ago": in the overview the exact time is not needed. */
static const char *age_of(const char *stamp, char out[TEXT_BYTES]) {
	static const struct {
		int64_t seconds;
		const char *unit;
	} units[] = {{86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}};
	int64_t then, age;
	size_t i = 0;

	if (!clock_parse(stamp, &then))
		return stamp;
	age = clock_unix() > then ? clock_unix() - then : 0;
	while (units[i].seconds > 1 && age < 2 * units[i].seconds)
		i++;
	/* As wide as most: the column stands still under --watch. */
	int n = snprintf(out, TEXT_BYTES, "%lld %s ago", (long long) (age / units[i].seconds),
			 units[i].unit);
	if (n < 8) {
		memmove(out + 8 - n, out, (size_t) n + 1);
		memset(out, ' ', (size_t) (8 - n));
	}
	return out;
}

static int nothing_yet(struct args *a, const char *place) {
	struct json *none CLEANUP(json_freep) = json_array();

	report_line(a->report, "nothing is deployed here yet (%s)", place);
	report_line(
		a->report,
		"next: llmdeploy init writes a first manifest, llmdeploy apply FILE deploys one");
	report_result(a->report, none);
	return 0;
}

static int once(struct args *a, struct err *e) {
	static const struct report_column columns[] = {
		{"route", false, 8}, {"active", false, 8},   {"state", false, 8},
		{"since", true, 0},  {"clients", false, 26}, {"rollback", false, 8},
		{"note", false, 4}};
	enum { COLUMNS = sizeof columns / sizeof *columns };
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	char **names CLEANUP(freep) = NULL, *one[] = {a->n ? a->at[0] : NULL};
	struct json *list CLEANUP(json_freep) = json_array();
	struct sources s CLEANUP(sources_done) = {0};
	char *place CLEANUP(freep) = NULL;
	size_t n = 1;

	if (!a->n && root_is_fresh(a->option[OPT_ROOT], &place))
		return a->option[OPT_PROMETHEUS] ? status_prometheus(a, list, e)
						 : nothing_yet(a, place);
	if (context_open(a, "status", NEED_STORE, &c, e) ||
	    (!a->n && release_routes(&c.root, &names, &n, e)))
		return -1;
	if (!n && !a->option[OPT_PROMETHEUS])
		return nothing_yet(a, c.root.path);
	context_try_docker(a, &c);
	bool metrics = a->option[OPT_PROMETHEUS] != NULL;
	s.metrics = metrics;
	sources_open(&c, one[0], metrics || a->n || a->report->mode == REPORT_JSON, &s);
	struct row *rows CLEANUP(freep) = mem_zalloc(n, sizeof *rows);
	const char **cells CLEANUP(freep) = mem_zalloc(COLUMNS * n, sizeof *cells);
	char(*ages)[TEXT_BYTES] CLEANUP(freep) = mem_zalloc(n, sizeof *ages);
	int bad = 0;
	for (size_t i = 0; i < n && !bad; i++) {
		const char *name = names ? names[i] : one[0];
		bad = look(&s, name, &rows[i], e);
		const char *since = rows[i].since ? age_of(rows[i].since, ages[i]) : NULL;
		const char *row[] = {name,
				     rows[i].active ? rows[i].active : "none",
				     rows[i].state,
				     since,
				     rows[i].reach.url,
				     rows[i].back.to,
				     rows[i].now.words      ? rows[i].now.words
					     : rows[i].held ? rows[i].held
							    : rows[i].note};
		memcpy(&cells[COLUMNS * i], row, sizeof row);
		if (s.detail)
			json_push(list, as_json(name, &rows[i]));
	}
	if (!bad && metrics)
		bad = status_prometheus(a, list, e);
	else if (!bad && a->n)
		show_one(a, one[0], &rows[0]);
	else if (!bad)
		report_table(a->report, columns, COLUMNS, cells, n);
	if (!bad && !metrics)
		report_result(a->report, a->n ? json_at(list, 0) : list);
	for (size_t i = 0; i < n; i++)
		row_done(&rows[i]);
	/* What was not seen is said in its place, and is not taken for a success. */
	return bad ? -1 : c.denied.code ? err_set(e, c.denied.code, "%s", c.denied.msg) : 0;
}

/* A route that comes and goes meanwhile is shown, and is no end of it. */
int cmd_status(struct args *a, struct err *e) {
	if (!a->option[OPT_WATCH])
		return once(a, e);
	do {
		struct err now = {0};
		report_clear(a->report);
		if (once(a, &now) && now.code == ERR_INTERRUPTED)
			return 0;
		if (now.code)
			report_warning(a->report, "%s", now.msg);
	} while (follow_wait(WATCH_EVERY_MS));
	return 0;
}
