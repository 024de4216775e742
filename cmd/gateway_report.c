/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway_report.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "context.h"
#include "cost/cost.h"
#include "lockfile/lockfile.h"
#include "json/json.h"

void gateway_report_done(struct gateway_report *t) {
	free(t->gateway);
	free(t->servers);
	free(t->fallback);
	json_free(t->json);
	*t = (struct gateway_report){0};
}

static struct json *server_json(const struct gateway_server *sv) {
	struct json *o = json_object();

	json_set_str(o, "version", sv->version);
	json_set_str(o, "want", sv->want);
	json_set_str(o, "have", sv->have);
	json_set_bool(o, "up", sv->up);
	json_set_int(o, "in_flight", (int64_t) sv->in_flight);
	json_set_int(o, "queued", (int64_t) sv->queued);
	return o;
}

static void add_server(struct buf *b, const struct gateway_server *sv) {
	if (!*sv->id)
		return;
	(void) buf_printf(b, "%s'%s' %s", b->len ? "; " : "", sv->version, sv->want);
	if (sv->in_flight)
		(void) buf_printf(b, ", %llu in flight", (unsigned long long) sv->in_flight);
	if (sv->queued)
		(void) buf_printf(b, ", %llu waiting", (unsigned long long) sv->queued);
	if (!sv->up && strcmp(sv->want, "maint"))
		(void) buf_printf(b, " (%s)", *sv->have ? sv->have : "no answer from the gateway");
}

static void show_servers(const struct gateway_route_view *v, struct gateway_report *out) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(4096);
	struct json *list = json_array();

	for (size_t i = 0; i < 2; i++) {
		add_server(&b, &v->servers[i]);
		if (*v->servers[i].id)
			json_push(list, server_json(&v->servers[i]));
	}
	if (v->canary_percent)
		(void) buf_printf(&b, "; %u %% of the clients go to the canary", v->canary_percent);
	json_set(out->json, "servers", list);
	json_set_int(out->json, "canary_percent", v->canary_percent);
	out->servers = b.len ? buf_steal(&b) : mem_strdup("no release has a slot");
}

/* ---- what came from elsewhere: the trade-off is on record ---- */

/* Prices of the active lockfile; `said` false: it has none. */
struct price {
	bool said;
	const char *currency;
	uint64_t input, output; /* millionths, a million tokens */
};

static struct price price_of(const struct lockfile *active) {
	const struct json *o = active ? json_path(active->tree, "gateway.fallback.price") : NULL;
	const char *input = json_str(o, "input_per_million_tokens"),
		   *output = json_str(o, "output_per_million_tokens");
	struct price p = {.currency = json_str(o, "currency") ? json_str(o, "currency") : ""};

	p.said = input && output && cost_money(input, &p.input) && cost_money(output, &p.output);
	return p;
}

static bool cost_of(const struct price *p, const struct gateway_fallback_stats *f,
		    uint64_t *micro) {
	return p->said &&
		cost_tokens(f->prompt_tokens, f->generated_tokens, p->input, p->output, micro);
}

static struct json *fallback_stats_json(const struct price *p,
					const struct gateway_fallback_stats *f) {
	struct json *o = json_object();
	uint64_t micro;

	json_set_int(o, "requests", (int64_t) f->requests);
	json_set_int(o, "prompt_tokens", (int64_t) f->prompt_tokens);
	json_set_int(o, "generated_tokens", (int64_t) f->generated_tokens);
	json_set_int(o, "estimated_requests", (int64_t) f->estimated);
	if (cost_of(p, f, &micro))
		json_set_int(o, "cost_micro", (int64_t) micro);
	return o;
}

/* "3 requests, 1200 + 340 tokens, 0.0064 EUR" */
static void put_fallback_stats(const struct price *p, const struct gateway_fallback_stats *f,
			       struct buf *b) {
	uint64_t micro;

	(void) buf_printf(b, "%llu request%s", (unsigned long long) f->requests,
			  f->requests == 1 ? "" : "s");
	if (f->requests)
		(void) buf_printf(b, ", %llu + %llu tokens", (unsigned long long) f->prompt_tokens,
				  (unsigned long long) f->generated_tokens);
	if (f->requests && cost_of(p, f, &micro))
		(void) buf_printf(b, ", %llu.%04llu%s%s", (unsigned long long) (micro / 1000000),
				  (unsigned long long) (micro % 1000000 / 100),
				  *p->currency ? " " : "", p->currency);
}

