/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "lockfile/lockfile.h"
#include "model/model.h"
#include "runtime/runtime.h"
#include "schema_markdown.h"
#include "spec/spec.h"

static int markdown(const char *kind, struct buf *out, struct err *e) {
	const struct schema_field *fields = spec_schema_fields(kind);

	if (!fields)
		return err_set(e, ERR_USAGE,
			       "--markdown is there for manifest, golden and config, not for '%s'",
			       kind);
	schema_markdown(fields, out);
	return 0;
}

static int print_schema(const char *kind, struct buf *out, struct err *e) {
	if (!strcmp(kind, "lock"))
		lockfile_schema(out);
	else if (!strcmp(kind, "runtime"))
		runtime_schema(out);
	else if (!strcmp(kind, "model-card"))
		model_card_schema(out);
	else if (spec_schema_print(kind, out, e))
		return err_set(e, ERR_USAGE,
			       "no schema '%s': there are manifest, golden, config, runtime, "
			       "model-card and lock",
			       kind);
	return 0;
}

int cmd_schema(struct args *a, struct err *e) {
	struct buf out CLEANUP(buf_done) = BUF_INIT(4 << 20);
	bool table = a->option[OPT_MARKDOWN] != NULL;

	if (table ? markdown(a->at[0], &out, e) : print_schema(a->at[0], &out, e))
		return -1;
	/* The file itself, whatever the mode of the report. */
	(void) fputs(buf_str(&out), stdout);
	return 0;
}
