/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* HAProxy's runtime socket, from a transcript: for each line that must come, in this order, what it
 * answers. Each line has a connection of its own, which must be closed for writing after it. The
 * first line that is not the expected one, and an expected one that never came, is a fault. */
struct fake_line {
	const char *line;   /* without its newline */
	const char *answer; /* byte by byte; NULL: none */
	enum { LINE_END, LINE_HANG, LINE_RESET } then;
	size_t times; /* the answer so many times over; 0 is once */
};

struct fake_haproxy;
/* Listens at `path`, of whatever length: through its directory. */
struct fake_haproxy *fake_haproxy_start(const char *dir, const char *name,
					const struct fake_line *lines, size_t n);
/* Ends it and frees it. "" or what was wrong, into out. */
void fake_haproxy_stop(struct fake_haproxy *f, char out[512]);
