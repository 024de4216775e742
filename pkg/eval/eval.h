/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct endpoint;
struct err;
struct json;
struct progress;

/* The golden gate: questions with assertions, put to a running release before it may have traffic.
 *
 * Takes the normalised golden set that is in the lockfile (pkg/spec/golden.h writes it from YAML).
 * Decoding is pinned: temperature 0, top_k 1, a seed, no prompt cache. One question at a time.
 *
 * A smoke gate, not a proof of quality: 20 of 20 right says 0.84 to 1.00 at 95 % (Wilson). */

enum eval_verdict {
	EVAL_PASS,
	EVAL_FAIL, /* a whole answer came, and an assertion did not hold */
	/* nothing that could be judged: empty, cut, unreadable; never a pass for any assertion */
	EVAL_INVALID,
	EVAL_ERROR, /* no answer: transport, time, HTTP status, or not asked any more */
};
#define EVAL_VERDICTS 4
const char *eval_verdict_name(enum eval_verdict v); /* "PASS" "FAIL" "INVALID" "ERROR" */

enum eval_severity {
	EVAL_BLOCKER, /* must pass */
	EVAL_MAJOR,   /* these two are asked, shown and sealed, and do not decide, */
	EVAL_INFO,    /* unless they are INVALID or ERROR, which no release may be */
};
const char *eval_severity_name(enum eval_severity s);

/* What was expected and what came, in printable lines. An INVALID or ERROR attempt has exactly one,
 * of assertion "answer". */
struct eval_failure {
	const char *assertion; /* "contains", "citations", ... */
	const char *expected, *got;
};

struct eval_usage {
	int64_t prompt_tokens, completion_tokens, cached_tokens; /* -1: not said */
	/* llama.cpp's timings; -1: not said */
	int64_t prompt_us, completion_us;
};

struct eval_attempt {
	enum eval_verdict verdict;
	bool answered; /* a 200 came: there is a latency */
	uint64_t latency_ms;
	const char *answer;        /* NULL: none; at most 64 KiB */
	const char *finish_reason; /* NULL: not said */
	const struct eval_failure *failures;
	size_t n_failures;
	struct eval_usage usage;
};

struct eval_case {
	const char *id;
	enum eval_severity severity;
	enum eval_verdict verdict; /* the worst of its attempts: all of k must pass */
	uint64_t latency_ms;       /* median of the answered attempts, 0 without any */
	struct eval_attempt *attempts;
	size_t n_attempts;
	/* the first attempt with the case's verdict: what a table shows */
	const struct eval_attempt *worst;
};

/* One pass over the set. There is one phase, "golden", today. */
struct eval_phase {
	const char *name;
	struct eval_case *cases; /* as many as the set has, in its order */
	size_t n_cases;
	size_t totals[EVAL_VERDICTS]; /* cases by verdict */
	uint64_t took_ms;
};

/* From n samples p95 has no upper bound at 95 % confidence below n = 59: until then the statistic
 * is the maximum and is called so. From there on it is the order statistic that bounds p95. */
struct eval_latency {
	const char *statistic;       /* "max" or "p95" */
	uint64_t value_ms, limit_ms; /* limit 0: no gate */
	size_t samples, rank;        /* the value is the rank-th smallest of the samples */
};

struct eval_result {
	const char *golden;      /* name of the set */
	char golden_sha256[65];  /* of its canonical JSON */
	const char *model;       /* as the answers named it; NULL: they did not */
	const char *fingerprint; /* system_fingerprint, or NULL */
	int64_t began;           /* Unix seconds */
	struct eval_phase *phases;
	size_t n_phases;
	struct eval_latency latency;
	bool passed;
	const char **reasons; /* why not: one line each */
	size_t n_reasons;
	struct arena *arena; /* holds all of this */
};
void eval_result_free(struct eval_result *r);
void eval_result_freep(struct eval_result **r);

struct eval_options {
	uint64_t latency_p95_ms; /* 0: no gate */
	uint64_t deadline_ms;    /* for the whole run; cases after it are ERROR. 0: none */
};

/* Compiles every assertion. ERR_SPEC names set, case and assertion: a regex that does not compile
 * or cannot fail, an unknown kind, an assertion without values, a set without a case or without a
 * blocker. */
int eval_check(const struct json *golden, struct err *e);

/* Asks every case `attempts` times, judges, decides. 0 whenever there is a result, also a bad one:
 * look at `passed`. -1: ERR_SPEC (as eval_check), ERR_INTERRUPTED. After three calls in a row
 * without an answer the rest is not asked, and is ERROR. */
int eval_run(const struct json *golden, const struct endpoint *ep, const struct eval_options *opt,
	     const struct progress *p, struct eval_result **out, struct err *e);

/* 0 if it passed, else ERR_GATE with the reasons in one line. */
int eval_gate(const struct eval_result *r, struct err *e);
/* The same of its evidence (below); evidence without a verdict has not passed. */
int eval_gate_of(const struct json *evidence, struct err *e);

/* Tokens a second, in thousandths, that the answers of an evidence were decoded at, by what the
 * runtime itself timed; 0: it did not say. */
uint64_t eval_speed_milli(const struct json *evidence);

/* Milliseconds of the slowest answer of an evidence, and of all its answers together; 0: there is
 * none. */
uint64_t eval_slowest_ms(const struct json *evidence, uint64_t *all_ms);

/* Everything as JSON, whole numbers only (it can be made canonical); to be sealed beside the
 * lockfile. Yours. */
struct json *eval_evidence(const struct eval_result *r);
