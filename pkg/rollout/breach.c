/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/internal.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "eval/eval.h"
#include "json/json.h"

/* Design: a gate is broken by what clients saw, and a client can ask for what breaks it. Where the
 * gate would hold without one client's requests, that client alone is no proof: the golden
 * questions are asked once more, through the gateway, of the very server. They fail, and the breach
 * is the release's; they pass, and the client's requests are set aside. Where they cannot be asked,
 * the breach stands. */

enum { ANSWER_SPARE_MS = 30000, SLOWER = 3 };

void breach_done(struct breach *b) {
	gateway_clients_done(&b->before);
}

static int64_t least_of(int64_t a, int64_t b) {
	return a < 0 ? b : b < 0 || a < b ? a : b;
}

static uint64_t golden_ms(const struct rollout_session *s, const struct lockfile *l,
			  uint64_t *all_ms) {
	struct release rel CLEANUP(release_done) = RELEASE_INIT;
	struct err unread = {0};

	*all_ms = 0;
	if (release_read(&s->route, l->version, &rel, &unread))
		return 0;
	return eval_slowest_ms(json_get(rel.proof, "golden"), all_ms);
}

void breach_late_limits(const struct rollout_session *s, const struct lockfile *l,
			const struct lockfile_gates *g, struct gateway_late_limits *out) {
	int64_t first = least_of(g->ttft_ms, g->p95_ms);
	uint64_t all_ms;

	*out = (struct gateway_late_limits){0};
	if (first >= 0) {
		out->first_ms = (uint64_t) first;
		out->whole_ms = g->p95_ms >= 0 ? (uint64_t) g->p95_ms : 0;
	} else
		out->served_ms = l->latency_p95_ms ? l->latency_p95_ms
			: l->golden                ? SLOWER * (golden_ms(s, l, &all_ms) + 1)
						   : 0;
}

/* A gateway that does not say it has nothing to compare with: what each client saw counts from the
 * start of its release. */
void breach_begin(struct rollout_session *s, const struct lockfile *l, struct breach *b) {
	struct err ignored = {0};

	if (!traffic_has_gateway(s->ctx) ||
	    gateway_clients(s->ctx->gateway, l, &b->before, &ignored))
		b->before = (struct gateway_clients){0};
}

/* What one client saw since the watch began. */
static struct gateway_client since(const struct breach *b, const struct gateway_clients *now,
				   const struct gateway_client *c) {
	const struct gateway_client *old = now->began_ms == b->before.began_ms
		? gateway_clients_find(&b->before, c->name)
		: NULL;
	struct gateway_client d = *c;

	/* One whose numbers were given up in between began again. */
	if (!old || !gateway_sample_since(&old->seen, &c->seen, &d.seen))
		return *c;
	d.failed -= old->failed <= c->failed ? old->failed : 0;
	d.cut -= old->cut <= c->cut ? old->cut : 0;
	d.late -= old->late <= c->late ? old->late : 0;
	return d;
}

static void take_away(uint64_t *of, uint64_t n) {
	*of -= n < *of ? n : *of;
}

static struct gateway_sample without(const struct gateway_sample *all,
				     const struct gateway_sample *one) {
	struct gateway_sample d = *all;

	take_away(&d.requests, one->requests);
	take_away(&d.errors, one->errors);
	take_away(&d.refused, one->refused);
	take_away(&d.left, one->left);
	for (size_t i = 0; i < HAPROXY_BUCKETS; i++) {
		take_away(&d.total_ms[i], one->total_ms[i]);
		take_away(&d.first_ms[i], one->first_ms[i]);
	}
	return d;
}

static void add(struct gateway_sample *to, const struct gateway_sample *one) {
	to->requests += one->requests;
	to->errors += one->errors;
	to->refused += one->refused;
	to->left += one->left;
	for (size_t i = 0; i < HAPROXY_BUCKETS; i++) {
		to->total_ms[i] += one->total_ms[i];
		to->first_ms[i] += one->first_ms[i];
	}
}

static struct breach_client *excused(struct breach *b, const char *name) {
	for (size_t i = 0; i < b->n_excused; i++)
		if (!strcmp(b->excused[i].name, name))
			return &b->excused[i];
	return NULL;
}

/* Set aside until it has asked twice as much as when it was looked into: a release may get
 * worse. */
