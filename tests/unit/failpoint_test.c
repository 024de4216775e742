/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/failpoint.h"
#include "fs/fs.h"
#include "fs/step.h"

static void plans(void **state) {
	static const struct {
		const char *name, *text, *want; /* "": it is taken */
	} table[] = {
		{"none", NULL, ""},
		{"empty", "", ""},
		{"before", "journal.append:before:kill", ""},
		{"the third", "journal.append:after:kill:3", ""},
		{"from the third on", "store.write:during:ENOSPC:3+", ""},
		{"half a write", "store.write:during:kill", ""},
		{"the Engine", "container.create:during:500", ""},
		{"the gateway", "gateway.socket:during:gone", ""},
		{"any", "any:before:kill:17", ""},
		{"any, a file's", "any:during:EIO", ""},
		{"two", "container.start:during:timeout,any:after:kill:40", ""},
		{"log", "log:2,any:before:kill", ""},
		{"unknown effect", "journal.apend:before:kill",
		 "LLMDEPLOY_FAULT: no effect 'journal.apend', did you mean 'journal.append'?"},
		{"nothing like it", "x:before:kill", "LLMDEPLOY_FAULT: no effect 'x'"},
		{"unknown moment", "journal.append:while:kill",
		 "LLMDEPLOY_FAULT: 'while' is none of before, during, after"},
		{"unknown fault", "journal.append:during:ENOENT",
		 "LLMDEPLOY_FAULT: no fault 'ENOENT': kill, ENOSPC, EIO, EACCES, 500, timeout, "
		 "reset or gone"},
		{"before is for kill", "journal.append:before:EIO",
		 "LLMDEPLOY_FAULT: 'EIO' happens during a step, not before or after it"},
		{"not of a file", "journal.append:during:500",
		 "LLMDEPLOY_FAULT: '500' cannot happen to 'journal.append'"},
		{"not of a request", "container.start:during:ENOSPC",
		 "LLMDEPLOY_FAULT: 'ENOSPC' cannot happen to 'container.start'"},
		{"zero", "any:before:kill:0",
		 "LLMDEPLOY_FAULT: '0' is not the number of a step: N or N+, from 1"},
		{"no number", "any:before:kill:x",
		 "LLMDEPLOY_FAULT: 'x' is not the number of a step: N or N+, from 1"},
		{"too little", "any:before",
		 "LLMDEPLOY_FAULT: 'any' is not NAME:WHEN:WHAT or NAME:WHEN:WHAT:N"},
		{"too much", "any:before:kill:1:2",
		 "LLMDEPLOY_FAULT: 'any' is not NAME:WHEN:WHAT or NAME:WHEN:WHAT:N"},
		{"log without", "log",
		 "LLMDEPLOY_FAULT: log needs the number of an open descriptor, as in log:9"},
		{"nine",
		 "any:before:kill,any:before:kill,any:before:kill,any:before:kill,any:before:kill,"
		 "any:before:kill,any:before:kill,"
		 "any:before:kill,any:before:kill",
		 "LLMDEPLOY_FAULT: more than 8 plans"},
	};
	(void) state;

	EACH_CASE (c, table) {
		struct err e = {0};
		assert_int_equal(failpoint_install(c->text, &e), *c->want ? -1 : 0);
		assert_string_equal(e.msg, c->want);
		assert_int_equal(e.code, *c->want ? ERR_USAGE : ERR_OK);
	}
	assert_int_equal(failpoint_install(NULL, &(struct err){0}), 0);
}

/* A name of a file, and what a child of ours does with it under a plan. */
static int put(const char *path) {
	static const int numbers[] = {ENOSPC, EACCES, EIO};
	struct err e = {0};

	if (!fs_write(EFFECT_RELEASE_PUT, AT_FDCWD, path, "0123456789", 10, 0644, &e))
		return 0;
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		if (strstr(e.msg, strerror(numbers[i])))
			return numbers[i];
	return 249;
}

