/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct arena;
struct err;
struct haproxy_frontend;
struct json;

/* The gateway section of a lock, with "privacy" beside it, as a struct. Every text in it ends in
 * HAProxy's configuration: what is not plain there is refused, with the field's name
 * ("fallback.url: '...' has a character that ..."). ERR_SPEC. Texts are copied into the arena. */
int gateway_frontend_read(struct arena *a, const struct json *section, struct haproxy_frontend *out,
			  struct err *e);

/* Letters, digits and ._~:/@%+,=-[] alone, and at least one: needs no quotes anywhere. */
bool gateway_is_plain(const char *s);
/* HOST:PORT, the port from 1 to 65535. */
bool gateway_is_address(const char *s);

/* The stricter rules of a manifest (base/address.h), for a release that is to become active. What
 * an older version let into a lock can still be read, so that a gateway that runs with it is not
 * taken for damaged. */
int gateway_frontend_check(const struct haproxy_frontend *d, struct err *e);
