/* SPDX-License-Identifier: Apache-2.0 */
/* Ours against the dpkg of this machine, over versions and packages that are generated from a fixed
 * seed. */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "debian/debian.h"
#include "debian/solve.h"
#include "fs/fs.h"
#include "image/image.h"
#include "image/package.h"
#include "tests/fake/deb.h"

#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

enum { SEED = 20261130, VERSIONS = 3000, PACKAGES = 200, ENTRIES = 14 };

static uint32_t state_of = SEED;

static uint32_t pick(uint32_t n) {
	state_of = state_of * 1664525 + 1013904223;
	return (state_of >> 8) % n;
}

static void run(const char *command) {
	if (system(command)) /* NOLINT: a fixed command of a test */
		fail_msg("'%s' failed", command);
}

/* ---- versions ---- */

static const char *const epochs[] = {"", "", "", "0:", "1:", "00:"};
static const char *const heads[] = {"0", "1", "1.0", "1.00", "01", "1.2", "2"};
static const char *const tails[] = {"",  "",   "",   "~", "~rc1", "+b1", ".0",
				    "a", "-2", "~~", "+", ".",    "z",   "0"};
static const char *const revisions[] = {"",     "",    "-0",       "-00", "-1",
					"-1.1", "-0~", "-0+deb12", "-01", "-0a"};
/* the last two are old words for <= and >= */
static const char *const operators[] = {"<<", "<=", "=", ">=", ">>", "<", ">"};

#define OF(list) list[pick(sizeof list / sizeof *list)]

static char *version(void) {
	return mem_printf("%s%s%s%s", OF(epochs), OF(heads), OF(tails), OF(revisions));
}

/* One that is often equal to `v`, and written in another way. */
static char *near(const char *v) {
	const char *dash = strrchr(v, '-'), *colon = strchr(v, ':');
	int n = (int) (dash ? dash - v : (long) strlen(v));

	switch (pick(5)) {
	case 0: return version();
	case 1: return mem_printf("%.*s%s", n, v, OF(revisions));
	case 2: return mem_printf("%s%s", colon ? "" : "0:", v);
	case 3: return mem_printf("%s0", v);
	default: return mem_printf("%s%s", v, dash ? "" : "-0");
	}
}

/* A package that depends on another one of some version: can both stand together? */
static bool solves(const char *have, const char *operator, const char * want) {
	static const struct debian_suite suite = {.name = "one"};
	static const struct debian_root root = {.name = "a"};
	const struct debian_request q = {.architecture = "amd64",
					 .suites = &suite,
					 .n_suites = 1,
					 .roots = &root,
					 .n_roots = 1};
	char *text CLEANUP(
		freep) = mem_printf("Package: a\nVersion: 1\nArchitecture: amd64\nDepends: b (%s "
				    "%s)\nFilename: pool/a.deb\nSize: 10\nSHA256: " SHA "\n\n"
				    "Package: b\nVersion: %s\nArchitecture: amd64\nFilename: "
				    "pool/b.deb\nSize: 10\nSHA256: " SHA "\n\n",
				    operator, want, have);
	const struct solve_input in = {"one", 1, text, strlen(text)};
	struct debian_lock *lock CLEANUP(debian_lock_freep) = mem_zalloc(1, sizeof *lock);
	struct err e = {0};

	lock->arena = arena_new();
	if (solve(&q, &in, 1, lock, &e)) {
		assert_int_equal(e.code, ERR_SPEC);
		return false;
	}
	assert_int_equal(lock->n_packages, 2);
	assert_string_equal(lock->packages[1].version, have); /* as the index has it */
	return true;
}

