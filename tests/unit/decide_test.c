/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "crypto/crypto.h"
#include "lockfile/lockfile.h"
#include "lockfile/plan_file.h"
#include "plan/diff.h"
#include "plan/plan.h"
#include "json/json.h"

/* The decisions of a plan, each by itself; the textbook's worked examples are rows. */

#define GB UINT64_C(1000000000)
#define TENTH_GB UINT64_C(100000000)

static const struct {
	const char *name;
	uint64_t capacity, planned, p95, gate;
	bool asynchronous;
	enum plan_verdict verdict;
} judgements[] = {
	{"7.6 + 5.0 + 2.0 = 14.6 GB on 24 GB less 20 %", 24 * GB, 146 * TENTH_GB, 0, 0, false,
	 PLAN_ADMITTED},
	{"4.4 + 8.6 + 2.0 = 15.0 GB of 19.2", 24 * GB, 150 * TENTH_GB, 0, 0, false, PLAN_ADMITTED},
	{"19.2 GB to the byte", 24 * GB, 192 * TENTH_GB, 0, 0, false, PLAN_ADMITTED},
	{"a byte more", 24 * GB, 192 * TENTH_GB + 1, 0, 0, false, PLAN_TOO_LARGE},
	{"24 GB at 72 ms, need 19, gate 100", 24 * GB, 19 * GB, 72, 100, false, PLAN_ADMITTED},
	{"64 GB at 118 ms, need 19, gate 100", 64 * GB, 19 * GB, 118, 100, false, PLAN_TOO_SLOW},
	{"the same, and nobody waits", 64 * GB, 19 * GB, 118, 100, true, PLAN_ASYNCHRONOUS},
	{"too large and too slow: memory is said", 16 * GB, 19 * GB, 118, 100, true,
	 PLAN_TOO_LARGE},
	{"not measured", 24 * GB, 19 * GB, 0, 100, false, PLAN_ADMITTED},
	{"no gate", 24 * GB, 19 * GB, 118, 0, false, PLAN_ADMITTED},
	{"no memory known", 0, 1, 0, 0, false, PLAN_UNKNOWN},
	{"35 B parameters at 16 bit: 70.0 GB", 80 * GB, 35 * GB * 2, 0, 0, false, PLAN_TOO_LARGE},
};

static void decide_places(void **state) {
	(void) state;
	EACH_CASE (k, judgements)
		assert_int_equal(plan_verdict_of(k->capacity, 20, k->planned, k->p95, k->gate,
						 k->asynchronous),
				 k->verdict);
}

/* Budget 8.0 GB, as the textbook has it; quality in thousandths here. */
static const struct {
	const char *name;
	uint64_t quality_min;
	struct {
		uint64_t tenths, quality; /* 0: not rated */
		enum plan_choice choice;
	} at[3];
	size_t best;
} choices[] = {
	{"FP16 16.0, Q4 4.6, Q2 2.9 GB, minimum 0.90: only Q4",
	 900,
	 {{160, 932, PLAN_DROPPED}, {46, 925, PLAN_WINS}, {29, 861, PLAN_POOR}},
	 1},
	{"no minimum: the smallest",
	 0,
	 {{160, 932, PLAN_DROPPED}, {46, 925, PLAN_PASSES}, {29, 861, PLAN_WINS}},
	 2},
	{"a minimum that none has",
	 990,
	 {{160, 932, PLAN_DROPPED}, {46, 925, PLAN_POOR}, {29, 861, PLAN_POOR}},
	 3},
	{"not rated: the golden set decides",
	 900,
	 {{70, 0, PLAN_UNRATED}, {46, 0, PLAN_UNRATED}, {29, 861, PLAN_POOR}},
	 1},
	{"a rated one, and a smaller one to be asked",
	 900,
	 {{70, 932, PLAN_PASSES}, {46, 0, PLAN_UNRATED}, {90, 0, PLAN_DROPPED}},
	 1},
	{"equally large: the first",
	 0,
	 {{46, 932, PLAN_WINS}, {46, 925, PLAN_PASSES}, {46, 861, PLAN_PASSES}},
	 0},
};

