/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/verdict.h"

#include <stdio.h>
#include <string.h>

#include "eval/normalize.h"
#include "eval/reasoning.h"
#include "probe/endpoint.h"
#include "json/json.h"

static void keep(const struct eval_findings *found, enum eval_verdict v, struct arena *arena,
		 struct eval_attempt *out) {
	struct eval_failure *list = arena_zalloc(arena, found->n + 1, sizeof *list);

	memcpy(list, found->at, found->n * sizeof *list);
	out->failures = list;
	out->n_failures = found->n;
	out->verdict = v;
}

static void one_finding(enum eval_verdict v, const char *got, struct arena *arena,
			struct eval_attempt *out) {
	struct eval_findings found = {.arena = arena};

	eval_find(&found, "answer", "a whole answer", got);
	keep(&found, v, arena, out);
}

void eval_verdict_missing(const char *why, struct arena *arena, struct eval_attempt *out) {
	*out = (struct eval_attempt){.usage = {-1, -1, -1, -1, -1}};
	one_finding(EVAL_ERROR, why, arena, out);
}

static int64_t count_at(const struct json *body, const char *path) {
	const struct json *j = json_path(body, path);
	double v = json_value(j);

	return json_is_number(j) && v >= 0 && v < 1e12 ? (int64_t) v : -1;
}

static int64_t microseconds_at(const struct json *body, const char *path) {
	const struct json *j = json_path(body, path);
	double v = json_value(j);

	return json_is_number(j) && v >= 0 && v < 1e12 ? (int64_t) (v * 1000 + 0.5) : -1;
}

static struct eval_usage read_usage(const struct json *body) {
	return (struct eval_usage){
		.prompt_tokens = count_at(body, "usage.prompt_tokens"),
		.completion_tokens = count_at(body, "usage.completion_tokens"),
		.cached_tokens = count_at(body, "usage.prompt_tokens_details.cached_tokens"),
		.prompt_us = microseconds_at(body, "timings.prompt_ms"),
		.completion_us = microseconds_at(body, "timings.predicted_ms"),
	};
}

static bool ends_well(const struct eval_question *q, const char *reason) {
	static const char *const natural[] = {"stop", "eos_token", "stop_sequence"};

	for (size_t i = 0; i < 3; i++)
		if (!strcmp(natural[i], reason))
			return true;
	return eval_assertion_names_end(q->asserts, q->n_asserts, reason);
}

/* A cut answer is none, whatever came until then. `left` is what came without reasoning; NULL:
 * reasoning does not end in it. */
static void say_cut(const struct eval_question *q, const struct eval_attempt *a, const char *left,
		    char *why, size_t size) {
	const char *where = "";

	if (eval_is_blank(a->answer, strlen(a->answer)))
		where = " before its first word";
	else if (!left || eval_is_blank(left, strlen(left)))
		where = " inside its reasoning";
	(void) snprintf(why, size,
			"the answer was cut%s at max_tokens %lld: raise max_tokens of the case",
			where, (long long) q->max_tokens);
}

/* Why this is no answer that anything could be said about; false if it is one. */
static bool is_invalid(const struct eval_question *q, const struct json *body,
		       const struct eval_attempt *a, const char *left, char *why, size_t size) {
	if (!body)
		(void) snprintf(why, size, "a body that is not JSON");
	else if (!a->answer)
		(void) snprintf(why, size, "no choices.0 with a text in it");
	else if (a->finish_reason && !strcmp(a->finish_reason, "length"))
		say_cut(q, a, left, why, size);
	else if (eval_is_blank(a->answer, strlen(a->answer)))
		(void) snprintf(why, size, "an empty text");
	else if (strlen(a->answer) > EVAL_ANSWER_MAX - 4)
		(void) snprintf(why, size, "a text of more than %d KiB", EVAL_ANSWER_MAX >> 10);
	else if (!a->finish_reason)
		(void) snprintf(why, size,
				"no finish_reason, so the answer may be incomplete: %.160s",
				a->answer);
	else if (!ends_well(q, a->finish_reason))
		(void) snprintf(why, size, "ended by '%.40s': %.160s", a->finish_reason, a->answer);
	else if (!left)
		(void) snprintf(why, size, "reasoning that does not end, and so no answer: %.160s",
				a->answer);
	else if (eval_is_blank(left, strlen(left)))
		(void) snprintf(why, size, "only reasoning, and no answer after it: %.160s",
				a->answer);
	else
		return false;
	return true;
}

/* Of the first 64 KiB; the evidence must stay UTF-8. */
static size_t whole_characters(const char *text) {
	size_t n = strnlen(text, EVAL_ANSWER_MAX);

	while (text[n] && n && ((unsigned char) text[n] & 0xc0) == 0x80)
		n--;
	return n;
}

void eval_verdict_of(const struct eval_question *q, const struct endpoint_reply *reply,
		     struct arena *arena, struct eval_attempt *out) {
	struct eval_findings found = {.arena = arena};
	const char *text = endpoint_answer(reply->body);
	char why[256];

	if (reply->status != 200) {
		(void) snprintf(why, sizeof why, "HTTP %ld '%s'", reply->status, reply->message);
		eval_verdict_missing(why, arena, out);
		return;
	}
	*out = (struct eval_attempt){.answered = true,
				     .latency_ms = reply->latency_ms,
				     .usage = read_usage(reply->body)};
	out->answer = text ? arena_printf(arena, "%.*s", (int) whole_characters(text), text) : NULL;
	out->finish_reason =
		arena_strdup(arena, json_text(json_path(reply->body, "choices.0.finish_reason")));
	char *left CLEANUP(freep) = NULL;
	if (out->answer)
		(void) eval_without_reasoning(out->answer, &left);
	if (is_invalid(q, reply->body, out, left, why, sizeof why)) {
		one_finding(EVAL_INVALID, why, arena, out);
		return;
	}
	struct eval_answer answer = {.text = left,
				     .len = strlen(left),
				     .whole = out->answer,
				     .latency_ms = out->latency_ms,
				     .finish_reason = out->finish_reason};
	for (size_t i = 0; i < q->n_asserts; i++)
		eval_assertion_check(&q->asserts[i], &answer, &found);
	keep(&found, found.n ? EVAL_FAIL : EVAL_PASS, arena, out);
}
