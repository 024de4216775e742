/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as JSON: what the strict reader takes, the others take too; what it printed it reads
 * again, as the same tree. */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct json *tree CLEANUP(json_freep) = NULL, *again CLEANUP(json_freep) = NULL,
			  *python CLEANUP(json_freep) = NULL;
	struct buf text CLEANUP(buf_done) = BUF_INIT(64 << 20);
	struct err e = {0}, other = {0};
	const char *s = (const char *) data;
	int strict = json_parse(s, size, &tree, &e);

	if (json_parse_python(s, size, &python, &other) && !strict)
		abort();
	if (strict && e.code != ERR_SYS)
		abort();
	if (strict)
		return 0;
	if (json_check(s, size, &e))
		abort();
	json_print(tree, &text);
	if (json_parse(buf_str(&text), text.len, &again, &e) || !json_equal(tree, again) ||
	    !json_equal(tree, python))
		abort();
	return 0;
}
