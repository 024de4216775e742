#include "context.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "docker/docker.h"
#include "lock/lock.h"
#include "report/report.h"

int cmd_logs(struct args *a, struct err *e) {
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	struct buf log CLEANUP(buf_done) = BUF_INIT(16 << 20);
	struct lock *l CLEANUP(lock_freep) = NULL;
	uint64_t tail = 200;

	if (a->option[OPT_TAIL] && !text_u64(a->option[OPT_TAIL], &tail))
		return err_set(e, ERR_USAGE, "'--tail %s' is not a number", a->option[OPT_TAIL]);
	if (context_open(a, "logs", NEED_ENGINE, &c, e) || context_active_lock(&c, a->at[0], &l, e))
		return -1;
	char *name CLEANUP(freep) = rollout_container_name(&c.root, l);
	if (docker_log_tail(c.docker, name, (int64_t) tail, &log, e))
		return -1;
	char *save = NULL, *text CLEANUP(freep) = buf_steal(&log);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		report_line(a->report, "%s", line);
	return 0;
}
