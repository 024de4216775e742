/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

/* Addresses that carry their own permission: a user with a password, or a query that signs
 * (X-Amz-Signature, sig, token, ...). Whoever reads such an address may use it, so it belongs in no
 * lockfile, journal, message or process list. */

/* Has the query of the URL, up to a '#', a parameter whose name is that of a signature, token, key
 * or password? Names are decoded. */
bool signed_query(const char *url);
/* The URL without user and query; a member behind '#' stays. Yours. What is no URL is copied. */
char *signed_shown(const char *url);
