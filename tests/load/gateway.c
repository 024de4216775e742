/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway's functions from a shell, without a rollout around them.
 *
 *     gateway ROOT ensure | stop | look
 *     gateway ROOT seat LOCK | flip LOCK | down ROUTE | canary LOCK PERCENT | inflight LOCK |
 *         drain LOCK MS | unseat LOCK | remove ROUTE
 *
 * LOCK is a file. Prints what came; ends with the error's exit status. DOCKER_HOST names the
 * Engine. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/failpoint.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "config/config.h"
#include "docker/docker.h"
#include "fs/fs.h"
#include "gateway/gateway.h"
#include "lockfile/lockfile.h"
#include "release/run.h"
#include "root/root.h"
#include "store/store.h"

struct all {
	struct root root;
	struct config *config;
	struct store *store;
	struct docker *docker;
	struct gateway *gateway;
};

static int open_all(const char *path, struct all *a, struct err *e) {
	struct diagnostics c CLEANUP(diagnostics_done) = {0};

	if (root_open(path, ROOT_WRITE, &a->root, e) ||
	    config_load(a->root.fd, a->root.path, "/etc/apt", &a->config, &c, e) ||
	    store_open(a->root.fd, a->root.path, &a->store, e))
		return -1;
	if (a->config->gateway == CONFIG_GATEWAY_DOCKER && docker_open(NULL, &a->docker, e))
		return -1;
	static const enum gateway_mode modes[] = {[CONFIG_GATEWAY_DOCKER] = GATEWAY_IN_DOCKER,
						  [CONFIG_GATEWAY_HOST] = GATEWAY_ON_HOST,
						  [CONFIG_GATEWAY_NONE] = GATEWAY_NONE};
	const struct gateway_options o = {.root = &a->root,
					  .store = a->store,
					  .docker = a->docker,
					  .tool = "test",
					  .settings = {modes[a->config->gateway],
						       a->config->haproxy, a->config->path}};
	return gateway_open(&o, &a->gateway, e);
}

static int read_lockfile(const char *path, struct lockfile **l, struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(8 << 20);

	if (fs_read_user(path, &text, e) ||
	    lockfile_parse(path, buf_str(&text), text.len, l, e))
		return -1;
	return 0;
}

static int look(struct all *a, struct err *e) {
	char **names CLEANUP(freep) = NULL;
	struct gateway_view v;
	size_t n;

	if (gateway_status(a->gateway, &v, e) ||
	    gateway_routes(a->gateway, &names, &n, e))
		return -1;
	printf("running=%d workers=%u version=%s\n", v.running, v.workers, v.version);
	for (size_t i = 0; i < n; i++) {
		struct gateway_route_view r;
		if (gateway_status_route(a->gateway, names[i], &r, e))
			return -1;
		printf("%s a=%s:%s:%s b=%s:%s:%s\n", names[i], r.servers[0].version,
		       r.servers[0].want, r.servers[0].have, r.servers[1].version,
		       r.servers[1].want, r.servers[1].have);
	}
	return 0;
}

static int with_lockfile(struct all *a, const char *verb, const char *file, const char *extra,
			 struct err *e) {
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	struct gateway *g = a->gateway;
	uint64_t n = 0, ms = extra ? strtoull(extra, NULL, 10) : 0;
	char *run CLEANUP(freep) = NULL;

	if (read_lockfile(file, &l, e))
		return -1;
	if (!strcmp(verb, "id")) {
		if (release_run_dir(&a->root, l->id, &run, e))
			return -1;
		printf("%s\n", l->id);
		return 0;
	}
	if (!strcmp(verb, "seat")) {
		if (gateway_accepts(g, l, true, e) ||
		    gateway_assign_slot(g, l, e) ||
		    gateway_ensure(g, e))
			return -1;
		return 0;
	}
	if (!strcmp(verb, "flip"))
		return gateway_flip(g, l->route, l, e);
	if (!strcmp(verb, "canary"))
		return gateway_canary(g, l->route, l, (unsigned) ms, e);
	if (!strcmp(verb, "unseat"))
		return gateway_release_slot(g, l->route, l, e);
	int r = !strcmp(verb, "inflight")
		? gateway_in_flight(g, l->route, l, &n, e)
		: gateway_drain(g, l->route, l, clock_mono_ms() + ms, &n, e);
	if (!r)
		printf("%" PRIu64 "\n", n);
	return r;
}

/* Without a route there is nothing to run it for. */
static int stop(struct gateway *g, struct err *e) {
	char **names CLEANUP(freep) = NULL;
	size_t n;

	if (gateway_routes(g, &names, &n, e))
		return -1;
	for (size_t i = 0; i < n; i++)
		if (gateway_remove(g, names[i], e))
			return -1;
	return gateway_ensure(g, e);
}

static int act(struct all *a, int argc, char **argv, struct err *e) {
	const char *verb = argv[2];

	if (!strcmp(verb, "ensure"))
		return gateway_ensure(a->gateway, e);
	if (!strcmp(verb, "stop"))
		return stop(a->gateway, e);
	if (!strcmp(verb, "look"))
		return look(a, e);
	if (argc < 4)
		return err_set(e, ERR_USAGE, "'%s' wants more", verb);
	if (!strcmp(verb, "down"))
		return gateway_flip(a->gateway, argv[3], NULL, e);
	if (!strcmp(verb, "remove"))
		return gateway_remove(a->gateway, argv[3], e);
	return with_lockfile(a, verb, argv[3], argc > 4 ? argv[4] : NULL, e);
}

int main(int argc, char **argv) {
	struct all a = {.root = ROOT_INIT};
	struct err e = {0};

	if (argc < 3)
		return 2;
	(void) umask(022);
	interrupt_install();
	uint64_t began = clock_mono_us();
	if (failpoint_install(getenv("LLMDEPLOY_FAULT"), &e) ||
	    open_all(argv[1], &a, &e) ||
	    act(&a, argc, argv, &e))
		fprintf(stderr, "%s\n", e.msg);
	if (getenv("TIMES"))
		fprintf(stderr, "%" PRIu64 " us\n", clock_mono_us() - began);
	gateway_free(a.gateway);
	docker_free(a.docker);
	store_free(a.store);
	config_free(a.config);
	root_done(&a.root);
	return err_exit_status(e.code);
}
