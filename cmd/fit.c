/* SPDX-License-Identifier: Apache-2.0 */
#include "fit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diagnostics.h"
#include "base/err.h"
#include "base/mem.h"
#include "compile/compile.h"
#include "compile_common.h"
#include "cost/cost.h"
#include "fs/fs.h"
#include "host/host.h"
#include "host/measure.h"
#include "offer.h"
#include "release/release.h"
#include "report/report.h"
#include "spec/spec.h"
#include "json/json.h"

enum {
	AT_ONCE = 16, /* candidates of one manifest */
	MEASURE_MS = 300,
};

/* A manifest that nobody sees: the rows as candidates, with what the written one will say of the
 * runtime. */
static int manifest_of(const struct offer *o, const size_t *rows, size_t n, struct spec **out,
		       struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(1 << 16);
	struct diagnostics all CLEANUP(diagnostics_done) = {0};
	int fd CLEANUP(closep) = memfd_create("manifest", MFD_CLOEXEC);
	char path[40];

	(void) buf_printf(&text,
			  "apiVersion: llmdeploy/v1\nroute: offer\nversion: offer\nruntime: "
			  "{context_tokens: %lld, concurrent_sequences: %d}\n"
			  "eval: {skip: planning alone}\nmodel:\n  candidates:\n",
			  (long long) o->context_tokens, OFFER_SEQUENCES);
	for (size_t i = 0; i < n; i++)
		(void) buf_printf(&text, "    - {name: r%zu, bytes: %lluB}\n", i,
				  (unsigned long long) o->models[rows[i]].bytes);
	if (fd < 0)
		return err_sys(e, "cannot make a file in memory");
	(void) snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (fs_write_all(EFFECT_NONE, fd, buf_str(&text), text.len, "memory", e))
		return -1;
	return spec_load(path, out, &all, e);
}

static void take(struct offer *o, const size_t *rows, size_t n, const struct json *document) {
	const struct json *list = json_path(document, "candidates.list");
	uint64_t bandwidth = (uint64_t) json_int_or(json_get(document, "speed"), "bandwidth", 0),
		 full, all;

	if (!bandwidth && !json_true(json_get(document, "runtime"), "on_device"))
		bandwidth = o->measured;

	o->usable_bytes = (uint64_t) json_int_or(json_get(document, "memory"), "usable_bytes", 0);
	for (size_t i = 0; i < n; i++) {
		struct offer_row *r = &o->rows[rows[i]];
		const struct json *k = json_at(list, i);
		struct cost_speed speed = {.bandwidth = bandwidth,
					   .active_bytes = model_active_bytes(&r->facts),
					   .kv_bytes = 1,
					   .sequences = 1};
		r->is_planned = o->usable_bytes;
		r->planned = (uint64_t) json_int_or(k, "planned_bytes", 0);
		r->fits = r->is_planned && r->planned <= o->usable_bytes;
		r->ceiling_milli = 0;
		(void) cost_ceiling(&speed, &r->ceiling_milli, &full, &all);
	}
}

/* For a moment, where nobody has measured this machine and no route of it could be disturbed. What
 * cannot be measured stays unknown. */
static void measure(const struct context *c, struct offer *o) {
	struct host_facts *h CLEANUP(freep) = mem_zalloc(1, sizeof *h);
	char **routes CLEANUP(freep) = NULL;
	struct host_measure m = {0};
	struct err none = {0};
	size_t n = 0;

	if (o->measured || (c->root.fd >= 0 && (release_routes(&c->root, &routes, &n, &none) || n)))
		return;
	if (host_read("", h, &none) ||
	    host_measure(h, host_measure_bytes(h), MEASURE_MS, &m, &none))
		return;
	o->measured = m.bytes_per_second;
}

static bool needs_bandwidth(const struct json *document) {
	return !json_get(json_get(document, "speed"), "bandwidth") &&
		!json_true(json_get(document, "runtime"), "on_device");
}

static int plan_some(struct args *a, struct context *c, struct offer *o, const size_t *rows,
		     size_t n, struct err *e) {
	struct compile_preview p CLEANUP(compile_preview_done) = {0};
	struct model_facts *facts CLEANUP(freep) = mem_zalloc(n, sizeof *facts);
	struct compile_known known = {0};
	struct spec *s CLEANUP(spec_freep) = NULL;

	for (size_t i = 0; i < n; i++)
		facts[i] = o->rows[rows[i]].facts; /* borrowed */
	known.candidates = facts;
	if (manifest_of(o, rows, n, &s, e) ||
	    compile_common_preview(a, c, s, &known, &p, e))
		return -1;
	if (needs_bandwidth(p.document))
		measure(c, o);
	take(o, rows, n, p.document);
	return 0;
}

int fit_plan(struct args *a, struct offer *o, struct err *e) {
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	size_t rows[AT_ONCE], n = 0;
	struct err none = {0};

	/* for what was measured of this machine, where there is a root */
	(void) context_open(a, "init", NEED_STORE, &c, &none);
	for (size_t i = 0; i <= o->n; i++) {
		struct err why = {0};
		if (n == AT_ONCE || (i == o->n && n)) {
			if (plan_some(a, &c, o, rows, n, &why)) {
				if (why.code == ERR_INTERRUPTED)
					return err_set(e, why.code, "%s", why.msg);
				report_warning(a->report,
					       "cannot tell what fits on this machine: %s",
					       why.msg);
				return 0;
			}
			n = 0;
		}
		if (i < o->n && o->rows[i].usable)
			rows[n++] = i;
	}
	return 0;
}
