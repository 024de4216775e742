/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "context.h"
#include "input.h"

struct lockfile;
struct spec;

/* A manifest to a lockfile, with all that a command needs for it: what build and apply share.
 * Diagnostics are shown. */
int compile_common_spec(struct args *a, const struct input *in, struct spec **out, struct err *e);
/* As spec_parse, with what the runtime that it names makes of its settings. */
struct diagnostics;
int compile_common_load(const struct args *a, const struct input *in, struct spec **out,
			struct diagnostics *c, struct err *e);
/* ERR_SPEC, at runtime.name: a runtime that can be planned with, and that this version does not
 * start. */
int compile_common_can_run(struct args *a, const struct spec *s, struct err *e);
struct compile_known;
struct compile_preview;
struct memory_estimate;
struct size_measured;
int compile_common_preview(struct args *a, struct context *c, const struct spec *s,
			   const struct compile_known *known, struct compile_preview *out,
			   struct err *e);
/* With what the runtime said of the load of a model whose memory is not known exactly; NULL: it was
 * not asked. */
int compile_common_preview_measured(struct args *a, struct context *c, const struct spec *s,
				    const struct compile_known *known,
				    const struct size_measured *measured,
				    struct compile_preview *out, struct err *e);
int compile_common_lockfile(struct args *a, struct context *c, const struct spec *s,
			    struct lockfile **out, struct err *e);
/* As compile_common_lockfile, with an open Docker Engine: where the memory of the model is not
 * known exactly, the runtime is asked for its own estimate, and the release is planned with that.
 * `said` is not NULL: the runtime is asked in any case, and this is its answer. */
int compile_common_lockfile_asked(struct args *a, struct context *c, const struct spec *s,
				  struct lockfile **out, struct memory_estimate *said,
				  struct size_measured *measured, struct err *e);
/* Is the file a lockfile (JSON) and not a manifest? Reads it as such. *l is NULL where it is a
 * manifest. What `plan --out` wrote is a lockfile that expects a release to be active: *planned
 * tells. */
struct plan_file_expected;
int compile_common_read_lockfile(const struct input *in, struct lockfile **l,
				 struct plan_file_expected *x, bool *planned, struct err *e);
/* The gateway's image is in the store, and gateway/gateway.lock.json names it, where this machine's
 * gateway is a container. `newer`: created again where the runtimes' packages.lock is another than
 * the one it was made from. *made says whether. In gateway.c. */
int compile_common_gateway(struct args *a, struct context *c, bool newer, bool *made,
			   struct err *e);
