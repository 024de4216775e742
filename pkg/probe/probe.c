/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/probe.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/progress.h"
#include "probe/excerpt.h"
#include "json/json.h"

#define FIRST_PAUSE_MS 20
#define LONGEST_PAUSE_MS 250
#define POLL_TIMEOUT_MS 2000

struct wait {
	const struct json *probes;
	const struct endpoint *ep;
	const struct probe_limits *limits;
	const struct probe_watch *watch;
	const struct progress *progress;
	/* ms; changed: when the log or the answer was last seen to change */
	uint64_t began, changed;
	uint64_t counter;
	unsigned polls;
	char last[256]; /* the last answer in words: "503 'Loading model'" */
};

static const char *duration(uint64_t ms, char out[32]) {
	if (ms % 1000)
		(void) snprintf(out, 32, "%llu ms", (unsigned long long) ms);
	else
		(void) snprintf(out, 32, "%llu s", (unsigned long long) (ms / 1000));
	return out;
}

/* Whatever kept a candidate from being proved is a gate that failed; Ctrl-C is not. */
static int as_gate(struct err *e) {
	if (e->code != ERR_INTERRUPTED)
		e->code = ERR_GATE;
	return -1;
}

static bool status_in(const struct json *rule, long status) {
	if (json_is_number(rule))
		return (long) json_value(rule) == status;
	for (const struct json *s = json_first(rule); s; s = json_next(s))
		if (json_is_number(s) && (long) json_value(s) == status)
			return true;
	return false;
}

static void show(const struct json *j, char out[80]) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(4096);

	if (!j) {
		(void) snprintf(out, 80, "missing");
		return;
	}
	if (json_is_string(j))
		(void) buf_printf(&text, "'%s'", json_text(j));
	else
		json_print(j, &text);
	(void) probe_excerpt(buf_str(&text), text.len, out, 80);
}

/* Every path of `want` is there with that value; else the first that is not, in words. */
static bool holds(const struct json *body, const struct json *want, char *why, size_t size) {
	for (const struct json *w = json_first(want); w; w = json_next(w)) {
		const struct json *got = json_path(body, json_key(w));
		char is[80], should[80];
		if (got && json_equal(got, w))
			continue;
		show(got, is);
		show(w, should);
		(void) snprintf(why, size, "%.60s is %s, not %s", json_key(w), is, should);
		return false;
	}
	return true;
}

int probe_check(const struct json *probes, struct err *e) {
	const struct json *readiness = json_get(probes, "readiness"),
			  *ready = json_get(readiness, "ready");
	const struct json *identity = json_get(probes, "identity");

	if (!json_str(json_get(probes, "warmup"), "path"))
		return err_set(e, ERR_SPEC, "probes.warmup.path is missing: no token, no proof");
	if (readiness && !json_str(readiness, "path"))
		return err_set(e, ERR_SPEC, "probes.readiness.path is missing");
	if (readiness && !json_get(ready, "status") && !json_count(json_get(ready, "json")))
		return err_set(e, ERR_SPEC,
			       "probes.readiness.ready asks for neither a status nor a value: it "
			       "could not fail");
	if (identity && (!json_str(identity, "path") || !json_count(json_get(identity, "json"))))
		return err_set(e, ERR_SPEC, "probes.identity asks for no value: it could not fail");
	return 0;
}

/* One question to the readiness path; the answer in words goes to `said`. */
static int poll_once(struct wait *s, uint64_t timeout_ms, char said[256], bool *ready,
		     struct err *e) {
	const struct json *rule = json_get(s->probes, "readiness"), *want = json_get(rule, "ready");
	struct endpoint_reply r CLEANUP(endpoint_reply_done) = {0};
	struct err fault = {0};
	char why[256];

	*ready = false;
	if (endpoint_call(s->ep, json_str(rule, "path"), NULL, timeout_ms, &r, &fault)) {
		if (fault.code == ERR_INTERRUPTED) {
			*e = fault;
			return -1;
		}
		(void) snprintf(said, 256, "none: %.240s", fault.msg);
	} else if (json_get(want, "status") && !status_in(json_get(want, "status"), r.status)) {
		(void) snprintf(said, 256, "%ld '%s'", r.status, r.message);
	} else if (!holds(r.body, json_get(want, "json"), why, sizeof why)) {
		(void) snprintf(said, 256, "%ld, but %.230s", r.status, why);
	} else {
		*ready = true;
		(void) snprintf(said, 256, "%ld", r.status);
	}
	return 0;
}

