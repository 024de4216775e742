/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a golden set: diagnostics, or a set that can be in a lock. */
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "spec/golden.h"
#include "json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct json *set CLEANUP(json_freep) = NULL;
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct buf text CLEANUP(buf_done) = BUF_INIT(64 << 20);
	struct err e = {0};

	if (golden_parse("fuzz", "/nowhere", (const char *) data, size, &set, &c, &e)) {
		if (!c.n || e.code != ERR_SPEC)
			abort();
		return 0;
	}
	if (c.n || json_canonical(set, &text, &e) || !json_count(json_get(set, "cases")))
		abort();
	return 0;
}
