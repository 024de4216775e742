/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/process.h"

#include "base/err.h"
#include "fs/fs.h"

int process_inspect(const struct haproxy *h, struct process *out, struct err *e) {
	return h->host ? process_host_inspect(h, out, e) : process_docker_inspect(h, out, e);
}

int process_start(const struct haproxy *h, struct err *e) {
	return h->host ? process_host_start(h, e) : process_docker_start(h, e);
}

int process_keep(const struct haproxy *h, struct err *e) {
	return h->host ? 0 : process_docker_keep(h, e);
}

/* The master of an installed one executes its program anew with each reload: nothing else is needed. */
int process_take_over(const struct haproxy *h, const char *digest, struct err *e) {
	return h->host ? haproxy_reload(h, digest, e) : process_docker_take_over(h, digest, e);
}

int process_sweep(const struct haproxy *h, bool all, struct err *e) {
	if (!h->host)
		return process_docker_sweep(h, all, e);
	return all ? process_host_stop(h, e) : worker_reaper_run(h, process_host_master(h), e);
}

int process_check(const struct haproxy *h, bool *fine, struct buf *said, struct err *e) {
	return h->host ? process_host_check(h, fine, said, e) : process_docker_check(h, fine, said, e);
}

int process_drift(const struct haproxy *h, haproxy_found *found, void *ctx, struct err *e) {
	return h->host ? 0 : process_docker_drift(h, found, ctx, e);
}

int process_check_sweep(const struct haproxy *h, struct err *e) {
	return h->host ? 0 : process_docker_check_sweep(h, e);
}

void process_log_tail(const struct haproxy *h, struct buf *out) {
	if (h->host)
		process_host_log_tail(h, out);
	else
		process_docker_log_tail(h, out);
}
