/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct err;
struct gateway_clients;
struct gateway_route_view;
struct gateway_sample;

/* Answers of the counters in templates/haproxy/counters.lua, read. */

/* What the command "llmdeploy sample ROUTE a|b" of the runtime socket answers: "BEGAN_MS REQUESTS
 * ERRORS REFUSED LEFT TOTAL*24 FIRST*24". ERR_SYS when the text is something else. */
int gateway_sample_parse(const char *text, struct gateway_sample *out, struct err *e);
/* Likewise "llmdeploy clients ROUTE a|b": "BEGAN_MS", and a line a client: its name, a tab, "FAILED
 * CUT LATE", a tab, and a sample without BEGAN_MS. */
int gateway_clients_parse(const char *text, struct gateway_clients *out, struct err *e);
/* Likewise "llmdeploy fallback ROUTE": "BEGAN_MS", then "REQUESTS PROMPT_TOKENS GENERATED_TOKENS
 * ESTIMATED" for each gateway_reason, of what was answered elsewhere. */
int gateway_fallback_parse(const char *text, struct gateway_route_view *out, struct err *e);
