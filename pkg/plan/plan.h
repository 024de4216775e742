#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/complaints.h"
#include "size/size.h"

struct model_facts;
struct host_facts;
struct json;
struct runtime;
struct runtime_backend;
struct spec;

/* The decisions of a compilation: which backend, which argv, how much memory, and whether that is admitted.
 * A pure function of facts that others read: no file, no clock, no network. Nothing of the
 * machine enters what the lock will hold, but the backend that `auto` became. */

struct plan_input {
	const struct spec *spec;
	const struct runtime *runtime;
	const struct model_facts *model;
	const struct model_facts *adapters; /* one for each of the spec's */
	const struct host_facts *host;
	/* Backends that packages.lock has for this architecture; NULL where the runtime has no such lock. */
	const char *const *locked;
	size_t n_locked;
	/* Where a field of the manifest stands ("runtime.kv_cache"), for complaints; NULL: its first line. */
	struct pos (*where)(void *ctx, const char *path);
	void *where_ctx;
};

/* Borrows from the spec and the runtime, which must outlive it. */
struct plan {
	const struct runtime_backend *backend; /* never "auto" */
	const char *const *argv;	       /* the entry point, whole; NULL-terminated */
	size_t n_argv;
	const char *const *env; /* "KEY=VALUE", sorted; NULL-terminated */
	size_t n_env;
	const char *model_path;		   /* in the container */
	const char *const *adapter_paths;  /* one for each of the spec's */
	const char *chat_template_path;	   /* in the image, or NULL: the model's own template */
	struct size_budget budget;
	uint64_t memory_bytes; /* limit of the container: host memory and the reserve, whole MiB */
	uint64_t pids;
	const struct json *budget_json; /* as the lock has it */
	const struct json *probes;	/* as the lock has them: identity asks for the route */
	const struct json *logs;
	/* Of admission, on this machine; not for the lock. */
	uint64_t capacity; /* 0: not known */
	uint64_t usable;   /* capacity less the reserve */
	bool fits;
	const char *const *notes; /* what the operator should know, a line each */
	size_t n_notes;
};

/* ERR_SPEC: the manifest asks for what the runtime or the model cannot do; all of it stands in `c`, sorted. ERR_NOFIT:
 * it does not fit, with the numbers and the smallest changes that would (admission: enforce). */
int plan_make(const struct plan_input *in, struct plan **out, struct complaints *c, struct err *e);
void plan_free(struct plan *p);
void plan_freep(struct plan **p); /* for CLEANUP */