static void versions_as_dpkg_does(void **state) {
	char dir[] = "/tmp/llmdeploy-dpkg-XXXXXX", said[8];
	char *ours CLEANUP(freep) = mem_zalloc(VERSIONS, 1);
	struct err e;
	size_t different = 0, equal = 0;

	(void) state;
	assert_non_null(mkdtemp(dir));
	char *lines CLEANUP(freep) = mem_printf("%s/lines", dir),
		    *answers CLEANUP(freep) = mem_printf("%s/answers", dir);
	FILE *f = fopen(lines, "w");
	assert_non_null(f);
	struct buf all CLEANUP(buf_done) = BUF_INIT(1 << 20);
	for (size_t i = 0; i < VERSIONS; i++) {
		char *a CLEANUP(freep) = version(), *b CLEANUP(freep) = near(a);
		const char *operator= OF(operators);
		ours[i] = solves(a, operator, b);
		(void) fprintf(f, "%s %s %s\n", a, operator, b);
		(void) buf_printf(&all, "%s %s %s%c", a, operator, b, 0);
	}
	assert_int_equal(fclose(f), 0);
	char *command CLEANUP(freep) =
		mem_printf("while read -r a op b; do if dpkg --compare-versions \"$a\" \"$op\" "
			   "\"$b\" 2>/dev/null; then echo 1; else echo 0; fi; done <%s >%s",
			   lines, answers);
	run(command);
	f = fopen(answers, "r");
	assert_non_null(f);
	const char *line = buf_str(&all);
	for (size_t i = 0; i < VERSIONS; i++, line += strlen(line) + 1) {
		assert_non_null(fgets(said, sizeof said, f));
		equal += *said == '1' && strstr(line, " = ");
		if ((*said == '1') == ours[i])
			continue;
		different++;
		print_message("  dpkg says %c of %s\n", *said, line);
	}
	(void) fclose(f);
	print_message(
		"seed %d: %d relations of versions (%zu of them equal), %zu differ from dpkg\n",
		SEED, VERSIONS, equal, different);
	assert_int_equal(different, 0);
	assert_true(equal > 10);
	assert_int_equal(fs_remove_tree(EFFECT_NONE, AT_FDCWD, dir, &e), 0);
}

/* ---- packages ---- */

struct made {
	struct fake_entry entries[ENTRIES + 2];
	char *texts[2 * ENTRIES];
	size_t n, n_texts;
};

static char *keep(struct made *m, char *text) {
	m->texts[m->n_texts++] = text;
	return text;
}

/* Files, symbolic links, and hard links to any of them, where half of the paths are not kept in an
 * image. */
static void make(struct made *m) {
	static const char *const folders[] = {"./usr/lib/x", "./usr/share/man",
					      "./usr/share/locale"};

	*m = (struct made){0};
	for (size_t i = 0; i < 3; i++)
		m->entries[m->n++] = (struct fake_entry){folders[i], 'd', 0755, NULL, 0};
	while (m->n < ENTRIES) {
		bool is_long = !pick(4);
		const char *folder = OF(folders);
		char *path = keep(
			m,
			mem_printf(
				"%s/%zu%.*s", folder, m->n, is_long ? 120 : 0,
				"-a-name-that-is-longer-than-the-hundred-bytes-that-the-header-of-"
				"a-tar-has-for-it-and-goes-into-a-record-of-its-own-before-it"));
		uint32_t kind = pick(3);
		if (kind == 0 || m->n == 3)
			m->entries[m->n] = (struct fake_entry){
				path, 'f', pick(2) ? 0644 : 0755,
				keep(m, mem_printf("%*u", (int) pick(900), pick(1000))), 0};
		else if (kind == 1)
			m->entries[m->n] =
				(struct fake_entry){path, 'l', 0777,
						    keep(m, mem_printf("target-%zu", m->n)), 0};
		else
			m->entries[m->n] = (struct fake_entry){
				path, 'h', 0644, m->entries[3 + pick((uint32_t) m->n - 3)].path, 0};
		m->n++;
	}
}

static void made_done(struct made *m) {
	for (size_t i = 0; i < m->n_texts; i++)
		free(m->texts[i]);
}

static void write_deb(const struct made *m, const char *path) {
	static const char *const endings[] = {"", ".gz", ".xz", ".zst"}, *const more[] = {"",
											  ".gz",
											  ".xz",
											  ".zst",
											  ".bz2",
											  ".lzma"};
	static const struct fake_entry control[] = {
		{"./control", 'f', 0644,
		 "Package: t\nVersion: 1\nArchitecture: amd64\nMaintainer: x\nDescription: x\n",
		 0}};
	const char *ending = OF(endings), *data_ending = OF(more);
	struct buf c CLEANUP(buf_done) = BUF_INIT(1 << 20), d CLEANUP(buf_done) = BUF_INIT(1 << 22),
		     deb CLEANUP(buf_done) = BUF_INIT(1 << 23);
	char *kind CLEANUP(freep) = mem_printf("tar%s", ending),
		   *data_kind CLEANUP(freep) = mem_printf("tar%s", data_ending);
	const char *slash = pick(3) ? "" : "/"; /* as ar of GNU writes names */
	char *name CLEANUP(freep) = mem_printf("control.tar%s%s", ending, slash),
		   *data_name CLEANUP(freep) = mem_printf("data.tar%s%s", data_ending, slash);
	char *first CLEANUP(freep) = mem_printf("debian-binary%s", slash);
	struct err e = {0};

	fake_archive(kind, control, 1, &c);
	fake_archive(data_kind, m->entries, m->n, &d);
	fake_ar_head(&deb);
	fake_ar_member(first, pick(2) ? "2.0\n" : "2.7\n", 4, &deb);
	for (uint32_t i = pick(3); i; i--)
		fake_ar_member("_before", "odd", 3, &deb);
	fake_ar_member(name, c.data, c.len, &deb);
	if (pick(2))
		fake_ar_member("_between", "even", 4, &deb);
	fake_ar_member(data_name, d.data, d.len, &deb);
	if (pick(2))
		fake_ar_member("_gpgorigin", "x", 1, &deb);
	assert_int_equal(fs_write(EFFECT_NONE, AT_FDCWD, path, buf_str(&deb), deb.len, 0644, &e),
			 0);
}

