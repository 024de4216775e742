/* SPDX-License-Identifier: Apache-2.0 */
#include "base/failpoint.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"

/* Design: a fault must reach into functions that know nothing of it, on any thread, so the plan is
 * the process's, as the signal's flag is (interrupt.c): set once by main, counted by atomics, never
 * changed after. */

enum { PLANS = 8 };

enum moment { BEFORE, AFTER, DURING };

struct plan {
	enum effect as; /* EFFECT_NONE: any */
	enum moment when;
	enum fault fault;
	unsigned n;  /* the step, from 1; 0: every one */
	bool onward; /* and those after it */
	_Atomic unsigned seen;
};

static struct {
	struct plan at[PLANS];
	size_t n;
	int log; /* descriptor + 1; 0: none */
} plans;

static const struct {
	const char *name;
	unsigned faults;
} effects[EFFECT_COUNT] = {[EFFECT_NONE] = {"none", 0},
#define X(id, name, what, faults) [id] = {name, faults},
			   FAILPOINTS(X)
#undef X
};

static const char *const faults[FAULT_COUNT] = {[FAULT_NONE] = "none",
#define X(id, name) [id] = name,
						FAILPOINT_FAULTS(X)
#undef X
};

const char *failpoint_name(enum effect as) {
	return effects[as].name;
}

bool failpoint_applies(enum effect as, enum fault f) {
	return effects[as].faults & 1U << f;
}

