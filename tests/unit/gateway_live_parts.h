/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What gateway_live_test.c and gateway_traffic_test.c share. */
#include "test.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "tests/fake/httpd.h"
#include "tests/fake/proxy.h"
#include "tests/fake/upstream.h"

/* A real HAProxy with our configuration before fake engines a and b and a fake hosted model:
 * streams, lanes, privacy, limits. */
struct live {
	struct proxy p;
	struct upstream a, b, hosted;
	unsigned port, metrics;
};

#define CHAT "/v1/chat/completions"
#define SLOT_JSON(id, version, want)                                                     \
	"{\"generated_tokens\":\"fake:generated_total\",\"id\":\"" id                    \
	"\",\"metrics\":\"/metrics\","                                                   \
	"\"prompt_tokens\":\"fake:prompt_total\",\"sequences\":1,\"version\":\"" version \
	"\",\"want\":\"" want "\"}"

/* `frontend`: further members of the gateway section, with %u for the hosted model's port. */
static void write_state(struct live *l, const char *privacy, const char *frontend,
			const char *want_b, unsigned percent) {
	char *members CLEANUP(freep) = NULL;
	const char *at = strstr(frontend, "%u");

	if (at)
		members = mem_printf("%.*s%u%s", (int) (at - frontend), frontend,
				     upstream_port(&l->hosted), at + 2);
	char *b CLEANUP(
		freep) = mem_printf("{\"generated_tokens\":\"\",\"id\":\"bbbbbbbbbbbb\","
				    "\"metrics\":\"\",\"prompt_tokens\":\"\",\"sequences\":1,"
				    "\"version\":\"r2\",\"want\":\"%s\"}",
				    want_b);
	char *state CLEANUP(freep) =
		mem_printf("{\"apiVersion\":\"llmdeploy/"
			   "v1\",\"kind\":\"Gateway\",\"routes\":[{\"a\":" SLOT_JSON(
				   "aaaaaaaaaaaa", "r1",
				   "ready") ",\"b\":%s,"
					    "\"canary_percent\":%u,\"gateway\":{\"listen\":\"127.0."
					    "0.1:%u\",\"metrics\":\"127.0.0.1:%u\",\"privacy\":\"%"
					    "s\"%s},\"name\":\"one\",\"since\":1}]}",
			   b, percent, l->port, l->metrics, privacy, members ? members : frontend);
	proxy_write(&l->p, state);
}

static void begin(struct live *l, const char *privacy, const char *frontend, const char *want_b,
		  unsigned percent) {
	proxy_init(&l->p);
	if (system("mkdir -p run/one"))
		fail();
	upstream_start(&l->a, "A", "run/one/a.sock");
	upstream_start(&l->b, "B", "run/one/b.sock");
	upstream_start(&l->hosted, "H", NULL);
	l->port = proxy_port();
	l->metrics = proxy_port();
	write_state(l, privacy, frontend, want_b, percent);
	proxy_start(&l->p);
}

static void end(struct live *l) {
	upstream_stop(&l->a);
	upstream_stop(&l->b);
	upstream_stop(&l->hosted);
	proxy_done(&l->p);
}

static char *ask(struct live *l, const char *path, const char *headers, const char *body) {
	char *text CLEANUP(freep) = upstream_post(path, headers, body);

	return upstream_ask(l->port, text);
}

static void command(struct live *l, const char *line) {
	char *said CLEANUP(freep) = proxy_command(&l->p, line);

	assert_true(said[strspn(said, "\n")] == 0); /* nothing to say */
}

/* Wait until the runtime socket says so; at most 5 seconds. */
static bool shows(struct live *l, const char *line, const char *text) {
	for (int i = 0; i < 500; i++) {
		char *said CLEANUP(freep) = proxy_command(&l->p, line);
		if (strstr(said, text))
			return true;
		clock_sleep_ms(10);
	}
	return false;
}

static bool has(const char *text, const char *part) {
	if (strstr(text, part))
		return true;
	print_message("there is no '%s' in:\n%s\n", part, text);
	return false;
}

#define FALLBACK(more)                                       \
	",\"fallback\":{\"url\":\"http://127.0.0.1:%u/base/" \
	"v1\",\"model\":\"big\",\"shareable\":[\"one-large\"]" more "}"
#define MARKED "\r\nx-llmdeploy-answered-by: fallback; reason="
