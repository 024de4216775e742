/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "store/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Sources as a manifest or a lock names them. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	char *text CLEANUP(freep) = mem_strndup((const char *) data, size);
	char *source CLEANUP(freep) = mem_printf("hf://%s", text);
	char *shown CLEANUP(freep) = store_source_shown(text), *url CLEANUP(freep) = NULL,
		    *token CLEANUP(freep) = NULL;
	struct err e;

	if (!shown)
		abort();
	if (!store_source_url(source, true, &url, &token, &e))
		for (const char *p = url; *p; p++)
			if (*p <= ' ' || *p > '~' || strchr("\"<>\\^`{|}?#@", *p))
				abort(); /* whatever stood in it is one path */
	return 0;
}
