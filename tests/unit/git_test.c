/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"
#include "git/git.h"

/* A directory with repositories made by git itself, and a home without settings. */
static int setup(void **state) {
	char *path = mem_strdup("/tmp/llmdeploy-git-XXXXXX");

	assert_non_null(mkdtemp(path));
	assert_int_equal(setenv("HOME", path, 1), 0);
	assert_int_equal(setenv("GIT_CEILING_DIRECTORIES", "/tmp", 1), 0);
	assert_int_equal(setenv("GIT_CONFIG_NOSYSTEM", "1", 1), 0);
	assert_int_equal(unsetenv("XDG_CONFIG_HOME") || unsetenv("GIT_DIR"), 0);
	*state = path;
	return 0;
}

static int teardown(void **state) {
	struct err e;

	assert_int_equal(fs_remove_tree(EFFECT_NONE, AT_FDCWD, *state, &e), 0);
	free(*state);
	return 0;
}

/* No setting of the machine is asked for an author. */
#define COMMIT "git -c user.name=a -c user.email=a@b commit -q -m m"
#define MADE                                                                                     \
	"git init -q -b main . && echo one > m.yaml && echo two > other && git add . && " COMMIT \
	" && "

static const struct {
	const char *name, *script; /* run in an empty directory; then asked about m.yaml */
	bool found, dirty;
	const char *remote, *note; /* "@" in a note: the directory */
} cases[] = {
	{"no repository", "echo > m.yaml", false, false, NULL, NULL},
	{"clean", MADE "true", true, false, NULL, NULL},
	{"untracked files do not matter", MADE "echo > new", true, false, NULL, NULL},
	{"manifest changed", MADE "echo > m.yaml", true, true, NULL, NULL},
	{"manifest changed and staged", MADE "echo > m.yaml; git add .", true, true, NULL, NULL},
	{"another file changed", MADE "echo > other", true, true, NULL, NULL},
	{"another file gone", MADE "rm other", true, true, NULL, NULL},
	{"manifest not added",
	 "git init -q . && echo > other && git add . && " COMMIT " && echo > m.yaml", true, true,
	 NULL, NULL},
	{"manifest ignored",
	 "git init -q . && echo m.yaml > .gitignore && git add . && " COMMIT " && echo > m.yaml",
	 true, true, NULL, NULL},
	{"no commit", "git init -q . && echo > m.yaml", false, false, NULL,
	 "repository of '@/m.yaml' is not used: it has no commit yet"},
	{"damaged", MADE "echo garbage > .git/HEAD", false, false, NULL,
	 "repository of '@/m.yaml' is not used: corrupted loose reference file: HEAD"},
	{"remote",
	 MADE "git remote add up https://h/up.git && git remote add origin https://h/o.git", true,
	 false, "https://h/o.git", NULL},
	{"another remote", MADE "git remote add up https://h/up.git", true, false,
	 "https://h/up.git", NULL},
	{"token", MADE "git remote add origin https://s3cret@h:8443/o.git", true, false,
	 "https://h:8443/o.git", NULL},
	{"password", MADE "git remote add origin 'https://u:p@ss@h/o.git?private_token=x#y'", true,
	 false, "https://h/o.git", NULL},
	{"password with a slash", MADE "git remote add origin https://u:pa/ss@h/o.git", true, false,
	 "https://h/o.git", NULL},
	{"at in the path", MADE "git remote add origin https://h:80/o@1.git", true, false,
	 "https://h:80/o@1.git", NULL},
	{"scp form", MADE "git remote add origin git@h:o.git", true, false, "git@h:o.git", NULL},
	{"control characters", MADE "git remote add origin \"$(printf 'https://h/\\033[1m')\"",
	 true, false, NULL, NULL},
};

static void run(const char *dir, const char *script) {
	char *line CLEANUP(freep) = mem_printf("cd '%s' && { %s; } >/dev/null 2>&1", dir, script);

	assert_int_equal(system(line), 0); /* NOLINT: a fixed text */
}

