/* SPDX-License-Identifier: Apache-2.0 */
#include "haproxy/process.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/progress.h"
#include "docker/docker.h"
#include "fs/fs.h"
#include "haproxy/image.h"
#include "root/root.h"
#include "json/json.h"

/* Design: three names. NAME serves; NAME-next is made and has to take over; NAME-old was taken over
 * from and finishes. Each step of a change renames, so that whoever comes after a crash sees by the
 * names how far it got. */

#define LABEL_ROOT "llmdeploy.root"
#define LABEL_SPEC "llmdeploy.gateway.spec"
#define PIDS 512

enum { FINISH_MS = 30000, START_MS = 15000, STOP_MS = 5000, CHECK_MS = 60000 };

static char *name_of(const struct haproxy *h, const char *suffix) {
	return mem_printf("llmdeploy-%.8s-gateway%s", h->root->id, suffix);
}

/* ---- what it is made of ---- */

static int read_image(const struct haproxy *h, struct haproxy_image *out, struct err *e) {
	bool found;

	if (haproxy_image_read(h->root, out, &found, e))
		return -1;
	return found ? 0
		     : err_set(e, ERR_USAGE,
			       "there is no gateway image yet: llmdeploy gateway upgrade makes it, "
			       "or set gateway.mode in %s",
			       h->config_path);
}

struct mounts {
	struct docker_mount *at;
	size_t n;
	struct arena *arena;
};

static void mounts_done(struct mounts *m) {
	arena_free(m->arena);
}

/* run/ to look into, and what it makes its sockets in: gateway/, or for a check the folder that is
 * laid out like it, which is only read. */
static void mounts_make(const struct haproxy *h, const char *gateway, bool reads,
			struct mounts *m) {
	const char *root = h->root->path;

	m->arena = arena_new();
	m->n = 2;
	m->at = arena_zalloc(m->arena, m->n, sizeof *m->at);
	m->at[0] = (struct docker_mount){arena_printf(m->arena, "%s/run", root),
					 HAPROXY_INSIDE "/run", true};
	m->at[1] = (struct docker_mount){arena_printf(m->arena, "%s/%s", root, gateway),
					 HAPROXY_INSIDE "/gateway", reads};
}

static struct json *argv_make(const struct haproxy_image *i, bool takes_over) {
	static const char *const own[] = {"-W", "-db",
					  "-C", HAPROXY_INSIDE,
					  "-S", "unix@gateway/" SOCKET_MASTER ",mode,600",
					  "-f", "gateway/haproxy.cfg",
					  "-f", "gateway/process.cfg"};
	struct json *argv = json_copy(i->command);

	for (size_t k = 0; k < sizeof own / sizeof *own; k++)
		json_push_str(argv, own[k]);
	if (takes_over) {
		json_push_str(argv, "-x");
		json_push_str(argv, "gateway/admin.sock");
	}
	return argv;
}

/* A digest of image, command line and mounts. A mount holds on to the directory that it was made
 * from. */
static void spec_digest(const struct haproxy_image *i, const struct mounts *m, unsigned uid,
			char out[SHA256_HEX]) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(1 << 20);
	struct json *argv CLEANUP(json_freep) = argv_make(i, false);
	struct stat st;

	(void) buf_printf(&text, "%s %u\n", i->config, uid);
	json_print(argv, &text);
	for (size_t k = 0; k < m->n; k++) {
		bool known = !stat(m->at[k].source, &st);
		(void) buf_printf(&text, "\n%s %ju %ju", m->at[k].source,
				  known ? (uintmax_t) st.st_dev : 0,
				  known ? (uintmax_t) st.st_ino : 0);
	}
	sha256_of(buf_str(&text), text.len, out);
}

/* An image that Docker lists and that lacks a layer is loaded again, once. */
static int make(const struct haproxy *h, const struct haproxy_image *i,
		struct docker_container_spec *c, bool *taken, struct err *e) {
	struct err why = {0};
	char image[65], id[65];

	for (int again = 0; again < 2; again++) {
		if (haproxy_image_load(h->root, h->store, h->docker, h->progress, i, again, image,
				       e))
			return -1;
		char *ref CLEANUP(freep) = mem_printf("sha256:%s", image);
		c->image = ref;
		if (!docker_container_create(h->docker, c, taken, id, &why))
			return 0;
		if (!docker_create_may_want_image(&why))
			break;
	}
	return err_set(e, why.code, "%s", why.msg);
}

