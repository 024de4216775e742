/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What gateway_answers_test.c and gateway_callers_test.c share. */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "crypto/crypto.h"
#include "fs/fs.h"
#include "tests/fake/proxy.h"
#include "tests/fake/upstream.h"

/* A real HAProxy with our configuration before two routes: what clients get wrong, and what a
 * runtime says of it, in OpenAI's form. */
struct frontend {
	struct proxy p;
	struct upstream one, two;
	unsigned port, metrics;
};

#define CHAT "/v1/chat/completions"
#define SLOT(id, version, want)                                                              \
	"{\"generated_tokens\":\"\",\"id\":\"" id                                            \
	"\",\"metrics\":\"\",\"prompt_tokens\":\"\",\"sequences\":%u,\"version\":\"" version \
	"\",\"want\":\"" want "\"}"
#define NOBODY                                                                            \
	"{\"generated_tokens\":\"\",\"id\":\"\",\"metrics\":\"\",\"prompt_tokens\":\"\"," \
	"\"sequences\":0,\"version\":\"\",\"want\":\"maint\"}"
#define ROUTE                                                                                   \
	"{\"a\":%s,\"b\":" NOBODY ",\"canary_percent\":0,\"gateway\":{\"listen\":\"127.0.0.1:%" \
	"u\",\"metrics\":\"127.0.0.1:%u\","                                                     \
	"\"privacy\":\"local\"%s},\"name\":\"%s\",\"since\":%d}"

static void write_state(struct frontend *d, const char *door_one, const char *door_two,
			unsigned sequences) {
	char *slot_one CLEANUP(freep) = mem_printf(SLOT("aaaaaaaaaaaa", "r1", "ready"), sequences);
	char *slot_two CLEANUP(freep) = mem_printf(SLOT("cccccccccccc", "v7", "ready"), sequences);
	char *one CLEANUP(freep) = mem_printf(ROUTE, slot_one, d->port, d->metrics, door_one, "one",
					      1);
	char *two CLEANUP(freep) = mem_printf(ROUTE, slot_two, d->port, d->metrics, door_two, "two",
					      2);
	char *state CLEANUP(freep) = mem_printf(
		"{\"apiVersion\":\"llmdeploy/v1\",\"kind\":\"Gateway\",\"routes\":[%s,%s]}", one,
		two);

	proxy_write(&d->p, state);
}

static void open_door(struct frontend *d) {
	proxy_init(&d->p);
	if (system("mkdir -p run/one run/two"))
		fail();
	upstream_start(&d->one, "ONE", "run/one/a.sock");
	upstream_start(&d->two, "TWO", "run/two/a.sock");
	d->port = proxy_port();
	d->metrics = proxy_port();
}

static void begin(struct frontend *d, const char *door_one, const char *door_two,
		  unsigned sequences) {
	open_door(d);
	write_state(d, door_one, door_two, sequences);
	proxy_start(&d->p);
}

static void end(struct frontend *d) {
	upstream_stop(&d->one);
	upstream_stop(&d->two);
	proxy_done(&d->p);
}

static char *ask(struct frontend *d, const char *path, const char *headers, const char *body) {
	char *text CLEANUP(freep) = upstream_post(path, headers, body);

	return upstream_ask(d->port, text);
}

static bool has(const char *text, const char *part) {
	if (strstr(text, part))
		return true;
	print_message("there is no '%s' in:\n%s\n", part, text);
	return false;
}

static bool shows(struct frontend *d, const char *line, const char *text) {
	for (int i = 0; i < 300; i++) {
		char *said CLEANUP(freep) = proxy_command(&d->p, line);
		if (strstr(said, text))
			return true;
		clock_sleep_ms(10);
	}
	char *said CLEANUP(freep) = proxy_command(&d->p, line);
	return has(said, text);
}

static void save_key(const char *file, const char *key, const char *name) {
	char hash[SHA256_HEX];
	struct err e = {0};

	sha256_of(key, strlen(key), hash);
	char *line CLEANUP(freep) = mem_printf("%s %s\n", hash, name);
	if (fs_write(EFFECT_NONE, AT_FDCWD, file, line, strlen(line), 0600, &e))
		fail_msg("%s", e.msg);
}
#define BEARER "Authorization: Bearer sk-one\r\n"
