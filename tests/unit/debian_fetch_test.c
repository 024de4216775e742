/* SPDX-License-Identifier: Apache-2.0 */
#include "debian_parts.h"

static const struct debian_suite bad_suite = {.name = "../x",
					      .components = mains,
					      .n_components = 1};
static const struct debian_suite no_parts = {.name = "toy"};
static const struct debian_suite elsewhere_suite = {.name = "toy",
						    .archive = "other",
						    .components = mains,
						    .n_components = 1};
static const struct debian_root bad_root = {.name = "A"}, bad_layer = {.name = "a", .layer = "/"};
static const char *const leads_out[] = {"../x"};
static const struct debian_root bad_file = {.name = "a", .files = leads_out, .n_files = 1};
static const struct debian_exclude no_reason = {"sh", ""}, bad_exclude = {"?", "x"};
static const struct debian_prefer bad_prefer = {"x y", "z"};
static const struct debian_layer bad_map = {"x", ".."};
static const struct {
	const char *name;
	struct debian_request q; /* what is set replaces what is good */
	const char *message;
	enum err_code code;
} requests[] = {
	{"a suite that leads out",
	 {.suites = &bad_suite},
	 "'../x' is not usable as a suite in a request for packages",
	 ERR_SPEC},
	{"a suite of nothing",
	 {.suites = &no_parts},
	 "suite 'toy' needs 1 to 8 components",
	 ERR_SPEC},
	{"too many suites",
	 {.n_suites = 9},
	 "a request for packages needs 1 to 8 suites",
	 ERR_SPEC},
	{"too many roots",
	 {.n_roots = 257},
	 "a request for packages needs 1 to 256 packages",
	 ERR_SPEC},
	{"an architecture",
	 {.architecture = "X"},
	 "'X' is not usable as an architecture in a request for packages",
	 ERR_SPEC},
	{"a package",
	 {.roots = &bad_root},
	 "'A' is not usable as a package in a request for packages",
	 ERR_SPEC},
	{"a layer",
	 {.roots = &bad_layer},
	 "'/' is not usable as a layer in a request for packages",
	 ERR_SPEC},
	{"a file",
	 {.roots = &bad_file},
	 "'../x' is not usable as a path in a package in a request for packages",
	 ERR_SPEC},
	{"no reason", {.excludes = &no_reason}, "'sh' is excluded without a reason", ERR_SPEC},
	{"an exclude",
	 {.excludes = &bad_exclude},
	 "'?' is not usable as a package in a request for packages",
	 ERR_SPEC},
	{"a preference",
	 {.prefers = &bad_prefer, .n_prefers = 1},
	 "'z' is not usable as a preference in a request for packages",
	 ERR_SPEC},
	{"a layer of another",
	 {.layers = &bad_map, .n_layers = 1},
	 "'..' is not usable as a layer in a request for packages",
	 ERR_SPEC},
	{"an archive without mirrors",
	 {.suites = &elsewhere_suite},
	 "no mirror is configured that has suite 'toy'",
	 ERR_UNREACHABLE},
};

static void refuses_a_bad_request(void **state) {
	const struct harness *w = *state;
	const struct debian_mirror at = {.url = "file:/nonexistent"};
	const struct debian_mirrors mirrors = {&at, 1, w->keyring};
	struct store *store CLEANUP(store_freep) = fresh_store(w);

	EACH_CASE (c, requests) {
		struct debian_request q = ask_tool;
		struct debian_lock *lock = NULL;
		struct err e = {0};

		q.suites = c->q.suites ? c->q.suites : q.suites;
		q.n_suites = c->q.n_suites ? c->q.n_suites : q.n_suites;
		q.roots = c->q.roots ? c->q.roots : q.roots;
		q.n_roots = c->q.n_roots ? c->q.n_roots : q.n_roots;
		q.architecture = c->q.architecture ? c->q.architecture : q.architecture;
		q.excludes = c->q.excludes ? c->q.excludes : q.excludes;
		q.prefers = c->q.prefers;
		q.n_prefers = c->q.n_prefers;
		q.layers = c->q.layers;
		q.n_layers = c->q.n_layers;
		assert_int_equal(debian_resolve(&q, &mirrors, store, NULL, &lock, &e), -1);
		assert_string_equal(e.msg, c->message);
		assert_int_equal(e.code, c->code);
		assert_null(lock);
	}
}