static int create_with(const struct haproxy *h, const struct haproxy_image *i,
		       const struct mounts *m, const char *name, const struct json *argv,
		       struct err *e) {
	unsigned uid = (unsigned) h->root->instance_uid;
	char *user CLEANUP(freep) = mem_printf("%u:%u", uid, uid);
	struct json *labels CLEANUP(json_freep) = json_object(),
			    *env CLEANUP(json_freep) = json_array();
	char spec[SHA256_HEX];
	bool taken;

	spec_digest(i, m, uid, spec);
	json_push_str(env, "LC_ALL=C");
	json_set_str(labels, LABEL_ROOT, h->root->id);
	json_set_str(labels, HAPROXY_LABEL, i->version);
	json_set_str(labels, LABEL_SPEC, spec);
	if (docker_learn(h->docker, NULL, e))
		return -1;
	struct docker_container_spec c = {.name = name,
					  .argv = argv,
					  .env = env,
					  .user = user,
					  .labels = labels,
					  .mounts = m->at,
					  .n_mounts = m->n,
					  .network = "host",
					  .pids = PIDS,
					  .stop_signal = "SIGUSR1",
					  .stop_timeout_ms = STOP_MS,
					  .restart = "no"};
	/* Whatever has our name was left by someone. */
	if (docker_container_remove(h->docker, name, true, e) ||
	    make(h, i, &c, &taken, e))
		return -1;
	return taken ? err_set(e, ERR_SYS,
			       "another program created a container '%s' at the same moment; "
			       "remove it and try again",
			       name)
		     : docker_container_start(h->docker, name, e);
}

static int create(const struct haproxy *h, const char *name, bool takes_over, struct err *e) {
	struct haproxy_image i CLEANUP(haproxy_image_done) = {0};
	struct mounts m CLEANUP(mounts_done) = {0};

	if (read_image(h, &i, e))
		return -1;
	mounts_make(h, "gateway", false, &m);
	struct json *argv CLEANUP(json_freep) = argv_make(&i, takes_over);
	return create_with(h, &i, &m, name, argv, e);
}

/* ---- what is there ---- */

static bool is_ours(const struct haproxy *h, const struct docker_container *c) {
	const char *root = json_str(c->labels, LABEL_ROOT);

	return root && !strcmp(root, h->root->id) && json_str(c->labels, HAPROXY_LABEL);
}

static int inspect(const struct haproxy *h, const char *suffix, bool *found, bool *running,
		   char spec[SHA256_HEX], char version[64], struct err *e) {
	char *name CLEANUP(freep) = name_of(h, suffix);
	struct docker_container c CLEANUP(docker_container_done) = {0};

	if (docker_container_inspect(h->docker, name, found, &c, e))
		return -1;
	*found = *found && is_ours(h, &c);
	*running = *found && c.running && strcmp(c.state, "restarting") != 0;
	(void) snprintf(spec, SHA256_HEX, "%s",
			*found && json_str(c.labels, LABEL_SPEC) ? json_str(c.labels, LABEL_SPEC)
								 : "");
	(void) snprintf(version, 64, "%s", *found ? json_str(c.labels, HAPROXY_LABEL) : "");
	return 0;
}

int process_docker_inspect(const struct haproxy *h, struct process *out, struct err *e) {
	struct haproxy_image i CLEANUP(haproxy_image_done) = {0};
	struct mounts m CLEANUP(mounts_done) = {0};
	char wanted[SHA256_HEX], spec[SHA256_HEX];
	struct process p = {0};

	if (read_image(h, &i, e) ||
	    inspect(h, "", &p.found, &p.running, spec, p.version, e))
		return -1;
	mounts_make(h, "gateway", false, &m);
	spec_digest(&i, &m, (unsigned) h->root->instance_uid, wanted);
	p.same = p.found && !strcmp(spec, wanted);
	*out = p;
	return 0;
}

/* ---- what is done ---- */

int process_docker_start(const struct haproxy *h, struct err *e) {
	char *name CLEANUP(freep) = name_of(h, "");

	/* One that was made to take over from a socket has that in its command line for good: a new
	 * one is cheap. */
	return create(h, name, false, e);
}

int process_docker_keep(const struct haproxy *h, struct err *e) {
	char *name CLEANUP(freep) = name_of(h, "");
	struct docker_container c CLEANUP(docker_container_done) = {0};
	bool found;

	if (docker_container_inspect(h->docker, name, &found, &c, e))
		return -1;
	return found && c.running && strcmp(c.restart, DOCKER_RESTART_KEEP)
		? docker_container_set_restart(h->docker, name, DOCKER_RESTART_KEEP, e)
		: 0;
}

