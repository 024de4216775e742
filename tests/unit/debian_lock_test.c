/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "debian/debian.h"
#include "fs/fs.h"
#include "json/json.h"

#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define FPR "0123456789ABCDEF0123456789ABCDEF01234567"

static const char whole[] = "{\n"
			    "  \"apiVersion\": \"llmdeploy/v1\",\n"
			    "  \"kind\": \"PackagesLock\",\n"
			    "  \"runtime\": \"toy\",\n"
			    "  \"locks\": {\n"
			    "    \"cpu/amd64\": {\n"
			    "      \"index\": [\n"
			    "        {\n"
			    "          \"suite\": \"testing\",\n"
			    "          \"archive\": \"debian\",\n"
			    "          \"codename\": \"forky\",\n"
			    "          \"components\": [\n"
			    "            \"main\"\n"
			    "          ],\n"
			    "          \"date\": \"2026-10-30T08:08:01Z\",\n"
			    "          \"valid_until\": \"2026-11-06T08:08:01Z\",\n"
			    "          \"accepted_expired\": true,\n"
			    "          \"release_sha256\": \"" SHA "\",\n"
			    "          \"signed_by\": [\n"
			    "            \"" FPR "\"\n"
			    "          ]\n"
			    "        }\n"
			    "      ],\n"
			    "      \"packages\": [\n"
			    "        {\n"
			    "          \"name\": \"a\",\n"
			    "          \"version\": \"1:2-3\",\n"
			    "          \"architecture\": \"all\",\n"
			    "          \"suite\": \"testing\",\n"
			    "          \"path\": \"pool/main/a/a_2-3_all.deb\",\n"
			    "          \"sha256\": \"" SHA "\",\n"
			    "          \"size\": 10,\n"
			    "          \"installed_size\": 2048,\n"
			    "          \"layer\": \"base\",\n"
			    "          \"files\": [\n"
			    "            \"usr/bin/a\",\n"
			    "            \"usr/share/a/\"\n"
			    "          ],\n"
			    "          \"reason\": \"asked for\"\n"
			    "        },\n"
			    "        {\n"
			    "          \"name\": \"b\",\n"
			    "          \"version\": \"1\",\n"
			    "          \"architecture\": \"amd64\",\n"
			    "          \"suite\": \"testing\",\n"
			    "          \"path\": \"pool/main/b/b_1_amd64.deb\",\n"
			    "          \"sha256\": \"" SHA "\",\n"
			    "          \"size\": 20,\n"
			    "          \"installed_size\": 1024,\n"
			    "          \"layer\": \"engine\",\n"
			    "          \"reason\": \"a depends on b\"\n"
			    "        }\n"
			    "      ],\n"
			    "      \"excludes\": [\n"
			    "        {\n"
			    "          \"name\": \"wget\",\n"
			    "          \"reason\": \"no script is run\"\n"
			    "        }\n"
			    "      ]\n"
			    "    }\n"
			    "  }\n"
			    "}\n";

static int parse(const char *text, const char *backend, struct debian_lock **out, struct err *e) {
	return debian_lock_parse("p.lock", text, strlen(text), backend, "amd64", out, e);
}

static void reads_every_field(void **state) {
	struct debian_lock *lock CLEANUP(debian_lock_freep) = NULL;
	struct err e = {0};

	(void) state;
	assert_int_equal(parse(whole, "cpu", &lock, &e), 0);
	assert_string_equal(lock->runtime, "toy");
	assert_string_equal(lock->backend, "cpu");
	assert_string_equal(lock->architecture, "amd64");
	assert_int_equal(lock->n_indexes, 1);
	assert_string_equal(lock->indexes[0].suite, "testing");
	assert_string_equal(lock->indexes[0].codename, "forky");
	assert_string_equal(lock->indexes[0].valid_until, "2026-11-06T08:08:01Z");
	assert_true(lock->indexes[0].accepted_expired);
	assert_string_equal(lock->indexes[0].signed_by[0], FPR);
	assert_int_equal(lock->n_packages, 2);
	assert_string_equal(lock->packages[0].version, "1:2-3");
	assert_int_equal(lock->packages[0].n_files, 2);
	assert_string_equal(lock->packages[0].files[1], "usr/share/a/");
	assert_string_equal(lock->packages[1].layer, "engine");
	assert_null(lock->packages[1].files);
	assert_int_equal(debian_lock_installed(lock), 3072);
	assert_int_equal(lock->n_excludes, 1);
	assert_string_equal(lock->excludes[0].reason, "no script is run");
}

