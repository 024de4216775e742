/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/table_internal.h"

static const struct schema_field text = {.type = SCHEMA_STRING};
static const struct schema_field any_text = {.type = SCHEMA_STRING, .flags = SCHEMA_EMPTY};
static const struct schema_field anything = {.type = SCHEMA_ANY};

static const struct schema_field status_number = {.type = SCHEMA_INT, .min = 100, .max = 599};
static const struct schema_field liveness_fields[] = {
	{.key = "path", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "Asked by GET."},
	{.key = "status", .type = SCHEMA_LIST, .flags = SCHEMA_REQUIRED, .element = &status_number, .min = 1, .max = 16, .doc = "Answers of an engine that lives."},
	{0},
};
static const struct schema_field ready_fields[] = {
	{.key = "status", .type = SCHEMA_INT, .flags = SCHEMA_REQUIRED, .min = 100, .max = 599, .doc = "The answer's status."},
	{.key = "json", .type = SCHEMA_MAP, .fallback = "{}", .element = &anything, .max = 16, .doc = "Paths in the answer and what must stand there."},
	{0},
};
static const struct schema_field loading_fields[] = {
	{.key = "status", .type = SCHEMA_LIST, .flags = SCHEMA_REQUIRED, .element = &status_number, .max = 16, .doc = "Answers of an engine that is not ready yet."},
	{0},
};
static const char *const refusals[] = {"loading", "failed", NULL};
static const char *const completion_only[] = {"completion_only", NULL};
static const struct schema_field readiness_fields[] = {
	{.key = "path", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "Asked by GET."},
	{.key = "ready", .type = SCHEMA_OBJECT, .flags = SCHEMA_REQUIRED, .fields = ready_fields, .doc = "How a ready engine answers."},
	{.key = "loading", .type = SCHEMA_OBJECT, .flags = SCHEMA_OPTIONAL, .fields = loading_fields, .doc = "How one that still loads answers."},
	{.key = "refused", .type = SCHEMA_ENUM, .choices = refusals, .doc = "What it means that nothing listens yet; loading where it is not said."},
	{0},
};
static const struct schema_field identity_fields[] = {
	{.key = "path", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "Asked by GET."},
	{.key = "name_at", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "Path in the answer where the served name stands."},
	{0},
};
static const struct schema_field warmup_fields[] = {
	{.key = "path", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "Asked by POST, in OpenAI's form."},
	{.key = "max_tokens", .type = SCHEMA_INT, .fallback = "1", .min = 1, .max = 64, .doc = "Tokens that are asked for."},
	{0},
};
const struct schema_field runtime_probes_fields[] = {
	{.key = "liveness", .type = SCHEMA_OBJECT, .flags = SCHEMA_OPTIONAL, .fields = liveness_fields, .doc = "Does it answer at all?"},
	{.key = "readiness", .type = SCHEMA_OBJECT, .flags = SCHEMA_OPTIONAL, .choices = completion_only, .fields = readiness_fields,
	 .doc = "Is the model loaded? completion_only: no answer but a real token tells."},
	{.key = "identity", .type = SCHEMA_OBJECT, .flags = SCHEMA_OPTIONAL, .fields = identity_fields, .doc = "Is it the one that was asked for?"},
	{.key = "warmup", .type = SCHEMA_OBJECT, .flags = SCHEMA_REQUIRED, .fields = warmup_fields, .doc = "One real token."},
	{0},
};

static const char *const metric_formats[] = {"prometheus", "json", NULL};
const struct schema_field runtime_metrics_fields[] = {
	{.key = "path", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "Asked by GET."},
	{.key = "format", .type = SCHEMA_ENUM, .fallback = "prometheus", .choices = metric_formats, .doc = "Form of the answer."},
	{.key = "enabled_by", .type = SCHEMA_STRING, .flags = SCHEMA_EMPTY, .fallback = "''", .doc = "What switches them on, where they are not on by default."},
	{.key = "names", .type = SCHEMA_MAP, .fallback = "{}", .element = &text, .max = 64, .doc = "Our words and the engine's."},
	{0},
};

static const struct schema_field estimate_fields[] = {
	{.key = "args", .type = SCHEMA_LIST, .flags = SCHEMA_REQUIRED, .element = &any_text, .min = 1, .max = 16, .doc = "Added to the arguments of a release."},
	{.key = "row", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "Regular expression of a line: device, then MiB of model, context and compute."},
	{.key = "done", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "What the log says when all of it is there."},
	{0},
};
const struct schema_field runtime_logs_fields[] = {
	{.key = "fatal", .type = SCHEMA_LIST, .fallback = "[]", .max = 64, .doc = "Texts of a start that has failed."},
	{.key = "oom", .type = SCHEMA_LIST, .fallback = "[]", .max = 64, .doc = "Texts of an engine without memory."},
	{.key = "buffers", .type = SCHEMA_STRING, .flags = SCHEMA_EMPTY, .fallback = "''", .doc = "Regular expression of a buffer's line: backend, kind, MiB."},
	{.key = "estimate", .type = SCHEMA_OBJECT, .flags = SCHEMA_OPTIONAL, .fields = estimate_fields, .doc = "How the engine says what it would take, before it takes it."},
	{0},
};
