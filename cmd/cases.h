#pragma once

struct json;
struct report;

/* The table of a golden run, from its evidence: each case, its verdict and latency, and for those that
 * did not pass what was expected and what came. */
void cases_show(struct report *r, const struct json *evidence);
