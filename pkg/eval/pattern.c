/* SPDX-License-Identifier: Apache-2.0 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "eval/pattern.h"

#include <pcre2.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

#define MATCH_LIMIT 200000
#define DEPTH_LIMIT 2000
#define HEAP_LIMIT_KIB 4096
#define MATCHES_LIMIT 1000

struct eval_pattern {
	pcre2_code *code;
	pcre2_match_context *limits;
	pcre2_match_data *data;
};

static void *or_abort(void *p) {
	if (!p)
		abort(); /* out of memory */
	return p;
}

int eval_pattern_new(const char *text, struct eval_pattern **out, struct err *e) {
	struct eval_pattern *p CLEANUP(eval_pattern_freep) = mem_zalloc(1, sizeof *p);
	int fault;
	PCRE2_SIZE at;
	PCRE2_UCHAR why[128];

	if (strlen(text) > EVAL_PATTERN_MAX)
		return err_set(e, ERR_SPEC, "longer than %d bytes", EVAL_PATTERN_MAX);
	p->code = pcre2_compile((PCRE2_SPTR) text, PCRE2_ZERO_TERMINATED,
				PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &fault, &at, NULL);
	if (!p->code) {
		(void) pcre2_get_error_message(fault, why, sizeof why);
		return err_set(e, ERR_SPEC, "%s at character %zu", (const char *) why, at + 1);
	}
	p->limits = or_abort(pcre2_match_context_create(NULL));
	(void) pcre2_set_match_limit(p->limits, MATCH_LIMIT);
	(void) pcre2_set_depth_limit(p->limits, DEPTH_LIMIT);
	(void) pcre2_set_heap_limit(p->limits, HEAP_LIMIT_KIB);
	p->data = or_abort(pcre2_match_data_create_from_pattern(p->code, NULL));
	*out = STEAL(p);
	return 0;
}

void eval_pattern_free(struct eval_pattern *p) {
	if (!p)
		return;
	pcre2_match_data_free(p->data);
	pcre2_match_context_free(p->limits);
	pcre2_code_free(p->code);
	free(p);
}

void eval_pattern_freep(struct eval_pattern **p) {
	eval_pattern_free(*p);
}

unsigned eval_pattern_groups(const struct eval_pattern *p) {
	uint32_t n = 0;

	(void) pcre2_pattern_info(p->code, PCRE2_INFO_CAPTURECOUNT, &n);
	return n;
}

static enum eval_match match_from(const struct eval_pattern *p, const char *s, size_t n,
				  size_t from, uint32_t options) {
	int r = pcre2_match(p->code, (PCRE2_SPTR) s, n, from, options, p->data, p->limits);

	if (r == PCRE2_ERROR_NOMATCH)
		return EVAL_MATCHES_NOT;
	return r > 0 ? EVAL_MATCHES : EVAL_GAVE_UP;
}

enum eval_match eval_pattern_match(const struct eval_pattern *p, const char *s, size_t n) {
	return match_from(p, s, n, 0, 0);
}

enum { GROUPS_LIMIT = 16 };

enum eval_match eval_pattern_each_groups(const struct eval_pattern *p, const char *s, size_t n,
					 void (*found)(void *ctx, const struct eval_piece *groups,
						       size_t n),
					 void *ctx) {
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(p->data);
	size_t groups = eval_pattern_groups(p), from = 0;

	groups = groups < GROUPS_LIMIT ? groups : GROUPS_LIMIT;
	for (int i = 0; groups && i < MATCHES_LIMIT; i++) {
		struct eval_piece pieces[GROUPS_LIMIT] = {0};
		enum eval_match m = match_from(p, s, n, from, PCRE2_NOTEMPTY);

		if (m != EVAL_MATCHES)
			return i && m == EVAL_MATCHES_NOT ? EVAL_MATCHES : m;
		for (size_t g = 0; g < groups; g++)
			if (at[2 * (g + 1)] != PCRE2_UNSET)
				pieces[g] = (struct eval_piece){s + at[2 * (g + 1)],
								at[2 * (g + 1) + 1] -
									at[2 * (g + 1)]};
		found(ctx, pieces, groups);
		from = at[1] > from ? at[1] : from + 1;
		while (from < n && ((unsigned char) s[from] & 0xc0) == 0x80)
			from++;
		if (from >= n)
			return EVAL_MATCHES;
	}
	return groups ? EVAL_GAVE_UP : EVAL_MATCHES_NOT;
}

enum eval_match eval_pattern_each(const struct eval_pattern *p, const char *s, size_t n,
				  void (*found)(void *ctx, const char *s, size_t n), void *ctx) {
	unsigned group = eval_pattern_groups(p) ? 1 : 0;
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(p->data);
	size_t from = 0;

	for (int i = 0; i < MATCHES_LIMIT; i++) {
		enum eval_match m = match_from(p, s, n, from, PCRE2_NOTEMPTY);
		if (m != EVAL_MATCHES)
			return i && m == EVAL_MATCHES_NOT ? EVAL_MATCHES : m;
		if (at[2 * group] != PCRE2_UNSET)
			found(ctx, s + at[2 * group], at[2 * group + 1] - at[2 * group]);
		/* \K can move a match's start behind its end, or back: what was looked at once is
		 * not looked at again. */
		from = at[1] > from ? at[1] : from + 1;
		while (from < n && ((unsigned char) s[from] & 0xc0) == 0x80)
			from++;
		if (from >= n)
			return EVAL_MATCHES;
	}
	return EVAL_GAVE_UP;
}
