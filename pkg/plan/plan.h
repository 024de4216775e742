/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diagnostics.h"
#include "size/size.h"

struct buf;
struct model_facts;
struct host_facts;
struct json;
struct runtime;
struct runtime_backend;
struct spec;

/* The decisions of a compilation: which backend, which argv, how much memory, and whether that is
 * admitted. A pure function of facts that others read: no file, no clock, no network. Nothing of
 * the machine enters what the lockfile will hold, but the backend that `auto` became. */

struct plan_input {
	const struct spec *spec;
	const struct runtime *runtime;
	const struct model_facts *model;      /* NULL where there are candidates */
	const struct model_facts *candidates; /* one for each of the spec's */
	const struct model_facts *adapters;   /* one for each of the spec's */
	const struct host_facts *host;
	/* Backends that packages.lock has for this architecture; NULL where the runtime has no such
	 * file. */
	const char *const *locked;
	size_t n_locked;
	/* Where a field of the manifest stands ("runtime.kv_cache"), for diagnostics; NULL: its
	 * first line. */
	struct pos (*where)(void *ctx, const char *path);
	void *where_ctx;
	/* Tokens a second, in thousandths, that this model was measured at (0: never), by which
	 * release; and of the place where it was not said. */
	uint64_t measured_milli, bandwidth;
	const char *measured_by;
	/* A plan that is refused is made anyway, and says so in `refused`: for `llmdeploy plan`. */
	bool refused_too;
	/* A model whose memory is not known exactly is planned for anyway: the runtime is about to
	 * be asked. */
	bool asking;
	const struct size_measured *measured; /* what it said; NULL: it was not asked */
};

/* ---- the decisions, each by itself ---- */

enum plan_verdict {
	PLAN_ADMITTED,
	PLAN_ASYNCHRONOUS, /* it fits and is too slow for someone who waits */
	PLAN_TOO_LARGE,
	PLAN_TOO_SLOW,
	/* what this model takes is not known exactly, and the runtime was not asked */
	PLAN_INEXACT,
	PLAN_UNKNOWN, /* nobody said how much memory there is: that is not large enough */
};
/* planned <= capacity x (1 - reserve), and what was measured is not above its gate; 0: not
 * measured, no gate. */
enum plan_verdict plan_verdict_of(uint64_t capacity, unsigned reserve_percent, uint64_t planned,
				  uint64_t p95_ms, uint64_t gate_ms, bool asynchronous);
/* "admitted", "asynchronous", "too large", "too slow", "unknown" */
const char *plan_verdict_name(enum plan_verdict v);

enum plan_choice {
	PLAN_WINS,   /* the smallest that fits and has the quality */
	PLAN_PASSES, /* as good, and larger */
	/* it fits, and nobody measured its quality: the golden set decides (llmdeploy choose) */
	PLAN_UNRATED,
	PLAN_DROPPED, /* it does not fit */
	PLAN_POOR,    /* it fits, and has not the quality */
};
struct plan_candidate {
	const char *name;
	uint64_t weights, planned; /* planned: with KV cache, buffers and overhead */
	bool fits;
	bool rated;
	uint64_t quality; /* millionths */
	enum plan_choice choice;
};
/* Sets each choice; the index of the smallest that is left, or n. Equally large ones in their
 * order. */
size_t plan_choose(struct plan_candidate *list, size_t n, uint64_t quality_min);
/* "wins", "passes", "to be asked", "does not fit", "below quality_min" */
const char *plan_choice_name(enum plan_choice c);

/* ---- what comes of them ---- */

/* Where it could run: a machine of the manifest, or this one. */
struct plan_machine {
	const char *name; /* "this machine", "the device", or the manifest's */
	const struct runtime_backend *backend;
	uint64_t memory, devices; /* memory of one device; 0: not known */
	uint64_t bandwidth, p95_ms;
	uint64_t capacity, usable, planned; /* of all devices together */
	enum plan_verdict verdict;
	const char *reason; /* one line */
};

/* The smallest change of one kind that would be admitted. */
struct plan_change {
	const char *what, *text; /* "context_tokens", "context_tokens: 4096" */
	uint64_t planned;        /* then; 0: not on this machine */
};
#define PLAN_MAX_CHANGES 8

/* Borrows from the spec and the runtime, which must outlive it. */
struct plan {
	const struct runtime_backend *backend; /* never "auto" */
	const char *const *argv;               /* the entry point, whole; NULL-terminated */
	size_t n_argv;
	const char *const *env; /* "KEY=VALUE", sorted; NULL-terminated */
	size_t n_env;
	const char *model_path;           /* in the container */
	const char *const *adapter_paths; /* one for each of the spec's */
	const char *chat_template_path;   /* in the image, or NULL: the model's own template */
	struct size_budget budget;
	uint64_t memory_bytes; /* limit of the container: host memory and the reserve, whole MiB */
	uint64_t pids;
	const struct json *budget_json; /* as the lockfile has it */
	const struct json *probes;      /* as the lockfile has them: identity asks for the route */
	const struct json *logs;
	const struct model_facts *model; /* the one that is planned with */
	size_t chosen;                   /* of the candidates */
	struct plan_candidate *candidates;
	/* Of admission; not for the lockfile. */
	struct plan_machine *machines;
	/* machine: the one that is planned for, the first that is admitted, else the first */
	size_t n_machines, machine;
	uint64_t capacity; /* of that place; 0: not known */
	uint64_t usable;   /* capacity less the reserve */
	bool fits;
	const char *refused;                          /* why not, whatever admission is; or NULL */
	struct plan_change changes[PLAN_MAX_CHANGES]; /* where it is refused */
	size_t n_changes;
	const char *const *notes; /* what the operator should know, a line each */
	size_t n_notes;
};

/* ERR_SPEC: the manifest asks for what the runtime or the model cannot do; all of it is in `c`,
 * sorted. ERR_NOFIT: it does not fit, with the numbers and the smallest changes that would
 * (admission: enforce). */
int plan_make(const struct plan_input *in, struct plan **out, struct diagnostics *c, struct err *e);
/* What needs neither the model nor the machine: has the runtime this backend, these settings, extra
 * arguments and capabilities? `part` may lack what was complained about already (spec_parse);
 * `where` as in plan_input. */
void plan_check(const struct runtime *rt, const struct spec *part,
		struct pos (*where)(void *ctx, const char *path), void *where_ctx,
		struct diagnostics *c);
/* All of it as JSON: model, runtime, memory, admission, candidates, speed, traffic, cost, notes;
 * what people are shown is read from it, too. Whole numbers alone. Yours. `p` was made with the
 * input that is still there. */
struct json *plan_document(const struct plan *p);
/* The formula of a topic with the document's numbers in it, a line each. ERR_USAGE names the topics
 * and the nearest. */
int plan_explain(const struct json *document, const char *topic, struct buf *out, struct err *e);
void plan_explain_help(struct buf *out); /* the topics, a line each */
void plan_free(struct plan *p);
void plan_freep(struct plan **p); /* for CLEANUP */
