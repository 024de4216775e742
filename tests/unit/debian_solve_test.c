/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "debian/debian.h"
#include "debian/solve.h"

#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define PKG(name, version, arch, more)                                           \
	"Package: " name "\nVersion: " version "\nArchitecture: " arch "\n" more \
	"Filename: pool/main/x/" name "_" version ".deb\nSize: 10\nSHA256: " SHA \
	"\nInstalled-Size: 1\n\n"
#define P(name, more) PKG(name, "1", "amd64", more)
#define V(name, version, more) PKG(name, version, "amd64", more)

/* Roots, excludes and preferences are words; "name=x" prefers x for name, "name:file" takes a file
 * of it. */
struct row {
	const char *name, *first, *second; /* Packages files of suites one and two */
	const char *roots, *excludes, *prefers;
	enum err_code code;
	const char *want; /* the lock, or the message */
};

static const struct row rows[] = {
	{"a chain", P("a", "Depends: b\n") P("b", "Depends: c (>= 1)\n") P("c", ""), NULL, "a", "",
	 "", ERR_OK, "a 1 asked for\nb 1 a depends on b\nc 1 b depends on c (>= 1)\n"},
	{"pre-depends", P("a", "Pre-Depends: b\n") P("b", ""), NULL, "a", "", "", ERR_OK,
	 "a 1 asked for\nb 1 a depends on b\n"},
	{"the nearest to a root is the reason",
	 P("a", "Depends: b, c\n") P("b", "Depends: c\n") P("c", ""), NULL, "a", "", "", ERR_OK,
	 "a 1 asked for\nb 1 a depends on b\nc 1 a depends on c\n"},
	{"recommends are not followed", P("a", "Recommends: b\nSuggests: b\n") P("b", ""), NULL,
	 "a", "", "", ERR_OK, "a 1 asked for\n"},
	{"the first alternative", P("a", "Depends: z | b\n") P("b", "") P("z", ""), NULL, "a", "",
	 "", ERR_OK, "a 1 asked for\nz 1 a depends on z | b\n"},
	{"the first alternative that exists",
	 P("a", "Depends: z (>= 2) | y | b\n") P("b", "") P("z", ""), NULL, "a", "", "", ERR_OK,
	 "a 1 asked for\nb 1 a depends on z (>= 2) | y | b\n"},
	{"an alternative that is there anyway", P("a", "Depends: z | b\n") P("b", "") P("z", ""),
	 NULL, "a b", "", "", ERR_OK, "a 1 asked for\nb 1 asked for\n"},
	{"a conflict leads to the second alternative",
	 P("a", "Depends: z | b\n") P("b", "") P("d", "Conflicts: z\n") P("z", ""), NULL, "a d", "",
	 "", ERR_OK, "a 1 asked for\nb 1 a depends on z | b\nd 1 asked for\n"},
	{"the only provider", P("a", "Depends: v\n") P("b", "Provides: v\n"), NULL, "a", "", "",
	 ERR_OK, "a 1 asked for\nb 1 a depends on v\n"},
	{"the real package before a provider",
	 P("a", "Depends: v\n") P("b", "Provides: v\n") P("v", ""), NULL, "a", "", "", ERR_OK,
	 "a 1 asked for\nv 1 a depends on v\n"},
	{"a versioned provider",
	 P("a", "Depends: v (>= 2)\n") P("b", "Provides: v (= 3)\n") P("c", "Provides: v\n"), NULL,
	 "a", "", "", ERR_OK, "a 1 asked for\nb 1 a depends on v (>= 2)\n"},
	{"several providers",
	 P("a", "Depends: v\n") P("b", "Provides: v\n") P("c", "Provides: v\n"), NULL, "a", "", "",
	 ERR_SPEC,
	 "'v', which 'a' depends on, is provided by several packages (b, c): name one of them "
	 "under 'prefer'"},
	{"several providers, one there anyway",
	 P("a", "Depends: v, c\n") P("b", "Provides: v\n") P("c", "Provides: v\n"), NULL, "a", "",
	 "", ERR_OK, "a 1 asked for\nc 1 a depends on v\n"},
	{"several providers, one preferred",
	 P("a", "Depends: v\n") P("b", "Provides: v\n") P("c", "Provides: v\n"), NULL, "a", "",
	 "v=c", ERR_OK, "a 1 asked for\nc 1 a depends on v\n"},
	{"a preference that is no good", P("a", "Depends: v\n") P("b", "Provides: v\n") P("c", ""),
	 NULL, "a", "", "v=c", ERR_SPEC, "'c' is preferred for 'v', and does not provide it"},
	{"an exclude", P("a", "Depends: b, c\n") P("b", "Depends: d\n") P("c", "") P("d", ""), NULL,
	 "a", "b", "", ERR_OK, "a 1 asked for\nc 1 a depends on c\nwithout b\n"},
	{"an exclude of any version", P("a", "Depends: b (>= 7) | x\n") P("b", ""), NULL, "a", "b",
	 "", ERR_OK, "a 1 asked for\nwithout b\n"},
	{"an exclude that is in no suite", P("a", "Depends: b (>= 7)\n"), NULL, "a", "b", "",
	 ERR_OK, "a 1 asked for\nwithout b\n"},
	{"an exclude that meets something virtual", P("a", "Depends: v\n") P("b", "Provides: v\n"),
	 NULL, "a", "b", "", ERR_OK, "a 1 asked for\nwithout b\n"},
	{"an exclude that conflicts with nothing",
	 P("a", "Breaks: b (<< 2)\nDepends: b\n") P("b", ""), NULL, "a", "b", "", ERR_OK,
	 "a 1 asked for\nwithout b\n"},
	{"an exclude that nobody needs", P("a", "") P("b", ""), NULL, "a", "b", "", ERR_OK,
	 "a 1 asked for\n"},
	{"both alternatives excluded", P("a", "Depends: c | b\n"), NULL, "a", "b c", "", ERR_OK,
	 "a 1 asked for\nwithout b\nwithout c\n"},
	{"any architecture", P("a", "Depends: b:any (>= 1)\n") P("b", "Multi-Arch: allowed\n"),
	 NULL, "a", "", "", ERR_OK, "a 1 asked for\nb 1 a depends on b:any (>= 1)\n"},
	{"any architecture of what is not for others",
	 P("a", "Depends: b:any\n") P("b", "Multi-Arch: foreign\n"), NULL, "a", "", "", ERR_SPEC,
	 "the packages do not fit together: 'a' depends on b:any, which nothing provides"},
	{"its own architecture",
	 P("a", "Depends: b:amd64 (>= 1), c:amd64 | x\n") P("b", "") PKG("c", "1", "all", ""), NULL,
	 "a", "", "", ERR_OK,
	 "a 1 asked for\nb 1 a depends on b:amd64 (>= 1)\nc 1 a depends on c:amd64 | x\n"},
	{"another architecture of a package",
	 P("a", "Depends: b:i386 | c:amd64\n") P("b", "") P("c", ""), NULL, "a", "", "", ERR_OK,
	 "a 1 asked for\nc 1 a depends on b:i386 | c:amd64\n"},
	{"an architecture of what is provided",
	 P("a", "Depends: v:amd64, u:any\n") P("b", "Provides: v\n")
		 P("c", "Provides: u\nMulti-Arch: allowed\n"),
	 NULL, "a", "", "", ERR_OK,
	 "a 1 asked for\nb 1 a depends on v:amd64\nc 1 a depends on u:any\n"},
	{"a conflict with another architecture",
	 P("a", "Depends: b\nConflicts: b:i386\n") P("b", ""), NULL, "a", "", "", ERR_OK,
	 "a 1 asked for\nb 1 a depends on b\n"},
	{"an exclude with an architecture",
	 P("a", "Depends: b:any, c:amd64\n") P("b", "Multi-Arch: allowed\n") P("c", ""), NULL, "a",
	 "b c", "", ERR_OK, "a 1 asked for\nwithout b\nwithout c\n"},
	{"a revision of zero",
	 V("a", "1", "Depends: b (= 1.0-0), c (= 2)\n") V("b", "1.0", "") V("c", "2-0", ""), NULL,
	 "a", "", "", ERR_OK,
	 "a 1 asked for\nb 1.0 a depends on b (= 1.0-0)\nc 2-0 a depends on c (= 2)\n"},
	{"a revision of zero, provided",
	 V("a", "1", "Depends: v (= 1.0-0)\n") V("b", "7", "Provides: v (= 1.0)\n"), NULL, "a", "",
	 "", ERR_OK, "a 1 asked for\nb 7 a depends on v (= 1.0-0)\n"},
	{"old words for relations",
	 P("a", "Depends: b (< 1), c(>1), d (<< 2)\n") P("b", "") P("c", "") P("d", ""), NULL, "a",
	 "", "", ERR_OK,
	 "a 1 asked for\nb 1 a depends on b (<= 1)\nc 1 a depends on c (>= 1)\nd 1 a depends on d "
	 "(<< 2)\n"},
	{"no architecture", PKG("a", "1", "all", ""), NULL, "a", "", "", ERR_OK, "a 1 asked for\n"},
	{"another architecture", PKG("a", "1", "arm64", ""), NULL, "a", "", "", ERR_SPEC,
	 "no package 'a' for amd64 in suite 'one'"},
	{"the highest version", V("a", "1:1", "") V("a", "2", "") V("a", "1:1~rc1", ""), NULL, "a",
	 "", "", ERR_OK, "a 1:1 asked for\n"},
	{"the first suite before the higher version", V("a", "1", "Depends: b\n") V("b", "1", ""),
	 V("a", "2", "") V("b", "2", ""), "a", "", "", ERR_OK,
	 "a 1 asked for\nb 1 a depends on b\n"},
	{"the second suite for what the first has not", V("a", "1", ""),
	 V("a", "2", "") V("b", "2", "Depends: a\n"), "b", "", "", ERR_OK,
	 "a 1 b depends on a\nb 2 asked for\n"},
	{"the second suite for a version", V("a", "1", ""),
	 V("a", "2", "") V("b", "2", "Depends: a (>= 2)\n"), "b", "", "", ERR_OK,
	 "a 2 b depends on a (>= 2)\nb 2 asked for\n"},
	{"files need nothing", P("a", "Pre-Depends: b\nBreaks: c\n") P("c", ""), NULL,
	 "a:usr/bin/a c", "", "", ERR_OK, "a 1 asked for usr/bin/a\nc 1 asked for\n"},
	{"no such package", P("a", ""), NULL, "b", "", "", ERR_SPEC,
	 "no package 'b' for amd64 in suite 'one'"},
	{"nothing provides it", P("a", "Depends: b\n") P("b", "Depends: c\n"), NULL, "a", "", "",
	 ERR_SPEC,
	 "the packages do not fit together: 'b' depends on c, which nothing provides (a -> b)"},
	{"too old", P("a", "Depends: b\n") P("b", "Depends: c (>= 2) \n") P("c", ""), NULL, "a", "",
	 "", ERR_SPEC,
	 "the packages do not fit together: 'b' depends on c (>= 2), which nothing provides: there "
	 "is 1 (a -> b)"},
	{"a conflict", P("a", "Depends: b\n") P("b", "Conflicts: c (<< 2)\n") P("c", ""), NULL,
	 "a c", "", "", ERR_SPEC,
	 "the packages do not fit together: 'b' conflicts with 'c': c (<< 2) (a -> b)"},
	{"version skew",
	 V("a", "1", "Depends: b (<< 2)\n") V("c", "1", "Depends: b (>= 2)\n") V("b", "2", "")
		 V("b", "1", ""),
	 NULL, "a c", "", "", ERR_SPEC,
	 "the packages do not fit together: 'b' 1 and 2 cannot both be installed: 'c' depends on b "
	 "(>= 2), "
	 "'a' depends on b (<< 2)"},
	{"no digest",
	 "Package: a\nVersion: 1\nArchitecture: all\nFilename: pool/a.deb\nSize: 10\n\n", NULL, "a",
	 "", "", ERR_INTEGRITY, "the index of 'one' is malformed: 'a' has no usable sha256"},
	{"no size",
	 "Package: a\nVersion: 1\nArchitecture: all\nFilename: pool/a.deb\nSHA256: " SHA "\n\n",
	 NULL, "a", "", "", ERR_INTEGRITY,
	 "the index of 'one' does not say where 'a' is and how large"},
	{"no path", "Package: a\nVersion: 1\nArchitecture: all\nSize: 10\nSHA256: " SHA "\n\n",
	 NULL, "a", "", "", ERR_INTEGRITY,
	 "the index of 'one' does not say where 'a' is and how large"},
	{"a path that leads out",
	 "Package: a\nVersion: 1\nArchitecture: all\nFilename: pool/../../a.deb\nSize: "
	 "10\nSHA256: " SHA "\n\n",
	 NULL, "a", "", "", ERR_INTEGRITY,
	 "the index of 'one' is malformed: 'a' has no usable path"},
	{"an empty index", "", NULL, "a", "", "", ERR_SPEC,
	 "no package 'a' for amd64 in suite 'one'"},
};