static const struct node *node_of(const struct package *p, const char *path) {
	for (size_t i = 0; i < p->nodes.n; i++)
		if (!strcmp(p->nodes.at[i].path, path))
			return &p->nodes.at[i];
	return NULL;
}

/* Is one entry in the image as dpkg has put it on the disk? */
static bool is_same(const struct package *p, const char *dir, const struct fake_entry *f) {
	const char *path = f->path + 2;
	const struct node *n = node_of(p, path);
	char *real CLEANUP(freep) = mem_printf("%s/%s", dir, path);
	char target[300];
	struct stat st;

	if (text_starts(path, "usr/share/man") || text_starts(path, "usr/share/locale"))
		return !n;
	if (!n || lstat(real, &st))
		return false;
	if (S_ISDIR(st.st_mode))
		return n->type == NODE_DIR;
	if (S_ISLNK(st.st_mode)) {
		ssize_t len = readlink(real, target, sizeof target - 1);
		return n->type == NODE_LINK && len > 0 && strlen(n->target) == (size_t) len &&
			!memcmp(n->target, target, (size_t) len);
	}
	struct buf text CLEANUP(buf_done) = BUF_INIT(1 << 16);
	struct err e;
	return n->type == NODE_FILE && (st.st_mode & 0777) == n->mode &&
		!fs_read(AT_FDCWD, real, &text, &e) && text.len == n->size &&
		(!n->size || !memcmp(buf_str(&text), n->data, n->size));
}

static void packages_as_dpkg_does(void **state) {
	char dir[] = "/tmp/llmdeploy-dpkg-XXXXXX";
	const struct image_package want = {.name = "t",
					   .version = "1",
					   .architecture = "amd64",
					   .layer = "base"};
	size_t different = 0, entries = 0, links = 0;
	struct err e = {0};

	(void) state;
	assert_non_null(mkdtemp(dir));
	char *deb CLEANUP(freep) = mem_printf("%s/t.deb", dir),
		  *out CLEANUP(freep) = mem_printf("%s/out", dir);
	char *command CLEANUP(freep) = mem_printf("dpkg-deb -x %s %s", deb, out);
	for (size_t i = 0; i < PACKAGES; i++) {
		struct made m CLEANUP(made_done);
		struct package p CLEANUP(package_done) = {.want = &want};
		make(&m);
		write_deb(&m, deb);
		run(command);
		int fd CLEANUP(closep) = open(deb, O_RDONLY | O_CLOEXEC);
		if (package_unpack(&p, fd, &e))
			fail_msg("package %zu: %s", i, e.msg);
		for (size_t k = 0; k < m.n; k++) {
			entries++;
			links += m.entries[k].type == 'h';
			if (is_same(&p, out, &m.entries[k]))
				continue;
			different++;
			print_message("  package %zu: %c %s -> %s\n", i, m.entries[k].type,
				      m.entries[k].path,
				      m.entries[k].content ? m.entries[k].content : "");
		}
		assert_int_equal(fs_remove_tree(EFFECT_NONE, AT_FDCWD, out, &e), 0);
	}
	print_message(
		"seed %d: %d packages with %zu entries (%zu hard links), %zu differ from dpkg\n",
		SEED, PACKAGES, entries, links, different);
	assert_int_equal(different, 0);
	assert_int_equal(fs_remove_tree(EFFECT_NONE, AT_FDCWD, dir, &e), 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_as_dpkg_does),
		cmocka_unit_test(packages_as_dpkg_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
