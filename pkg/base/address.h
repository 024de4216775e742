/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

/* Addresses as HAProxy reads them. The compiler checks those of a manifest, and the gateway those
 * of a lockfile, by the same rules.
 *
 * Each *_fault returns NULL for a good text, else a constant phrase that continues the sentence
 * "'FIELD' ...". */

/* HOST:PORT to listen on. HOST: an IPv4 address, an IPv6 address in brackets, or a name. */
const char *address_listen_fault(const char *s);

/* http[s]://HOST[:PORT][/BASE] of a hosted, OpenAI-compatible API; clear text for this machine
 * only. BASE is what stands before /chat/completions: an address that names one endpoint of the API
 * is a fault. */
const char *address_api_fault(const char *url);

/* SCHEME://HOST[:PORT] of a page, as a browser sends it in the header Origin; or "*", any. */
const char *address_origin_fault(const char *s);

/* Letters, digits and ._~:/@%+,=-[] alone: needs no quotes in a gateway's configuration. At most
 * 1000 bytes; "" is one. */
bool address_is_plain(const char *s);

/* Two listen addresses that cannot be bound at once: the same port, and hosts that are the same or
 * of which one contains the other. */
bool address_overlaps(const char *a, const char *b);