static void decide_candidates(void **state) {
	(void) state;
	EACH_CASE (k, choices) {
		struct plan_candidate list[3];

		for (size_t i = 0; i < 3; i++)
			list[i] = (struct plan_candidate){.planned = k->at[i].tenths * TENTH_GB,
							  .fits = k->at[i].tenths <= 80,
							  .rated = k->at[i].quality,
							  .quality = k->at[i].quality * 1000};
		assert_int_equal(plan_choose(list, 3, k->quality_min * 1000), k->best);
		for (size_t i = 0; i < 3; i++)
			assert_int_equal(list[i].choice, k->at[i].choice);
	}
}

static const struct {
	const char *name, *strategy, *previous;
	uint64_t capacity, active, planned;
	enum plan_rollback_mode back;
} backs[] = {
	{"nothing before", "blue-green", "auto", 24 * GB, 0, GB, PLAN_ROLLBACK_NONE},
	{"both fit", "blue-green", "auto", 24 * GB, 9 * GB, 10 * GB, PLAN_ROLLBACK_WARM},
	{"both fit, and stopped is wanted", "blue-green", "stopped", 24 * GB, 9 * GB, 10 * GB,
	 PLAN_ROLLBACK_STOPPED},
	{"both do not fit", "blue-green", "auto", 24 * GB, 10 * GB, 10 * GB,
	 PLAN_ROLLBACK_RECREATE},
	{"no memory known", "blue-green", "auto", 0, 1, 1, PLAN_ROLLBACK_RECREATE},
	{"recreate", "recreate", "auto", 24 * GB, 1, 1, PLAN_ROLLBACK_STOPPED},
	{"more than a number holds", "blue-green", "auto", 24 * GB, UINT64_MAX, 2,
	 PLAN_ROLLBACK_RECREATE},
};

static void decide_ways_back(void **state) {
	(void) state;
	EACH_CASE (k, backs)
		assert_int_equal(plan_rollback_mode(k->capacity, 20, k->active, k->planned,
						    k->strategy, k->previous),
				 k->back);
}

/* ---- differences ---- */

static struct json *parsed(const char *text) {
	struct json *j = NULL;
	struct err e = {0};

	if (json_parse(text, strlen(text), &j, &e))
		fail_msg("%s", e.msg);
	return j;
}

#define IMAGE(v)                                                                           \
	"\"image\":{\"config\":\"c\",\"layers\":[],\"packages\":[{\"name\":\"libllama0\"," \
	"\"version\":\"" v "\",\"sha256\":\"" v "\"}]}"
#define NOW                                                                                        \
	"{\"version\":\"r1\"," IMAGE(                                                              \
		"1") ",\"artifacts\":[{\"sha256\":\"aaaaaaaaaaaaaaaa\",\"size\":1000000}],"        \
		     "\"container\":{\"argv\":[\"/s\","                                            \
		     "\"--parallel\",\"2\",\"--metrics\",\"--prio\",\"-1\"],\"memory_bytes\":"     \
		     "1000000},\"eval\":{\"golden\":{\"name\":\"g\",\"cases\":[{\"id\":\"a\"},"    \
		     "{\"id\":\"b\"}]}},\"rollout\":{\"keep\":5},\"gateway\":{\"listen\":\"h:1\"," \
		     "\"fallback\":{\"url\":\"u\"}}}"

