/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "crypto/crypto.h"
#include "debian/debian.h"
#include "host/host.h"
#include "image/image.h"
#include "plan/plan.h"
#include "runtime/runtime.h"

struct compile;
struct diagnostics;
struct err;
struct model_facts;
struct json;
struct spec;

/* What a compilation has gathered when it writes the lockfile's tree. */
struct compile_parts {
	const struct spec *spec;
	const char *tool, *runtime_version;
	struct host_facts host; /* of its facts only the architecture goes into the lockfile */
	struct runtime *runtime;
	struct plan *plan;
	struct debian_lock *packages;
	char packages_lock[SHA256_HEX];
	struct model_facts *model, *adapters; /* one block; adapters begin behind the model */
	uint64_t *sizes;                      /* of the model and each adapter, bytes */
	struct image image;
	struct plan_input in; /* of the plan, which borrows it */
	const char *locked[RUNTIME_MAX_BACKENDS];
	struct model_facts *candidates; /* of a preview: one for each of the spec's */
	bool refused_too;               /* a refused plan is made anyway */
};

void compile_parts_done(struct compile_parts *p);
/* The tree of release.lock.json; yours. */
struct json *compile_tree(const struct compile_parts *p);
int compile_runtime(struct compile_parts *p, const struct compile *c,
		    struct diagnostics *diagnostics, struct err *e);
/* The locked packages of the plan's backend, and the runtime's version by them; nothing is
 * fetched. */
int compile_packages(struct compile_parts *p, const struct compile *c, struct err *e);
int compile_plan(struct compile_parts *p, const struct compile *c, struct diagnostics *diagnostics,
		 struct err *e);
/* Its rollout section. */
struct json *compile_rollout(const struct spec *s);
