/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "spec/tables.h"

#define HOUR_MS 3600000
#define MAX_SEED 2147483647
#define MAX_TOKENS 65536

static const char *const api_versions[] = {"llmdeploy/v1", NULL}, *const kinds[] = {"GoldenSet", NULL};
static const char *const severities[] = {"blocker", "major", "info", NULL};
static const char *const roles[] = {"system", "user", "assistant", NULL};
static const char *const modes[] = {"required", "forbidden", NULL};

static const struct schema_field source_fields[] = {
	{.key = "file", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "A text file, from the directory of this one."},
	{0},
};
static const struct schema_field source = {.type = SCHEMA_OBJECT, .flags = SCHEMA_OR_TEXT, .fields = source_fields};

static const struct schema_field abstain_fields[] = {
	{.key = "phrases", .type = SCHEMA_LIST, .min = 1, .max = 100,
	 .fallback = "[\"I don't know\", I do not know, sources do not say, \"sources don't say\", not in the sources, "
		     "INSUFFICIENT_EVIDENCE]",
	 .doc = "What an abstention is known by; capitals and blanks do not matter."},
	{0},
};

static const struct schema_field default_fields[] = {
	{.key = "max_tokens", .type = SCHEMA_INT, .fallback = "96", .min = 1, .max = MAX_TOKENS, .doc = "Tokens of an answer, at most."},
	{.key = "temperature", .type = SCHEMA_DECIMAL, .fallback = "0", .doc = "Always 0: the gate decodes greedily."},
	{.key = "seed", .type = SCHEMA_INT, .fallback = "42", .max = MAX_SEED, .doc = "Seed of the sampler."},
	{.key = "timeout", .type = SCHEMA_DURATION, .fallback = "60s", .min = 1, .max = HOUR_MS, .doc = "For one answer."},
	{.key = "attempts", .type = SCHEMA_INT, .fallback = "1", .min = 1, .max = 100, .doc = "How often a case is asked; all must pass."},
	{.key = "abstain", .type = SCHEMA_OBJECT, .fields = abstain_fields, .doc = "How an abstention is known."},
	{0},
};

static const struct schema_field message_fields[] = {
	{.key = "role", .type = SCHEMA_ENUM, .flags = SCHEMA_REQUIRED, .choices = roles, .doc = "Who says it."},
	{.key = "content", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "What is said."},
	{0},
};
static const struct schema_field message = {.type = SCHEMA_OBJECT, .fields = message_fields};

static const struct schema_field citation_fields[] = {
	{.key = "pattern", .type = SCHEMA_STRING, .fallback = "'" GOLDEN_CITATION "'", .doc = "Regular expression with one group: the id."},
	{.key = "required", .type = SCHEMA_LIST, .fallback = "[]", .max = 100, .doc = "Ids that must be cited."},
	{.key = "allowed", .type = SCHEMA_LIST, .max = 100, .doc = "Ids that may be cited; the case's context unless said."},
	{.key = "min", .type = SCHEMA_INT, .max = 100, .doc = "How many different ids at least."},
	{.key = "max", .type = SCHEMA_INT, .max = 100, .doc = "How many different ids at most."},
	{0},
};

