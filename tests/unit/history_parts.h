/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What history_test.c and history_view_test.c share. */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "fs/fs.h"
#include "journal/journal.h"
#include "release/history.h"
#include "release/release.h"
#include "root/root.h"
#include "json/json.h"

struct fixture {
	char path[40];
	struct root root;
	struct release_route chat;
};

static void fine(int r, const struct err *e) {
	if (r)
		fail_msg("%s", e->msg);
}

static int setup(void **state) {
	struct fixture *p = mem_zalloc(1, sizeof *p);
	struct err e = {0};

	(void) strcpy(p->path, "/tmp/llmdeploy-history-XXXXXX");
	assert_non_null(mkdtemp(p->path));
	fine(root_open(p->path, ROOT_WRITE, &p->root, &e), &e);
	fine(release_route_open(&p->root, "chat", true, &p->chat, &e), &e);
	*state = p;
	return 0;
}

static int teardown(void **state) {
	struct fixture *p = *state;
	struct err e;

	release_route_done(&p->chat);
	root_done(&p->root);
	assert_int_equal(fs_remove_tree(EFFECT_NONE, AT_FDCWD, p->path, &e), 0);
	free(p);
	return 0;
}

static void record(struct journal *j, const char *json) {
	struct json *o CLEANUP(json_freep) = NULL;
	struct err e = {0};

	fine(json_parse(json, strlen(json), &o, &e), &e);
	fine(journal_append(j, o, &e), &e);
}

static void switched(struct journal *j, const char *event, const char *op, const char *from,
		     const char *to) {
	char *json CLEANUP(freep) =
		mem_printf("{\"event\":\"%s\",\"op\":\"%s\",\"from\":\"%s\",\"to\":\"%s\"}", event,
			   op, from, to);

	record(j, json);
}

static void flipped(struct journal *j, const char *op, const char *from, const char *to) {
	switched(j, "flipped", op, from, to);
}

static void committed(struct journal *j, const char *op, const char *version) {
	char *json CLEANUP(
		freep) = mem_printf("{\"event\":\"committed\",\"op\":\"%s\",\"version\":\"%s\"}",
				    op, version);

	record(j, json);
}

static void remove_all(struct fixture *p, struct journal *j) {
	struct err e = {0};

	record(j, "{\"event\":\"removed\"}");
	fine(release_flip(&p->chat, NULL, &e), &e);
	fine(fs_remove_tree(EFFECT_NONE, p->chat.fd, "releases", &e), &e);
}

/* One letter a step, as the rollout journals it: a capital is applied and committed; "!X" applied,
 * and its watch failed; "<X" a rollback to X; "^X" one that recovery gave up, "~X" before the link
 * was turned; "-X" X is collected; "0" the route is removed. */
static void play(struct fixture *p, const char *script) {
	struct journal *j CLEANUP(journal_freep) = NULL;
	struct json *evidence CLEANUP(json_freep) = json_object();
	char active[2] = "", version[2] = "";
	struct release_sealed sealed;
	struct err e = {0};
	uint64_t torn;

	fine(journal_open(p->chat.fd, p->chat.where, 0, &j, &torn, &e), &e);
	for (const char *s = script; *s; s++) {
		if (*s == '0') {
			remove_all(p, j);
			active[0] = 0;
			continue;
		}
		char how = strchr("!<^~-", *s) ? *s++ : 'a';
		version[0] = (char) (*s + 'a' - 'A');
		if (how == '-') {
			fine(release_remove(&p->chat, version, &e), &e);
			continue;
		}
		if (strchr("^~", how)) {
			switched(j, how == '^' ? "flipped" : "flip_intent", "rollback", active,
				 version);
			switched(j, "flip_intent", "revert", version, active);
			flipped(j, "revert", version, active);
			continue;
		}
		if (how != '<')
			fine(release_put(&p->chat, version, version, 1, NULL, evidence, &sealed,
					 &e),
			     &e);
		flipped(j, how == '<' ? "rollback" : "apply", active, version);
		if (how == '!') {
			flipped(j, "revert", version, active);
			version[0] = active[0];
		} else {
			committed(j, how == '<' ? "rollback" : "apply", version);
		}
		active[0] = version[0];
		fine(release_flip(&p->chat, active[0] ? active : NULL, &e), &e);
	}
}

static void begin_again(struct fixture *p, const char *script) {
	struct err e = {0};

	fine(fs_remove_tree(EFFECT_NONE, p->root.fd, "routes/chat", &e), &e);
	release_route_done(&p->chat);
	fine(release_route_open(&p->root, "chat", true, &p->chat, &e), &e);
	play(p, script);
}

#define APPLY                                                                                     \
	"{\"event\":\"apply\",\"version\":\"r1\",\"lock\":\"abc\",\"by\":\"max\",\"host\":\"h\"," \
	"\"manifest\":"                                                                           \
	"{\"commit\":\"0123456789abcdef\",\"dirty\":true}}"

/* A record a line. */
static const char *const story[] = {
	APPLY,
	"{\"event\":\"started\",\"container\":\"llmdeploy-1a2b3c4d-x-abc\"}",
	"{\"event\":\"proved\",\"evidence\":3}",
	"{\"event\":\"flipped\",\"op\":\"apply\",\"from\":\"\",\"to\":\"r1\"}",
	"{\"event\":\"committed\",\"version\":\"r1\",\"duration_ms\":4321}",
	"{\"event\":\"gc\",\"detail\":\"freed 3 objects\"}",
	"{\"event\":\"apply\",\"version\":\"r2\",\"lock\":\"def\",\"by\":\"eva\",\"from\":\"r1\"}",
	"{\"event\":\"skip_eval\",\"reason\":\"no questions yet\"}",
	"{\"event\":\"rejected\",\"reason\":\"gate failed\",\"attempt\":1}",
};

/* Events, a blank between them; "accepted*" says that the route was stopped. */
static void write_events(struct fixture *p, const char *events) {
	struct journal *j CLEANUP(journal_freep) = NULL;
	char *text CLEANUP(freep) = mem_strdup(events), *save = NULL;
	struct err e = {0};
	uint64_t torn;

	fine(journal_open(p->chat.fd, p->chat.where, 0, &j, &torn, &e), &e);
	for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		size_t n = strcspn(word, "*");
		char *json CLEANUP(freep) = mem_printf("{\"event\":\"%.*s\"%s,\"version\":\"r1\"}",
						       (int) n, word,
						       word[n] ? ",\"stopped\":true" : "");
		record(j, json);
	}
}

static void again_with(struct fixture *p, const char *events) {
	begin_again(p, "");
	write_events(p, events);
}

#define IN_PLACE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
