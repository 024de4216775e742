/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../fake/apt.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "crypto/crypto.h"
#include "debian/debian.h"
#include "fs/fs.h"
#include "store/store.h"

enum { DAY = 24 * 3600 };

/* What all tests share: keys, a time, and the content of the toy archive. */
struct harness {
	char *dir;
	char key[41];
	char *keyring, *packages;
	int64_t now;
};

static const char tool_deb[] = "the tool, as it were", lib_deb[] = "the library, as it were";

#define TOOL_PATH "pool/main/t/tool/tool_1+1_amd64.deb"
#define LIB_PATH "pool/main/l/lib/lib_2_all.deb"

static int set_up(void **state) {
	struct harness *w = mem_zalloc(1, sizeof *w);
	char tool[SHA256_HEX], lib[SHA256_HEX];

	w->dir = mem_strdup("/tmp/debian-test-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->now = clock_unix();
	fake_apt_keys(w->dir, w->key);
	w->keyring = mem_printf("%s/keyring.gpg", w->dir);
	sha256_of(tool_deb, strlen(tool_deb), tool);
	sha256_of(lib_deb, strlen(lib_deb), lib);
	w->packages = mem_printf("Package: tool\nVersion: 1+1\nArchitecture: amd64\nDepends: lib (>= 1), sh\n"
				 "Installed-Size: 3\nFilename: " TOOL_PATH "\nSize: %zu\nSHA256: %s\n\n"
				 "Package: lib\nVersion: 2\nArchitecture: all\nInstalled-Size: 4\nFilename: " LIB_PATH
				 "\nSize: %zu\nSHA256: %s\n",
				 strlen(tool_deb), tool, strlen(lib_deb), lib);
	*state = w;
	return 0;
}

static int tear_down(void **state) {
	struct harness *w = *state;
	struct err e = {0};

	fake_apt_keys_done(w->dir);
	(void) fs_remove_tree(EFFECT_NONE, AT_FDCWD, w->dir, &e);
	free(w->packages);
	free(w->keyring);
	free(w->dir);
	free(w);
	return 0;
}

/* An empty folder under the world's; yours. */
static char *folder(const struct harness *w, const char *name) {
	char *path = mem_printf("%s/%s", w->dir, name);
	struct err e = {0};

	assert_int_equal(fs_remove_tree(EFFECT_NONE, AT_FDCWD, path, &e), 0);
	assert_int_equal(fs_mkdirs(EFFECT_NONE, AT_FDCWD, path, 0755, &e), 0);
	return path;
}

static struct store *fresh_store(const struct harness *w) {
	char *path CLEANUP(freep) = folder(w, "root");
	int fd CLEANUP(closep) = -1;
	struct store *s = NULL;
	struct err e = {0};

	assert_int_equal(fs_open_dir(AT_FDCWD, path, &fd, &e), 0);
	assert_int_equal(store_open(fd, path, &s, &e), 0);
	return s;
}

/* A good suite; rows change what they are about. */
static struct fake_suite toy(const struct harness *w) {
	return (struct fake_suite){.name = "toy", .codename = "bear", .component = "main", .packages = w->packages,
				   .date = w->now - DAY, .valid_until = w->now + DAY, .packed = "", .signers = "good"};
}

static const char *const mains[] = {"main"};
static const struct debian_suite toy_suite = {.name = "toy", .components = mains, .n_components = 1};
static const struct debian_root tool_root = {.name = "tool", .layer = "engine"};
static const struct debian_exclude no_shell = {"sh", "nothing runs a shell"};
static const struct debian_request ask_tool = {
	.runtime = "toy", .backend = "cpu", .architecture = "amd64", .suites = &toy_suite, .n_suites = 1,
	.roots = &tool_root, .n_roots = 1, .excludes = &no_shell, .n_excludes = 1,
};

/* What a module told, one line an event: steps and warnings. */
static void tell(void *ctx, const struct progress_event *ev) {
	static const char *const kinds[] = {"step", "bytes", "done", "note", "case", "warn"};

	if (ev->kind != PROGRESS_BYTES && ev->kind != PROGRESS_NOTE)
		(void) buf_printf(ctx, "%s %s\n", kinds[ev->kind], ev->what);
}

/* "@DIR@", "@KEY@", "@DATE@", "@UNTIL@" of a message filled in; yours. */
static char *filled(const struct harness *w, const struct fake_suite *s, const char *text) {
	struct buf out CLEANUP(buf_done) = BUF_INIT(2048);
	char date[CLOCK_STAMP], until[CLOCK_STAMP];
	const char *const marks[][2] = {{"@DIR@", w->dir}, {"@KEY@", w->key + 24}, {"@DATE@", date}, {"@UNTIL@", until}};

	clock_stamp(s->date, date);
	clock_stamp(s->valid_until, until);
	while (*text) {
		size_t i = 0;
		while (i < 4 && strncmp(text, marks[i][0], strlen(marks[i][0])) != 0)
			i++;
		if (i < 4)
			(void) buf_puts(&out, marks[i][1]);
		else
			(void) buf_putc(&out, *text);
		text += i < 4 ? strlen(marks[i][0]) : 1;
	}
	return buf_steal(&out);
}

static void assert_tool_lock(const struct harness *w, const struct debian_lock *lock) {
	assert_int_equal(lock->n_packages, 2);
	assert_string_equal(lock->packages[0].name, "lib");
	assert_string_equal(lock->packages[0].reason, "tool depends on lib (>= 1)");
	assert_int_equal(lock->packages[0].size, strlen(lib_deb));
	assert_string_equal(lock->packages[1].name, "tool");
	assert_string_equal(lock->packages[1].path, TOOL_PATH);
	assert_string_equal(lock->packages[1].layer, "engine");
	assert_int_equal(debian_lock_installed(lock), 7 * 1024);
	assert_string_equal(lock->excludes[0].name, "sh");
	assert_string_equal(lock->indexes[0].codename, "bear");
	assert_string_equal(lock->indexes[0].archive, "debian");
	assert_int_equal(lock->indexes[0].n_signed_by, 1);
	assert_string_equal(lock->indexes[0].signed_by[0], w->key);
	assert_true(*lock->indexes[0].date);
	assert_int_equal(strlen(lock->indexes[0].release_sha256), 64);
}

#define NO_INDEX "no usable index of suite 'toy': "
#define AT "'file:@DIR@/mirror/dists/toy/InRelease'"

/* What may be wrong with an archive. A message that ends with '*' is a beginning. */
struct row {
	const char *name;
	struct fake_suite with; /* fields that are set replace those of the good suite */
	int64_t date, until;	/* days from now; 0: as in the good suite; NEVER: none */
	bool accept;
	enum err_code code;
	const char *message;
};

enum { NEVER = 1000 };

static const struct row archives[] = {
	{.name = "as it should be"},
	{.name = "packed with xz", .with = {.packed = ".xz"}},
	{.name = "packed with gzip", .with = {.packed = ".gz"}},
	{.name = "moved on, but kept by its digest", .with = {.packed = ".gz", .only_by_hash = true}},
	{.name = "asked for by its codename", .with = {.release = {"Suite: toy\nCodename: bear", "Suite: x\nCodename: toy"}},
	 .code = ERR_OK},
	{.name = "without an end", .until = NEVER},
	{.name = "also signed by the next key", .with = {.signers = "good next"}},
	{.name = "with words around what was signed",
	 .with = {.inrelease = {"-----BEGIN PGP SIGNED", "Suite: evil\n\n-----BEGIN PGP SIGNED"}}},
	{.name = "expired, and accepted", .date = -9, .until = -2, .accept = true},
	{.name = "changed after it was signed", .with = {.inrelease = {"Origin: Toy", "Origin: Tox"}},
	 .code = ERR_INTEGRITY, .message = NO_INDEX AT " cannot be trusted: bad signature of the key @KEY@"},
	{.name = "not signed", .with = {.signers = ""}, .code = ERR_INTEGRITY,
	 .message = NO_INDEX AT " is not a signed index"},
	{.name = "signed by an unknown key", .with = {.signers = "next"}, .code = ERR_INTEGRITY,
	 .message = NO_INDEX AT " is not signed by any key of '@DIR@/keyring.gpg'"},
	{.name = "signed by an expired key", .with = {.signers = "old", .options = "--faked-system-time 20200201T000000"},
	 .code = ERR_INTEGRITY, .message = NO_INDEX AT " cannot be trusted: signed by the expired key *"},
	{.name = "signed with SHA-1", .with = {.options = "--digest-algo SHA1"}, .code = ERR_INTEGRITY,
	 .message = NO_INDEX AT " is signed with a digest weaker than SHA-256"},
	{.name = "without its signature", .with = {.inrelease = {"-----BEGIN PGP SIGNATURE-----\n", ""}}, .code = ERR_INTEGRITY,
	 .message = NO_INDEX AT " is not signed by any key of '@DIR@/keyring.gpg'"},
	{.name = "expired", .date = -9, .until = -2, .code = ERR_INTEGRITY,
	 .message = NO_INDEX "its index expired on @UNTIL@: use a mirror that is up to date, "
			     "or take it as it is with --accept-expired"},
	{.name = "from the future", .date = 2, .code = ERR_INTEGRITY,
	 .message = NO_INDEX AT " is dated @DATE@, in the future: check this machine's clock"},
	{.name = "of another suite", .with = {.release = {"Suite: toy", "Suite: old"}}, .code = ERR_INTEGRITY,
	 .message = NO_INDEX AT " is the index of suite 'old' (bear), not of 'toy'"},
	{.name = "without a date", .with = {.release = {"Date: ", "When: "}}, .code = ERR_INTEGRITY,
	 .message = NO_INDEX AT " is not a usable index: its field Date is missing or malformed"},
	{.name = "with an odd end", .with = {.release = {"Valid-Until: ", "Valid-Until: on "}}, .code = ERR_INTEGRITY,
	 .message = NO_INDEX AT " is not a usable index: its field Valid-Until is missing or malformed"},
	{.name = "without digests", .with = {.release = {"SHA256:", "SHA255:"}}, .code = ERR_INTEGRITY,
	 .message = NO_INDEX AT " is not a usable index: its field SHA256 is missing or malformed"},
	{.name = "without a name", .with = {.release = {"Suite: toy\nCodename: bear", "Label: x"}}, .code = ERR_INTEGRITY,
	 .message = NO_INDEX AT " is not a usable index: its field Suite is missing or malformed"},
	{.name = "without the component", .with = {.component = "contrib"}, .code = ERR_SPEC,
	 .message = "suite 'toy' has no component 'main' for amd64"},
	{.name = "with other packages", .with = {.content = {"Package: lib", "Package: bil"}}, .code = ERR_INTEGRITY,
	 .message = "cannot fetch packages of toy/main *"},
	{.name = "with other packages inside", .with = {.packed = ".gz", .release = {" main/binary-amd64/Packages\n",
	 "0 main/binary-amd64/Packages\n"}}, .code = ERR_INTEGRITY,
	 .message = "'main/binary-amd64/Packages.gz' does not unpack to the file that the index names"},
};

static struct fake_suite suite_of(const struct harness *w, const struct row *c) {
	struct fake_suite s = toy(w);

	s.packed = c->with.packed ? c->with.packed : s.packed;
	s.signers = c->with.signers ? c->with.signers : s.signers;
	s.component = c->with.component ? c->with.component : s.component;
	s.date = c->date ? w->now + c->date * DAY : s.date;
	s.valid_until = c->until == NEVER ? 0 : c->until ? w->now + c->until * DAY : s.valid_until;
	s.options = c->with.options;
	s.only_by_hash = c->with.only_by_hash;
	memcpy(s.release, c->with.release, sizeof s.release);
	memcpy(s.inrelease, c->with.inrelease, sizeof s.inrelease);
	memcpy(s.content, c->with.content, sizeof s.content);
	return s;
}

static void assert_message(const char *got, const char *want) {
	size_t n = strlen(want);

	if (n && want[n - 1] == '*' && !strncmp(got, want, n - 1))
		return;
	assert_string_equal(got, want);
}

static void verifies_an_archive(void **state) {
	const struct harness *w = *state;

	EACH_CASE(c, archives) {
		struct fake_suite s = suite_of(w, c);
		char *mirror CLEANUP(freep) = folder(w, "mirror");
		char *url CLEANUP(freep) = mem_printf("file://%s/", mirror);
		const struct debian_mirror at = {.url = url};
		const struct debian_mirrors mirrors = {&at, 1, w->keyring};
		struct store *store CLEANUP(store_freep) = fresh_store(w);
		struct buf told CLEANUP(buf_done) = BUF_INIT(1024);
		const struct progress p = {tell, &told};
		struct debian_lock *lock CLEANUP(debian_lock_freep) = NULL;
		struct debian_request q = ask_tool;
		struct err e = {0};

		q.accept_expired = c->accept;
		fake_apt_suite(w->dir, mirror, &s);
		int rc = debian_resolve(&q, &mirrors, store, &p, &lock, &e);
		char *want CLEANUP(freep) = filled(w, &s, c->message ? c->message : "");
		assert_message(e.msg, want);
		assert_int_equal(e.code, c->code);
		assert_int_equal(rc, c->code ? -1 : 0);
		if (rc)
			continue;
		if (!c->with.release[0])
			assert_tool_lock(w, lock);
		assert_int_equal(lock->indexes[0].accepted_expired, c->accept);
		char *events CLEANUP(freep) = mem_printf("step index of toy\n%sdone index of toy\n"
			"step solve\ndone solve\n",
			c->accept ? "warn expired index accepted\n" : "");
		assert_string_equal(buf_str(&told), events);
	}
}

/* Two mirrors, each with an index of some age in days (0: none there), and which one's is taken. */
static void takes_the_first_usable_mirror(void **state) {
	static const struct {
		const char *name;
		int age[2], until[2];
		bool accept;
		int taken;
		const char *message;
	} rows[] = {
		{"both fresh", {2, 1}, {3, 3}, false, 0, NULL},
		{"the first has nothing", {0, 1}, {0, 3}, false, 1, NULL},
		{"the first expired", {9, 1}, {-2, 3}, false, 1, NULL},
		{"the first expired, accepted", {9, 1}, {-2, 3}, true, 1, NULL},
		{"both expired, the newer accepted", {9, 8}, {-2, -1}, true, 1, NULL},
		{"both expired, the first newer", {8, 9}, {-1, -2}, true, 0, NULL},
		{"none has it", {0, 0}, {0, 0}, false, 0,
		 NO_INDEX "cannot open '@DIR@/m0/dists/toy/InRelease': No such file or directory; "
			  "cannot open '@DIR@/m1/dists/toy/InRelease': No such file or directory"},
	};
	const struct harness *w = *state;

	EACH_CASE(c, rows) {
		char *dirs[2] = {folder(w, "m0"), folder(w, "m1")};
		char *urls[2] = {mem_printf("file:%s", dirs[0]), mem_printf("file:%s", dirs[1])};
		const struct debian_mirror at[] = {{.url = urls[0]}, {.url = "file:/nonexistent", .snapshot = true},
						   {.url = "file:/nonexistent", .archive = "other"}, {.url = urls[1]}};
		const struct debian_mirrors mirrors = {at, 4, w->keyring};
		struct store *store CLEANUP(store_freep) = fresh_store(w);
		struct debian_lock *lock CLEANUP(debian_lock_freep) = NULL;
		struct debian_request q = ask_tool;
		struct fake_suite s = toy(w);
		struct err e = {0};
		char date[CLOCK_STAMP];

		q.accept_expired = c->accept;
		for (int i = 0; i < 2; i++) {
			s.date = w->now - (int64_t) c->age[i] * DAY;
			s.valid_until = w->now + (int64_t) c->until[i] * DAY;
			if (c->age[i])
				fake_apt_suite(w->dir, dirs[i], &s);
		}
		(void) debian_resolve(&q, &mirrors, store, NULL, &lock, &e);
		char *want CLEANUP(freep) = filled(w, &s, c->message ? c->message : "");
		assert_string_equal(e.msg, want);
		assert_int_equal(e.code, c->message ? ERR_UNREACHABLE : ERR_OK);
		clock_stamp(w->now - (int64_t) c->age[c->taken] * DAY, date);
		if (lock)
			assert_string_equal(lock->indexes[0].date, date);
		for (int i = 0; i < 2; i++) {
			free(urls[i]);
			free(dirs[i]);
		}
	}
}

static const struct debian_suite bad_suite = {.name = "../x", .components = mains, .n_components = 1};
static const struct debian_suite no_parts = {.name = "toy"};
static const struct debian_suite elsewhere_suite = {.name = "toy", .archive = "other", .components = mains, .n_components = 1};
static const struct debian_root bad_root = {.name = "A"}, bad_layer = {.name = "a", .layer = "/"};
static const char *const out[] = {"../x"};
static const struct debian_root bad_file = {.name = "a", .files = out, .n_files = 1};
static const struct debian_exclude no_reason = {"sh", ""}, bad_exclude = {"?", "x"};
static const struct debian_prefer bad_prefer = {"x y", "z"};
static const struct debian_layer bad_map = {"x", ".."};
static const struct {
	const char *name;
	struct debian_request q; /* what is set replaces what is good */
	const char *message;
	enum err_code code;
} requests[] = {
	{"a suite that leads out", {.suites = &bad_suite},
	 "'../x' is not usable as a suite in a request for packages", ERR_SPEC},
	{"a suite of nothing", {.suites = &no_parts}, "suite 'toy' needs 1 to 8 components", ERR_SPEC},
	{"too many suites", {.n_suites = 9}, "a request for packages needs 1 to 8 suites", ERR_SPEC},
	{"too many roots", {.n_roots = 257}, "a request for packages needs 1 to 256 packages", ERR_SPEC},
	{"an architecture", {.architecture = "X"}, "'X' is not usable as an architecture in a request for packages",
	 ERR_SPEC},
	{"a package", {.roots = &bad_root}, "'A' is not usable as a package in a request for packages", ERR_SPEC},
	{"a layer", {.roots = &bad_layer}, "'/' is not usable as a layer in a request for packages", ERR_SPEC},
	{"a file", {.roots = &bad_file}, "'../x' is not usable as a path in a package in a request for packages",
	 ERR_SPEC},
	{"no reason", {.excludes = &no_reason}, "'sh' is excluded without a reason", ERR_SPEC},
	{"an exclude", {.excludes = &bad_exclude}, "'?' is not usable as a package in a request for packages", ERR_SPEC},
	{"a preference", {.prefers = &bad_prefer, .n_prefers = 1},
	 "'z' is not usable as a preference in a request for packages", ERR_SPEC},
	{"a layer of another", {.layers = &bad_map, .n_layers = 1},
	 "'..' is not usable as a layer in a request for packages", ERR_SPEC},
	{"an archive without mirrors", {.suites = &elsewhere_suite}, "no mirror is configured that has suite 'toy'",
	 ERR_UNREACHABLE},
};

static void refuses_a_bad_request(void **state) {
	const struct harness *w = *state;
	const struct debian_mirror at = {.url = "file:/nonexistent"};
	const struct debian_mirrors mirrors = {&at, 1, w->keyring};
	struct store *store CLEANUP(store_freep) = fresh_store(w);

	EACH_CASE(c, requests) {
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
	assert_string_equal(e.msg, "cannot read the keyring '/nonexistent/keyring.gpg' (package debian-archive-keyring): "
			    "No such file or directory");
	assert_int_equal(e.code, ERR_SYS);
	assert_int_equal(setenv("PATH", "/nonexistent", 1), 0);
	const struct debian_mirrors good = {&at, 1, w->keyring};
	assert_int_equal(debian_resolve(&ask_tool, &good, store, NULL, &lock, &e), -1);
	assert_int_equal(setenv("PATH", path, 1), 0);
	assert_string_equal(e.msg, "gpgv is not installed, and checks the archive's signature: apt-get install gpgv");
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
	char *want CLEANUP(freep) = mem_printf("no mirror gives package 'lib' 2; if suite 'toy' has moved on, "
		"'llmdeploy runtime lock toy' locks anew: cannot fetch package lib: %s/" LIB_PATH
		": answered 404: it is not there", url);
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

	EACH_CASE(c, rows) {
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
	const struct debian_mirror at[] = {{.url = url}}, elsewhere[] = {{.url = url, .archive = "other"}};
	const struct debian_mirrors mirrors = {at, 1, w->keyring}, none = {elsewhere, 1, w->keyring};
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
		cmocka_unit_test(verifies_an_archive),
		cmocka_unit_test(takes_the_first_usable_mirror),
		cmocka_unit_test(refuses_a_bad_request),
		cmocka_unit_test(says_what_gpgv_lacks),
		cmocka_unit_test(fetches_by_digest),
		cmocka_unit_test(fetches_from_a_snapshot),
		cmocka_unit_test(refuses_other_bytes),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
