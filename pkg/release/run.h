/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "crypto/crypto.h"

struct err;
struct root;

/* run/ID/: where a release's runtime listens (engine.sock). ID is the head of the lockfile's
 * digest. The directory is of mode 0700 and belongs to the uid that the runtime runs as, so that
 * its socket answers nobody else. */

/* Make it (existing is fine, and is repaired). *path: absolute, for the bind mount; yours to
 * free. */
int release_run_dir(const struct root *root, const char *id, char **path, struct err *e);
/* Gone with all that is in it; absent is fine. */
int release_run_remove(const struct root *root, const char *id, struct err *e);

/* How to connect: a socket's path may have 107 bytes. Where run/ID/engine.sock under the root's
 * path has more, `path` goes through an open descriptor (/proc/self/fd/N/engine.sock) and is good
 * in this process until done. */
struct release_socket {
	int dir; /* -1 where it is not needed */
	char path[108];
};

#define RELEASE_SOCKET_INIT \
	{ .dir = -1 }

int release_socket_path(const struct root *root, const char *id, struct release_socket *out,
			struct err *e);
void release_socket_done(struct release_socket *s);
