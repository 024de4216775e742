/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diagnostics.h"

struct buf;
struct json;

/* The manifest: what the user writes, checked and with every default filled in.
 *
 *     struct diagnostics c CLEANUP(diagnostics_done) = {0};
 *     struct spec *s CLEANUP(spec_freep) = NULL;
 *     if (spec_load("incident-r17.yaml", &s, &c, e))
 *             ... print each diagnostic, then e ...
 *
 * All strings and trees are borrowed from the spec and go with it. */

/* A file by its digest, and where it may be had, in order. A source is one of
 *     hf://ORG/REPO@REVISION/FILE   https://HOST/PATH   file:/ABSOLUTE/PATH
 * each may end in #MEMBER for a member of an archive. http:// is there for this machine only
 * (127.x.x.x, localhost, ::1). */
struct spec_artifact {
	const char *const *sources;
	size_t n_sources; /* at least 1 */
	const char *sha256;
	const char *scale; /* "1.0": canonical decimal text; adapters only, else NULL */
};

/* One of model.candidates. */
struct spec_candidate {
	const char *name;
	struct spec_artifact artifact; /* no sources and no digest: to plan with alone */
	uint64_t bytes;                /* of its weights, as the manifest says; 0: not said */
	const char *card;              /* or NULL */
	bool rated;
	uint64_t quality; /* millionths */
};

/* One of resources.machines. */
struct spec_machine {
	const char *name, *backend; /* backend: "auto" is that of the runtime */
	uint64_t memory, devices;   /* bytes of each device */
	uint64_t bandwidth;         /* 0: not said */
	uint64_t latency_p95_ms;    /* measured; 0: not */
};

struct spec_traffic {
	bool said;
	/* requests a month; tokens of one */
	uint64_t requests, prompt_tokens, output_tokens, peak_users;
	bool bursty;
};

/* Millionths of the currency; a month. */
struct spec_cost {
	bool said;
	const char *currency; /* "" where it is not said */
	uint64_t hardware, power, staff, maintenance;
	uint64_t per_1k_requests, input_per_million, output_per_million;
};

struct spec {
	const char *path; /* as it was given */
	/* the absolute directory that relative paths in the manifest start from */
	const char *dir;
	const char *route, *version;
	/* no sources and no digest where there are only a card or candidates: see
	 * spec_is_release */
	struct spec_artifact model;
	const char *card; /* model card, or NULL */
	struct spec_candidate *candidates;
	size_t n_candidates;
	uint64_t quality_min; /* millionths; 0: not said */
	struct spec_artifact *adapters;
	size_t n_adapters;
	const char *chat_template; /* text of the file, or NULL */
	const char *runtime;       /* name: "llama.cpp" */
	const char *backend;       /* cpu vulkan cuda rocm metal auto */
	int64_t context_tokens;    /* of one sequence */
	int64_t concurrent_sequences;
	/* f32 f16 bf16 q8_0 q4_0 q4_1 iq4_nl q5_0 q5_1 fp8_e4m3 fp8_e5m2 */
	const char *kv_cache;
	const struct json *extra_args;   /* object of any JSON; numbers with a fraction are texts */
	const char *privacy;             /* local hybrid any */
	const struct json *capabilities; /* array of names */
	bool asynchronous;               /* nobody waits for the answer */
	/* requirements.latency_p95, else eval.latency_p95; 0: neither */
	uint64_t needed_p95_ms;
	bool device_auto;          /* then these two are 0 */
	uint64_t device_memory;    /* bytes */
	uint64_t device_bandwidth; /* bytes a second; 0: not said */
	struct spec_machine *machines;
	size_t n_machines;
	unsigned reserve_percent;
	const char *admission; /* enforce warn off */
	struct spec_traffic traffic;
	struct spec_cost cost;
	uint64_t startup_timeout_ms, stall_timeout_ms;
	const struct json *golden; /* normalised set (spec/golden.h), or NULL */
	const char *eval_skip;     /* the reason why there is none, or NULL */
	uint64_t latency_p95_ms;   /* 0: no limit */
	const char *strategy;      /* blue-green canary recreate */
	const char *previous;      /* warm stopped auto */
	uint64_t watch_ms, drain_ms;
	int64_t keep;
	/* of the watch: {"error_rate" percent, "p95" ms or none, "ttft" ms or none} */
	const struct json *gates;
	/* {"steps": [{"weight" percent, "duration" ms, "min_requests"}], "gates": as above, and
	 * "against_active": {"error_rate", "p95", "ttft"} percent}; NULL with another strategy */
	const struct json *canary;
	const char *gateway_listen; /* "127.0.0.1:8080" */
	/* {"listen", and maybe "fallback": {"url", "model", "api_key_file"}} */
	const struct json *gateway;
	const struct json *tree; /* all of it, normalised, sources as they were written */
};

/* Reads the manifest and the files that it names (chat template, golden set and its sources). `c`
 * is empty before. ERR_SPEC: what is wrong is in `c`, sorted, all of it at once, from all of these
 * files. ERR_SYS: the manifest cannot be read. */
int spec_load(const char *path, struct spec **out, struct diagnostics *c, struct err *e);
/* A manifest is read with what others know of its settings: `more` may add diagnostics. It is
 * called whenever the file is YAML, with what could be read of the runtime's part: runtime,
 * backend, context_tokens, concurrent_sequences, kv_cache, extra_args, capabilities, chat_template
 * and n_adapters. A field that was complained about is NULL or 0; nothing else is filled in, and
 * spec_pos works. */
typedef void spec_more(void *ctx, const struct spec *part, struct diagnostics *c);
/* From text; `name` is in positions, and its directory is where relative paths start from. `more`
 * may be NULL. */
int spec_parse(const char *name, const char *text, size_t n, spec_more *more, void *ctx,
	       struct spec **out, struct diagnostics *c, struct err *e);
/* ERR_SPEC: a manifest that can be planned and no more, because no bytes are named: it says what to
 * do. Whatever makes or moves a release asks this first. */
int spec_is_release(const struct spec *s, struct err *e);
/* Candidate `i` takes the place of the model: from then on the spec is that of a release. */
void spec_choose(struct spec *s, size_t i);
/* The manifest with its chosen candidate as the model, as YAML, to lie in the directory `dir`
 * (absolute): what was relative to the manifest's own is made absolute where that is another. */
void spec_write(const struct spec *s, const char *dir, struct buf *out);
/* Where a field stands ("runtime.kv_cache"), for diagnostics; what is not written has the place of
 * what it would be in. The file's name is borrowed. */
struct pos spec_pos(const struct spec *s, const char *path);
void spec_free(struct spec *s);
void spec_freep(struct spec **s); /* for CLEANUP */

/* JSON Schema of a kind of file: "manifest", "golden" or "config". ERR_USAGE for any other kind. */
int spec_schema_print(const char *kind, struct buf *out, struct err *e);
/* Its table, for documents; NULL for any other kind. */
struct schema_field;
const struct schema_field *spec_schema_fields(const char *kind);

/* Texts for `llmdeploy init`: a manifest that validates, ROUTE.yaml, and the golden set that it
 * names, ROUTE.golden.yaml, to lie in the same directory. `model`: its section, from "model:\n" on;
 * NULL: a small model to begin with. `context_tokens`: 0 for the usual. ERR_USAGE when the route is
 * not a name. */
int spec_starter(const char *route, const char *model, int64_t context_tokens, struct buf *manifest,
		 struct buf *golden, struct err *e);
