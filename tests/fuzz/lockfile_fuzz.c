/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "lockfile/lockfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A lock that is accepted is just these bytes, has what everything to the right reads without
 * asking, and gives itself again; one that is refused says so in words. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct lockfile *l CLEANUP(lockfile_freep) = NULL, *again CLEANUP(lockfile_freep) = NULL;
	struct err e = {0};

	if (lockfile_parse("fuzz", (const char *) data, size, &l, &e)) {
		if ((e.code != ERR_SPEC && e.code != ERR_INTEGRITY) || !*e.msg || l)
			abort();
		return 0;
	}
	if (l->n_bytes != size || memcmp(l->bytes, data, size) != 0 || !l->n_artifacts ||
	    !l->n_argv || !l->n_layers)
		abort();
	for (size_t i = 0; i < l->n_artifacts; i++)
		if (strncmp(l->artifacts[i].path, "/models/", 8) != 0 ||
		    strlen(l->artifacts[i].sha256) != 64)
			abort();
	if (lockfile_from_tree(l->tree, &again, &e) || strcmp(again->digest, l->digest) != 0)
		abort();
	return 0;
}
