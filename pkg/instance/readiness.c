/* SPDX-License-Identifier: Apache-2.0 */
#include "instance/instance.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/progress.h"
#include "docker/docker.h"
#include "probe/probe.h"
#include "json/json.h"

#define OUT_OF_MEMORY \
	"out of memory (a larger resources.reserve, a shorter context or fewer sequences help), "

enum { LOOK_MS = 2000, LOG_LINES = 4, LAST_WORDS = 240 };

int instance_endpoint_open(const struct instance_ctx *ctx, const struct lockfile *l,
			   struct instance_endpoint *out, struct err *e) {
	*out = (struct instance_endpoint){.socket = RELEASE_SOCKET_INIT};
	if (release_socket_path(ctx->root, l->id, &out->socket, e))
		return -1;
	out->endpoint = (struct endpoint){.base_url = "http://localhost",
					  .unix_socket = out->socket.path,
					  .model = l->route};
	return 0;
}

void instance_endpoint_done(struct instance_endpoint *en) {
	release_socket_done(&en->socket);
}

/* What the probe may ask about the container. */
struct watched {
	const struct instance_ctx *ctx;
	const struct lockfile *l;
	char *name;
};

static int alive(void *ctx, bool *is, struct buf *detail, struct err *e) {
	const struct watched *w = ctx;
	struct docker_container c = {0};
	bool found;

	if (docker_container_inspect(w->ctx->docker, w->name, &found, &c, e))
		return -1;
	*is = found && c.running && strcmp(c.state, "restarting");
	if (!*is && docker_outages_since_start(w->ctx->docker)) {
		docker_container_done(&c);
		return err_set(
			e, ERR_UNREACHABLE,
			"Docker was restarted, and '%s' ended with it: run the command again",
			w->l->version);
	}
	if (found && !*is && instance_was_stopped(w->ctx, w->l, &c)) {
		docker_container_done(&c);
		return err_set(e, ERR_UNREACHABLE,
			       "Docker stopped '%s', at the request of another program or in its "
			       "own shutdown: run the command again",
			       w->l->version);
	}
	if (!found)
		(void) buf_puts(detail, "its container no longer exists");
	else if (!*is) {
		struct buf log CLEANUP(buf_done) = BUF_INIT(LAST_WORDS);
		struct err ignored = {0};
		(void) docker_log_tail(w->ctx->docker, w->name, LOG_LINES, &log, &ignored);
		(void) buf_printf(detail, "%s %lld%s%s; last lines of its log: %s",
				  c.oom_killed ? OUT_OF_MEMORY "exit status" : "exit status",
				  (long long) c.exit_code, *c.error ? ": " : "", c.error,
				  log.len ? buf_str(&log) : "none");
	}
	docker_container_done(&c);
	return 0;
}

static bool count_bytes(void *ctx, int stream, const char *data, size_t n) {
	(void) stream;
	(void) data;
	*(uint64_t *) ctx += n;
	return true;
}

static uint64_t log_bytes(void *ctx) {
	const struct watched *w = ctx;
	struct docker_log q = {.name = w->name};
	struct err ignored = {0};
	uint64_t n = 0;
	bool found;

	(void) docker_log_read(w->ctx->docker, &q, count_bytes, &n, &found, &ignored);
	return n;
}

static bool append(void *ctx, int stream, const char *data, size_t n) {
	(void) stream;
	return buf_add(ctx, data, n);
}

/* A line that the runtime calls fatal although the server went on ("failed to fit params" is only a
 * warning to it). Of this life of the container: what it said before it was last started is another
 * story. */
static int check_log(const struct watched *w, struct err *e) {
	struct buf log CLEANUP(buf_done) = BUF_INIT(4 << 20);
	struct docker_container c CLEANUP(docker_container_done) = {0};
	const struct json *patterns = json_get(w->l->logs, "fatal");
	bool found;

	if (docker_container_inspect(w->ctx->docker, w->name, &found, &c, e))
		return -1;
	struct docker_log q = {.name = w->name,
			       .since_ms = found ? instance_stamp_ms(c.started_at) : 0};
	if (docker_log_read(w->ctx->docker, &q, append, &log, &found, e))
		return -1;
	for (const struct json *p = json_first(patterns); p; p = json_next(p))
		if (json_text(p) && strstr(buf_str(&log), json_text(p)))
			return err_set(
				e, ERR_GATE,
				"the runtime's log says '%s'; the log is kept with the attempt",
				json_text(p));
	return 0;
}