/* The whole lock with one text in place of another; yours. */
static char *with(const char *from, const char *to) {
	const char *at = strstr(whole, from);

	assert_non_null(at);
	return mem_printf("%.*s%s%s", (int) (at - whole), whole, to, at + strlen(from));
}

#define FAULT(what) "'p.lock' is not a usable packages lock: " what

static const struct {
	const char *name, *from, *to, *message;
} faults[] = {
	{"not JSON", "{\n", "[", FAULT("not JSON at byte 15")},
	{"a list", whole, "[]", FAULT("it must be an object")},
	{"no version", "  \"apiVersion\": \"llmdeploy/v1\",\n", "", FAULT("apiVersion is missing")},
	{"another version", "llmdeploy/v1", "llmdeploy/v2",
	 FAULT("apiVersion must be llmdeploy/v1")},
	{"another kind", "PackagesLock", "Release", FAULT("kind must be PackagesLock")},
	{"a bad name", "\"toy\"", "\"Toy\"", FAULT("runtime is not a name")},
	{"an unknown key", "\"runtime\"", "\"x\": 1, \"runtime\"", FAULT("x is not a key of it")},
	{"a bad key of a lock", "cpu/amd64", "cpu", FAULT("locks.cpu is not BACKEND/ARCHITECTURE")},
	{"no index", "\"index\"", "\"indices\"", FAULT("locks.cpu/amd64.index is missing")},
	{"a suite of the wrong type", "\"suite\": \"testing\"", "\"suite\": 1",
	 FAULT("locks.cpu/amd64.index[0].suite must be a text")},
	{"an empty text", "\"forky\"", "\"\"",
	 FAULT("locks.cpu/amd64.index[0].codename must be a text")},
	{"a bad suite", "\"suite\": \"testing\",\n          \"archive\"",
	 "\"suite\": \"../x\",\n          \"archive\"",
	 FAULT("locks.cpu/amd64.index[0].suite is not usable")},
	{"a bad archive", "\"debian\"", "\"a/b\"",
	 FAULT("locks.cpu/amd64.index[0].archive is not usable")},
	{"a bad date", "2026-10-30T08:08:01Z", "30 October",
	 FAULT("locks.cpu/amd64.index[0].date is not a time")},
	{"a bad end", "2026-11-06T08:08:01Z", "later",
	 FAULT("locks.cpu/amd64.index[0].valid_until is not a time")},
	{"accepted", "true", "\"yes\"",
	 FAULT("locks.cpu/amd64.index[0].accepted_expired must be true or false")},
	{"a bad digest of the release", "\"release_sha256\": \"0", "\"release_sha256\": \"F",
	 FAULT("locks.cpu/amd64.index[0].release_sha256 is not usable")},
	{"a bad fingerprint", FPR, "me",
	 FAULT("locks.cpu/amd64.index[0].signed_by has an entry that is not usable")},
	{"no components", "\n            \"main\"\n          ", "",
	 FAULT("locks.cpu/amd64.index[0].components is empty")},
	{"components that are no list", "[\n            \"main\"\n          ]", "{}",
	 FAULT("locks.cpu/amd64.index[0].components must be a list")},
	{"a bad package", "\"name\": \"a\"", "\"name\": \"../a\"",
	 FAULT("locks.cpu/amd64.packages[0].name is not usable")},
	{"a package twice", "\"name\": \"b\"", "\"name\": \"a\"",
	 FAULT("locks.cpu/amd64.packages[1].name is not in order")},
	{"a bad version", "1:2-3", "v 1",
	 FAULT("locks.cpu/amd64.packages[0].version is not usable")},
	{"a bad architecture", "\"all\"", "\"A\"",
	 FAULT("locks.cpu/amd64.packages[0].architecture is not usable")},
	{"an unknown suite", "\"suite\": \"testing\",\n          \"path\": \"pool/main/a",
	 "\"suite\": \"sid\",\n          \"path\": \"pool/main/a",
	 FAULT("locks.cpu/amd64.packages[0].suite is not in the index")},
	{"a path that leads out", "pool/main/a/", "pool/../a/",
	 FAULT("locks.cpu/amd64.packages[0].path is not usable")},
	{"an absolute path", "pool/main/a/", "/main/a/",
	 FAULT("locks.cpu/amd64.packages[0].path is not usable")},
	{"a path with a query", "pool/main/a/",
	 "pool/?x=", FAULT("locks.cpu/amd64.packages[0].path is not usable")},
	{"a digest in capitals", "\"sha256\": \"" SHA,
	 "\"sha256\": \"ABCDEF6789abcdef0123456789abcdef0123456789abcdef"
	 "0123456789abcdef",
	 FAULT("locks.cpu/amd64.packages[0].sha256 is not usable")},
	{"no size", "\"size\": 10", "\"size\": 0",
	 FAULT("locks.cpu/amd64.packages[0].size is not usable")},
	{"half a byte", "\"size\": 10", "\"size\": 1.5",
	 FAULT("locks.cpu/amd64.packages[0].size is not usable")},
	{"less than nothing", "\"installed_size\": 2048", "\"installed_size\": -1",
	 FAULT("locks.cpu/amd64.packages[0].installed_size is not usable")},
	{"a bad layer", "\"layer\": \"base\"", "\"layer\": \"..\"",
	 FAULT("locks.cpu/amd64.packages[0].layer is not usable")},
	{"a file outside", "usr/bin/a", "../bin/a",
	 FAULT("locks.cpu/amd64.packages[0].files has an entry that is not usable")},
	{"an absolute file", "usr/bin/a", "/usr/bin/a",
	 FAULT("locks.cpu/amd64.packages[0].files has an entry that is not usable")},
	{"an exclude without a reason", ",\n          \"reason\": \"no script is run\"", "",
	 FAULT("locks.cpu/amd64.excludes[0].reason is missing")},
	{"a bad exclude", "\"wget\"", "\"W\"",
	 FAULT("locks.cpu/amd64.excludes[0].name is not usable")},
	{"another backend", "cpu/amd64", "cuda/amd64",
	 "'p.lock' has no lock for 'cpu/amd64' (it has: cuda/amd64): make it with 'llmdeploy "
	 "runtime lock toy'"},
};

