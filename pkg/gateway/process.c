#include "gateway/internal.h"

#include "base/err.h"
#include "fs/fs.h"

int process_look(const struct gateway *g, const struct gateway_state *s, struct process *out, struct err *e) {
	return g->host ? host_process_look(g, out, e) : docker_process_look(g, s, out, e);
}

int process_start(const struct gateway *g, const struct gateway_state *s, struct err *e) {
	return g->host ? host_process_start(g, e) : docker_process_start(g, s, e);
}

int process_settle(const struct gateway *g, struct err *e) {
	return g->host ? 0 : docker_process_settle(g, e);
}

/* The master of an installed one executes its program anew with each reload: nothing else is needed. */
int process_take_over(const struct gateway *g, const struct gateway_state *s, const char *digest, struct err *e) {
	return g->host ? running_reload(g, digest, e) : docker_process_take_over(g, s, digest, e);
}

int process_sweep(const struct gateway *g, bool all, struct err *e) {
	if (!g->host)
		return docker_process_sweep(g, all, e);
	return all ? host_process_stop(g, e) : idle_end(g, host_process_master(g), e);
}

void process_last_words(const struct gateway *g, struct buf *out) {
	if (g->host)
		host_process_last_words(g, out);
	else
		docker_process_last_words(g, out);
}