int process_docker_drift(const struct haproxy *h, haproxy_found *found, void *ctx, struct err *e) {
	char *name CLEANUP(freep) = name_of(h, "");
	struct docker_container c CLEANUP(docker_container_done) = {0};
	bool there;

	if (docker_container_inspect(h->docker, name, &there, &c, e))
		return -1;
	/* That it is not there is reported with what runs. */
	if (there && c.running && strcmp(c.restart, DOCKER_RESTART_KEEP))
		found(ctx, "gateway's restart policy", DOCKER_RESTART_KEEP, c.restart);
	return 0;
}

static int rename_to(const struct haproxy *h, const char *from, const char *to, struct err *e) {
	char *name CLEANUP(freep) = name_of(h, from), *next CLEANUP(freep) = name_of(h, to);
	bool taken;

	if (docker_container_rename(h->docker, name, next, &taken, e))
		return -1;
	return taken ? err_set(e, ERR_SYS,
			       "another program created a container '%s' at the same moment; "
			       "remove it and try again",
			       next)
		     : 0;
}

/* One that still finishes from the time before gets until its deadline. */
static int end_old(const struct haproxy *h, uint64_t wait_ms, struct err *e) {
	char *name CLEANUP(freep) = name_of(h, "-old"), spec[SHA256_HEX], version[64];
	bool found, running, ended = true;
	int64_t status;

	if (inspect(h, "-old", &found, &running, spec, version, e))
		return -1;
	if (!found)
		return 0;
	if (running && wait_ms &&
	    docker_container_wait(h->docker, name, DOCKER_NOT_RUNNING, wait_ms, &ended, &status, e))
		return -1;
	if (!ended)
		progress_warn(
			h->progress,
			"an earlier gateway process had not finished its requests and was ended",
			name);
	return docker_container_remove(h->docker, name, true, e);
}

static int stop_accepting(const struct haproxy *h, struct err *e) {
	char *old CLEANUP(freep) = name_of(h, "-old");

	/* SIGUSR1: no new connections, idle ones closed, requests finished. The Engine must not
	 * bring it back. */
	if (docker_container_set_restart(h->docker, old, "no", e) ||
	    docker_container_kill(h->docker, old, "SIGUSR1", e))
		return -1;
	return 0;
}

/* It did not serve: what it said, and the first one has its socket's name again. */
static int give_up(const struct haproxy *h, const struct err *why, struct err *e) {
	char *next CLEANUP(freep) = name_of(h, "-next");
	struct buf words CLEANUP(buf_done) = BUF_INIT(64 << 10);
	struct err ignored = {0};

	(void) docker_log_tail(h->docker, next, 20, &words, &ignored);
	(void) docker_container_remove(h->docker, next, true, &ignored);
	if (fs_exists(h->dir, SOCKET_MASTER_OLD))
		(void) fs_rename(EFFECT_GATEWAY_RELOAD, h->dir, SOCKET_MASTER_OLD, SOCKET_MASTER,
				 &ignored);
	return why->code ? err_set(e, why->code, "%s", why->msg)
			 : haproxy_failed(h, buf_str(&words), e);
}

int process_docker_take_over(const struct haproxy *h, const char *digest, struct err *e) {
	char *next CLEANUP(freep) = name_of(h, "-next");
	struct err why = {0};
	bool up = false;

	/* 1. The one before the last has ended. 2. Its master stays reachable under another name;
	 * the new one puts its own in its place. */
	if (end_old(h, FINISH_MS, e))
		return -1;
	if (fs_exists(h->dir, SOCKET_MASTER) &&
	    fs_rename(EFFECT_GATEWAY_RELOAD, h->dir, SOCKET_MASTER, SOCKET_MASTER_OLD, e))
		return -1;
	/* 3. It takes the listening sockets over, and serves beside the first. */
	if (create(h, next, true, &why) || haproxy_await(h, digest, START_MS, &up, &why) || !up)
		return give_up(h, &why, e);
	/* 4. The names change hands. 5. The first takes nothing new. */
	if (rename_to(h, "", "-old", e) ||
	    rename_to(h, "-next", "", e) ||
	    process_docker_keep(h, e))
		return -1;
	return stop_accepting(h, e);
}

/* A crash between the steps of a takeover: the next one serves, and the names say something
 * else. */
static int finish_takeover(const struct haproxy *h, struct err *e) {
	char *next CLEANUP(freep) = name_of(h, "-next"), spec[SHA256_HEX], version[64];
	bool found, running, current, ignored;

	if (inspect(h, "-next", &found, &running, spec, version, e) ||
	    (found && inspect(h, "", &current, &ignored, spec, version, e)))
		return -1;
	if (!found)
		return 0;
	if (!running)
		return docker_container_remove(h->docker, next, true, e);
	if (current && (end_old(h, FINISH_MS, e) ||
			rename_to(h, "", "-old", e)))
		return -1;
	if (rename_to(h, "-next", "", e) ||
	    process_docker_keep(h, e) ||
	    (current && stop_accepting(h, e)))
		return -1;
	return 0;
}

