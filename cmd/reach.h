/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct context;
struct lockfile;

/* Where clients reach an active release, and a command line that asks it something. */
struct reach {
	char *url;  /* "http://127.0.0.1:8080/v1"; without a gateway "unix:/ROOT/run/ID/engine.sock"
		     */
	char *note; /* what a client needs besides: "with the model name 'demo' and an API key" */
	char *curl; /* for a shell, of several lines */
};

/* By the lockfile and the machine's gateway mode; nothing is asked. */
void reach_of(const struct context *c, const struct lockfile *l, struct reach *out);
void reach_done(struct reach *r);
