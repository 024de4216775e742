/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/diagnostics.h"

struct json;

/* A golden set: questions with assertions, as a user writes them in YAML, and what becomes of them.
 *
 *     apiVersion: llmdeploy/v1
 *     kind: GoldenSet
 *     name: incident-r17
 *     system: "..."                        # the system message of every case, optional; a case may
 *                                          have its own
 *     sources: {RB-101: "text", RB-102: {file: runbooks/paging.md}}
 *     defaults: {max_tokens: 96, temperature: 0, seed: 42, timeout: 60s, attempts: 1, abstain:
 *         {phrases: [...]}}
 *     cases:
 *       - id: rollback-status
 *         severity: blocker                # blocker | major | info
 *         context: [RB-101]                # stand before the question, one line each "[ID] text",
 *                                          then an empty line
 *         question: "..."                  # or messages: [{role, content}], or prompt: "..." (raw
 *                                          completion)
 *         assert: [{contains: "x"}, {citations: {required: [RB-101]}}]
 *
 * Normalised (whole numbers only, so that it can be in the lockfile):
 *
 *     {"name", "system"?, "sources": {ID: TEXT},
 *      "cases": [{"id", "severity", "messages": [{"role", "content"}] or "prompt", "context": [ID],
 *                 "max_tokens", "seed", "timeout_ms", "attempts", "assert": [{"kind", ...}]}]}
 *
 * messages are complete: system, sources and question are in them. With `messages` of its own a
 * case gets its sources before the last message of the user. Assertions:
 *
 *     {"kind": contains contains_any contains_all not_contains equals regex not_regex
 *         finish_reason, "values": [TEXT]}
 *     {"kind": "json"}
 *     {"kind": "citations", "pattern", "required": [ID], "allowed": [ID], "min"?, "max"?}
 *         allowed: else the case's context
 *     {"kind": "abstain", "mode": required forbidden, "phrases": [TEXT]}
 *     {"kind": "latency_ms", "max": N}
 *
 * Refused: a set without cases or without a blocker, an id twice, an unknown source, a case whose
 * assertions any answer could pass (only not_*, abstain: forbidden, latency or finish_reason).
 * Whether a regex compiles is checked by pkg/eval. ERR_SPEC: see `c`; ERR_SYS: the file cannot be
 * read. */
int golden_load(const char *path, struct json **out, struct diagnostics *c, struct err *e);

/* The same from text; `name` is in positions, `dir` is where the files of sources are looked
 * for. */
int golden_parse(const char *name, const char *dir, const char *text, size_t n, struct json **out,
		 struct diagnostics *c, struct err *e);
