/* SPDX-License-Identifier: Apache-2.0 */
#include "context.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diagnostics.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "debian/debian.h"
#include "host/host.h"
#include "journal/journal.h"
#include "release/event.h"
#include "report/report.h"
#include "runtime/gateway.h"
#include "runtime/runtime.h"
#include "runtime_view.h"
#include "version.h"
#include "json/json.h"

static int record_package_lock(const struct context *c, const char *name,
			       const struct debian_lock *lock, uint64_t began_ms, struct err *e) {
	struct json *r CLEANUP(json_freep) = json_object();

	json_set_str(r, "event", event_name(EVENT_RUNTIME_LOCK));
	json_set_str(r, "runtime", name);
	json_set_str(r, "backend", lock->backend);
	json_set_int(r, "packages", (int64_t) lock->n_packages);
	return journal_note(&c->root, TOOL, c->command, r, began_ms, e);
}

/* What there is to lock: a runtime's packages, or the gateway's. */
struct wanted {
	const char *path, *name;
	const struct json *packages;
};

/* What was locked for one backend is added to `done`. */
static int lock_backend(struct args *a, struct context *c, const struct wanted *w,
			const char *backend, const char *file, struct json *done, struct err *e) {
	struct debian_request *q CLEANUP(debian_request_freep) = NULL;
	struct debian_lock *lock CLEANUP(debian_lock_freep) = NULL;
	struct debian_mirror *list CLEANUP(freep) = NULL;
	struct debian_mirrors mirrors;
	uint64_t began = clock_mono_ms();
	struct host_facts host;
	char size[TEXT_BYTES];

	if (host_read("", &host, e) ||
	    context_mirrors(c, &list, &mirrors, e) ||
	    debian_request_from_json(w->path, w->packages, w->name, backend, host.architecture, &q,
				     e))
		return -1;
	q->accept_expired = a->option[OPT_ACCEPT_EXPIRED] != NULL;
	if (debian_resolve(q, &mirrors, c->store, &a->report->progress, &lock, e) ||
	    debian_lock_merge_write(file, lock, e) ||
	    record_package_lock(c, w->name, lock, began, e))
		return -1;
	text_format_bytes(debian_lock_installed(lock), size);
	report_line(a->report, "%s for %s/%s: %zu packages, %s installed, in %s", w->name, backend,
		    host.architecture, lock->n_packages, size, file);
	struct json *o = json_object();
	json_set_str(o, "backend", backend);
	json_set_str(o, "architecture", host.architecture);
	json_set_int(o, "packages", (int64_t) lock->n_packages);
	json_set_int(o, "installed_bytes", (int64_t) debian_lock_installed(lock));
	json_push(done, o);
	return 0;
}

static int lock_all(struct args *a, struct context *c, const struct wanted *w, const char *file,
		    struct json *done, struct err *e) {
	const struct json *backends = json_get(w->packages, "backends");

	for (const struct json *b = json_first(backends); b; b = json_next(b))
		if (lock_backend(a, c, w, json_key(b), file, done, e))
			return err_wrap(e, "%s", json_key(b));
	return 0;
}

/* --backend, or all that the definition names packages for. */
static int lock_wanted(struct args *a, const char *dir, const struct wanted *w, struct err *e) {
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	const char *only = a->option[OPT_BACKEND];
	int held CLEANUP(closep) = -1;

	if (!w->packages)
		return err_set(
			e, ERR_USAGE,
			"runtime '%s' is not built from packages: its image is pinned by digest",
			w->name);
	char *file CLEANUP(freep) = a->option[OPT_OUTPUT] ? mem_strdup(a->option[OPT_OUTPUT])
							  : mem_printf("%s/packages.lock", dir);
	if (context_open(a, "runtime", NEED_WRITE | NEED_STORE, &c, e) ||
	    root_lock(&c.root, c.command, c.rollout.lock_wait_ms, &held, e))
		return -1;
	struct json *j CLEANUP(json_freep) = json_object(), *done = json_array();
	json_set_str(j, "file", file);
	json_set(j, "locked", done);
	int r = only ? lock_backend(a, &c, w, only, file, done, e)
		     : lock_all(a, &c, w, file, done, e);
	report_result(a->report, j);
	return r;
}

static int lock(struct args *a, struct err *e) {
	struct diagnostics all CLEANUP(diagnostics_done) = {0};
	struct runtime_gateway *g CLEANUP(runtime_gateway_freep) = NULL;
	struct runtime *rt CLEANUP(runtime_freep) = NULL;
	char *dir CLEANUP(freep) = NULL;

	context_gateway_dir(a, a->at[1], &dir);
	if (!dir) {
		if (runtime_view_load(a, a->at[1], &dir, &rt, e))
			return -1;
		return lock_wanted(a, dir, &(struct wanted){rt->path, rt->name, rt->packages}, e);
	}
	if (!runtime_gateway_load(dir, &g, &all, e))
		return lock_wanted(a, dir, &(struct wanted){g->path, g->name, g->packages}, e);
	if (all.n > 1)
		report_diagnostics(a->report, &all);
	return -1;
}

int cmd_runtime(struct args *a, struct err *e) {
	const char *what = a->at[0];

	if (!strcmp(what, "list") && a->n == 1)
		return runtime_view_list(a, e);
	if (!strcmp(what, "show") && a->n == 2)
		return a->option[OPT_ARGV] ? runtime_view_argv(a, e) : runtime_view_show(a, e);
	if (!strcmp(what, "lock") && a->n == 2)
		return lock(a, e);
	return err_set(e, ERR_USAGE,
		       "runtime needs list, show RUNTIME or lock RUNTIME, got '%s%s%s'", what,
		       a->n > 1 ? " " : "", a->n > 1 ? a->at[1] : "");
}
