/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

struct buf;

/* The texts of templates/haproxy/, compiled in: a program and its gateway's configuration cannot be
 * of two versions. */

struct haproxy_fill {
	const char *name, *value; /* @NAME@ becomes value */
};

/* Append a block of haproxy.cfg, filled. A block or a name that is not there is a caller's bug.
 * `fills` ends with a NULL name. */
void haproxy_block(const char *block, const struct haproxy_fill *fills, struct buf *out);
/* llmdeploy.lua: its three texts one after the other, so that they share what is local to the
 * file. */
void haproxy_put_lua(const struct haproxy_fill *fills, struct buf *out);
