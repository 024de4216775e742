/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a manifest: a tree or a diagnostic, and after a tree every table's promise holds. */
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "schema/schema.h"
#include "spec/check.h"
#include "spec/tables.h"
#include "yaml/yaml.h"
#include "json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct yaml *y CLEANUP(yaml_freep) = NULL;
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct err e = {0};

	if (yaml_parse("fuzz", (const char *) data, size, &y, &c, &e)) {
		if (!c.n || e.code != ERR_SPEC)
			abort();
		return 0;
	}
	struct json *tree CLEANUP(json_freep) = schema_check(yaml_root(y), spec_fields, &c);
	spec_check(yaml_root(y), &c);
	for (size_t i = 0; i < c.n; i++)
		if (c.at[i].line < 1 || c.at[i].col < 1 || !*c.at[i].message)
			abort();
	struct buf text CLEANUP(buf_done) = BUF_INIT(64 << 20);
	if (json_canonical(tree, &text, &e) || (!c.n && !json_path(tree, "runtime.extra_args")))
		abort();
	return 0;
}
