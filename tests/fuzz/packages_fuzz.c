/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a Packages file: solved, or refused with a reason; what is locked holds nothing that
 * fetching would have to fear. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "debian/debian.h"
#include "debian/solve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static const struct debian_suite suite = {.name = "one"};
	static const struct debian_root roots[] = {{.name = "a"}, {.name = "b"}};
	static const struct debian_exclude excludes[] = {{"x", "because"}};
	static const struct debian_prefer prefers[] = {{"v", "c"}};
	const struct debian_request q = {.runtime = "x",
					 .backend = "cpu",
					 .architecture = "amd64",
					 .suites = &suite,
					 .n_suites = 1,
					 .roots = roots,
					 .n_roots = 2,
					 .excludes = excludes,
					 .n_excludes = 1,
					 .prefers = prefers,
					 .n_prefers = 1};
	struct debian_lock *lock CLEANUP(debian_lock_freep) = mem_zalloc(1, sizeof *lock);
	char *text CLEANUP(freep) = mem_strndup((const char *) data, size);
	const struct solve_input in = {"one", 1, text, size};
	struct err e = {0};

	lock->arena = arena_new();
	if (solve(&q, &in, 1, lock, &e)) {
		if (!e.code || !*e.msg)
			abort();
		return 0;
	}
	for (size_t i = 0; i < lock->n_packages; i++) {
		const struct debian_package *p = &lock->packages[i];
		if (!text_is_sha256(p->sha256) || *p->path == '/' || strstr(p->path, "/../") ||
		    !*p->name || !*p->version)
			abort();
	}
	return 0;
}
