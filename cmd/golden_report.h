/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct json;
struct report;

/* The end of a golden run, from its evidence, in one line: how many passed, p95 latency, and how
 * fast. The cases themselves were shown as they ended. */
void golden_report_show(struct report *r, const struct json *evidence);