enum { WORDS = 4 };

static size_t words(const char *text, char out[WORDS][64]) {
	size_t n = 0;

	for (; *text; text += strspn(text, " ")) {
		size_t len = strcspn(text, " ");
		memcpy(out[n], text, len);
		out[n++][len] = 0;
		text += len;
	}
	return n;
}

/* What a row's words ask for; points into itself. */
struct asked {
	char roots[WORDS][64], excludes[WORDS][64], prefers[WORDS][64];
	const char *files[WORDS];
	struct debian_root root[WORDS];
	struct debian_exclude exclude[WORDS];
	struct debian_prefer prefer[WORDS];
	struct debian_request q;
};

static char *split(char *word, char at) {
	char *rest = strchr(word, at);

	if (rest)
		*rest++ = 0;
	return rest;
}

static const struct debian_request *ask(struct asked *a, const struct row *c) {
	static const struct debian_suite suite = {.name = "one"};

	*a = (struct asked){.q = {.runtime = "x",
				  .backend = "cpu",
				  .architecture = "amd64",
				  .suites = &suite,
				  .n_suites = 1,
				  .roots = a->root,
				  .excludes = a->exclude,
				  .prefers = a->prefer}};
	a->q.n_roots = words(c->roots, a->roots);
	a->q.n_excludes = words(c->excludes, a->excludes);
	a->q.n_prefers = words(c->prefers, a->prefers);
	for (size_t i = 0; i < a->q.n_roots; i++) {
		a->files[i] = split(a->roots[i], ':');
		a->root[i] = (struct debian_root){.name = a->roots[i],
						  .files = &a->files[i],
						  .n_files = a->files[i] != NULL};
	}
	for (size_t i = 0; i < a->q.n_excludes; i++)
		a->exclude[i] = (struct debian_exclude){a->excludes[i], "because"};
	for (size_t i = 0; i < a->q.n_prefers; i++) {
		a->prefer[i].name = split(a->prefers[i], '=');
		a->prefer[i].virtual = a->prefers[i];
	}
	return &a->q;
}

