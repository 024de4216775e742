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
#include "spec/spec.h"

int cmd_schema(struct args *a, struct err *e) {
	struct buf out CLEANUP(buf_done) = BUF_INIT(4 << 20);

	if (!strcmp(a->at[0], "lock"))
		lockfile_schema(&out);
	else if (!strcmp(a->at[0], "runtime"))
		runtime_schema(&out);
	else if (!strcmp(a->at[0], "model-card"))
		model_card_schema(&out);
	else if (spec_schema_print(a->at[0], &out, e))
		return err_set(e, ERR_USAGE, "no schema '%s': there are manifest, golden, config, runtime, model-card and lock", a->at[0]);
	/* The file itself, whatever the mode of the report. */
	(void) fputs(buf_str(&out), stdout);
	return 0;
}