static void says_what_gpgv_lacks(void **state) {
	const struct harness *w = *state;
	char *mirror CLEANUP(freep) = folder(w, "mirror");
	char *url CLEANUP(freep) = mem_printf("file:%s", mirror);
	const struct debian_mirror at = {.url = url};
	const struct debian_mirrors mirrors = {&at, 1, "/nonexistent/keyring.gpg"};
	struct store *store CLEANUP(store_freep) = fresh_store(w);
	char *path CLEANUP(freep) = mem_strdup(getenv("PATH"));
	struct fake_suite s = toy(w);
	struct debian_lock *lock = NULL;
	struct err e = {0};

	fake_apt_suite(w->dir, mirror, &s);
	assert_int_equal(debian_resolve(&ask_tool, &mirrors, store, NULL, &lock, &e), -1);
	assert_string_equal(e.msg,
			    "cannot read the keyring '/nonexistent/keyring.gpg' (package "
			    "debian-archive-keyring): "
			    "No such file or directory");
	assert_int_equal(e.code, ERR_SYS);
	assert_int_equal(setenv("PATH", "/nonexistent", 1), 0);
	const struct debian_mirrors good = {&at, 1, w->keyring};
	assert_int_equal(debian_resolve(&ask_tool, &good, store, NULL, &lock, &e), -1);
	assert_int_equal(setenv("PATH", path, 1), 0);
	assert_string_equal(
		e.msg,
		"gpgv is not installed, and checks the archive's signature: apt-get install gpgv");
	assert_int_equal(e.code, ERR_SYS);
}

/* Resolve and fetch over HTTP, then again with nothing left to do, then without a package. */
static void fetches_by_digest(void **state) {
	const struct harness *w = *state;
	char *mirror CLEANUP(freep) = folder(w, "mirror");
	struct fake_suite s = toy(w);
	struct debian_lock *lock CLEANUP(debian_lock_freep) = NULL;
	struct buf told CLEANUP(buf_done) = BUF_INIT(4096);
	const struct progress p = {tell, &told};
	struct err e = {0};
	struct httpd *server CLEANUP(httpd_stopp) = httpd_start(NULL, fake_apt_serve, mirror);
	char *url CLEANUP(freep) = mem_printf("http://127.0.0.1:%u", httpd_port(server));
	const struct debian_mirror at[] = {{.url = url}};
	const struct debian_mirrors mirrors = {at, 1, w->keyring};
	struct store *store = fresh_store(w);

	fake_apt_suite(w->dir, mirror, &s);
	fake_apt_file(mirror, TOOL_PATH, tool_deb, strlen(tool_deb));
	fake_apt_file(mirror, LIB_PATH, lib_deb, strlen(lib_deb));
	assert_int_equal(debian_resolve(&ask_tool, &mirrors, store, NULL, &lock, &e), 0);
	assert_tool_lock(w, lock);
	for (int i = 0; i < 2; i++) {
		buf_reset(&told);
		assert_int_equal(debian_fetch(lock, store, &mirrors, &p, &e), 0);
		assert_string_equal(buf_str(&told), i ? "" : "step packages\ndone packages\n");
	}
	store_free(store);
	store = fresh_store(w);
	char *gone CLEANUP(freep) = mem_printf("%s/" LIB_PATH, mirror);
	assert_int_equal(unlink(gone), 0);
	assert_int_equal(debian_fetch(lock, store, &mirrors, NULL, &e), -1);
	assert_int_equal(e.code, ERR_UNREACHABLE);
	char *want CLEANUP(freep) = mem_printf(
		"no mirror gives package 'lib' 2; if suite 'toy' has moved on, "
		"'llmdeploy runtime lock toy' locks again: cannot fetch package lib: %s/" LIB_PATH
		": answered 404: it does not exist",
		url);
	assert_string_equal(e.msg, want);
	store_free(store);
}

