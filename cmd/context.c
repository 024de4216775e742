/* SPDX-License-Identifier: Apache-2.0 */
#include "context.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diagnostics.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/config.h"
#include "debian/debian.h"
#include "docker/docker.h"
#include "gateway/gateway.h"
#include "release/history.h"
#include "report/report.h"
#include "runtime/gateway.h"
#include "runtime/runtime.h"
#include "store/store.h"
#include "version.h"

int context_lock_wait(const struct args *a, uint64_t *out, struct err *e) {
	const char *text = a->option[OPT_LOCK_WAIT];

	*out = 0;
	if (text && !text_duration_ms(text, out))
		return err_set(e, ERR_USAGE,
			       "'--lock-wait %s' is not a time, write it like 60s or 5m", text);
	return 0;
}

static int load_config(const struct args *a, struct context *c, struct err *e) {
	struct diagnostics all CLEANUP(diagnostics_done) = {0};

	if (!config_load(c->root.fd, c->root.path, "/etc/apt", &c->config, &all, e))
		return 0;
	if (all.n > 1)
		report_diagnostics(a->report, &all);
	return -1;
}

static int open_docker(const struct args *a, struct context *c, struct err *e) {
	uint64_t look_ms = c->config->docker_timeout_ms;
	struct docker_options o = {.host = a->option[OPT_ENGINE],
				   .progress = &a->report->progress,
				   .quick_ms = look_ms,
				   .slow_ms = 8 * look_ms,
				   .load_ms = 20 * look_ms,
				   .back_ms = 4 * look_ms};

	/* What was said now comes before the environment, and that before the machine's
	 * configuration. */
	if (!o.host && !getenv("DOCKER_HOST"))
		o.host = c->config->docker;
	if (docker_open(&o, &c->docker, e))
		return -1;
	return docker_suits(c->docker, (unsigned) c->root.owner, e);
}

/* A container in the network of a rootless Docker listens where nobody outside of it can
 * connect. */
static int check_gateway(const struct context *c, struct err *e) {
	const struct docker_nature *nature;

	if (c->config->gateway != CONFIG_GATEWAY_DOCKER || !c->docker ||
	    docker_is_of_root(c->docker))
		return 0;
	if (docker_learn(c->docker, &nature, e))
		return -1;
	return nature->rootless ? err_set(e, ERR_USAGE,
					  "gateway.mode is docker, and the gateway of a rootless "
					  "Docker cannot be reached from outside of its network "
					  "namespace: set gateway.mode to host (an installed "
					  "HAProxy) or none in %s",
					  c->config->path)
				: 0;
}

/* The gateway's folder does not read config.yaml: what it needs of it is handed over. */
static struct gateway_settings gateway_settings(const struct config *config) {
	static const enum gateway_mode modes[] = {
		[CONFIG_GATEWAY_DOCKER] = GATEWAY_IN_DOCKER,
		[CONFIG_GATEWAY_HOST] = GATEWAY_ON_HOST,
		[CONFIG_GATEWAY_NONE] = GATEWAY_NONE,
	};

	return (struct gateway_settings){modes[config->gateway], config->haproxy, config->path};
}

int context_gateway(const struct args *a, struct context *c, struct gateway **out, struct err *e) {
	const struct gateway_options o = {
		.root = &c->root,
		.store = c->store,
		.docker = c->docker,
		.settings = gateway_settings(c->config),
		.progress = &a->report->progress,
		.tool = TOOL,
	};

	return gateway_open(&o, out, e);
}

static int open_gateway(const struct args *a, struct context *c, struct err *e) {
	if (check_gateway(c, e))
		return -1;
	return context_gateway(a, c, &c->gateway, e);
}

static int open_root(const struct args *a, unsigned needs, struct root *out, struct err *e) {
	enum root_use use = needs & NEED_WRITE ? ROOT_WRITE
		: needs & NEED_CHANGE          ? ROOT_CHANGE
					       : ROOT_READ;

	if (root_open(a->option[OPT_ROOT], use, out, e))
		return -1;
	return needs & NEED_ASK ? root_may_ask(out, e) : 0;
}

int context_open(const struct args *a, const char *command, unsigned needs, struct context *c,
		 struct err *e) {
	uint64_t wait_ms = 0;

	if (context_lock_wait(a, &wait_ms, e) ||
	    open_root(a, needs, &c->root, e) ||
	    load_config(a, c, e))
		return -1;
	if (needs & NEED_STORE && store_open(c->root.fd, c->root.path, &c->store, e))
		return -1;
	if (needs & NEED_DOCKER && open_docker(a, c, e))
		return -1;
	if (needs & NEED_GATEWAY && open_gateway(a, c, e))
		return -1;
	c->command = mem_printf("%s%s%s", command, a->n ? " " : "", a->n ? a->at[0] : "");
	c->rollout = (struct rollout){
		.base = {.root = &c->root,
			 .store = c->store,
			 .docker = c->docker,
			 .progress = &a->report->progress},
		.gateway = c->gateway,
		.command = c->command,
		.tool = TOOL,
		.lock_wait_ms = wait_ms,
	};
	return 0;
}