static void refuses_what_is_not_right(void **state) {
	(void) state;
	EACH_CASE (c, faults) {
		char *text CLEANUP(freep) = with(c->from, c->to);
		struct debian_lock *lock CLEANUP(debian_lock_freep) = NULL;
		struct err e = {0};

		assert_int_equal(parse(text, "cpu", &lock, &e), -1);
		assert_string_equal(e.msg, c->message);
		assert_int_equal(e.code, ERR_SPEC);
		assert_null(lock);
	}
}

static void remove_tree(char **dir) {
	struct err e = {0};

	(void) fs_remove_tree(EFFECT_NONE, AT_FDCWD, *dir, &e);
	free(*dir);
}

static char *temporary(void) {
	char *dir = mem_strdup("/tmp/debian-lock-XXXXXX");

	assert_non_null(mkdtemp(dir));
	return dir;
}

static void writes_what_it_reads(void **state) {
	char *dir CLEANUP(remove_tree) = temporary();
	char *path CLEANUP(freep) = mem_printf("%s/packages.lock", dir);
	struct debian_lock *lock CLEANUP(debian_lock_freep) = NULL;
	struct buf got CLEANUP(buf_done) = BUF_INIT(1 << 16);
	struct err e = {0};

	(void) state;
	assert_int_equal(parse(whole, "cpu", &lock, &e), 0);
	for (int i = 0; i < 2; i++) { /* into no file, into its own */
		buf_reset(&got);
		assert_int_equal(debian_lock_merge_write(path, lock, &e), 0);
		assert_int_equal(fs_read(AT_FDCWD, path, &got, &e), 0);
		assert_string_equal(buf_str(&got), whole);
	}
}

