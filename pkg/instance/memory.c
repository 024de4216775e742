/* SPDX-License-Identifier: Apache-2.0 */
#include "instance/instance.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "docker/docker.h"
#include "memory_estimate/memory_estimate.h"
#include "root/root.h"
#include "json/json.h"

enum { LOG_CAP = 4 << 20 };

/* The parts that the engine's log names, under the keys of the lock's budget. */
static const struct {
	const char *key;
	size_t at;
} parts[] = {
	{"weights_bytes", offsetof(struct memory_estimate_buffers, weights)},
	{"adapters_bytes", offsetof(struct memory_estimate_buffers, adapters)},
	{"kv_bytes", offsetof(struct memory_estimate_buffers, kv)},
	{"recurrent_bytes", offsetof(struct memory_estimate_buffers, recurrent)},
	{"compute_bytes", offsetof(struct memory_estimate_buffers, compute)},
	{"output_bytes", offsetof(struct memory_estimate_buffers, output)},
};

static bool append(void *ctx, int stream, const char *data, size_t n) {
	(void) stream;
	return buf_add(ctx, data, n);
}

/* What this life of the container said, from its start. */
static int read_log(const struct instance_ctx *ctx, const char *name, struct buf *log,
		    struct err *e) {
	struct docker_container c CLEANUP(docker_container_done) = {0};
	bool found;

	if (docker_container_inspect(ctx->docker, name, &found, &c, e))
		return -1;
	struct docker_log q = {.name = name,
			       .since_ms = found ? instance_stamp_ms(c.started_at) : 0};
	return docker_log_read(ctx->docker, &q, append, log, &found, e);
}

static void add_parts(struct json *m, const struct lockfile *l,
		      const struct memory_estimate_buffers *b) {
	const struct json *budget = json_get(l->tree, "budget");
	struct json *predicted = json_object(), *measured = json_object();
	int64_t planned_sum = 0, sum = 0;

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		uint64_t bytes;
		int64_t planned = json_int_or(budget, parts[i].key, 0);

		memcpy(&bytes, (const char *) b + parts[i].at, sizeof bytes);
		json_set_int(predicted, parts[i].key, planned);
		json_set_int(measured, parts[i].key, (int64_t) bytes);
		planned_sum += planned;
		sum += (int64_t) bytes;
	}
	json_set_int(predicted, "buffers_bytes", planned_sum);
	json_set_int(predicted, "planned_bytes", (int64_t) l->planned_bytes);
	json_set_int(measured, "buffers_bytes", sum);
	json_set(m, "predicted", predicted);
	json_set(m, "measured", measured);
	json_set_int(m, "drift_permille",
		     planned_sum ? (sum - planned_sum) * 1000 / planned_sum : 0);
}

static int measure(const struct instance_ctx *ctx, const struct lockfile *l, struct json *m,
		   struct err *e) {
	char *name CLEANUP(freep) = instance_name(ctx->root, l);
	struct buf log CLEANUP(buf_done) = BUF_INIT(LOG_CAP);
	struct memory_estimate_buffers b;
	uint64_t resident;

	if (read_log(ctx, name, &log, e) ||
	    memory_estimate_buffers(l->logs, buf_str(&log), log.len, &b, e))
		return -1;
	if (!b.lines)
		return err_set(e, ERR_GATE,
			       "log format changed: no line of the runtime's log names a buffer");
	add_parts(m, l, &b);
	if (docker_container_memory(ctx->docker, name, &resident, e))
		return -1;
	if (resident)
		json_set_int(m, "resident_bytes", (int64_t) resident);
	return 0;
}

/* A start is not worse for not being measured: what is missing is said, and kept as a warning
 * beside what is known. */
struct json *instance_memory(const struct instance_ctx *ctx, const struct lockfile *l) {
	const char *pattern = json_str(l->logs, "buffers");
	struct err why = {0};

	if (!pattern || !*pattern)
		return NULL;
	struct json *m = json_object();
	if (measure(ctx, l, m, &why)) {
		json_set_str(m, "warning", why.msg);
		progress_note(ctx->progress, "the memory of the instance could not be measured",
			      why.msg);
	}
	return m;
}

int instance_estimate(const struct instance_ctx *ctx, const struct lockfile *l, uint64_t timeout_ms,
		      struct memory_estimate *out, struct err *e) {
	char *name CLEANUP(freep) = mem_printf("llmdeploy-%.8s-estimate-%s-%ld", ctx->root->id,
					       l->id, (long) getpid());
	char *user CLEANUP(freep) = docker_user(ctx->docker, (unsigned) ctx->root->instance_uid);
	struct json *labels CLEANUP(json_freep) = json_object();
	char image[65];

	if (instance_image(ctx, l, image, e) ||
	    docker_learn(ctx->docker, NULL, e))
		return -1;
	/* No version: between operations it is nobody's, and goes with what else was left. */
	json_set_str(labels, INSTANCE_LABEL_ROOT, ctx->root->id);
	json_set_str(labels, INSTANCE_LABEL_ROUTE, l->route);
	struct docker_mount *mounts = mem_zalloc(l->n_artifacts + 1, sizeof *mounts);
	int r = instance_mounts(ctx, l, "/nonexistent", mounts, e);
	if (!r) {
		struct memory_estimate_ask ask = {.lockfile = l,
						  .name = name,
						  .image = image,
						  .user = user,
						  .mounts = mounts,
						  .n_mounts = l->n_artifacts,
						  .labels = labels,
						  .timeout_ms = timeout_ms};
		r = memory_estimate_ask(ctx->docker, &ask, out, e);
	}
	instance_mounts_done(mounts, l->n_artifacts + 1);
	return r;
}
