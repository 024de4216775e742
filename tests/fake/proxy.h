/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* A real HAProxy ($HAPROXY, else the installed one) that runs a gateway's state in a folder of its
 * own, and what asks it. Aborts the test when it cannot: a test without it has no meaning. */
struct proxy {
	char dir[40]; /* run/ROUTE/{a,b}.sock are looked for here; g/ has the files */
	pid_t pid;
	int log; /* what it printed, g/log */
	/* files that a state names and that cannot be had, NULL at the end; NULL: none */
	const char *const *missing;
};

/* The folder, and no process yet. */
void proxy_init(struct proxy *p);
/* The files of the state, which is JSON; checked by HAProxy, which must have nothing to say. */
void proxy_write(struct proxy *p, const char *state);
void proxy_start(struct proxy *p);
void proxy_reload(struct proxy *p); /* and wait until the new process answers */
void proxy_stop(struct proxy *p);   /* and wait */
void proxy_done(struct proxy *p);   /* stopped, and the folder removed; for CLEANUP */
/* What the runtime socket answers, "" where nobody does; yours to free(). */
char *proxy_command(struct proxy *p, const char *line);
/* Everything it has printed so far; yours to free(). */
char *proxy_log(struct proxy *p);
unsigned proxy_port(void); /* one that is free */

/* What curl says, run in the folder with these words (a shell's line): "STATUS\nHEADERS\n\nBODY";
 * status 000: no answer. Yours to free(). */
char *proxy_ask(struct proxy *p, const char *words);
