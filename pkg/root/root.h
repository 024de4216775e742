/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

/* The root: the one directory under which everything of one llmdeploy stands
 * (design.md, "On disk"). Its id is part of every container's name and label, so
 * that two roots never touch each other's. */
struct root {
	int fd;
	char *path;  /* absolute, without links: what the Engine is told for a mount */
	char id[17]; /* 16 hex digits, random, made once (file root-id) */
	uid_t owner;
	/* who instances and the gateway run as: 65532 in root's own root, else the owner */
	uid_t instance_uid;
};

#define ROOT_INIT \
	{ .fd = -1 }
#define ROOT_INSTANCE_UID 65532

enum root_use {
	ROOT_READ,   /* must be there; may belong to another */
	ROOT_CHANGE, /* must be there, and belong to us */
	ROOT_WRITE,  /* made if absent, with its id; must belong to us */
};

/* `path` NULL: $LLMDEPLOY_ROOT, else /var/lib/llmdeploy for uid 0, else $XDG_DATA_HOME/llmdeploy,
 * else $HOME/.local/share/llmdeploy. ERR_USAGE: no root there (but ROOT_WRITE), a symbolic link, or
 * writable by everybody. ERR_SYS: someone else's. ERR_INTEGRITY: root-id is damaged. */
int root_open(const char *path, enum root_use use, struct root *out, struct err *e);
void root_done(struct root *r);
/* Would its instances and its gateway answer us? Their sockets answer their uid alone, and root.
 * ERR_SYS "permission denied: ...". */
int root_may_ask(const struct root *r, struct err *e);
/* Nothing was ever deployed: where root_open would look there is nothing, or an empty directory.
 * *place is that path; yours, NULL where there is none (HOME is not set). */
bool root_is_fresh(const char *path, char **place);

/* As fs_file_lock, named by user, host and `command`. Who collects garbage (a command that begins
 * with "gc") holds many locks for a moment: it is waited for a minute whatever wait_ms says, but by
 * those who collect themselves. */
int root_take(int dir, const char *command, uint64_t wait_ms, int *fd, struct err *e);
/* The root's lock, taken after a route's lock and never before it. close(*fd) ends it. */
int root_lock(const struct root *r, const char *command, uint64_t wait_ms, int *fd, struct err *e);

/* Everything below the root, without following a link: what is of a kind that does not belong there
 * (a link, a pipe, a device; a file where `active` should be), belongs to someone else, or may be
 * written by everybody. Of the routes only `route`, all where it is NULL. `path` is relative to the
 * root and borrowed, like the words. */
typedef void root_layout_found(void *ctx, const char *path, const char *want, const char *have);
int root_layout_check(const struct root *r, const char *route, root_layout_found *found, void *ctx,
		      struct err *e);

/* Who we are, for journal and lock: "max", or "root for max" under sudo; never empty. Yours to
 * free. */
char *root_user(void);
char *root_host(void);
/* "max@host pid 4711: apply, since 2026-11-22T17:41:05Z"; yours to free. */
char *root_holder(const char *command);
