/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "report/sanitize.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever comes in, nothing that moves a cursor goes out, and a cut text fits. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct buf clean CLEANUP(buf_done) = BUF_INIT(16 * size + 64);

	sanitize_clean((const char *) data, size, &clean);
	if (clean.cut || !text_is_utf8(buf_str(&clean), clean.len) ||
	    strlen(buf_str(&clean)) != clean.len)
		abort();
	for (size_t i = 0; i < clean.len; i++)
		if ((unsigned char) clean.data[i] < ' ' || clean.data[i] == 127)
			abort();
	for (size_t columns = 0; columns < 20; columns = 2 * columns + 1) {
		struct buf cut CLEANUP(buf_done) = BUF_INIT(clean.len + 8);
		sanitize_cut(buf_str(&clean), columns, &cut);
		if (sanitize_width(buf_str(&cut)) > columns ||
		    !text_is_utf8(buf_str(&cut), cut.len))
			abort();
	}
	return 0;
}
