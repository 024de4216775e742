/* SPDX-License-Identifier: Apache-2.0 */
#include "compile_common.h"

#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diagnostics.h"
#include "base/err.h"
#include "base/mem.h"
#include "compile/compile.h"
#include "debian/debian.h"
#include "eval/eval.h"
#include "exposure.h"
#include "lockfile/lockfile.h"
#include "lockfile/plan_file.h"
#include "memory_estimate/memory_estimate.h"
#include "plan/plan.h"
#include "report/report.h"
#include "runtime/runtime.h"
#include "size/size.h"
#include "spec/spec.h"
#include "version.h"
#include "json/json.h"

enum { COMPILE_WAIT_MS = 600000 };

struct loading {
	const struct args *a;
	const struct spec *part;
};

static struct pos where(void *ctx, const char *path) {
	const struct loading *l = ctx;

	return spec_pos(l->part, path);
}

/* A name that the manifest has wrong is a fault of the manifest. */
static void check_runtime(void *ctx, const struct spec *part, struct diagnostics *c) {
	struct diagnostics own CLEANUP(diagnostics_done) = {0};
	struct runtime *rt CLEANUP(runtime_freep) = NULL;
	struct loading *l = ctx;
	char *dir CLEANUP(freep) = NULL;
	struct err why = {0};

	l->part = part;
	if (!part->runtime)
		return;
	if (context_runtime_dir(l->a, part->runtime, &dir, &why))
		diagnostics_add(c, spec_pos(part, "runtime.name"), "%s", why.msg);
	else if (runtime_load(dir, &rt, &own, &why))
		diagnostics_add(c, spec_pos(part, "runtime.name"),
				"the definition of runtime '%s' cannot be used: %s", part->runtime,
				why.msg);
	else
		plan_check(rt, part, where, l, c);
}

int compile_common_load(const struct args *a, const struct input *in, struct spec **out,
			struct diagnostics *c, struct err *e) {
	return spec_parse(in->name, buf_str(&in->text), in->text.len, check_runtime,
			  &(struct loading){.a = a}, out, c, e);
}

int compile_common_spec(struct args *a, const struct input *in, struct spec **out, struct err *e) {
	struct diagnostics all CLEANUP(diagnostics_done) = {0};
	struct spec *s CLEANUP(spec_freep) = NULL;

	if (compile_common_load(a, in, &s, &all, e)) {
		if (all.n > 1)
			report_diagnostics(a->report, &all);
		return -1;
	}
	if (s->golden && eval_check(s->golden, e))
		return -1;
	struct pos at = spec_pos(s, "gateway.listen");
	exposure_warn(a, s->gateway, &at);
	*out = STEAL(s);
	return 0;
}

/* A name that the manifest has wrong is a fault of the manifest. */
static int runtime_dir(const struct args *a, const struct spec *s, char **dir, struct err *e) {
	struct err why = {0};

	if (!context_runtime_dir(a, s->runtime, dir, &why))
		return 0;
	if (why.code == ERR_USAGE)
		return err_at(e, spec_pos(s, "runtime.name"), "%s", why.msg);
	*e = why;
	return -1;
}

int compile_common_can_run(struct args *a, const struct spec *s, struct err *e) {
	struct diagnostics all CLEANUP(diagnostics_done) = {0};
	struct runtime *rt CLEANUP(runtime_freep) = NULL;
	struct buf list CLEANUP(buf_done) = BUF_INIT(4096);
	char *dir CLEANUP(freep) = NULL;

	if (runtime_dir(a, s, &dir, e))
		return -1;
	if (runtime_load(dir, &rt, &all, e)) {
		if (all.n > 1)
			report_diagnostics(a->report, &all);
		return -1;
	}
	if (runtime_is_packaged(rt))
		return 0;
	context_runtime_names(a, NULL, &list);
	return err_at(e, spec_pos(s, "runtime.name"),
		      "'%s' can be planned with llmdeploy plan; this version runs only runtimes "
		      "that it packages: %s",
		      rt->name, list.len ? list.data : "none is found");
}

int compile_common_preview(struct args *a, struct context *c, const struct spec *s,
			   const struct compile_known *known, struct compile_preview *out,
			   struct err *e) {
	return compile_common_preview_measured(a, c, s, known, NULL, out, e);
}