int instance_await_ready(const struct instance_ctx *ctx, const struct lockfile *l,
			 uint64_t *ready_ms, struct err *e) {
	struct probe_limits limits = {.startup_timeout_ms = l->startup_timeout_ms,
				      .stall_timeout_ms = l->stall_timeout_ms};
	char *name CLEANUP(freep) = instance_name(ctx->root, l);
	struct watched w = {ctx, l, name};
	struct probe_watch watch = {.alive = alive, .log_progress = log_bytes, .ctx = &w};
	struct probe_result result;
	struct instance_endpoint en CLEANUP(instance_endpoint_done) = {
		.socket = RELEASE_SOCKET_INIT};

	if (instance_endpoint_open(ctx, l, &en, e))
		return -1;
	progress_step(ctx->progress, "wait until ready");
	if (probe_ready(l->probes, &en.endpoint, &limits, &watch, ctx->progress, &result, e) ||
	    check_log(&w, e))
		return err_wrap(e, "candidate '%s'", l->version);
	if (ready_ms)
		*ready_ms = result.ready_ms + result.first_token_ms;
	progress_done(ctx->progress, "wait until ready", NULL);
	return 0;
}

int instance_explain(const struct instance_ctx *ctx, const struct lockfile *l, struct err *e) {
	char *name CLEANUP(freep) = instance_name(ctx->root, l);
	struct buf detail CLEANUP(buf_done) = BUF_INIT(4096);
	struct watched w = {ctx, l, name};
	struct err why = {0};
	bool is = true;

	if (e->code == ERR_INTERRUPTED)
		return -1;
	if (alive(&w, &is, &detail, &why))
		return why.code == ERR_UNREACHABLE ? err_set(e, why.code, "%s", why.msg) : -1;
	if (is)
		return -1;
	return err_set(e, ERR_GATE, "the instance died during the evaluation: %.400s",
		       buf_str(&detail));
}

/* Is this status the rule's "ready" one? A number or a list of them. */
static bool is_ready_status(const struct json *rule, long status) {
	const struct json *wanted = json_path(rule, "ready.status");

	if (json_is_number(wanted))
		return (long) json_value(wanted) == status;
	for (const struct json *c = json_first(wanted); c; c = json_next(c))
		if ((long) json_value(c) == status)
			return true;
	return false;
}

int instance_answers(const struct instance_ctx *ctx, const struct lockfile *l, bool *answers,
		     struct err *e) {
	const struct json *rule = json_get(l->probes, "readiness");
	struct instance_endpoint en CLEANUP(instance_endpoint_done) = {
		.socket = RELEASE_SOCKET_INIT};
	struct endpoint_reply reply = {0};
	struct err unreached = {0};

	*answers = true;
	if (!rule)
		return 0;
	if (instance_endpoint_open(ctx, l, &en, e))
		return -1;
	*answers = !endpoint_call(&en.endpoint, json_str(rule, "path"), NULL, LOOK_MS, &reply,
				  &unreached) &&
		is_ready_status(rule, reply.status);
	endpoint_reply_done(&reply);
	if (unreached.code == ERR_INTERRUPTED)
		return interrupt_check(e);
	return 0;
}

int instance_is_ready(const struct instance_ctx *ctx, const struct lockfile *l, bool *alive,
		      struct err *e) {
	if (instance_is_running(ctx, l, alive, e))
		return -1;
	return *alive ? instance_answers(ctx, l, alive, e) : 0;
}

int instance_start_kept(const struct instance_ctx *ctx, const struct lockfile *l, struct err *e) {
	if (instance_start(ctx, l, e) ||
	    instance_await_ready(ctx, l, NULL, e))
		return -1;
	return instance_keep(ctx, l, e);
}
