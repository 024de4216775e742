/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"

struct err;

/* A FILE argument, read once. "-" is the standard input; its name in messages is "standard input",
 * and what is relative in it starts from the working directory.
 *
 *     struct input in CLEANUP(input_done) = INPUT_INIT;
 */
struct input {
	const char *name; /* for messages; borrowed from the argument */
	struct buf text;
};

#define INPUT_MAX (16 << 20)
#define INPUT_INIT \
	{ .text = BUF_INIT(INPUT_MAX) }

/* ERR_USAGE: there is no such file, or it is a directory. ERR_SYS: it cannot be read. */
int input_read(const char *path, struct input *in, struct err *e);
void input_done(struct input *in);
/* The first half of it, for a file that another module reads: ERR_USAGE with the path where it is
 * missing or a directory. */
int input_check(const char *path, struct err *e);
