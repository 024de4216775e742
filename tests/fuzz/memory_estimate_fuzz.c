/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "memory_estimate/memory_estimate.h"
#include "json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever a container says, its log is read without failure, and what is not a buffer counts as
 * none. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static const char buffers[] =
		"(\\S+)\\s+(model|KV|RS|compute|output|LoRA) buffer size =\\s+([0-9.]+) MiB";
	static const char row[] =
		"\\|\\s+- (\\S+)[^|\\n]*\\|[^|\\n]*=\\s*(\\d+) \\+\\s+(\\d+) \\+\\s+(\\d+)";
	struct json *logs CLEANUP(json_freep) = json_object(), *estimate = json_object();
	struct memory_estimate_buffers b;
	struct memory_estimate o;
	struct err e = {0};

	json_set_str(logs, "buffers", buffers);
	json_set_str(estimate, "row", row);
	json_set(logs, "estimate", estimate);
	if (memory_estimate_buffers(logs, (const char *) data, size, &b, &e) ||
	    memory_estimate_rows(logs, (const char *) data, size, &o, &e))
		abort();
	if (!b.lines && (b.weights || b.adapters || b.kv || b.recurrent || b.compute || b.output))
		abort();
	if (o.n > MEMORY_ESTIMATE_MAX_DEVICES || (!o.n && o.total))
		abort();
	return 0;
}
