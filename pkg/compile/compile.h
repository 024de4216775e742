#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "debian/debian.h"

struct complaints;
struct err;
struct json;
struct lock;
struct progress;
struct spec;
struct store;

/* Left of the waist: a checked manifest becomes a lock. Fetches and verifies what the lock will name (model, adapters, packages), reads the
 * model's header, plans, assembles the image into the store, and writes the one tree that everything to the right reads.
 *
 * Same manifest, packages and tool version, same lock: nothing of this machine, this directory or this hour goes into it. `auto` is the one
 * thing that is looked up here, once. */
struct compile {
	struct store *store;
	const struct debian_mirrors *mirrors;
	const char *runtime_dir; /* of the runtime that the manifest names: runtime.yaml, packages.lock */
	const char *tool;     /* "llmdeploy 0.1.0" */
	bool paranoid;	      /* hash model and adapters again */
	const struct progress *progress;
};

/* ERR_SPEC (also what the runtime cannot do), ERR_NOFIT, ERR_INTEGRITY, ERR_UNREACHABLE: a source, or a locked package that no mirror has any more. */
int compile_release(const struct compile *c, const struct spec *s, struct lock **out, struct complaints *complaints, struct err *e);
