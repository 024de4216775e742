/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "debian/release.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct release r;
	struct err e = {0};
	char sha256[65];
	uint64_t n;

	if (release_parse("fuzz", (const char *) data, size, &r, &e)) {
		if (e.code != ERR_INTEGRITY || !*e.msg)
			abort();
		return 0;
	}
	if (release_find(&r, "main/binary-amd64/Packages", sha256, &n) && !text_is_sha256(sha256))
		abort();
	return 0;
}