static void keeps_the_locks_of_others(void **state) {
	static const char *const backends[] = {"vulkan", "cpu", "cuda", "cpu"};
	char *dir CLEANUP(remove_tree) = temporary();
	char *path CLEANUP(freep) = mem_printf("%s/packages.lock", dir);
	struct debian_lock *lock CLEANUP(debian_lock_freep) = NULL;
	struct buf got CLEANUP(buf_done) = BUF_INIT(1 << 16);
	struct json *tree CLEANUP(json_freep) = NULL;
	struct err e = {0};

	(void) state;
	assert_int_equal(parse(whole, "cpu", &lock, &e), 0);
	for (size_t i = 0; i < 4; i++) {
		lock->backend = backends[i];
		assert_int_equal(debian_lock_merge_write(path, lock, &e), 0);
	}
	assert_int_equal(fs_read(AT_FDCWD, path, &got, &e), 0);
	assert_int_equal(json_parse(buf_str(&got), got.len, &tree, &e), 0);
	const struct json *c = json_first(json_get(tree, "locks"));
	assert_string_equal(json_key(c), "cpu/amd64");
	assert_string_equal(json_key(c = json_next(c)), "cuda/amd64");
	assert_string_equal(json_key(c = json_next(c)), "vulkan/amd64");
	assert_null(json_next(c));
}

static void does_not_write_over_what_it_cannot_read(void **state) {
	static const struct {
		const char *name, *from, *to, *message;
	} rows[] = {
		{"damaged", "PackagesLock", "x",
		 "is not a usable packages lock: kind must be PackagesLock"},
		{"of another runtime", "\"toy\"", "\"car\"",
		 "is the lock of runtime 'car', not of 'toy'"},
	};
	char *dir CLEANUP(remove_tree) = temporary();
	char *path CLEANUP(freep) = mem_printf("%s/packages.lock", dir);
	struct debian_lock *lock CLEANUP(debian_lock_freep) = NULL;
	struct err e = {0};

	(void) state;
	assert_int_equal(parse(whole, "cpu", &lock, &e), 0);
	EACH_CASE (c, rows) {
		char *text CLEANUP(freep) = with(c->from, c->to);
		struct buf got CLEANUP(buf_done) = BUF_INIT(1 << 16);
		char want[256];

		assert_int_equal(fs_write(EFFECT_NONE, AT_FDCWD, path, text, strlen(text), 0644,
					  &e),
				 0);
		assert_int_equal(debian_lock_merge_write(path, lock, &e), -1);
		(void) snprintf(want, sizeof want, "'%s' %s", path, c->message);
		assert_string_equal(e.msg, want);
		assert_int_equal(e.code, ERR_SPEC);
		assert_int_equal(fs_read(AT_FDCWD, path, &got, &e), 0);
		assert_string_equal(buf_str(&got), text);
	}
}

/* The locks that the repository ships; tests run in its root. */
static void ships_locks_for_llama_cpp(void **state) {
	static const struct {
		const char *name, *backend, *must_have;
		size_t most;
	} rows[] = {
		{"cpu", "cpu", "libggml0", 20},
		{"vulkan", "vulkan", "libggml0-backend-vulkan", 60},
	};

	(void) state;
	EACH_CASE (c, rows) {
		struct debian_lock *lock CLEANUP(debian_lock_freep) = NULL;
		struct err e = {0};
		bool found = false, tools = false;

		int rc = debian_lock_read("runtimes/llama.cpp/packages.lock", c->backend, "amd64",
					  &lock, &e);
		assert_string_equal(e.msg, "");
		assert_int_equal(rc, 0);
		assert_string_equal(lock->runtime, "llama.cpp");
		assert_in_range(lock->n_packages, 10, c->most);
		for (size_t i = 0; i < lock->n_packages; i++) {
			found |= !strcmp(lock->packages[i].name, c->must_have);
			tools |= !strcmp(lock->packages[i].name, "llama.cpp-tools");
		}
		assert_true(found && tools);
	}
}

static void says_that_there_is_no_file(void **state) {
	struct debian_lock *lock = NULL;
	struct err e = {0};

	(void) state;
	assert_int_equal(debian_lock_read("/nonexistent/packages.lock", "cpu", "amd64", &lock, &e),
			 -1);
	assert_string_equal(e.msg,
			    "cannot open '/nonexistent/packages.lock': No such file or directory");
}