static void origin_of(void **state) {
	EACH_CASE (c, cases) {
		struct git_origin o CLEANUP(git_origin_done) = GIT_ORIGIN_INIT;
		char *dir CLEANUP(freep) = mem_printf("%s/r", (char *) *state),
			  *file CLEANUP(freep) = mem_printf("%s/m.yaml", dir);
		struct err e = {0};
		bool found = !c->found;

		assert_int_equal(mkdir(dir, 0755), 0);
		run(dir, c->script);
		if (git_origin_of(file, &o, &found, &e))
			fail_msg("%s", e.msg);
		assert_int_equal(found, c->found);
		assert_int_equal(o.dirty, c->dirty);
		assert_int_equal(strlen(o.commit), c->found ? 40 : 0);
		assert_string_equal(o.remote ? o.remote : "", c->remote ? c->remote : "");
		assert_int_equal(!o.note, !c->note);
		if (c->note) {
			const char *at = strchr(c->note, '@');
			char *note CLEANUP(freep) = mem_printf("%.*s%s%s", (int) (at - c->note),
							       c->note, dir, at + 1);
			assert_string_equal(o.note, note);
		}
		assert_int_equal(fs_remove_tree(EFFECT_NONE, AT_FDCWD, dir, &e), 0);
	}
}

static void commit_is_the_head(void **state) {
	struct git_origin o CLEANUP(git_origin_done) = GIT_ORIGIN_INIT;
	char *below CLEANUP(freep) = mem_printf("%s/deep/er/m.yaml", (char *) *state);
	struct err e = {0};
	bool found;

	run(*state,
	    "git init -q -b main . && mkdir -p deep/er && echo one > deep/er/m.yaml && git add "
	    "deep && " COMMIT);
	run(*state, "git rev-parse HEAD > head");
	assert_int_equal(git_origin_of(below, &o, &found, &e), 0);
	assert_true(found);
	assert_false(o.dirty);
	char *path CLEANUP(freep) = mem_printf("%s/head", (char *) *state);
	FILE *f = fopen(path, "re");
	char head[64] = "";
	assert_non_null(fgets(head, sizeof head, f));
	assert_int_equal(fclose(f), 0);
	head[strcspn(head, "\n")] = 0;
	assert_string_equal(o.commit, head);
}

static void absent_file(void **state) {
	struct git_origin o = GIT_ORIGIN_INIT;
	struct err e = {0};
	bool found = true;

	(void) state;
	assert_int_equal(git_origin_of("/nowhere/m.yaml", &o, &found, &e), -1);
	assert_string_equal(e.msg, "cannot open '/nowhere/m.yaml': No such file or directory");
	assert_int_equal(e.code, ERR_SYS);
	assert_true(found);
}

/* uid 0 is trusted with every repository, so be someone else. */
static int ask_as_stranger(const char *file) {
	struct git_origin o CLEANUP(git_origin_done) = GIT_ORIGIN_INIT;
	struct err e = {0};
	bool found = true;

	if (setuid(4711) || git_origin_of(file, &o, &found, &e) || found || !o.note)
		return 1;
	return text_ends(o.note,
			 "/m.yaml' is not used: it belongs to another user; git config --global "
			 "--add safe.directory DIR trusts it")
		? 0
		: 2;
}

static void foreign_repository_is_not_used(void **state) {
	char *file CLEANUP(freep) = mem_printf("%s/m.yaml", (char *) *state);
	int status = -1;

	run(*state, MADE "true");
	if (geteuid()) /* nobody else to be */
		return;
	assert_int_equal(chmod(*state, 0755), 0);
	pid_t child = fork();
	if (!child)
		_exit(ask_as_stranger(file));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

#define IN_PLACE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		IN_PLACE(origin_of),
		IN_PLACE(commit_is_the_head),
		IN_PLACE(absent_file),
		IN_PLACE(foreign_repository_is_not_used),
	};

	return cmocka_run_group_tests_name("git", tests, NULL, NULL);
}