/* Runtimes that can only complete: a token is the answer to "are you ready?". */
static int poll_by_token(struct wait *s, uint64_t timeout_ms, char said[256], bool *ready,
			 struct err *e) {
	struct err fault = {0};
	uint64_t took;

	*ready = !probe_one_token(s->probes, s->ep, timeout_ms, &took, &fault);
	if (!*ready && fault.code == ERR_INTERRUPTED) {
		*e = fault;
		return -1;
	}
	(void) snprintf(said, 256, "%.250s", *ready ? "a token" : fault.msg);
	return 0;
}

static int still_alive(const struct wait *s, const char *doing, struct err *e) {
	struct buf detail CLEANUP(buf_done) = BUF_INIT(4096);
	char shown[360];
	bool alive = true;

	if (!s->watch || !s->watch->alive)
		return 0;
	if (s->watch->alive(s->watch->ctx, &alive, &detail, e))
		return err_wrap(e, "cannot tell whether the instance is alive");
	if (alive)
		return 0;
	if (!detail.len)
		return err_set(e, ERR_GATE, "the instance died while %s", doing);
	(void) probe_excerpt(buf_str(&detail), detail.len, shown, sizeof shown);
	return err_set(e, ERR_GATE, "the instance died while %s: %s", doing, shown);
}

/* An instance that does not listen yet, or answers 404 or 500 for a moment, is starting: no fault
 * of it. The last answer is in the error, should it never get ready. */
static void tell_state(const struct wait *s, const char *said) {
	const struct json *loading = json_path(s->probes, "readiness.loading.status");
	char *detail CLEANUP(freep) = mem_printf("the instance's answer: %s", said);
	bool loads = loading && status_in(loading, strtol(said, NULL, 10));

	progress_state(s->progress, loads ? "loading the model" : "starting", detail);
}

/* Has anything moved since the last look? */
static void note_change(struct wait *s, const char said[256]) {
	uint64_t counter = s->watch && s->watch->log_progress
		? s->watch->log_progress(s->watch->ctx)
		: 0;
	bool other = strcmp(s->last, said) != 0;

	if (other || counter != s->counter)
		s->changed = clock_mono_ms();
	if (other)
		tell_state(s, said);
	s->counter = counter;
	memcpy(s->last, said, sizeof s->last);
}

static int out_of_time(const struct wait *s, struct err *e) {
	uint64_t now = clock_mono_ms();
	char limit[32];

	if (now - s->began >= s->limits->startup_timeout_ms)
		return err_set(e, ERR_GATE, "not ready after %s: last answer was %s",
			       duration(s->limits->startup_timeout_ms, limit), s->last);
	if (s->limits->stall_timeout_ms && now - s->changed >= s->limits->stall_timeout_ms)
		return err_set(
			e, ERR_GATE,
			"no progress for %s: neither log nor answer changed, last answer was %s",
			duration(s->limits->stall_timeout_ms, limit), s->last);
	return 0;
}

/* A last look with no time to answer in would say nothing of the runtime. */
static uint64_t at_least(uint64_t ms) {
	return ms < 100 ? 100 : ms;
}

static uint64_t time_left(const struct wait *s, uint64_t at_most) {
	uint64_t spent = clock_mono_ms() - s->began, whole = s->limits->startup_timeout_ms;
	uint64_t left = spent < whole ? whole - spent : 1;

	return left < at_most ? left : at_most;
}

static int wait_until_ready(struct wait *s, struct err *e) {
	bool by_token = !json_get(s->probes, "readiness");
	uint64_t pause = FIRST_PAUSE_MS;

	for (;;) {
		char said[256] = "";
		bool ready = false;
		if (interrupt_check(e) ||
		    still_alive(s, "starting", e))
			return -1;
		s->polls++;
		if (by_token ? poll_by_token(s, time_left(s, UINT64_MAX), said, &ready, e)
			     : poll_once(s, at_least(time_left(s, POLL_TIMEOUT_MS)), said, &ready,
					 e))
			return -1;
		if (ready)
			return 0;
		note_change(s, said);
		if (out_of_time(s, e))
			return -1;
		clock_sleep_ms(time_left(s, pause));
		pause = pause * 3 / 2 < LONGEST_PAUSE_MS ? pause * 3 / 2 : LONGEST_PAUSE_MS;
	}
}

