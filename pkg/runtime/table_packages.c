/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/table_internal.h"

static const struct schema_field suite_fields[] = {
	{.key = "name",
	 .type = SCHEMA_STRING,
	 .flags = SCHEMA_REQUIRED,
	 .doc = "Suite or codename: testing."},
	{.key = "components",
	 .type = SCHEMA_LIST,
	 .fallback = "[main]",
	 .max = 16,
	 .doc = "main, contrib, ..."},
	{.key = "archive", .type = SCHEMA_STRING, .fallback = "debian", .doc = "Kind of mirror."},
	{0},
};
static const struct schema_field root_fields[] = {
	{.key = "name", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "The package."},
	{.key = "layer",
	 .type = SCHEMA_NAME,
	 .fallback = "base",
	 .doc = "Layer of the image that it goes to."},
	{.key = "files",
	 .type = SCHEMA_LIST,
	 .max = 256,
	 .doc = "Only these paths of it; a folder ends with a slash."},
	{0},
};
static const struct schema_field exclude_fields[] = {
	{.key = "name",
	 .type = SCHEMA_STRING,
	 .flags = SCHEMA_REQUIRED,
	 .doc = "The package that is left out."},
	{.key = "reason",
	 .type = SCHEMA_STRING,
	 .flags = SCHEMA_REQUIRED,
	 .doc = "Why that is right."},
	{0},
};
static const struct schema_field prefer_fields[] = {
	{.key = "virtual",
	 .type = SCHEMA_STRING,
	 .flags = SCHEMA_REQUIRED,
	 .doc = "A virtual package."},
	{.key = "name",
	 .type = SCHEMA_STRING,
	 .flags = SCHEMA_REQUIRED,
	 .doc = "The package that shall provide it."},
	{0},
};
static const struct schema_field suite = {.type = SCHEMA_OBJECT, .fields = suite_fields};
static const struct schema_field root = {.type = SCHEMA_OBJECT, .fields = root_fields};
static const struct schema_field exclude = {.type = SCHEMA_OBJECT, .fields = exclude_fields};
static const struct schema_field prefer = {.type = SCHEMA_OBJECT, .fields = prefer_fields};
static const struct schema_field layer = {.type = SCHEMA_NAME};

#define REQUEST                                                                           \
	{.key = "suites",                                                                 \
	 .type = SCHEMA_LIST,                                                             \
	 .fallback = "[]",                                                                \
	 .element = &suite,                                                               \
	 .max = 16,                                                                       \
	 .doc = "Where packages are taken from, in order."},                              \
		{.key = "roots",                                                          \
		 .type = SCHEMA_LIST,                                                     \
		 .fallback = "[]",                                                        \
		 .element = &root,                                                        \
		 .max = 256,                                                              \
		 .doc = "Packages to have."},                                             \
		{.key = "excludes",                                                       \
		 .type = SCHEMA_LIST,                                                     \
		 .fallback = "[]",                                                        \
		 .element = &exclude,                                                     \
		 .max = 256,                                                              \
		 .doc = "Packages to leave out."},                                        \
		{.key = "prefer",                                                         \
		 .type = SCHEMA_LIST,                                                     \
		 .fallback = "[]",                                                        \
		 .element = &prefer,                                                      \
		 .max = 64,                                                               \
		 .doc = "Choices among providers."},                                      \
	{                                                                                 \
		.key = "layers", .type = SCHEMA_MAP, .fallback = "{}", .element = &layer, \
		.max = 256, .doc = "Layers of packages that are no roots."                \
	}

static const struct schema_field request_fields[] = {REQUEST, {0}};
static const struct schema_field request = {.type = SCHEMA_OBJECT, .fields = request_fields};
const struct schema_field runtime_packages_fields[] = {
	REQUEST,
	{.key = "backends",
	 .type = SCHEMA_MAP,
	 .flags = SCHEMA_REQUIRED,
	 .element = &request,
	 .max = 8,
	 .doc = "What each backend adds."},
	{0},
};
