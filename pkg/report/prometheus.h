/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

struct buf;
struct json;

/* What `llmdeploy status --json` says of every route, as metrics: the text exposition format of
 * Prometheus (version 0.0.4, https://prometheus.io/docs/instrumenting/exposition_formats/), for the
 * node exporter's textfile collector. `routes` is that command's array; `now_s` (Unix seconds) is
 * when it was asked. docs/monitoring.md lists the metrics.
 *
 * Series of one metric stand together, as the format wants it, in the order of the routes. A value
 * that is not known has no series: an alert must be able to tell "0" from "unknown". */
void report_prometheus(const struct json *routes, int64_t now_s, struct buf *out);