static int no_effect(const char *name, struct err *e) {
	const char *names[EFFECT_COUNT];

	for (int i = 1; i < EFFECT_COUNT; i++)
		names[i - 1] = effects[i].name;
	const char *near = text_nearest(name, names, EFFECT_COUNT - 1);
	return err_set(e, ERR_USAGE, "LLMDEPLOY_FAULT: no effect '%.80s'%s%s%s", name,
		       near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static int parse_effect(const char *name, enum effect *out, struct err *e) {
	if (!strcmp(name, "any")) {
		*out = EFFECT_NONE;
		return 0;
	}
	for (int i = 1; i < EFFECT_COUNT; i++)
		if (!strcmp(name, effects[i].name)) {
			*out = (enum effect) i;
			return 0;
		}
	return no_effect(name, e);
}

static int parse_fault(const char *what, struct plan *p, struct err *e) {
	enum fault f = FAULT_NONE;

	for (int i = 1; i < FAULT_COUNT; i++)
		if (!strcmp(what, faults[i]))
			f = (enum fault) i;
	if (f == FAULT_NONE)
		return err_set(e, ERR_USAGE,
			       "LLMDEPLOY_FAULT: no fault '%.80s': kill, ENOSPC, EIO, EACCES, 500, "
			       "timeout, reset or gone",
			       what);
	if (p->when != DURING && f != FAULT_KILL)
		return err_set(
			e, ERR_USAGE,
			"LLMDEPLOY_FAULT: '%s' happens during a step, not before or after it",
			what);
	if (p->when == DURING && p->as && !failpoint_applies(p->as, f))
		return err_set(e, ERR_USAGE, "LLMDEPLOY_FAULT: '%s' cannot happen to '%s'", what,
			       effects[p->as].name);
	p->fault = f;
	return 0;
}

static int parse_moment(const char *word, enum moment *out, struct err *e) {
	static const char *const words[] = {
		[BEFORE] = "before", [AFTER] = "after", [DURING] = "during"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (!strcmp(word, words[i])) {
			*out = (enum moment) i;
			return 0;
		}
	return err_set(e, ERR_USAGE, "LLMDEPLOY_FAULT: '%.80s' is none of before, during, after",
		       word);
}

static int parse_number(char *word, struct plan *p, struct err *e) {
	size_t len = strlen(word);
	uint64_t n;

	p->onward = len && word[len - 1] == '+';
	if (p->onward)
		word[len - 1] = 0;
	if (!text_u64(word, &n) || !n || n > 1000000)
		return err_set(
			e, ERR_USAGE,
			"LLMDEPLOY_FAULT: '%.80s' is not the number of a step: N or N+, from 1",
			word);
	p->n = (unsigned) n;
	return 0;
}

static int parse_log(const char *word, struct err *e) {
	uint64_t fd;

	if (!word || !text_u64(word, &fd) || fd > 1000)
		return err_set(
			e, ERR_USAGE,
			"LLMDEPLOY_FAULT: log needs the number of an open descriptor, as in log:9");
	plans.log = (int) fd + 1;
	return 0;
}

/* "NAME:WHEN:WHAT[:N]", in pieces that are ours to cut. */
static int parse_one(char *text, struct err *e) {
	char *rest = text, *name = strsep(&rest, ":"), *when = strsep(&rest, ":"), *what, *number;
	struct plan p = {.n = 0};

	if (!strcmp(name, "log"))
		return parse_log(when, e);
	what = strsep(&rest, ":");
	number = strsep(&rest, ":");
	if (!what || rest)
		return err_set(e, ERR_USAGE,
			       "LLMDEPLOY_FAULT: '%.80s' is not NAME:WHEN:WHAT or NAME:WHEN:WHAT:N",
			       name);
	if (plans.n == PLANS)
		return err_set(e, ERR_USAGE, "LLMDEPLOY_FAULT: more than %d plans", PLANS);
	if (parse_effect(name, &p.as, e) ||
	    parse_moment(when, &p.when, e) ||
	    parse_fault(what, &p, e) ||
	    (number && parse_number(number, &p, e)))
		return -1;
	struct plan *to = &plans.at[plans.n++];
	*to = (struct plan){
		.as = p.as, .when = p.when, .fault = p.fault, .n = p.n, .onward = p.onward};
	return 0;
}

int failpoint_install(const char *text, struct err *e) {
	char *copy CLEANUP(freep) = NULL;

	plans.n = 0;
	plans.log = 0;
	if (!text || !*text)
		return 0;
	copy = mem_strdup(text);
	for (char *rest = copy, *one; (one = strsep(&rest, ","));)
		if (parse_one(one, e))
			return -1;
	return 0;
}

void failpoint_kill(void) {
	(void) kill(getpid(), SIGKILL);
	for (;;)
		(void) pause();
}

static void note(enum effect as, const char *when) {
	char line[80];

	int n = snprintf(line, sizeof line, "%s %s\n", effects[as].name, when);
	(void) !write(plans.log - 1, line, (size_t) n);
}

/* Is the step that this plan counts up to now the one it is for? */
static bool hits(const struct plan *p) {
	unsigned seen = p->seen;

	return !p->n || seen == p->n || (p->onward && seen > p->n);
}

/* Counted where a step begins, so that all moments of a plan speak of the same one. */
enum fault failpoint_begin(enum effect as) {
	enum fault out = FAULT_NONE;

	if (!as || (!plans.n && !plans.log))
		return FAULT_NONE;
	if (plans.log)
		note(as, "before");
	for (size_t i = 0; i < plans.n; i++) {
		struct plan *p = &plans.at[i];
		if (p->as && p->as != as)
			continue;
		p->seen++;
		if (!hits(p))
			continue;
		if (p->when == BEFORE)
			failpoint_kill();
		if (p->when == DURING && failpoint_applies(as, p->fault))
			out = p->fault;
	}
	return out;
}

int failpoint_end(enum effect as, int result) {
	int saved = errno;

	if (!as || (!plans.n && !plans.log))
		return result;
	if (plans.log)
		note(as, "after");
	for (size_t i = 0; i < plans.n; i++) {
		const struct plan *p = &plans.at[i];
		if (p->when == AFTER && (!p->as || p->as == as) && hits(p))
			failpoint_kill();
	}
	errno = saved;
	return result;
}

int failpoint_begin_call(enum effect as) {
	static const int numbers[FAULT_COUNT] = {
		[FAULT_ENOSPC] = ENOSPC, [FAULT_EIO] = EIO, [FAULT_EACCES] = EACCES};
	enum fault f = failpoint_begin(as);

	if (f == FAULT_KILL)
		failpoint_kill();
	if (!numbers[f])
		return 0;
	errno = numbers[f];
	return -1;
}
