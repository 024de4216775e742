/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a manifest that is edited in place: nothing set changes no byte, and what is set is
 * there afterwards. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "spec/pin.h"

#define HEX "3f0c000000000000000000000000000000000000000000000000000000000001"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok) {
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct diagnostics c CLEANUP(diagnostics_done) = {0}, c2 CLEANUP(diagnostics_done) = {0};
	struct spec_pins *p CLEANUP(spec_pins_freep) = NULL, *again CLEANUP(spec_pins_freep) = NULL;
	struct buf same CLEANUP(buf_done) = BUF_INIT(2 << 20),
			out CLEANUP(buf_done) = BUF_INIT(2 << 20);
	struct err e = {0};

	if (memchr(data, 0, size) ||
	    spec_pins_read("/tmp/m.yaml", (const char *) data, size, &p, &c, &e))
		return 0;
	must(!spec_pins_text(p, &same, &e) && same.len == size &&
	     !memcmp(buf_str(&same), data, size));
	for (size_t i = 0; i < p->n; i++)
		spec_pins_set_sha256(p, i, HEX);
	if (spec_pins_text(p, &out, &e))
		return 0; /* refused, as it says */
	must(!spec_pins_read("/tmp/m.yaml", buf_str(&out), out.len, &again, &c2, &e) &&
	     again->n == p->n);
	for (size_t i = 0; i < p->n; i++)
		must(!strcmp(again->list[i].sha256, HEX));
	return 0;
}
