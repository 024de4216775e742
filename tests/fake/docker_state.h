/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

/* A Docker Engine that remembers its containers, for tests of what a command does to them: it
 * lists, inspects, starts, stops, updates and removes them, and writes down each request that
 * changes something. It creates none. */
struct docker_state;

struct docker_state_container {
	const char *name;   /* as Docker knows it */
	const char *shown;  /* in what was done */
	const char *labels; /* JSON, an object */
	bool running;
	bool dies; /* exits as soon as it is started */
	const char *restart;
};

struct docker_state *docker_state_start(void);
void docker_state_stop(struct docker_state *d);
void docker_state_stopp(struct docker_state **d); /* for CLEANUP */
const char *docker_state_socket(const struct docker_state *d);
/* The image that it has by whatever digest it is asked for, as it is inspected; none without.
 * Borrowed. */
void docker_state_image(struct docker_state *d, const char *json);
/* Its texts are borrowed until docker_state_stop. */
void docker_state_add(struct docker_state *d, const struct docker_state_container *c);
/* "start r1, keep r1, stop r2, remove r2" and what was not understood, in order; yours to free().
 * `keep` and `let` set the restart policies always and no. */
char *docker_state_done(struct docker_state *d);
