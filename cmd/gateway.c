/* SPDX-License-Identifier: Apache-2.0 */
#include "compile_common.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/diagnostics.h"
#include "base/err.h"
#include "base/mem.h"
#include "compile/compile.h"
#include "compile/gateway.h"
#include "config/config.h"
#include "debian/debian.h"
#include "gateway/gateway.h"
#include "gateway_report.h"
#include "haproxy/image.h"
#include "report/report.h"
#include "runtime/gateway.h"
#include "version.h"
#include "json/json.h"

enum { LOCK_WAIT_MS = 600000 };

static int make_gateway(struct args *a, struct context *c, const char *dir, struct err *e) {
	struct diagnostics all CLEANUP(diagnostics_done) = {0};
	struct debian_mirror *list CLEANUP(freep) = NULL;
	struct json *tree CLEANUP(json_freep) = NULL;
	struct debian_mirrors mirrors = {0};
	struct err none = {0};
	int held CLEANUP(closep) = -1;

	(void) context_mirrors(c, &list, &mirrors, &none);
	if (root_lock(&c->root, c->command,
		      c->rollout.lock_wait_ms > LOCK_WAIT_MS ? c->rollout.lock_wait_ms
							     : LOCK_WAIT_MS,
		      &held, e))
		return -1;
	struct compile job = {.store = c->store,
			      .mirrors = &mirrors,
			      .runtime_dir = dir,
			      .tool = TOOL,
			      .progress = &a->report->progress};
	if (!compile_gateway(&job, &tree, &all, e))
		return haproxy_image_keep(&c->root, tree, e);
	if (all.n > 1)
		report_diagnostics(a->report, &all);
	return -1;
}

int compile_common_gateway(struct args *a, struct context *c, bool newer, bool *made,
			   struct err *e) {
	struct haproxy_image i CLEANUP(haproxy_image_done) = {0};
	char *dir CLEANUP(freep) = NULL, wanted[65];
	struct err damaged = {0};
	bool found = false;

	*made = false;
	if (c->config->gateway != CONFIG_GATEWAY_DOCKER)
		return 0;
	if (haproxy_image_read(&c->root, &i, &found, &damaged) && !newer)
		return err_set(e, damaged.code, "%s", damaged.msg);
	if (found && !newer)
		return 0;
	context_gateway_dir(a, RUNTIME_GATEWAY, &dir);
	if (!dir)
		return err_set(e, ERR_USAGE,
			       "no definition of '" RUNTIME_GATEWAY
			       "' among the runtimes, to make the gateway's image from; set "
			       "gateway.mode in %s",
			       c->config->path);
	if (found && !damaged.code && !compile_gateway_wanted(dir, wanted, &damaged) &&
	    !strcmp(wanted, i.packages_lock))
		return 0;
	if (make_gateway(a, c, dir, e))
		return err_wrap(e, "gateway image");
	*made = true;
	return 0;
}

/* The root, and its gateway. In mode host no Engine is needed. */
static int open_all(struct args *a, unsigned needs, struct context *c, struct gateway **g,
		    struct err *e) {
	if (context_open(a, "gateway", needs, c, e))
		return -1;
	if (c->config->gateway == CONFIG_GATEWAY_DOCKER && context_need_docker(a, c, e))
		return -1;
	return context_gateway(a, c, g, e);
}

static void tell_server(const struct gateway_server *s, const char *route, const char *name,
			const char **cells, struct arena *a) {
	const char *row[] = {route,
			     name,
			     *s->version ? s->version : "(empty)",
			     s->want,
			     *s->have ? s->have : "?",
			     arena_printf(a, "%" PRIu64, s->in_flight),
			     arena_printf(a, "%" PRIu64, s->queued)};

	memcpy(cells, row, sizeof row);
}

static struct json *server_json(const struct gateway_server *s) {
	struct json *o = json_object();

	json_set_str(o, "version", s->version);
	json_set_str(o, "id", s->id);
	json_set_str(o, "want", s->want);
	json_set_str(o, "have", s->have);
	json_set_bool(o, "up", s->up);
	json_set_int(o, "in_flight", (int64_t) s->in_flight);
	json_set_int(o, "queued", (int64_t) s->queued);
	return o;
}

static struct json *route_json(const char *name, const struct gateway_route_view *v) {
	struct json *o = json_object();

	json_set_str(o, "route", name);
	json_set_str(o, "listen", v->listen);
	json_set_int(o, "canary_percent", v->canary_percent);
	json_set_int(o, "fallback_requests", (int64_t) gateway_status_fallback(v).requests);
	json_set(o, "a", server_json(&v->servers[0]));
	json_set(o, "b", server_json(&v->servers[1]));
	return o;
}

static const char *mode_name(const struct config *c) {
	static const char *const names[] = {"docker", "host", "none"};

	return names[c->gateway];
}

static int tell_routes(struct args *a, struct gateway *g, struct json *routes, struct err *e) {
	static const struct report_column columns[] = {
		{"route", false, 12}, {"slot", false, 0},   {"release", false, 12},
		{"wanted", false, 0}, {"actual", false, 0}, {"in flight", true, 0},
		{"queued", true, 0}};
	struct arena *arena CLEANUP(arena_freep) = arena_new();
	char **names CLEANUP(freep) = NULL;
	size_t n, wide = sizeof columns / sizeof *columns;

	if (gateway_routes(g, &names, &n, e))
		return -1;
	const char **cells = arena_zalloc(arena, 2 * n * wide + 1, sizeof *cells);
	/* the cells point into them */
	struct gateway_route_view *views = arena_zalloc(arena, n + 1, sizeof *views);
	for (size_t i = 0; i < n; i++) {
		if (gateway_status_route(g, names[i], &views[i], e))
			return -1;
		for (size_t k = 0; k < 2; k++)
			tell_server(&views[i].servers[k], names[i], k ? "b" : "a",
				    cells + (2 * i + k) * wide, arena);
		json_push(routes, route_json(names[i], &views[i]));
	}
	if (n)
		report_table(a->report, columns, wide, cells, 2 * n);
	return 0;
}

