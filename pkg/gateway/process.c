/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/internal.h"

#include "base/err.h"
#include "fs/fs.h"

int process_inspect(const struct gateway *g, struct process *out, struct err *e) {
	return g->host ? process_host_inspect(g, out, e) : process_docker_inspect(g, out, e);
}

int process_start(const struct gateway *g, struct err *e) {
	return g->host ? process_host_start(g, e) : process_docker_start(g, e);
}

int process_keep(const struct gateway *g, struct err *e) {
	return g->host ? 0 : process_docker_keep(g, e);
}

/* The master of an installed one executes its program anew with each reload: nothing else is needed. */
int process_take_over(const struct gateway *g, const char *digest, struct err *e) {
	return g->host ? haproxy_reload(g, digest, e) : process_docker_take_over(g, digest, e);
}

int process_sweep(const struct gateway *g, bool all, struct err *e) {
	if (!g->host)
		return process_docker_sweep(g, all, e);
	return all ? process_host_stop(g, e) : worker_reaper_run(g, process_host_master(g), e);
}

int process_check(const struct gateway *g, bool *fine, struct buf *said, struct err *e) {
	return g->host ? process_host_check(g, fine, said, e) : process_docker_check(g, fine, said, e);
}

int process_check_sweep(const struct gateway *g, struct err *e) {
	return g->host ? 0 : process_docker_check_sweep(g, e);
}

void process_log_tail(const struct gateway *g, struct buf *out) {
	if (g->host)
		process_host_log_tail(g, out);
	else
		process_docker_log_tail(g, out);
}