#define ASK                                                                                       \
	"{\"suites\": [{\"name\": \"one\", \"components\": [\"main\"]}], \"roots\": [{\"name\": " \
	"\"a\"}], "

static void reads_a_request(void **state) {
	static const char text[] = ASK "\"excludes\": [{\"name\": \"w\", \"reason\": \"r\"}], "
				       "\"prefer\": [{\"virtual\": \"v\", \"name\": \"p\"}], "
				       "\"layers\": {\"l\": \"engine\"}, "
				       "\"backends\": {\"cpu\": {}, \"vulkan\": {\"roots\": "
				       "[{\"name\": \"b\", \"layer\": \"engine\", "
				       "\"files\": [\"usr/b\"]}]}}}";
	struct json *tree CLEANUP(json_freep) = NULL;
	struct debian_request *q CLEANUP(debian_request_freep) = NULL;
	struct err e = {0};

	(void) state;
	assert_int_equal(json_parse(text, sizeof text - 1, &tree, &e), 0);
	assert_int_equal(debian_request_from_json("r.yaml", tree, "toy", "vulkan", "amd64", &q, &e),
			 0);
	assert_string_equal(q->suites[0].components[0], "main");
	assert_null(q->suites[0].archive);
	assert_int_equal(q->n_roots, 2);
	assert_string_equal(q->roots[1].name, "b");
	assert_string_equal(q->roots[1].files[0], "usr/b");
	assert_string_equal(q->excludes[0].reason, "r");
	assert_string_equal(q->prefers[0].name, "p");
	assert_string_equal(q->layers[0].package, "l");
	assert_string_equal(q->layers[0].layer, "engine");
}

static void refuses_a_bad_request(void **state) {
	static const struct {
		const char *name, *text;
		enum err_code code;
		const char *message;
	} rows[] = {
		{"no such backend", ASK "\"backends\": {\"vulkan\": {}}}", ERR_USAGE,
		 "'r.yaml' has no packages for backend 'cpu'"},
		{"a suite without components",
		 "{\"suites\": [{\"name\": \"x\"}], \"backends\": {\"cpu\": {}}}", ERR_SPEC,
		 "'r.yaml' has an invalid package request: suites need a name and components each"},
		{"a root without a name", ASK "\"backends\": {\"cpu\": {\"roots\": [{}]}}}",
		 ERR_SPEC, "'r.yaml' has an invalid package request: roots need a name each"},
		{"an exclude without a reason",
		 ASK "\"excludes\": [{\"name\": \"x\"}], \"backends\": {\"cpu\": {}}}", ERR_SPEC,
		 "'r.yaml' has an invalid package request: excludes need a name and a reason each"},
		{"half a preference",
		 ASK "\"prefer\": [{\"name\": \"x\"}], \"backends\": {\"cpu\": {}}}", ERR_SPEC,
		 "'r.yaml' has an invalid package request: prefer needs 'virtual' and 'name' each"},
		{"a layer that is no name",
		 ASK "\"layers\": {\"x\": 1}, \"backends\": {\"cpu\": {}}}", ERR_SPEC,
		 "'r.yaml' has an invalid package request: layers map a package to the name of a "
		 "layer"},
	};

	(void) state;
	EACH_CASE (c, rows) {
		struct json *tree CLEANUP(json_freep) = NULL;
		struct debian_request *q CLEANUP(debian_request_freep) = NULL;
		struct err e = {0};

		assert_int_equal(json_parse(c->text, strlen(c->text), &tree, &e), 0);
		assert_int_equal(debian_request_from_json("r.yaml", tree, "toy", "cpu", "amd64", &q,
							  &e),
				 -1);
		assert_string_equal(e.msg, c->message);
		assert_int_equal(e.code, c->code);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_field),
		cmocka_unit_test(refuses_what_is_not_right),
		cmocka_unit_test(writes_what_it_reads),
		cmocka_unit_test(keeps_the_locks_of_others),
		cmocka_unit_test(does_not_write_over_what_it_cannot_read),
		cmocka_unit_test(ships_locks_for_llama_cpp),
		cmocka_unit_test(says_that_there_is_no_file),
		cmocka_unit_test(reads_a_request),
		cmocka_unit_test(refuses_a_bad_request),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