/* The steps of one fs_write: create, write, chmod, sync, rename, sync of the directory. */
static void steps(void **state) {
	static const struct {
		const char *name, *plan;
		int signal, status; /* how the child ends */
		int left;           /* bytes of the file aside; -1: it is not there */
		bool there;         /* under its name */
	} table[] = {
		{"no plan", NULL, 0, 0, -1, true},
		{"another effect", "store.write:before:kill", 0, 0, -1, true},
		{"before the first step", "release.put:before:kill", SIGKILL, 0, -1, false},
		{"before it is written", "release.put:before:kill:2", SIGKILL, 0, 0, false},
		{"half written", "release.put:during:kill:2", SIGKILL, 0, 5, false},
		{"when it is written", "release.put:after:kill:2", SIGKILL, 0, 10, false},
		{"before it is synced", "release.put:before:kill:4", SIGKILL, 0, 10, false},
		{"before it is renamed", "release.put:before:kill:5", SIGKILL, 0, 10, false},
		{"when it is renamed", "release.put:after:kill:5", SIGKILL, 0, -1, true},
		{"when all is done", "release.put:after:kill:6", SIGKILL, 0, -1, true},
		{"there is no seventh", "release.put:before:kill:7", 0, 0, -1, true},
		{"any counts as well", "any:after:kill:5", SIGKILL, 0, -1, true},
		{"no room", "release.put:during:ENOSPC:2", 0, ENOSPC, -1, false},
		{"not allowed", "release.put:during:EACCES:1", 0, EACCES, -1, false},
		{"a bad disk, from then on", "release.put:during:EIO:4+", 0, EIO, 10, false},
		{"a request's fault is none of a file's", "any:during:500", 0, 0, -1, true},
	};
	char dir[] = "/tmp/llmdeploy-fault-XXXXXX";
	(void) state;

	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	EACH_CASE (c, table) {
		int status;
		pid_t child = fork();
		if (!child) {
			struct err e = {0};
			_exit(failpoint_install(c->plan, &e) ? 250 : put("f"));
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(WIFSIGNALED(status) ? WTERMSIG(status) : 0, c->signal);
		assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : 0, c->status);
		char aside[64];
		(void) snprintf(aside, sizeof aside, ".f.tmp-%ld", (long) child);
		int fd = open(aside, O_RDONLY | O_CLOEXEC);
		assert_int_equal(fd < 0 ? -1 : lseek(fd, 0, SEEK_END), c->left);
		if (fd >= 0)
			(void) close(fd);
		assert_int_equal(fs_exists(AT_FDCWD, "f"), c->there);
		(void) unlink(aside);
		(void) unlink("f");
	}
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void logged(void **state) {
	char plan[32], text[400] = "";
	struct err e = {0};
	int fds[2];
	(void) state;

	assert_int_equal(pipe(fds), 0);
	(void) snprintf(plan, sizeof plan, "log:%d", fds[1]);
	assert_int_equal(failpoint_install(plan, &e), 0);
	assert_int_equal(failpoint_begin(EFFECT_NONE), FAULT_NONE);
	assert_int_equal(failpoint_end(EFFECT_NONE, 7), 7);
	assert_int_equal(failpoint_begin(EFFECT_IMAGE_LOAD), FAULT_NONE);
	assert_int_equal(failpoint_end(EFFECT_IMAGE_LOAD, -1), -1);
	assert_int_equal(failpoint_install(NULL, &e), 0);
	assert_true(read(fds[0], text, sizeof text - 1) > 0);
	assert_string_equal(text, "image.load before\nimage.load after\n");
	(void) close(fds[0]);
	(void) close(fds[1]);
}

static const char *const texts[EFFECT_COUNT] = {
#define X(id, name, what, faults) [id] = what,
	FAILPOINTS(X)
#undef X
};

static const char *const faults[FAULT_COUNT] = {
#define X(id, name) [id] = name,
	FAILPOINT_FAULTS(X)
#undef X
};

/* Names are what people write: short, plain, each once; a sentence for each, and something that can
 * happen to it. */
static void names(void **state) {
	(void) state;

	for (int i = 1; i < EFFECT_COUNT; i++) {
		const char *name = failpoint_name((enum effect) i);
		unsigned n = 0;
		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz."), strlen(name));
		assert_non_null(strchr(name, '.'));
		assert_true(strlen(texts[i]) > 10);
		for (int k = 1; k < FAULT_COUNT; k++)
			n += failpoint_applies((enum effect) i, (enum fault) k);
		assert_true(n > 0);
		for (int k = 1; k < i; k++)
			assert_string_not_equal(name, failpoint_name((enum effect) k));
	}
}

static int print_table(void) {
	for (int i = 1; i < EFFECT_COUNT; i++) {
		(void) printf("%-17s %-62s", failpoint_name((enum effect) i), texts[i]);
		for (int k = 1; k < FAULT_COUNT; k++)
			if (failpoint_applies((enum effect) i, (enum fault) k))
				(void) printf(" %s", faults[k]);
		(void) printf("\n");
	}
	return 0;
}

/* With --table: every effect, what it is, and what can happen to it during a step. */
int main(int argc, char **argv) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plans),
		cmocka_unit_test(steps),
		cmocka_unit_test(logged),
		cmocka_unit_test(names),
	};

	if (argc == 2 && !strcmp(argv[1], "--table"))
		return print_table();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
