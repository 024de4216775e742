/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct err;

/* Regular expressions of PCRE2 with limits, for patterns and subjects that may be hostile. UTF-8;
 * no anchoring, no options but those in the pattern, "(?i)" for instance. */
struct eval_pattern;

#define EVAL_PATTERN_MAX 4096

/* ERR_SPEC with the fault and its place: "missing closing parenthesis at character 5". */
int eval_pattern_new(const char *text, struct eval_pattern **out, struct err *e);
void eval_pattern_free(struct eval_pattern *p);
void eval_pattern_freep(struct eval_pattern **p);

unsigned eval_pattern_groups(const struct eval_pattern *p);

enum eval_match { EVAL_MATCHES, EVAL_MATCHES_NOT, EVAL_GAVE_UP };
/* GAVE_UP: a limit on steps, depth or memory was reached before the answer was known. */
enum eval_match eval_pattern_match(const struct eval_pattern *p, const char *s, size_t n);

/* Group 1 (the whole match if the pattern has no group) of every match from left to right. Stops
 * and returns GAVE_UP at a limit or after 1000 matches. */
enum eval_match eval_pattern_each(const struct eval_pattern *p, const char *s, size_t n,
				  void (*found)(void *ctx, const char *s, size_t n), void *ctx);

/* All groups of every match, group 1 first; one that took no part is {NULL, 0}. Limits as above. A
 * pattern without groups finds nothing. */
struct eval_piece {
	const char *s;
	size_t n;
};
enum eval_match eval_pattern_each_groups(const struct eval_pattern *p, const char *s, size_t n,
					 void (*found)(void *ctx, const struct eval_piece *groups,
						       size_t n),
					 void *ctx);