static const struct schema_field assert_fields[] = {
	{.key = "contains", .type = SCHEMA_STRING, .doc = "The answer has this text in it, as people read it."},
	{.key = "contains_any", .type = SCHEMA_LIST, .min = 1, .max = 100, .doc = "One of these texts."},
	{.key = "contains_all", .type = SCHEMA_LIST, .min = 1, .max = 100, .doc = "All of these texts."},
	{.key = "not_contains", .type = SCHEMA_ONE_OR_LIST, .max = 100, .doc = "None of these texts, in no disguise."},
	{.key = "equals", .type = SCHEMA_STRING, .doc = "The answer is this text; capitals and blanks do not matter."},
	{.key = "regex", .type = SCHEMA_STRING, .doc = "A PCRE2 expression matches the answer."},
	{.key = "not_regex", .type = SCHEMA_STRING, .doc = "A PCRE2 expression does not match the answer."},
	{.key = "json", .type = SCHEMA_BOOL, .doc = "true: the whole answer is JSON (RFC 8259)."},
	{.key = "citations", .type = SCHEMA_OBJECT, .fields = citation_fields, .doc = "Which sources the answer cites."},
	{.key = "abstain", .type = SCHEMA_ENUM, .choices = modes, .doc = "Whether the answer must, or must not, say that it does not know."},
	{.key = "latency", .type = SCHEMA_DURATION, .min = 1, .max = HOUR_MS, .doc = "The answer takes no longer, like 20s."},
	{.key = "latency_ms", .type = SCHEMA_INT, .min = 1, .max = HOUR_MS, .doc = "The same in milliseconds."},
	{.key = "finish_reason", .type = SCHEMA_ONE_OR_LIST, .max = 8, .doc = "Why the answer ended, like stop."},
	{0},
};
static const struct schema_field assertion = {.type = SCHEMA_OBJECT, .flags = SCHEMA_ONE_KEY, .fields = assert_fields};

static const struct schema_field case_fields[] = {
	{.key = "id", .type = SCHEMA_NAME, .flags = SCHEMA_REQUIRED, .doc = "Name of the case, once in the file."},
	{.key = "severity", .type = SCHEMA_ENUM, .fallback = "blocker", .choices = severities, .doc = "blocker: must pass."},
	{.key = "context", .type = SCHEMA_LIST, .fallback = "[]", .max = 100, .doc = "Ids of the sources that stand before the question."},
	{.key = "system", .type = SCHEMA_STRING, .doc = "System message of this case."},
	{.key = "question", .type = SCHEMA_STRING, .doc = "What the user asks."},
	{.key = "messages", .type = SCHEMA_LIST, .element = &message, .min = 1, .max = 100, .doc = "A conversation in place of a question."},
	{.key = "prompt", .type = SCHEMA_STRING, .doc = "Raw text to complete in place of a question, without a chat template."},
	{.key = "max_tokens", .type = SCHEMA_INT, .min = 1, .max = MAX_TOKENS, .doc = "Tokens of this answer, at most."},
	{.key = "seed", .type = SCHEMA_INT, .max = MAX_SEED, .doc = "Seed of the sampler for this case."},
	{.key = "timeout", .type = SCHEMA_DURATION, .min = 1, .max = HOUR_MS, .doc = "For this answer."},
	{.key = "attempts", .type = SCHEMA_INT, .min = 1, .max = 100, .doc = "How often this case is asked."},
	{.key = "assert", .type = SCHEMA_LIST, .flags = SCHEMA_REQUIRED, .element = &assertion, .min = 1, .max = GOLDEN_MAX_ASSERTS,
	 .doc = "What must hold for the answer; each item has one key."},
	{0},
};
static const struct schema_field one_case = {.type = SCHEMA_OBJECT, .fields = case_fields};

const struct schema_field golden_fields[] = {
	{.key = "apiVersion", .type = SCHEMA_ENUM, .flags = SCHEMA_REQUIRED, .choices = api_versions, .doc = "Version of this format."},
	{.key = "kind", .type = SCHEMA_ENUM, .flags = SCHEMA_REQUIRED, .choices = kinds, .doc = "What this file is."},
	{.key = "name", .type = SCHEMA_NAME, .flags = SCHEMA_REQUIRED, .doc = "Name of the set, for reports."},
	{.key = "system", .type = SCHEMA_STRING, .doc = "System message of every case that has none of its own."},
	{.key = "sources", .type = SCHEMA_MAP, .fallback = "{}", .element = &source, .max = 1000, .doc = "Documents by their ids."},
	{.key = "defaults", .type = SCHEMA_OBJECT, .fields = default_fields, .doc = "What holds for a case that does not say otherwise."},
	{.key = "cases", .type = SCHEMA_LIST, .fallback = "[]", .element = &one_case, .max = GOLDEN_MAX_CASES, .doc = "The questions."},
	{0},
};
