/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct args;
struct err;
struct json;

/* The last gate of a release in a few numbers, from its newest evidence: `gate` of `status --json`.
 * Yours. */
struct json *status_gate(const struct json *proof);

/* What `status --json` would say of every route, as metrics (pkg/report/prometheus.h): on standard
 * output, or with --output in that file, which is replaced whole, so that a collector never reads
 * half of it. */
int status_prometheus(const struct args *a, const struct json *routes, struct err *e);