void context_done(struct context *c) {
	gateway_free(c->gateway);
	docker_free(c->docker);
	store_free(c->store);
	config_free(c->config);
	root_done(&c->root);
	free(c->command);
}

int context_mirrors(struct context *c, struct debian_mirror **list, struct debian_mirrors *out,
		    struct err *e) {
	if (!c->config->n_mirrors)
		return err_set(e, ERR_USAGE,
			       "no mirror of Debian: the host's apt names none; name one as "
			       "'mirror:' in %s",
			       c->config->path);
	size_t n = c->config->n_mirrors, n_all = n + c->config->n_snapshots;
	*list = mem_zalloc(n_all, sizeof **list);
	for (size_t i = 0; i < n_all; i++)
		(*list)[i] = (struct debian_mirror){.url = i < n ? c->config->mirrors[i]
								 : c->config->snapshots[i - n],
						    .snapshot = i >= n};
	*out = (struct debian_mirrors){.at = *list, .n = n_all, .keyring = c->config->keyring};
	return 0;
}

/* Directories to look for runtime definitions in; *program is what /proc says that we are. */
char **context_runtime_dirs(const struct args *a, size_t *n) {
	const char *given = a->option[OPT_RUNTIMES] ? a->option[OPT_RUNTIMES]
						    : getenv("LLMDEPLOY_RUNTIMES");
	char self[4096];
	ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);

	self[len > 0 ? len : 0] = 0;
	return runtime_dirs(given && *given ? given : NULL, self, n);
}

int context_runtime_dir(const struct args *a, const char *name, char **dir, struct err *e) {
	size_t n;
	char **dirs = context_runtime_dirs(a, &n);
	int r = runtime_find((const char *const *) dirs, n, name, dir, e);

	runtime_dirs_free(dirs);
	return r;
}

void context_runtime_names(const struct args *a, const char *format, struct buf *out) {
	char **names CLEANUP(freep) = NULL;
	size_t n_dirs, n = 0;
	char **dirs = context_runtime_dirs(a, &n_dirs);
	struct err none = {0};

	(void) runtime_list((const char *const *) dirs, n_dirs, &names, &n, &none);
	runtime_dirs_free(dirs);
	for (size_t i = 0; i < n; i++) {
		struct diagnostics ignored CLEANUP(diagnostics_done) = {0};
		struct runtime *rt CLEANUP(runtime_freep) = NULL;
		char *dir CLEANUP(freep) = NULL;

		if (context_runtime_dir(a, names[i], &dir, &none) ||
		    runtime_load(dir, &rt, &ignored, &none))
			continue;
		if (format ? runtime_reads(rt, format) : runtime_is_packaged(rt))
			(void) buf_printf(out, "%s%s", out->len ? ", " : "", rt->name);
	}
}

void context_gateway_dir(const struct args *a, const char *name, char **dir) {
	size_t n;
	char **dirs = context_runtime_dirs(a, &n);

	runtime_gateway_find((const char *const *) dirs, n, name, dir);
	runtime_dirs_free(dirs);
}

int context_need_docker(const struct args *a, struct context *c, struct err *e) {
	if (!c->docker && open_docker(a, c, e))
		return -1;
	c->rollout.base.docker = c->docker;
	return 0;
}

void context_try_docker(const struct args *a, struct context *c) {
	struct err why = {0}, denied = {0};

	if (open_docker(a, c, &why) && why.code != ERR_SYS)
		report_warning(a->report, "%s", why.msg);
	if (why.code == ERR_SYS)
		c->denied = why;
	why = (struct err){0};
	if (open_gateway(a, c, &why))
		report_warning(a->report, "%s", why.msg);
	if (root_may_ask(&c->root, &denied) && !c->denied.code)
		c->denied = denied;
	c->rollout.base.docker = c->docker;
	c->rollout.gateway = c->gateway;
}

int context_active_lockfile(const struct context *c, const char *name, struct lockfile **l,
			    struct err *e) {
	struct release_route route CLEANUP(release_route_done) = RELEASE_ROUTE_INIT;

	if (release_route_open(&c->root, name, false, &route, e) ||
	    rollout_active_lockfile(&route, l, e))
		return -1;
	return 0;
}

int context_is_started(const struct context *c, const char *name, struct err *e) {
	struct release_route route CLEANUP(release_route_done) = RELEASE_ROUTE_INIT;
	enum release_state state;

	if (release_route_open(&c->root, name, false, &route, e) ||
	    release_state(&route, &state, NULL, e))
		return -1;
	return state == RELEASE_STOPPED
		? err_set(e, ERR_USAGE, "route '%s' is stopped: llmdeploy start %s", name, name)
		: 0;
}
