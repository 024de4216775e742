/* SPDX-License-Identifier: Apache-2.0 */
/* A golden set and the body of an answer to it, with a NUL between them; without one, the answer
 * alone, to a set that has every kind of assertion. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "eval/verdict.h"
#include "probe/endpoint.h"
#include "json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CITES                                                                                      \
	"{\"kind\":\"citations\",\"pattern\":\"\\\\[([A-Z]+-[0-9]+)\\\\]\",\"required\":[\"A-1\"]" \
	",\"allowed\":[\"A-1\"],\"min\":1,\"max\":2}"
static const char every_kind[] =
	"{\"name\":\"f\",\"cases\":[{\"id\":\"x\",\"severity\":\"blocker\",\"prompt\":\"p\",\"max_"
	"tokens\":9,\"seed\":1,\"timeout_ms\":1,"
	"\"attempts\":1,\"assert\":[{\"kind\":\"contains\",\"values\":[\"a\"]},{\"kind\":"
	"\"contains_any\",\"values\":[\"a\",\"b\"]},"
	"{\"kind\":\"contains_all\",\"values\":[\"a\",\"b\"]},{\"kind\":\"not_contains\","
	"\"values\":[\"a\"]},{\"kind\":\"equals\",\"values\":[\"A  b\"]},"
	"{\"kind\":\"regex\",\"values\":[\"(a|b)+c\"]},{\"kind\":\"not_regex\",\"values\":[\"^(a+)+"
	"$\"]},{\"kind\":\"json\"}," CITES
	",{\"kind\":\"abstain\",\"mode\":\"required\",\"phrases\":[\"I don't "
	"know\"]},{\"kind\":\"latency_ms\",\"max\":1},"
	"{\"kind\":\"finish_reason\",\"values\":[\"stop\"]}]}]}";

static void judge(const struct eval_golden_set *set, const char *body, size_t n) {
	struct endpoint_reply reply CLEANUP(endpoint_reply_done) = {.status = 200, .latency_ms = 5};
	struct arena *arena CLEANUP(arena_freep) = arena_new();
	struct err ignored;

	if (json_parse(body, n, &reply.body, &ignored))
		reply.body = NULL;
	for (size_t i = 0; i < set->n; i++) {
		struct eval_attempt a;
		eval_verdict_of(&set->questions[i], &reply, arena, &a);
		if (a.verdict == EVAL_PASS ? a.n_failures != 0 || !a.answer || !*a.answer
					   : a.n_failures == 0)
			abort();
		for (size_t k = 0; k < a.n_failures; k++)
			if (!text_is_utf8(a.failures[k].got, strlen(a.failures[k].got)) ||
			    strlen(a.failures[k].expected) >= EVAL_SHOWN)
				abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct json *golden CLEANUP(json_freep) = NULL;
	struct eval_golden_set *set CLEANUP(eval_golden_set_freep) = NULL;
	const char *text = (const char *) data, *nul = size ? memchr(text, 0, size) : NULL;
	struct err e = {0};

	if (json_parse(nul ? text : every_kind, nul ? (size_t) (nul - text) : sizeof every_kind - 1,
		       &golden, &e) ||
	    eval_golden_set_new(golden, &set, &e))
		return 0;
	if (nul)
		judge(set, nul + 1, size - (size_t) (nul + 1 - text));
	else
		judge(set, text, size);
	return 0;
}