/* The file is where the lock's time says that a snapshot has it; all else fails. */
static void fetches_from_a_snapshot(void **state) {
	static const struct {
		const char *name;
		int hours;
	} rows[] = {{"after the index", 6}, {"at its time", 0}};
	const struct harness *w = *state;

	EACH_CASE (c, rows) {
		char *mirror CLEANUP(freep) = folder(w, "mirror");
		char *snapshot CLEANUP(freep) = folder(w, "snapshot");
		char *url CLEANUP(freep) = mem_printf("file:%s", mirror);
		char *other CLEANUP(freep) = mem_printf("file:%s", snapshot);
		const struct debian_mirror at[] = {{.url = url}, {.url = other, .snapshot = true}};
		const struct debian_mirrors mirrors = {at, 2, w->keyring};
		struct store *store CLEANUP(store_freep) = fresh_store(w);
		struct debian_lock *lock CLEANUP(debian_lock_freep) = NULL;
		struct fake_suite s = toy(w);
		struct err e = {0};

		s.date = 1793347681; /* 2026-10-30T08:08:01Z */
		s.valid_until = 0;
		if (s.date > w->now)
			s.date -= 366 * DAY; /* a clock that is behind this test */
		fake_apt_suite(w->dir, mirror, &s);
		assert_int_equal(debian_resolve(&ask_tool, &mirrors, store, NULL, &lock, &e), 0);
		char stamp[CLOCK_STAMP];
		clock_stamp(s.date + (int64_t) c->hours * 3600, stamp);
		for (char *from = stamp, *to = stamp; (*to = *from); from++)
			to += *to != '-' && *to != ':';
		char *tool CLEANUP(freep) = mem_printf("%s/" TOOL_PATH, stamp);
		char *lib CLEANUP(freep) = mem_printf("%s/" LIB_PATH, stamp);
		fake_apt_file(snapshot, tool, tool_deb, strlen(tool_deb));
		fake_apt_file(snapshot, lib, lib_deb, strlen(lib_deb));
		assert_int_equal(debian_fetch(lock, store, &mirrors, NULL, &e), 0);
	}
}

static void refuses_other_bytes(void **state) {
	const struct harness *w = *state;
	char *mirror CLEANUP(freep) = folder(w, "mirror");
	char *url CLEANUP(freep) = mem_printf("file:%s", mirror);
	const struct debian_mirror at[] = {{.url = url}},
				   elsewhere[] = {{.url = url, .archive = "other"}};
	const struct debian_mirrors mirrors = {at, 1, w->keyring},
				    none = {elsewhere, 1, w->keyring};
	struct store *store CLEANUP(store_freep) = fresh_store(w);
	struct debian_lock *lock CLEANUP(debian_lock_freep) = NULL;
	struct fake_suite s = toy(w);
	struct err e = {0};

	fake_apt_suite(w->dir, mirror, &s);
	fake_apt_file(mirror, LIB_PATH, "the library, as it was", strlen(lib_deb));
	assert_int_equal(debian_resolve(&ask_tool, &mirrors, store, NULL, &lock, &e), 0);
	assert_int_equal(debian_fetch(lock, store, &mirrors, NULL, &e), -1);
	assert_int_equal(e.code, ERR_INTEGRITY);
	assert_message(e.msg, "package 'lib' 2: *");
	assert_int_equal(debian_fetch(lock, store, &none, NULL, &e), -1);
	assert_int_equal(e.code, ERR_UNREACHABLE);
	assert_string_equal(e.msg, "no mirror of 'debian' is configured, for package 'lib'");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_a_bad_request), cmocka_unit_test(says_what_gpgv_lacks),
		cmocka_unit_test(fetches_by_digest),     cmocka_unit_test(fetches_from_a_snapshot),
		cmocka_unit_test(refuses_other_bytes),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
