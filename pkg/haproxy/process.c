/* SPDX-License-Identifier: Apache-2.0 */
#include "haproxy/process.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "haproxy/socket.h"

void process_log_tail(const struct haproxy *h, struct buf *out) {
	if (h->host)
		process_host_log_tail(h, out);
	else
		process_docker_log_tail(h, out);
}

int process_inspect(const struct haproxy *h, struct process *out, struct err *e) {
	return h->host ? process_host_inspect(h, out, e) : process_docker_inspect(h, out, e);
}

int process_start(const struct haproxy *h, struct err *e) {
	return h->host ? process_host_start(h, e) : process_docker_start(h, e);
}

int process_keep(const struct haproxy *h, struct err *e) {
	return h->host ? 0 : process_docker_keep(h, e);
}

enum { RELOAD_MS = 15000, RELOAD_TRIES = 10, RELOAD_AGAIN_MS = 200 };

/* From version 2.7 on the answer has "Success=0" or 1 and the log; before, there is none, and only
 * waiting tells. A master whose first worker is still coming up says "Success=0" and nothing else:
 * that is no verdict on the configuration, and it is asked again. */
static int ask_to_reload(const struct haproxy *h, struct buf *said, struct err *e) {
	for (int tries = 0;; tries++) {
		struct err why = {0};
		bool listening = false;
		buf_reset(said);
		/* A master that executes itself again may break off its answer: what it then serves
		 * is what counts. */
		if (socket_ask(EFFECT_GATEWAY_RELOAD, h->dir, SOCKET_MASTER, "reload", said,
			       &listening, &why) &&
		    why.code != ERR_UNREACHABLE)
			return err_set(e, why.code, "%s", why.msg);
		if (!strstr(buf_str(said), "Success=0") || strstr(buf_str(said), "[ALERT]") ||
		    tries == RELOAD_TRIES)
			return 0;
		clock_sleep_ms(RELOAD_AGAIN_MS);
	}
}

int haproxy_reload(const struct haproxy *h, const char *digest, struct err *e) {
	struct buf said CLEANUP(buf_done) = BUF_INIT(1 << 20);
	struct socket_workers before;
	bool up = false;

	if (socket_workers(h->dir, &before, e) ||
	    ask_to_reload(h, &said, e))
		return -1;
	if (strstr(buf_str(&said), "Success=0"))
		return haproxy_failed(h, strstr(buf_str(&said), "[ALERT]") ? buf_str(&said) : "",
				      e);
	if (haproxy_await_reload(h, digest, before.failed, RELOAD_MS, &up, e))
		return -1;
	if (up)
		return 0;
	buf_reset(&said);
	process_log_tail(h, &said);
	return haproxy_failed(h, buf_str(&said), e);
}

/* The master of an installed one executes its program again with each reload: nothing else is
 * needed. */
int process_take_over(const struct haproxy *h, const char *digest, struct err *e) {
	return h->host ? haproxy_reload(h, digest, e) : process_docker_take_over(h, digest, e);
}

int process_sweep(const struct haproxy *h, bool all, struct err *e) {
	if (!h->host)
		return process_docker_sweep(h, all, e);
	return all ? process_host_stop(h, e) : worker_reaper_run(h, process_host_master(h), e);
}

int process_check(const struct haproxy *h, bool *fine, struct buf *said, struct err *e) {
	return h->host ? process_host_check(h, fine, said, e)
		       : process_docker_check(h, fine, said, e);
}

int process_drift(const struct haproxy *h, haproxy_found *found, void *ctx, struct err *e) {
	return h->host ? 0 : process_docker_drift(h, found, ctx, e);
}

int process_check_sweep(const struct haproxy *h, struct err *e) {
	return h->host ? 0 : process_docker_check_sweep(h, e);
}
