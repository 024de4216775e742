/* SPDX-License-Identifier: Apache-2.0 */
#include "memory_estimate/memory_estimate.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "docker/docker.h"
#include "lockfile/lockfile.h"
#include "json/json.h"

enum { LOG_CAP = 1 << 20, TIMEOUT_MS = 30000, LAST_LINES = 4, LAST_WORDS = 240 };

struct heard {
	struct buf text;
	const char *done;
	bool complete;
};

/* Until the text of the end is there. What it is looked for in begins a little before the new data:
 * it may be cut in two. */
static bool hear(void *ctx, int stream, const char *data, size_t n) {
	struct heard *h = ctx;
	size_t from = h->text.len > strlen(h->done) ? h->text.len - strlen(h->done) : 0;

	(void) stream;
	if (!buf_add(&h->text, data, n))
		return false;
	h->complete = strstr(buf_str(&h->text) + from, h->done) != NULL;
	return !h->complete;
}

static struct json *argv_of(const struct lockfile *l) {
	struct json *argv = json_array();

	for (size_t i = 0; i < l->n_argv; i++)
		json_push_str(argv, l->argv[i]);
	for (const struct json *a = json_first(json_get(json_get(l->logs, "estimate"), "args")); a;
	     a = json_next(a))
		json_push_str(argv, json_text(a));
	return argv;
}

/* The socket's folder is a mount in a release; here nobody connects. Its mode is that of the
 * image's folder, whatever is asked for (runc copies it), so that it must be the runtime's own. */
static struct json *tmpfs_of(const struct lockfile *l, const char *user) {
	struct json *o = l->tmpfs ? json_copy(l->tmpfs) : json_object();
	const char *slash = strrchr(l->socket, '/');

	if (slash && slash > l->socket) {
		char *folder CLEANUP(freep) = mem_strndup(l->socket, (size_t) (slash - l->socket));
		char *options CLEANUP(freep) = mem_printf("size=1m,uid=%.*s,gid=%.*s",
							  (int) strcspn(user, ":"), user,
							  (int) strcspn(user, ":"), user);
		json_set_str(o, folder, options);
	}
	return o;
}

static int create(struct docker *d, const struct memory_estimate_ask *ask, struct err *e) {
	const struct lockfile *l = ask->lockfile;
	struct json *argv CLEANUP(json_freep) = argv_of(l),
			  *tmpfs CLEANUP(json_freep) = tmpfs_of(l, ask->user);
	char *ref CLEANUP(freep) = mem_printf("sha256:%s", ask->image);
	struct docker_container_spec spec = {
		.name = ask->name,
		.image = ref,
		.argv = argv,
		.env = json_path(l->tree, "container.env"),
		.user = ask->user,
		.labels = ask->labels,
		.mounts = ask->mounts,
		.n_mounts = ask->n_mounts,
		.network = "none",
		.memory_bytes = l->memory_bytes,
		.pids = (int64_t) l->pids,
		.writable_root = !l->read_only,
		.tmpfs = tmpfs,
		.gpu = l->gpu,
		.devices = json_path(l->tree, "container.devices"),
		.stop_signal = l->stop_signal,
		.restart = "no",
	};
	bool taken = false;
	char id[65];

	if (docker_container_create(d, &spec, &taken, id, e))
		return -1;
	return taken ? err_set(e, ERR_BUSY,
			       "another program is running the runtime's estimate: container '%s' "
			       "exists",
			       ask->name)
		     : 0;
}

static int no_answer(struct docker *d, const struct memory_estimate_ask *ask, struct err *e) {
	struct buf last CLEANUP(buf_done) = BUF_INIT(LAST_WORDS);
	struct err ignored = {0};

	(void) docker_log_tail(d, ask->name, LAST_LINES, &last, &ignored);
	return err_set(e, ERR_GATE,
		       "the runtime made no estimate within %llu s; last lines of its log: %s",
		       (unsigned long long) ((ask->timeout_ms ? ask->timeout_ms : TIMEOUT_MS) /
					     1000),
		       last.len ? buf_str(&last) : "none");
}

static int listen_to(struct docker *d, const struct memory_estimate_ask *ask,
		     struct memory_estimate *out, struct err *e) {
	struct heard h = {.text = BUF_INIT(LOG_CAP),
			  .done = json_str(json_get(ask->lockfile->logs, "estimate"), "done")};
	struct docker_log q = {.name = ask->name,
			       .follow_ms = ask->timeout_ms ? ask->timeout_ms : TIMEOUT_MS};
	bool found = false;
	int r = 0;
	if (docker_container_start(d, ask->name, e) ||
	    docker_log_read(d, &q, hear, &h, &found, e))
		r = -1;

	if (!r)
		r = h.complete ? memory_estimate_rows(ask->lockfile->logs, buf_str(&h.text),
						      h.text.len, out, e)
			       : no_answer(d, ask, e);
	if (!r && !out->n)
		r = err_set(e, ERR_GATE,
			    "the runtime's estimate does not match the pattern of its definition");
	buf_done(&h.text);
	return r;
}

int memory_estimate_ask(struct docker *d, const struct memory_estimate_ask *ask,
			struct memory_estimate *out, struct err *e) {
	struct memory_estimate o = {.n = 0};
	struct err removal = {0};

	if (!json_str(json_get(ask->lockfile->logs, "estimate"), "done"))
		return err_set(e, ERR_USAGE, "runtime '%s' makes no estimate of its own",
			       ask->lockfile->runtime);
	if (create(d, ask, e))
		return -1;
	int r = listen_to(d, ask, &o, e);
	if (docker_container_remove(d, ask->name, true, &removal) && !r)
		return err_set(e, removal.code, "%s", removal.msg);
	if (!r)
		*out = o;
	return r;
}
