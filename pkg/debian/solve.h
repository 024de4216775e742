/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct debian_lock;
struct debian_request;
struct err;

/* One Packages file, verified and decompressed. */
struct solve_input {
	const char *suite;
	int priority; /* the higher one wins where both have a package */
	const char *text;
	size_t n;
};

/* Fill the lock's packages and excludes for a request. ERR_SPEC: it cannot be met. */
int solve(const struct debian_request *q, const struct solve_input *inputs, size_t n,
	  struct debian_lock *lock, struct err *e);
