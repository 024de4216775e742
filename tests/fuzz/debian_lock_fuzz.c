/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "debian/check.h"
#include "debian/debian.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A lock that is accepted holds nothing that fetching and unpacking would have to fear. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct debian_lock *lock CLEANUP(debian_lock_freep) = NULL;
	struct err e = {0};

	if (debian_lock_parse("fuzz", (const char *) data, size, "cpu", "amd64", &lock, &e)) {
		if (e.code != ERR_SPEC || !*e.msg)
			abort();
		return 0;
	}
	for (size_t i = 0; i < lock->n_packages; i++)
		if (check_package(&lock->packages[i]))
			abort();
	return 0;
}
