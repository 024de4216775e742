#include "gateway/internal.h"

#include "base/err.h"
#include "fs/fs.h"

int process_look(const struct gateway *g, struct process *out, struct err *e) {
	return g->host ? host_process_look(g, out, e) : docker_process_look(g, out, e);
}

int process_start(const struct gateway *g, struct err *e) {
	return g->host ? host_process_start(g, e) : docker_process_start(g, e);
}

int process_settle(const struct gateway *g, struct err *e) {
	return g->host ? 0 : docker_process_settle(g, e);
}

/* The master of an installed one executes its program anew with each reload: nothing else is needed. */
int process_take_over(const struct gateway *g, const char *digest, struct err *e) {
	return g->host ? running_reload(g, digest, e) : docker_process_take_over(g, digest, e);
}

int process_sweep(const struct gateway *g, bool all, struct err *e) {
	if (!g->host)
		return docker_process_sweep(g, all, e);
	return all ? host_process_stop(g, e) : idle_end(g, host_process_master(g), e);
}

int process_check(const struct gateway *g, bool *fine, struct buf *said, struct err *e) {
	return g->host ? host_process_check(g, fine, said, e) : docker_process_check(g, fine, said, e);
}

int process_check_sweep(const struct gateway *g, struct err *e) {
	return g->host ? 0 : docker_process_check_sweep(g, e);
}

void process_last_words(const struct gateway *g, struct buf *out) {
	if (g->host)
		host_process_last_words(g, out);
	else
		docker_process_last_words(g, out);
}
