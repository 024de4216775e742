/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What eval_test.c and eval_run_test.c share. */
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/progress.h"
#include "eval/eval.h"
#include "eval/gate.h"
#include "probe/endpoint.h"
#include "tests/fake/model_server.h"
#include "json/json.h"

static void socket_path(char out[100]) {
	(void) snprintf(out, 100, "/tmp/llmdeploy-test-%d.sock", (int) getpid());
}

static struct json *parse(const char *text) {
	struct json *j = NULL;
	struct err e = {0};

	if (json_parse(text, strlen(text), &j, &e))
		fail_msg("%s: %s", text, e.msg);
	return j;
}

#define CASE(id, extra, asserts)                                                                 \
	"{\"id\":\"" id                                                                          \
	"\",\"severity\":\"blocker\",\"messages\":[{\"role\":\"user\",\"content\":\"ask " id     \
	"\"}],"                                                                                  \
	"\"context\":[],\"max_tokens\":96,\"seed\":42,\"timeout_ms\":5000,\"attempts\":1," extra \
	"\"assert\":[" asserts "]}"
#define SET(cases) "{\"name\":\"t\",\"cases\":[" cases "]}"
#define ONE(asserts) SET(CASE("x", "", asserts))
#define CITES(rest) "{\"kind\":\"citations\",\"pattern\":\"\\\\[([A-Z]+-[0-9]+)\\\\]\"," rest "}"

/* The set is asked of a server with this script; the result is yours. */
static struct eval_result *ask(const char *set, const struct fake_script *script,
			       const struct eval_options *opt) {
	struct json *golden CLEANUP(json_freep) = parse(set);
	struct eval_result *r = NULL;
	struct err e = {0};
	char path[100];

	socket_path(path);
	struct model_server *s CLEANUP(model_server_stopp) = model_server_start(path, script);
	assert_non_null(s);
	struct endpoint ep = {.base_url = "http://localhost",
			      .unix_socket = path,
			      .model = "route"};
	if (eval_run(golden, &ep, opt, NULL, &r, &e))
		fail_msg("%s", e.msg);
	return r;
}
