/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/failpoint.h"

struct err;
struct release_route;

/* Directories and files of a route, one component at a time and never through a link. Inside this
 * folder only. */

#define DIR_LOCK_MAX (8U << 20)      /* bytes of a release.lock.json */
#define DIR_EVIDENCE_MAX (16U << 20) /* bytes of an evidence/N.json */

/* Open the directory `name` (one component) in `dir`. *fd -1: there is none. `shown` is its path in
 * messages. */
int dir_open(int dir, const char *name, const char *shown, int *out, struct err *e);
/* The same, made with mode 0755 where it is absent. */
int dir_make(enum effect as, int dir, const char *name, const char *shown, int *out, struct err *e);
/* A new file that nobody will change: written, synced, mode 0444. The directory is not synced. */
int dir_put(enum effect as, int dir, const char *name, const char *shown, const void *data,
	    size_t n, struct err *e);
/* The greatest N of entries named N + `suffix`; 0: none. */
int dir_newest(int dir, const char *suffix, const char *shown, unsigned *newest, struct err *e);
/* N of "N" + `suffix` in its one spelling; 0: another name. */
unsigned dir_number(const char *name, const char *suffix);
/* Names in the directory `name` of a route that are names of directories and pass `is`, sorted;
 * free(*names). */
int dir_names(int dir, const char *name, const char *shown, bool (*is)(const char *), char ***names,
	      size_t *n, struct err *e);