static void print_lock(const struct debian_lock *lock, struct buf *out) {
	for (size_t i = 0; i < lock->n_packages; i++) {
		const struct debian_package *p = &lock->packages[i];
		(void) buf_printf(out, "%s %s %s%s%s\n", p->name, p->version, p->reason,
				  p->n_files ? " " : "", p->n_files ? p->files[0] : "");
		assert_string_equal(p->sha256, SHA);
		assert_int_equal(p->size, 10);
		assert_string_equal(p->layer, "base");
	}
	for (size_t i = 0; i < lock->n_excludes; i++) {
		(void) buf_printf(out, "without %s\n", lock->excludes[i].name);
		assert_string_equal(lock->excludes[i].reason, "because");
	}
}

static void solves(void **state) {
	(void) state;
	EACH_CASE (c, rows) {
		struct buf got CLEANUP(buf_done) = BUF_INIT(4096);
		struct debian_lock *lock CLEANUP(debian_lock_freep) = mem_zalloc(1, sizeof *lock);
		const struct solve_input in[] = {
			{"one", 2, c->first, strlen(c->first)},
			{"two", 1, c->second, c->second ? strlen(c->second) : 0},
		};
		struct asked a;
		struct err e = {0};

		lock->arena = arena_new();
		if (!solve(ask(&a, c), in, 2, lock, &e))
			print_lock(lock, &got);
		assert_string_equal(e.code ? e.msg : buf_str(&got), c->want);
		assert_int_equal(e.code, c->code);
	}
}

