/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/buf.h"
#include "config/config.h"
#include "schema/schema.h"
#include "spec/spec.h"
#include "spec/tables.h"

const struct schema_field *spec_schema_fields(const char *kind) {
	if (!strcmp(kind, "manifest"))
		return spec_fields;
	if (!strcmp(kind, "golden"))
		return golden_fields;
	return strcmp(kind, "config") ? NULL : config_fields();
}

int spec_schema_print(const char *kind, struct buf *out, struct err *e) {
	if (!strcmp(kind, "manifest"))
		schema_print(spec_fields, "urn:llmdeploy:manifest:v1", "llmdeploy manifest", out);
	else if (!strcmp(kind, "golden"))
		schema_print(golden_fields, "urn:llmdeploy:golden:v1", "llmdeploy golden set", out);
	else if (!strcmp(kind, "config"))
		schema_print(config_fields(), "urn:llmdeploy:config:v1",
			     "llmdeploy configuration of a machine", out);
	else
		return err_set(e, ERR_USAGE, "no schema '%.60s', use manifest, golden or config",
			       kind);
	return 0;
}
