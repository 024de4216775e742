/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "fs/fs.h"
#include "haproxy/socket.h"
#include "tests/fake/haproxy.h"

/* A directory with a longer path than a socket may have. */
static char dir[512];
static int dir_fd = -1;

static int make_dir(void **state) {
	char base[] = "/tmp/gateway_socket.XXXXXX";
	struct err e = {0};

	(void) state;
	if (!mkdtemp(base))
		return -1;
	(void) snprintf(dir, sizeof dir, "%s/%0100d/%0100d", base, 1, 2);
	return fs_mkdirs(EFFECT_NONE, AT_FDCWD, dir, 0755, &e) ||
		fs_open_dir(AT_FDCWD, dir, &dir_fd, &e);
}

static int remove_dir(void **state) {
	struct err e = {0};

	(void) state;
	(void) close(dir_fd);
	dir[strlen("/tmp/gateway_socket.XXXXXX")] = 0;
	return fs_remove_tree(EFFECT_NONE, AT_FDCWD, dir, &e);
}

#define HEAD "#<PID>          <type>          <reloads>       <uptime>        <version>      \n"
#define ONE                                                                                 \
	HEAD "1               master          0 [failed: 0]   0d00h10m19s     3.2.26-1\n# " \
	     "workers\n8               worker          0               0d00h10m19s     "    \
	     "3.2.26-1\n# programs\n\n"
#define TWO                                                                                     \
	HEAD "1 master 1 [failed: 0] 0d00h00m01s 3.2.26-1 \n# workers\n9 worker 0 0d00h00m01s " \
	     "3.2.26-1\n# old workers\n8 worker 1 0d00h10m19s 3.2.26-1\n# programs\n\n"
#define BOTH                                                                                    \
	HEAD "1 master 1 [failed: 0] 0d00h00m01s 3.2.26-1 \n# workers\n8 worker 0 0d00h00m01s " \
	     "3.2.26-1\n# old workers\n7 worker 1 0d00h10m19s 3.2.26-1\n# programs\n\n"
#define PIECE "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define KIB                                                                                       \
	PIECE PIECE PIECE PIECE PIECE PIECE PIECE PIECE PIECE PIECE PIECE PIECE PIECE PIECE PIECE \
		PIECE

static const struct {
	const char *name, *master, *old; /* answers of the two sockets; NULL: nobody listens */
	const char *list;                /* pid, '-' where it finishes */
	bool running;
	const char *version, *message;
} workers_cases[] = {
	{"nobody", NULL, NULL, "", false, "", NULL},
	{"one", ONE, NULL, "8 ", true, "3.2.26-1", NULL},
	{"one that finishes after a reload", TWO, NULL, "9 8- ", true, "3.2.26-1", NULL},
	{"taken over from another", ONE, TWO, "8 9- 8- ", true, "3.2.26-1", NULL},
	{"only the one before", NULL, ONE, "8- ", false, "", NULL},
	{"no worker", HEAD "1 master 0 [failed: 1] 0d00h00m01s 3.2.26-1\n# workers\n# programs\n\n",
	 NULL, "", true, "3.2.26-1", NULL},
	{"another service", "SSH-2.0-OpenSSH\r\n\n", NULL, NULL, false, NULL,
	 "the gateway's socket 'gateway/master.sock' does not answer like HAProxy's master: "
	 "'SSH-2.0-OpenSSH\r'"},
	{"half a list", HEAD "1 master 0", NULL, NULL, false, NULL,
	 "the gateway's socket 'gateway/master.sock' does not answer like HAProxy's master: "
	 "'#<PID>          <type>          <reloads>       <uptime>    '"},
	{"nonsense in it", HEAD "x y z\n\n", NULL, NULL, false, NULL,
	 "the gateway's socket 'gateway/master.sock' lists a process 'x y z'"},
	{"nothing", "", NULL, NULL, false, NULL,
	 "the gateway's socket 'gateway/master.sock' does not answer like HAProxy's master: ''"},
};