static int status(struct args *a, struct err *e) {
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	struct gateway *g CLEANUP(gateway_freep) = NULL;
	struct json *j CLEANUP(json_freep) = json_object(), *routes = json_array();
	struct gateway_view v;

	json_set(j, "routes", routes);
	if (open_all(a, NEED_ASK | NEED_STORE, &c, &g, e) ||
	    gateway_status(g, &v, e))
		return -1;
	json_set_str(j, "mode", mode_name(c.config));
	json_set_bool(j, "running", v.running);
	json_set_str(j, "version", v.version);
	json_set_int(j, "workers", v.workers);
	if (!gateway_present(g))
		report_line(a->report, "no gateway: gateway.mode is none in %s", c.config->path);
	else if (v.running)
		report_line(a->report, "HAProxy %s is running, %u worker process%s", v.version,
			    v.workers, v.workers == 1 ? "" : "es");
	else
		report_line(a->report, "HAProxy is not running");
	if (tell_routes(a, g, routes, e))
		return -1;
	report_result(a->report, j);
	return 0;
}

static void result(struct args *a, const char *what, bool changed) {
	struct json *j CLEANUP(json_freep) = json_object();

	json_set_str(j, "done", what);
	json_set_bool(j, "changed", changed);
	report_result(a->report, j);
}

static int reload(struct args *a, struct err *e) {
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	struct gateway *g CLEANUP(gateway_freep) = NULL;

	if (open_all(a, NEED_WRITE | NEED_STORE, &c, &g, e) ||
	    gateway_reload(g, e))
		return -1;
	report_line(a->report, "%s",
		    gateway_present(g) ? "reloaded" : "there is no gateway to reload");
	result(a, "reload", gateway_present(g));
	return 0;
}

static int upgrade(struct args *a, struct err *e) {
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	struct gateway *g CLEANUP(gateway_freep) = NULL;
	bool made, changed;

	if (open_all(a, NEED_WRITE | NEED_STORE, &c, &g, e) ||
	    compile_common_gateway(a, &c, true, &made, e) ||
	    gateway_upgrade(g, a->option[OPT_FORCE] != NULL, &changed, e))
		return -1;
	report_line(a->report, "%s",
		    changed        ? "a new process serves; the previous one drains"
			    : made ? "the image is built; no gateway is running"
				   : "nothing to do: the gateway runs the newest image");
	result(a, "upgrade", changed || made);
	return 0;
}

static int keys_list(struct args *a, struct gateway *g, struct json *j, struct err *e) {
	char **names CLEANUP(freep) = NULL;
	struct json *list = json_array();
	size_t n;

	json_set(j, "keys", list);
	if (gateway_api_keys_list(g, a->at[2], &names, &n, e))
		return -1;
	for (size_t i = 0; i < n; i++) {
		report_line(a->report, "%s", names[i]);
		json_push_str(list, names[i]);
	}
	return 0;
}

static int keys_add(struct args *a, struct gateway *g, struct json *j, struct err *e) {
	char key[GATEWAY_KEY];

	if (gateway_api_keys_add(g, a->at[2], a->at[3], key, e))
		return -1;
	/* The one time that it is shown; json shows it in the result alone. */
	if (!a->option[OPT_JSON])
		report_line(a->report, "%s", key);
	json_set_str(j, "name", a->at[3]);
	json_set_str(j, "key", key);
	return 0;
}

static int keys_remove(struct args *a, struct gateway *g, struct json *j, struct err *e) {
	if (gateway_api_keys_remove(g, a->at[2], a->at[3], e))
		return -1;
	report_line(a->report, "removed: key '%s' of '%s'", a->at[3], a->at[2]);
	json_set_str(j, "removed", a->at[3]);
	return 0;
}

static int keys(struct args *a, struct err *e) {
	static const struct {
		const char *name;
		int words;
		int (*run)(struct args *a, struct gateway *g, struct json *j, struct err *e);
	} verbs[] = {{"list", 3, keys_list}, {"add", 4, keys_add}, {"remove", 4, keys_remove}};
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	struct gateway *g CLEANUP(gateway_freep) = NULL;
	struct json *j CLEANUP(json_freep) = json_object();

	for (size_t i = 0; a->n > 1 && i < sizeof verbs / sizeof *verbs; i++) {
		if (strcmp(verbs[i].name, a->at[1]) || verbs[i].words != a->n)
			continue;
		if (open_all(a, NEED_WRITE | NEED_STORE, &c, &g, e) ||
		    verbs[i].run(a, g, j, e))
			return -1;
		report_result(a->report, j);
		return 0;
	}
	return err_set(e, ERR_USAGE,
		       "gateway keys needs list ROUTE, add ROUTE NAME or remove ROUTE NAME; the "
		       "absolute path of the key file can replace ROUTE");
}

int cmd_gateway(struct args *a, struct err *e) {
	const char *what = a->at[0];

	if (!strcmp(what, "status") && a->n == 1)
		return status(a, e);
	if (!strcmp(what, "reload") && a->n == 1)
		return reload(a, e);
	if (!strcmp(what, "upgrade") && a->n == 1)
		return upgrade(a, e);
	if (!strcmp(what, "keys"))
		return keys(a, e);
	return err_set(e, ERR_USAGE, "gateway needs status, reload, upgrade or keys, got '%s%s%s'",
		       what, a->n > 1 ? " " : "", a->n > 1 ? a->at[1] : "");
}