/* Where a package of the lock comes from: its own suite's stanza, although another has the same
 * name. */
static void takes_facts_from_the_right_suite(void **state) {
	static const char first[] = V("a", "1", ""),
			  second[] = V("b", "2", "Depends: a\n") V("a", "2", "");
	static const struct debian_layer layers[] = {{"a", "engine"}};
	static const struct debian_root roots[] = {{.name = "b", .layer = "top"}};
	static const struct debian_suite suite = {.name = "one"};
	const struct debian_request q = {.architecture = "amd64",
					 .suites = &suite,
					 .n_suites = 1,
					 .roots = roots,
					 .n_roots = 1,
					 .layers = layers,
					 .n_layers = 1};
	const struct solve_input in[] = {{"one", 2, first, sizeof first - 1},
					 {"two", 1, second, sizeof second - 1}};
	struct debian_lock *lock CLEANUP(debian_lock_freep) = mem_zalloc(1, sizeof *lock);
	struct err e = {0};

	(void) state;
	lock->arena = arena_new();
	assert_int_equal(solve(&q, in, 2, lock, &e), 0);
	assert_int_equal(lock->n_packages, 2);
	assert_string_equal(lock->packages[0].path, "pool/main/x/a_1.deb");
	assert_string_equal(lock->packages[0].suite, "one");
	assert_string_equal(lock->packages[0].layer, "engine");
	assert_string_equal(lock->packages[1].path, "pool/main/x/b_2.deb");
	assert_string_equal(lock->packages[1].suite, "two");
	assert_string_equal(lock->packages[1].layer, "top");
	assert_int_equal(lock->packages[1].installed_size, 1024);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(solves),
		cmocka_unit_test(takes_facts_from_the_right_suite),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