int compile_common_preview_measured(struct args *a, struct context *c, const struct spec *s,
				    const struct compile_known *known,
				    const struct size_measured *measured,
				    struct compile_preview *out, struct err *e) {
	struct diagnostics all CLEANUP(diagnostics_done) = {0};
	char *dir CLEANUP(freep) = NULL;

	if (runtime_dir(a, s, &dir, e))
		return -1;
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	self[n > 0 ? n : 0] = 0;
	struct compile job = {.store = c->store,
			      .runtime_dir = dir,
			      .root = c->root.fd,
			      .tool = TOOL,
			      .program = self,
			      .measured = measured,
			      .progress = &a->report->progress};
	if (!compile_preview(&job, s, known, out, &all, e))
		return 0;
	if (all.n > 1)
		report_diagnostics(a->report, &all);
	return -1;
}

/* What the runtime said already, or that it is about to be asked. */
struct asking {
	bool asking;
	const struct size_measured *measured;
};

static int compile(struct args *a, struct context *c, const struct spec *s, const struct asking *q,
		   struct lockfile **out, struct err *e) {
	struct diagnostics all CLEANUP(diagnostics_done) = {0};
	struct debian_mirror *list CLEANUP(freep) = NULL;
	struct debian_mirrors mirrors = {0};
	char *dir CLEANUP(freep) = NULL;
	struct err none = {0};
	int held CLEANUP(closep) = -1;

	if (runtime_dir(a, s, &dir, e))
		return -1;
	/* Without a mirror everything may still be in the store: the fetch says so where it is
	 * not. */
	(void) context_mirrors(c, &list, &mirrors, &none);
	/* The root's lock, for as long as what is made is named by nothing that gc looks at. */
	uint64_t wait = c->rollout.lock_wait_ms > COMPILE_WAIT_MS ? c->rollout.lock_wait_ms
								  : COMPILE_WAIT_MS;
	if (root_lock(&c->root, c->command, wait, &held, e))
		return -1;
	struct compile job = {.store = c->store,
			      .mirrors = &mirrors,
			      .runtime_dir = dir,
			      .root = c->root.fd,
			      .tool = TOOL,
			      .asking = q->asking,
			      .measured = q->measured,
			      .paranoid = a->option[OPT_PARANOID] != NULL,
			      .progress = &a->report->progress};
	if (!compile_release(&job, s, out, &all, e))
		return 0;
	if (all.n > 1)
		report_diagnostics(a->report, &all);
	return -1;
}

int compile_common_lockfile(struct args *a, struct context *c, const struct spec *s,
			    struct lockfile **out, struct err *e) {
	return compile(a, c, s, &(struct asking){0}, out, e);
}

static bool is_inexact(const struct lockfile *l) {
	return json_get(json_get(l->tree, "budget"), "uncertain_bytes") != NULL;
}

/* Its numbers are whole MiB, cut off. */
static struct size_measured measured_of(const struct memory_estimate *o) {
	struct size_measured m = {.caches = (uint64_t) o->n << 20,
				  .compute = (uint64_t) o->n << 20};

	for (size_t i = 0; i < o->n; i++) {
		m.caches += o->devices[i].context;
		m.compute += o->devices[i].compute;
	}
	return m;
}

int compile_common_lockfile_asked(struct args *a, struct context *c, const struct spec *s,
				  struct lockfile **out, struct memory_estimate *said,
				  struct size_measured *measured, struct err *e) {
	struct lockfile *first CLEANUP(lockfile_freep) = NULL;
	struct size_measured m;
	struct err why = {0};
	struct memory_estimate o;

	if (compile(a, c, s, &(struct asking){.asking = true}, &first, e))
		return -1;
	bool inexact = is_inexact(first);

	if (!inexact && !said) {
		*out = STEAL(first);
		return 0;
	}
	if (instance_estimate(&c->rollout.base, first, 0, &o, &why)) {
		if (said || why.code == ERR_INTERRUPTED)
			return err_set(e, why.code, "%s", why.msg);
		report_warning(a->report, "the runtime gave no memory estimate: %s", why.msg);
		return compile(a, c, s, &(struct asking){0}, out, e);
	}
	m = measured_of(&o);
	if (inexact && compile(a, c, s, &(struct asking){.measured = &m}, out, e))
		return -1;
	if (!inexact)
		*out = STEAL(first);
	if (measured)
		*measured = m;
	if (said)
		*said = o;
	return 0;
}

int compile_common_read_lockfile(const struct input *in, struct lockfile **l,
				 struct plan_file_expected *x, bool *planned, struct err *e) {
	const char *text = buf_str(&in->text);

	*l = NULL;
	*planned = false;
	if (text[strspn(text, " \t\r\n")] != '{')
		return 0;
	if (plan_file_read(in->name, text, in->text.len, l, x, e))
		return -1;
	*planned = *l;
	return *l ? 0 : lockfile_parse(in->name, text, in->text.len, l, e);
}