static bool still_excused(struct breach *b, const struct gateway_client *d) {
	const struct breach_client *x = excused(b, d->name);

	return x &&
		(x->asked == BREACH_ASKED ||
		 d->seen.requests < 2 * x->requests + TRAFFIC_GATE_LEAST);
}

struct gateway_sample breach_rest(struct breach *b, const struct gateway_clients *now,
				  const struct gateway_sample *sum) {
	struct gateway_sample rest = *sum;

	for (size_t i = 0; i < now->n; i++) {
		const struct gateway_client d = since(b, now, &now->at[i]);
		struct breach_client *x = excused(b, d.name);
		if (!x)
			continue;
		/* A gateway that began again counts from nothing. */
		if (d.seen.requests < x->seen.requests)
			add(&x->past, &x->seen);
		x->seen = d.seen;
		if (!still_excused(b, &d))
			continue;
		rest = without(&rest, &d.seen);
		rest = without(&rest, &x->past);
	}
	return rest;
}

struct gateway_sample breach_judged(const struct breach *b, const struct gateway_sample *sum) {
	struct gateway_sample rest = *sum;

	for (size_t i = 0; i < b->n_excused; i++) {
		rest = without(&rest, &b->excused[i].seen);
		rest = without(&rest, &b->excused[i].past);
	}
	return rest;
}

/* The client without whose requests no gate would be broken, be they ever so few: the one with the
 * most failures. */
bool breach_of_one(struct breach *b, const struct gateway_clients *now, const struct breach_case *c,
		   struct gateway_client *out) {
	const struct gateway_sample all = breach_rest(b, now, c->sum);
	char reason[TRAFFIC_GATE_REASON];
	bool found = false;

	for (size_t i = 0; i < now->n; i++) {
		const struct gateway_client d = since(b, now, &now->at[i]);
		const struct gateway_sample rest = without(&all, &d.seen);
		if (!d.seen.requests || still_excused(b, &d) ||
		    traffic_gate_judge(c->gates, &rest, c->beside, 1, reason) == TRAFFIC_GATE_FAIL)
			continue;
		if (!found || d.seen.errors > out->seen.errors ||
		    (d.seen.errors == out->seen.errors && d.seen.requests > out->seen.requests))
			*out = d;
		found = true;
	}
	return found;
}

/* Over its gate, and of nobody else's requests is there a time that could clear the release. */
static bool is_unseen(const uint64_t all[HAPROXY_BUCKETS], const uint64_t others[HAPROXY_BUCKETS],
		      uint64_t most_ms) {
	uint64_t ms;

	return traffic_gate_percentile(all, 95, &ms) && ms > most_ms &&
		!traffic_gate_percentile(others, 95, &ms);
}

uint64_t breach_limit(const struct breach_case *c, const struct gateway_sample *sum,
		      const struct gateway_client *one) {
	const struct gateway_sample others = without(sum, &one->seen);
	const struct lockfile_gates *g = c->gates;
	const struct gateway_sample *beside = traffic_gate_compared(c->beside, c->least);
	uint64_t whole_ms = traffic_gate_most_ms(g->p95_ms, beside ? beside->total_ms : NULL,
						 g->p95_percent);
	uint64_t first_ms = traffic_gate_most_ms(g->ttft_ms, beside ? beside->first_ms : NULL,
						 g->ttft_percent);
	/* Where it was given up on, answers that come are not enough. */
	uint64_t limit_ms = g->p95_ms > 0 ? (uint64_t) g->p95_ms
		: one->late               ? c->patience->served_ms
					  : 0;

	if (is_unseen(sum->total_ms, others.total_ms, whole_ms) &&
	    (!limit_ms || whole_ms < limit_ms))
		limit_ms = whole_ms;
	/* Golden answers are no streams: their first byte comes when they are whole. */
	if (is_unseen(sum->first_ms, others.first_ms, first_ms) &&
	    (!limit_ms || first_ms < limit_ms))
		limit_ms = first_ms;
	return limit_ms;
}

char *breach_words(const struct gateway_client *c) {
	if (!c->seen.errors)
		return mem_printf("the %llu requests of client '%s' were slow",
				  (unsigned long long) c->seen.requests, c->name);
	return mem_printf("%llu of %llu requests of client '%s' failed (%llu answered with 5xx, "
			  "%llu cut off, %llu cancelled by the client as too slow)",
			  (unsigned long long) c->seen.errors,
			  (unsigned long long) c->seen.requests, c->name,
			  (unsigned long long) c->failed, (unsigned long long) c->cut,
			  (unsigned long long) c->late);
}