static int check_identity(const struct wait *s, struct err *e) {
	const struct json *rule = json_get(s->probes, "identity");
	struct endpoint_reply r CLEANUP(endpoint_reply_done) = {0};
	char why[256];

	if (!rule)
		return 0;
	if (endpoint_call(s->ep, json_str(rule, "path"), NULL, time_left(s, 10000), &r, e))
		return err_wrap(e, "identity");
	if (r.status != 200)
		return err_set(e, ERR_GATE, "identity: %s answered %ld '%s'",
			       json_str(rule, "path"), r.status, r.message);
	if (!holds(r.body, json_get(rule, "json"), why, sizeof why))
		return err_set(e, ERR_GATE, "the instance does not serve this release: %s", why);
	return 0;
}

static struct json *warmup_question(const char *path, const struct endpoint *ep,
				    int64_t max_tokens) {
	struct json *q = json_object();

	json_set_str(q, "model", ep->model);
	if (endpoint_is_raw(path)) {
		json_set_str(q, "prompt", "Hello");
	} else {
		struct json *message = json_object(), *messages = json_array();
		json_set_str(message, "role", "user");
		json_set_str(message, "content", "Hello");
		json_push(messages, message);
		json_set(q, "messages", messages);
	}
	json_set_int(q, "max_tokens", max_tokens);
	json_set_int(q, "temperature", 0);
	json_set_bool(q, "stream", false);
	return q;
}

/* A model that thinks first spends its first tokens on that: they are tokens too. */
static bool said_something(const struct json *body) {
	static const char *const thoughts[] = {"choices.0.message.reasoning_content",
					       "choices.0.message.reasoning"};
	const char *text = endpoint_answer(body);

	for (size_t i = 0; i < 2 && !(text && *text); i++)
		text = json_text(json_path(body, thoughts[i]));
	return text && *text;
}

int probe_one_token(const struct json *probes, const struct endpoint *ep, uint64_t timeout_ms,
		    uint64_t *took_ms, struct err *e) {
	const struct json *rule = json_get(probes, "warmup");
	const char *path = json_str(rule, "path");
	struct endpoint_reply r CLEANUP(endpoint_reply_done) = {0};

	if (!path)
		return err_set(e, ERR_SPEC, "probes.warmup.path is missing: no token, no proof");
	struct json *q CLEANUP(json_freep) = warmup_question(path, ep,
							     json_int_or(rule, "max_tokens", 1));
	if (endpoint_call(ep, path, q, timeout_ms, &r, e)) {
		(void) err_wrap(e, "no token came");
		return as_gate(e);
	}
	if (r.status != 200)
		return err_set(e, ERR_GATE, "no token came: %s answered %ld '%s'", path, r.status,
			       r.message);
	if (!said_something(r.body))
		return err_set(e, ERR_GATE, "no token came: %s answered 200 with nothing in it",
			       path);
	*took_ms = r.latency_ms;
	return 0;
}

/* A dead runtime explains a failed call better than the call does; a keeper that went away, too,
 * and then it is no verdict. */
static int explain(const struct wait *s, const char *doing, struct err *e) {
	struct err dead = *e;

	if (e->code == ERR_INTERRUPTED)
		return -1;
	if (!still_alive(s, doing, &dead))
		return as_gate(e);
	if (dead.code == ERR_GATE || dead.code == ERR_UNREACHABLE)
		*e = dead;
	return dead.code == ERR_UNREACHABLE ? -1 : as_gate(e);
}

int probe_ready(const struct json *probes, const struct endpoint *ep,
		const struct probe_limits *limits, const struct probe_watch *w,
		const struct progress *p, struct probe_result *out, struct err *e) {
	uint64_t now = clock_mono_ms();
	struct wait s = {.probes = probes,
			 .ep = ep,
			 .limits = limits,
			 .watch = w,
			 .progress = p,
			 .began = now,
			 .changed = now};
	struct probe_result r = {0};

	assert(limits->startup_timeout_ms > 0);
	if (probe_check(probes, e))
		return -1;
	if (wait_until_ready(&s, e))
		return -1;
	r.ready_ms = clock_mono_ms() - s.began;
	if (check_identity(&s, e))
		return explain(&s, "its identity was checked", e);
	if (probe_one_token(probes, ep, time_left(&s, UINT64_MAX), &r.first_token_ms, e))
		return explain(&s, "making its first token", e);
	r.polls = s.polls;
	*out = r;
	return 0;
}
