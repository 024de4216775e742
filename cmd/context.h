/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "cmd.h"
#include "rollout/rollout.h"
#include "root/root.h"

struct buf;
struct config;
struct debian_mirrors;

/* What most commands open first: the root, its store, the Engine. Opened as asked for, closed
 * together.
 *
 *     struct context c CLEANUP(context_done) = CONTEXT_INIT;
 */
struct context {
	struct root root;
	struct config *config;
	struct store *store;
	struct docker *docker;
	struct gateway *gateway;
	struct rollout rollout;
	char *command; /* for journal and lock */
	/* by context_try_docker: what we have no right to look at; code ERR_OK: nothing */
	struct err denied;
};

#define CONTEXT_INIT \
	{ .root = ROOT_INIT }

enum context_need {
	NEED_READ = 0,    /* the root must be there */
	NEED_WRITE = 1,   /* the root is made */
	NEED_CHANGE = 16, /* the root must be there, and ours: it is changed */
	/* instances or the gateway are asked: the root must be ours, or we root */
	NEED_ASK = 32,
	NEED_STORE = 2,
	NEED_DOCKER = 4,
	/* with store and Engine: the one that config.yaml wants, which may be none */
	NEED_GATEWAY = 8,
};

int context_open(const struct args *a, const char *command, unsigned needs, struct context *c,
		 struct err *e);
void context_done(struct context *c);

/* The Engine, where only some of a command's ways need it. */
int context_need_docker(const struct args *a, struct context *c, struct err *e);
/* A gateway of this root's settings, whatever else is open; yours. */
int context_gateway(const struct args *a, struct context *c, struct gateway **out, struct err *e);
/* The Engine if it answers, and with it the gateway; else a warning, and none. What we have no
 * right to look at is c->denied: whether that is a warning or an error is the caller's to say. */
void context_try_docker(const struct args *a, struct context *c);
/* Mirrors of the configuration, else those of the host's apt; their texts are borrowed, the list is
 * yours. ERR_USAGE: none. */
struct debian_mirror;
int context_mirrors(struct context *c, struct debian_mirror **list, struct debian_mirrors *out,
		    struct err *e);
/* Where runtime definitions are looked for: --runtimes, else $LLMDEPLOY_RUNTIMES, else beside the
 * program; free with runtime_dirs_free. */
char **context_runtime_dirs(const struct args *a, size_t *n);
/* The directory of one of them; yours. */
int context_runtime_dir(const struct args *a, const char *name, char **dir, struct err *e);
/* "vllm, sglang": the runtimes that read models of `format`; NULL: those that this version can
 * start. A definition that cannot be read is left out. */
void context_runtime_names(const struct args *a, const char *format, struct buf *out);
/* The same of the gateway's definition; *dir NULL: there is none of that name. */
void context_gateway_dir(const struct args *a, const char *name, char **dir);
/* Lock of a route's active release. ERR_USAGE: no such route, or none is active. */
struct lockfile;
int context_active_lockfile(const struct context *c, const char *name, struct lockfile **l,
			    struct err *e);

/* ERR_USAGE: the route is stopped. */
int context_is_started(const struct context *c, const char *name, struct err *e);

/* --lock-wait, in milliseconds; 0 without it. */
int context_lock_wait(const struct args *a, uint64_t *out, struct err *e);
