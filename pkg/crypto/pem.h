/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct err;

/* Is the text (of a file `name`, at most 2 GiB) a certificate in PEM form, the first one whole;
 * with `wants_key`, its private key beside it, without a passphrase? Nothing is said of who trusts
 * it and how long. ERR_SPEC says what is missing. */
int pem_check(const char *name, const char *text, size_t n, bool wants_key, struct err *e);