static const struct {
	const char *name, *then, *list;
} diffs[] = {
	{"nothing", NOW, ""},
	{"a version",
	 "{\"version\":\"r2\"," IMAGE(
		 "1") ",\"artifacts\":[{\"sha256\":\"aaaaaaaaaaaaaaaa\",\"size\":1000000}],"
		      "\"container\":{\"argv\":[\"/s\","
		      "\"--parallel\",\"2\",\"--metrics\",\"--prio\",\"-1\"],\"memory_bytes\":"
		      "1000000},\"eval\":{\"golden\":{\"name\":\"g\",\"cases\":[{\"id\":\"a\"},"
		      "{\"id\":\"b\"}]}},\"rollout\":{\"keep\":5},\"gateway\":{\"listen\":\"h:1\","
		      "\"fallback\":{\"url\":\"u\"}}}",
	 "version: r1 -> r2\nimage: c -> rebuilt: only its top layer\n"},
	{"everything",
	 "{\"version\":\"r2\"," IMAGE(
		 "2") ",\"artifacts\":[{\"sha256\":\"bbbbbbbbbbbbbbbb\",\"size\":2000000},{"
		      "\"sha256\":\"cccccccccccccccc\","
		      "\"size\":1000,\"scale\":\"1.0\"}],\"container\":{\"argv\":[\"/"
		      "s\",\"--parallel\",\"4\",\"--lora\",\"x:1\"],\"memory_bytes\":2000000},"
		      "\"eval\":{\"golden\":{\"name\":\"g\",\"cases\":[{\"id\":\"a\",\"x\":1},{"
		      "\"id\":\"c\"}]},\"latency_p95_ms\":100},\"rollout\":{\"keep\":4},"
		      "\"gateway\":{\"listen\":\"h:2\"}}",
	 "version: r1 -> r2\nimage: c -> rebuilt: other packages\npackage libllama0: 1 -> "
	 "2\nmodel: aaaaaaaaaaaa (1.0 MB) -> bbbbbbbbbbbb (2.0 MB)\n"
	 "adapter 1: - -> cccccccccccc (1.0 kB, scale 1.0)\n--parallel: 2 -> 4\n--lora: - -> "
	 "x:1\n--metrics: on -> -\n--prio: -1 -> -\n"
	 "golden set: g, 2 cases -> g, 2 cases (1 new, 1 changed, 1 gone)\neval.latency_p95_ms: - "
	 "-> 100\nrollout.keep: 5 -> 4\n"
	 "gateway.listen: h:1 -> h:2\ngateway.fallback: {\"url\":\"u\"} -> -\nmemory limit: 1.0 MB "
	 "-> 2.0 MB\n"},
};

static void decide_diffs(void **state) {
	struct json *now CLEANUP(json_freep) = parsed(NOW);

	(void) state;
	EACH_CASE (k, diffs) {
		struct json *then CLEANUP(json_freep) = parsed(k->then),
				  *list CLEANUP(json_freep) = NULL;
		struct buf said CLEANUP(buf_done) = BUF_INIT(1 << 16);

		list = plan_diff(now, then);
		for (const struct json *c = json_first(list); c; c = json_next(c))
			(void) buf_printf(&said, "%s: %s -> %s\n", json_str(c, "what"),
					  json_str(c, "now") ? json_str(c, "now") : "-",
					  json_str(c, "then") ? json_str(c, "then") : "-");
		assert_string_equal(buf_str(&said), k->list);
	}
	struct json *all CLEANUP(json_freep) = plan_diff(NULL, now);
	assert_string_equal(json_str(json_at(all, 0), "then"), "r1");
	assert_null(json_str(json_at(all, 0), "now"));
}

/* A release's name of the textbook. */
static void decide_release_name(void **state) {
	static const char name[] = "incident-assistant-q4-release-17";
	char digest[SHA256_HEX];

	(void) state;
	sha256_of(name, strlen(name), digest);
	assert_memory_equal(digest, "be45a76923bd", 12);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decide_places),       cmocka_unit_test(decide_candidates),
		cmocka_unit_test(decide_ways_back),    cmocka_unit_test(decide_diffs),
		cmocka_unit_test(decide_release_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