struct gateway_fallback_stats gateway_status_fallback(const struct gateway_route_view *v) {
	struct gateway_fallback_stats sum = {0};

	for (size_t i = 0; i < GATEWAY_REASONS; i++) {
		sum.requests += v->fallback_stats[i].requests;
		sum.prompt_tokens += v->fallback_stats[i].prompt_tokens;
		sum.generated_tokens += v->fallback_stats[i].generated_tokens;
		sum.estimated += v->fallback_stats[i].estimated;
	}
	return sum;
}

static char *fallback_words(const struct price *p, const struct gateway_route_view *v,
			    const struct gateway_fallback_stats *sum) {
	static const char *const why[GATEWAY_REASONS] = {"release down", "queue full",
							 "requested by the client"};
	struct buf b CLEANUP(buf_done) = BUF_INIT(4096);
	char since[CLOCK_STAMP];

	put_fallback_stats(p, sum, &b);
	if (v->began_ms) {
		clock_stamp((int64_t) (v->began_ms / 1000), since);
		(void) buf_printf(&b, " since %s", since);
	}
	for (size_t i = 0; i < GATEWAY_REASONS && sum->requests; i++) {
		(void) buf_printf(&b, "%s %s: ", i ? ";" : ":", why[i]);
		put_fallback_stats(p, &v->fallback_stats[i], &b);
	}
	if (sum->estimated)
		(void) buf_printf(&b, "; the tokens of %llu are estimated",
				  (unsigned long long) sum->estimated);
	if (sum->requests && !p->said)
		(void) buf_puts(&b, "; gateway.fallback.price would say what they cost");
	return buf_steal(&b);
}

static void show_fallback(const struct gateway_route_view *v, const struct lockfile *active,
			  struct gateway_report *out) {
	static const char *const names[GATEWAY_REASONS] = {"down", "queue", "asked"};
	struct gateway_fallback_stats sum = gateway_status_fallback(v);
	struct price p = price_of(active);
	struct json *o = fallback_stats_json(&p, &sum);

	for (size_t i = 0; i < GATEWAY_REASONS; i++)
		json_set(o, names[i], fallback_stats_json(&p, &v->fallback_stats[i]));
	if (p.said)
		json_set_str(o, "currency", p.currency);
	json_set(out->json, "fallback", o);
	if (active && json_path(active->tree, "gateway.fallback"))
		out->fallback = fallback_words(&p, v, &sum);
}

void gateway_report_open(const struct context *c, struct gateway_report_source *out) {
	*out = (struct gateway_report_source){0};
	if (!c->gateway || !gateway_present(c->gateway) ||
	    gateway_snapshot_take(c->gateway, &out->snapshot, &out->fault))
		return;
	gateway_snapshot_process(out->snapshot, &out->process);
}

void gateway_report_close(struct gateway_report_source *s) {
	gateway_snapshot_free(s->snapshot);
}

void gateway_report_read(const struct gateway_report_source *s, const char *route,
			 const struct lockfile *active, struct gateway_report *out) {
	const struct gateway_view g = s->process;
	struct gateway_route_view v;
	struct err why = s->fault;

	if (!s->snapshot && !why.code)
		return;
	if (!s->snapshot || gateway_snapshot_route(s->snapshot, route, &v, &why)) {
		out->gateway = mem_printf("unknown: %s", why.msg);
		return;
	}
	out->json = json_object();
	json_set_bool(out->json, "running", g.running);
	json_set_bool(out->json, "known", v.known);
	if (!v.known) {
		out->gateway = mem_strdup("the route is not configured");
		return;
	}
	json_set_str(out->json, "listen", v.listen);
	json_set_str(out->json, "version", g.version);
	json_set_int(out->json, "processes", g.workers);
	out->gateway = g.running
		? mem_printf("%s, HAProxy %s, %u process%s", v.listen, g.version, g.workers,
			     g.workers == 1 ? "" : "es")
		: mem_printf("%s, not running: llmdeploy recover %s starts it", v.listen, route);
	show_servers(&v, out);
	show_fallback(&v, active, out);
}
