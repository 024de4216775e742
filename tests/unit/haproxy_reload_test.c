/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "fs/fs.h"
#include "haproxy/haproxy.h"
#include "tests/fake/haproxy.h"

static char dir[] = "/tmp/gateway_reload.XXXXXX";
static int dir_fd = -1;

static int make_dir(void **state) {
	struct err e = {0};

	(void) state;
	return !mkdtemp(dir) || fs_open_dir(AT_FDCWD, dir, &dir_fd, &e);
}

static int remove_dir(void **state) {
	struct err e = {0};

	(void) state;
	(void) close(dir_fd);
	return fs_remove_tree(EFFECT_NONE, AT_FDCWD, dir, &e);
}

#define HEAD "#<PID>          <type>          <reloads>       <uptime>        <version>      \n"
#define PROC                                                                                       \
	{                                                                                          \
		"show proc",                                                                       \
			HEAD "1 master 1 [failed: 0] 0d00h00m01s 3.2.26-1\n# workers\n9 worker 0 " \
			     "0d00h00m01s 3.2.26-1\n# programs\n\n",                               \
			0, 0                                                                       \
	}
#define FAILED                                                                                     \
	{                                                                                          \
		"show proc",                                                                       \
			HEAD "1 master 2 [failed: 1] 0d00h00m01s 2.6.12-1\n# workers\n9 worker 1 " \
			     "0d00h00m01s 2.6.12-1\n# programs\n\n",                               \
			0, 0                                                                       \
	}
#define OTHER \
	{ "@!9 show info", "Name: HAProxy\ndescription: d0\nNode: x\n\n", 0, 0 }
#define HAS \
	{ "@!9 show info", "Name: HAProxy\ndescription: d1\nNode: x\n\n", 0, 0 }
#define GOOD \
	{ "reload", "Success=1\n--\n[NOTICE]   (1) : Loading success.\n", 0, 0 }
#define NOT_NOW \
	{ "reload", "Success=0\n", 0, 0 }

/* What the master says to a reload, and what comes of it. */
static void test_reload(void **state) {
	static const struct {
		const char *name;
		struct fake_line lines[13];
		size_t n;
		const char *message;
	} cases[] = {
		{"done", {PROC, GOOD, PROC, HAS}, 4, ""},
		{"refused without a reason while it comes up",
		 {PROC, NOT_NOW, NOT_NOW, GOOD, PROC, HAS},
		 6,
		 ""},
		{"refused",
		 {PROC,
		  {"reload",
		   "Success=0\n--\n[ALERT]    (8) : config : unknown keyword 'x'\n[ALERT]    (8) : "
		   "config : fatal\n",
		   0, 0}},
		 2,
		 "HAProxy does not start with its configuration: config : unknown keyword 'x'"},
		{"a version that only counts, and failed",
		 {PROC, {"reload", "", 0, 0}, FAILED, OTHER},
		 4,
		 "HAProxy does not start with its configuration: it wrote no error"},
		{"refused without a reason for good",
		 {PROC, NOT_NOW, NOT_NOW, NOT_NOW, NOT_NOW, NOT_NOW, NOT_NOW, NOT_NOW, NOT_NOW,
		  NOT_NOW, NOT_NOW, NOT_NOW},
		 12,
		 "HAProxy does not start with its configuration: it wrote no error"},
	};

	(void) state;
	EACH_CASE (c, cases) {
		struct fake_haproxy *f = fake_haproxy_start(dir, SOCKET_MASTER, c->lines, c->n);
		struct haproxy_memo memo = {0};
		struct haproxy h = {.dir = dir_fd, .host = true, .memo = &memo};
		struct err e = {0};
		char fault[512];

		int r = haproxy_reload(&h, "d1", &e);
		fake_haproxy_stop(f, fault);
		assert_string_equal(fault, "");
		assert_string_equal(e.msg, c->message);
		assert_int_equal(r, *c->message ? -1 : 0);
		assert_int_equal(memo.refused, *c->message != 0);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_reload)};

	return cmocka_run_group_tests_name("gateway reload", tests, make_dir, remove_dir);
}