static void test_workers(void **state) {
	(void) state;
	EACH_CASE (c, workers_cases) {
		const struct fake_line lines[2] = {{.line = "show proc", .answer = c->master},
						   {.line = "show proc", .answer = c->old}};
		struct fake_haproxy *master = c->master
			? fake_haproxy_start(dir, SOCKET_MASTER, &lines[0], 1)
			: NULL;
		struct fake_haproxy *old = c->old
			? fake_haproxy_start(dir, SOCKET_MASTER_OLD, &lines[1], 1)
			: NULL;
		struct buf list CLEANUP(buf_done) = BUF_INIT(4096);
		char fault[512] = "", old_fault[512] = "";
		struct socket_workers all = {0};
		struct err e = {0};

		int r = socket_workers(dir_fd, &all, &e);
		if (master)
			fake_haproxy_stop(master, fault);
		if (old)
			fake_haproxy_stop(old, old_fault);
		assert_string_equal(fault, "");
		assert_string_equal(old_fault, "");
		assert_string_equal(e.msg, c->message ? c->message : "");
		assert_int_equal(r, c->message ? -1 : 0);
		for (size_t i = 0; i < all.n; i++)
			(void) buf_printf(&list, "%d%s ", all.at[i].pid,
					  all.at[i].finishing ? "-" : "");
		if (c->message)
			continue;
		assert_string_equal(buf_str(&list), c->list);
		assert_int_equal(all.running, c->running);
		assert_string_equal(all.version, c->version);
	}
}

static const struct socket_worker serving = {8, false, SOCKET_MASTER},
				  finishing = {7, true, SOCKET_MASTER};

static const struct {
	const char *name;
	struct fake_line lines[6];
	size_t n;
	enum err_code code;
	const char *message;
} tell_cases[] = {
	{"done",
	 {{"@!8 x y; @!8 z", "\n\n", 0, 0}, {"@!7 x y; @!7 z", "\n\n", 0, 0}},
	 2,
	 ERR_OK,
	 ""},
	{"refused",
	 {{"@!8 x y; @!8 z", "No such server.\n\n\n", 0, 0}},
	 1,
	 ERR_SYS,
	 "HAProxy refused 'x y; z': No such server."},
	{"not known to the one before",
	 {{"@!8 x y; @!8 z", "\n\n", 0, 0}, {"@!7 x y; @!7 z", "No such backend.\n\n\n", 0, 0}},
	 2,
	 ERR_OK,
	 ""},
	{"refused by the one before",
	 {{"@!8 x y; @!8 z", "\n\n", 0, 0}, {"@!7 x y; @!7 z", "Permission denied\n\n", 0, 0}},
	 2,
	 ERR_SYS,
	 "HAProxy refused 'x y; z': Permission denied"},
	{"the one before has ended",
	 {{"@!8 x y; @!8 z", "\n\n", 0, 0},
	  {"@!7 x y; @!7 z", "Can't find the target PID matching the prefix '@!7'\n", 0, 0}},
	 2,
	 ERR_OK,
	 ""},
	{"vanished in the middle",
	 {{"@!8 x y; @!8 z", "\n\n", 0, 0},
	  {"@!7 x y; @!7 z", NULL, 0, 0},
	  {"show proc", ONE, 0, 0}},
	 3,
	 ERR_OK,
	 ""},
	{"ended, and its master sees it late",
	 {{"@!8 x y; @!8 z", "\n\n", 0, 0},
	  {"@!7 x y; @!7 z", NULL, 0, 0},
	  {"show proc", BOTH, 0, 0},
	  {"@!7 x y; @!7 z", "Can't find the target PID matching the prefix '@!7'\n", 0, 0}},
	 4,
	 ERR_OK,
	 ""},
	{"half an answer, then a whole one",
	 {{"@!8 x y; @!8 z", "\n\n", 0, 0},
	  {"@!7 x y; @!7 z", "No such", 0, 0},
	  {"show proc", BOTH, 0, 0},
	  {"@!7 x y; @!7 z", "\n\n", 0, 0}},
	 4,
	 ERR_OK,
	 ""},
	{"ended, and nobody says so",
	 {{"@!8 x y; @!8 z", "\n\n", 0, 0},
	  {"@!7 x y; @!7 z", NULL, LINE_HANG, 0},
	  {"show proc", ONE, 0, 0}},
	 3,
	 ERR_OK,
	 ""},
	{"half an answer",
	 {{"@!8 x y; @!8 z", "No such", 0, 0}, {"show proc", ONE, 0, 0}},
	 2,
	 ERR_UNREACHABLE,
	 "the gateway's socket 'gateway/master.sock': half an answer; see llmdeploy gateway "
	 "status"},
	{"no answer",
	 {{"@!8 x y; @!8 z", NULL, LINE_HANG, 0}},
	 1,
	 ERR_UNREACHABLE,
	 "the gateway's socket 'gateway/master.sock': no answer in time; see llmdeploy gateway "
	 "status"},
	{"an answer without end",
	 {{"@!8 x y; @!8 z", KIB, 0, 1 << 13}},
	 1,
	 ERR_SYS,
	 "the gateway's socket 'gateway/master.sock': the answer is larger than 4194304 bytes"},
};

