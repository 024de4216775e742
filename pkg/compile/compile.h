/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "debian/debian.h"

struct diagnostics;
struct err;
struct json;
struct lockfile;
struct progress;
struct size_measured;
struct spec;
struct store;

/* Left of the waist: a checked manifest becomes a lockfile. Fetches and verifies what the lockfile
 * will name (model, adapters, packages), reads the model's header, plans, assembles the image into
 * the store, and writes the one tree that everything to the right reads.
 *
 * Same manifest, packages and tool version, same lockfile: nothing of this machine, this directory
 * or this hour goes into it. `auto` is the one thing that is looked up here, once. */
struct compile {
	struct store *store;
	const struct debian_mirrors *mirrors;
	/* of the runtime that the manifest names: runtime.yaml, packages.lock */
	const char *runtime_dir;
	const char *tool; /* "llmdeploy 0.1.0" */
	/* path of the running program, for model cards; NULL: there are none */
	const char *program;
	int root;    /* open, for what was measured of this machine; below 0: none */
	bool asking; /* plan_input's: the runtime is about to be asked what it takes */
	const struct size_measured *measured; /* what it said; NULL: it was not asked */
	bool paranoid;                        /* hash model and adapters again */
	const struct progress *progress;
};

/* What is known of the model that is active now: how fast it was. */
struct model_facts;
struct compile_known {
	const char *model, *backend, *by; /* digest; NULL: nothing is known */
	uint64_t measured_milli;          /* tokens a second, thousandths */
	/* headers of the candidates that were read before, one for each; NULL: they are read.
	 * Borrowed */
	const struct model_facts *candidates;
};

/* Everything that compile_release would decide, and nothing done: no byte is fetched, no package
 * unpacked, no image made. The store may be NULL. */
struct compile_preview {
	struct json *document; /* plan_document, with "source": where the model's header was read */
	/* as the lockfile would be, without digests of an image; NULL where no release can be made
	 * of it yet */
	struct json *tree;
	bool refused; /* by admission, whatever its mode */
	uint64_t planned_bytes, capacity;
};
void compile_preview_done(struct compile_preview *p);
/* As compile_release, but that a refusal by admission is a result. */
int compile_preview(const struct compile *c, const struct spec *s,
		    const struct compile_known *known, struct compile_preview *out,
		    struct diagnostics *diagnostics, struct err *e);

/* ERR_SPEC (also what the runtime cannot do), ERR_NOFIT, ERR_INTEGRITY, ERR_UNREACHABLE: a source,
 * or a locked package that no mirror has any more. */
int compile_release(const struct compile *c, const struct spec *s, struct lockfile **out,
		    struct diagnostics *diagnostics, struct err *e);