/* The first one's socket, whose name was to become another's: nobody took over after all, or
 * everybody has finished. */
static int sweep_socket(const struct haproxy *h, struct err *e) {
	if (!fs_exists(h->dir, SOCKET_MASTER_OLD))
		return 0;
	return fs_exists(h->dir, SOCKET_MASTER)
		? fs_unlink(EFFECT_GATEWAY_RELOAD, h->dir, SOCKET_MASTER_OLD, e)
		: fs_rename(EFFECT_GATEWAY_RELOAD, h->dir, SOCKET_MASTER_OLD, SOCKET_MASTER, e);
}

static int sweep_old(const struct haproxy *h, bool all, struct err *e) {
	char *old CLEANUP(freep) = name_of(h, "-old"), spec[SHA256_HEX], version[64];
	bool found, running, idle = true;

	if (inspect(h, "-old", &found, &running, spec, version, e))
		return -1;
	if (!found)
		return sweep_socket(h, e);
	if (running && !all &&
	    (stop_accepting(h, e) ||
	     worker_reaper_is_idle(h, SOCKET_MASTER_OLD, &idle, e)))
		return -1;
	return idle || all ? docker_container_remove(h->docker, old, true, e) : 0;
}

static int sweep_workers(const struct haproxy *h, struct err *e) {
	char *name CLEANUP(freep) = name_of(h, "");
	struct docker_container c CLEANUP(docker_container_done) = {0};
	bool found;

	if (docker_container_inspect(h->docker, name, &found, &c, e))
		return -1;
	return found && c.running ? worker_reaper_run(h, (int) c.pid, e) : 0;
}

int process_docker_sweep(const struct haproxy *h, bool all, struct err *e) {
	char *name CLEANUP(freep) = name_of(h, "");

	if (finish_takeover(h, e) ||
	    sweep_old(h, all, e))
		return -1;
	return all ? docker_container_remove(h->docker, name, true, e) : sweep_workers(h, e);
}

void process_docker_log_tail(const struct haproxy *h, struct buf *out) {
	char *name CLEANUP(freep) = name_of(h, "");
	struct err ignored = {0};

	(void) docker_log_tail(h->docker, name, 20, out, &ignored);
}

/* ---- a question before anything is changed ---- */

static struct json *check_argv(const struct haproxy_image *i) {
	static const char *const own[] = {"-c",
					  "-C",
					  HAPROXY_INSIDE,
					  "-f",
					  "gateway/haproxy.cfg",
					  "-f",
					  "gateway/process.cfg"};
	struct json *argv = json_copy(i->command);

	for (size_t k = 0; k < sizeof own / sizeof *own; k++)
		json_push_str(argv, own[k]);
	return argv;
}

static int await_check(const struct haproxy *h, const char *name, bool *fine, struct buf *said,
		       struct err *e) {
	bool ended;
	int64_t status;

	if (docker_container_wait(h->docker, name, DOCKER_NOT_RUNNING, CHECK_MS, &ended, &status,
				  e))
		return -1;
	if (!ended)
		return err_set(e, ERR_UNREACHABLE,
			       "HAProxy did not finish the check of its configuration within %d s",
			       CHECK_MS / 1000);
	*fine = !status;
	return docker_log_tail(h->docker, name, 50, said, e);
}

int process_docker_check(const struct haproxy *h, bool *fine, struct buf *said, struct err *e) {
	struct haproxy_image i CLEANUP(haproxy_image_done) = {0};
	struct mounts m CLEANUP(mounts_done) = {0};
	char *name CLEANUP(freep) = name_of(h, "-check");
	struct err why = {0}, more = {0};

	if (read_image(h, &i, e))
		return -1;
	mounts_make(h, "gateway/" HAPROXY_CHECK_DIR "/gateway", true, &m);
	struct json *argv CLEANUP(json_freep) = check_argv(&i);
	int r = 0;
	if (create_with(h, &i, &m, name, argv, &why) || await_check(h, name, fine, said, &why))
		r = -1;
	if (docker_container_remove(h->docker, name, true, &more))
		progress_warn(h->progress, "the container of a check could not be removed",
			      more.msg);
	return r ? err_set(e, why.code, "%s", why.msg) : 0;
}

int process_docker_check_sweep(const struct haproxy *h, struct err *e) {
	char *name CLEANUP(freep) = name_of(h, "-check");

	return docker_container_remove(h->docker, name, true, e);
}