int breach_golden(struct rollout_session *s, const struct lockfile *l, uint64_t latency_ms,
		  struct err *e) {
	struct eval_options opt = {.latency_p95_ms = latency_ms};
	struct eval_result *result CLEANUP(eval_result_freep) = NULL;
	struct gateway_probe_address in;
	uint64_t all_ms;

	if (!l->golden)
		return err_set(e, ERR_GATE, "there are no golden questions to ask");
	(void) golden_ms(s, l, &all_ms);
	opt.deadline_ms = SLOWER * all_ms + ANSWER_SPARE_MS;
	if (gateway_probe_address(s->ctx->gateway, l, &in, e))
		return -1;
	struct endpoint ep = {.base_url = in.base_url, .unix_socket = in.socket, .model = l->route};
	progress_step(s->ctx->base.progress, "golden questions through the gateway");
	if (eval_run(l->golden, &ep, &opt, NULL, &result, e) ||
	    eval_gate(result, e))
		return -1;
	progress_done(s->ctx->base.progress, "golden questions through the gateway", NULL);
	return 0;
}

static void excuse(struct breach *b, const struct gateway_client *c) {
	struct breach_client *x = excused(b, c->name);

	if (!x)
		x = &b->excused[b->n_excused++];
	(void) snprintf(x->name, sizeof x->name, "%s", c->name);
	x->seen = c->seen;
	x->requests = c->seen.requests;
	x->errors = c->seen.errors;
	x->failed = c->failed;
	x->cut = c->cut;
	x->late = c->late;
	x->asked++;
}

int breach_check(struct rollout_session *s, const struct lockfile *l, struct breach *b,
		 const struct breach_case *c, bool *stands, char reason[TRAFFIC_GATE_REASON],
		 struct err *e) {
	struct gateway_clients now CLEANUP(gateway_clients_done) = {0};
	struct gateway_client one;
	struct err why = {0};

	*stands = false;
	if (traffic_gate_judge(c->gates, c->sum, c->beside, c->least, reason) != TRAFFIC_GATE_FAIL)
		return 0;
	/* Where the gateway does not say whose they are, nobody more is set aside. */
	bool known = !gateway_clients(s->ctx->gateway, l, &now, &why);
	const struct gateway_sample rest = known ? breach_rest(b, &now, c->sum)
						 : breach_judged(b, c->sum);
	if (traffic_gate_judge(c->gates, &rest, c->beside, c->least, reason) != TRAFFIC_GATE_FAIL)
		return 0;
	*stands = true;
	why = (struct err){0};
	if (!known || !breach_of_one(b, &now, c, &one) ||
	    (!excused(b, one.name) && b->n_excused == BREACH_EXCUSED))
		return 0;
	char *words CLEANUP(freep) = breach_words(&one);
	progress_warn(s->ctx->base.progress, "the requests of one client exceed a limit", words);
	if (!breach_golden(s, l, breach_limit(c, &rest, &one), &why)) {
		*stands = false;
		excuse(b, &one);
		progress_note(s->ctx->base.progress,
			      "golden questions through the gateway passed: the release stays",
			      words);
		return 0;
	}
	if (why.code == ERR_INTERRUPTED)
		return err_set(e, why.code, "%s", why.msg);
	char *whole CLEANUP(freep) = l->golden
		? mem_printf("%s; %s; golden questions through the gateway: %s", reason, words,
			     why.msg)
		: mem_printf("%s; %s", reason, words);
	(void) snprintf(reason, TRAFFIC_GATE_REASON, "%s", whole);
	return 0;
}

struct json *breach_json(const struct breach *b) {
	struct json *list = b->n_excused ? json_array() : NULL;

	for (size_t i = 0; i < b->n_excused; i++) {
		const struct breach_client *x = &b->excused[i];
		struct json *o = json_object();
		json_set_str(o, "client", x->name);
		json_set_int(o, "requests", (int64_t) x->requests);
		json_set_int(o, "errors", (int64_t) x->errors);
		json_set_int(o, "failed", (int64_t) x->failed);
		json_set_int(o, "cut", (int64_t) x->cut);
		json_set_int(o, "late", (int64_t) x->late);
		json_set_str(o, "golden", "passed");
		json_push(list, o);
	}
	return list;
}