/* Commands to one worker that serves and one that finishes: what each says, and what comes of
 * it. */
static void test_tell(void **state) {
	const struct socket_workers all = {.at = {finishing, serving},
					   .n = 2,
					   .serving = 1,
					   .running = true};

	(void) state;
	EACH_CASE (c, tell_cases) {
		struct fake_haproxy *f = fake_haproxy_start(dir, SOCKET_MASTER, c->lines, c->n);
		uint64_t began = clock_mono_ms();
		struct err e = {0};
		char fault[512];

		int r = socket_send(dir_fd, &all, "x y; z", &e);
		fake_haproxy_stop(f, fault);
		assert_string_equal(fault, "");
		assert_string_equal(e.msg, c->message);
		assert_int_equal(e.code, c->code);
		assert_int_equal(r, c->code ? -1 : 0);
		assert_true(clock_mono_ms() - began < 2 * SOCKET_TIMEOUT_MS);
	}
}

/* Planned faults: a command that nobody gets, and one whose answer does not come. */
static void test_faults(void **state) {
	static const struct {
		const char *name, *plan;
		size_t n;
		enum err_code code;
		const char *message;
	} cases[] = {
		{"gone", "gateway.socket:during:gone", 0, ERR_UNREACHABLE,
		 "the gateway stopped answering on its socket during 'x'"},
		{"timeout", "gateway.socket:during:timeout", 1, ERR_UNREACHABLE,
		 "the gateway's socket 'gateway/master.sock': no answer in time; see llmdeploy "
		 "gateway status"},
		{"reset", "gateway.socket:during:reset", 1, ERR_UNREACHABLE,
		 "the gateway's socket 'gateway/master.sock': Connection reset by peer; see "
		 "llmdeploy gateway status"},
	};
	const struct socket_workers all = {.at = {serving}, .n = 1, .serving = 1, .running = true};
	const struct fake_line lines[] = {{"@!8 x", "\n", 0, 0}};

	(void) state;
	EACH_CASE (c, cases) {
		struct fake_haproxy *f = fake_haproxy_start(dir, SOCKET_MASTER, lines, c->n);
		struct err e = {0}, plan = {0};
		char fault[512];

		assert_int_equal(failpoint_install(c->plan, &plan), 0);
		int r = socket_send(dir_fd, &all, "x", &e);
		assert_int_equal(failpoint_install(NULL, &plan), 0);
		fake_haproxy_stop(f, fault);
		assert_string_equal(fault, "");
		assert_string_equal(e.msg, c->message);
		assert_int_equal(r, c->code ? -1 : 0);
	}
}

static void test_table(void **state) {
	char text[] = "# pxname,svname,scur,status,\nr:x,a,3,UP,\nr:x,b,,DRAIN,\nr:x\n\n",
	     other[] = "No such proxy.\n\n", none[] = "";
	struct socket_table t;
	struct err e = {0};

	(void) state;
	assert_int_equal(socket_table_begin(&t, text, &e), 0);
	assert_true(socket_table_row(&t));
	assert_string_equal(socket_table_text(&t, "svname"), "a");
	assert_int_equal(socket_table_number(&t, "scur"), 3);
	assert_string_equal(socket_table_text(&t, "nothing"), "");
	assert_true(socket_table_row(&t));
	assert_int_equal(socket_table_number(&t, "scur"), 0);
	assert_string_equal(socket_table_text(&t, "status"), "DRAIN");
	assert_true(socket_table_row(&t));
	assert_string_equal(socket_table_text(&t, "status"), "");
	assert_false(socket_table_row(&t));
	assert_int_equal(socket_table_begin(&t, other, &e), -1);
	assert_string_equal(e.msg, "HAProxy's table has no header line: 'No such proxy.'");
	assert_int_equal(socket_table_begin(&t, none, &e), -1);
	assert_string_equal(e.msg, "HAProxy's table has no header line: ''");
}

int main(void) {
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_workers),
					   cmocka_unit_test(test_tell),
					   cmocka_unit_test(test_faults),
					   cmocka_unit_test(test_table)};

	return cmocka_run_group_tests_name("gateway socket", tests, make_dir, remove_dir);
}
