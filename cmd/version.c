/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include "base/mem.h"
#include "report/report.h"
#include "version.h"
#include "json/json.h"

int cmd_version(struct args *a, struct err *e) {
	struct json *j CLEANUP(json_freep) = json_object();

	(void) e;
	report_line(a->report, "%s", TOOL);
	json_set_str(j, "version", TOOL_VERSION);
	report_result(a->report, j);
	return 0;
}
