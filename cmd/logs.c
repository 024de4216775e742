/* SPDX-License-Identifier: Apache-2.0 */
#include "context.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "docker/docker.h"
#include "follow.h"
#include "lockfile/lockfile.h"
#include "report/report.h"

enum { LINE_MAX_BYTES = 1 << 20 };
#define FOLLOW_MS (24ULL * 3600 * 1000) /* of one connection; then it is created again */

/* Lines as they come; one that is too long is shown in parts. */
struct lines {
	struct report *report;
	struct buf open;
};

static void end_line(struct lines *l) {
	report_line(l->report, "%s", buf_str(&l->open));
	buf_reset(&l->open);
}

static bool take(void *ctx, int stream, const char *data, size_t n) {
	struct lines *l = ctx;

	(void) stream;
	for (size_t i = 0; i < n; i++) {
		if (data[i] == '\n' || !buf_putc(&l->open, data[i]))
			end_line(l);
	}
	return follow_is_wanted();
}

static int follow(struct args *a, struct context *c, const char *name, uint64_t tail,
		  struct err *e) {
	struct lines l = {.report = a->report, .open = BUF_INIT(LINE_MAX_BYTES)};
	struct docker_log q = {.name = name, .tail = (int64_t) tail, .follow_ms = FOLLOW_MS};
	struct err why = {0};
	bool found = true;

	int failed = docker_log_read(c->docker, &q, take, &l, &found, &why);
	if (l.open.len)
		end_line(&l);
	buf_done(&l.open);
	if (failed && why.code != ERR_INTERRUPTED)
		return err_set(e, why.code, "%s", why.msg);
	if (!failed && follow_is_wanted())
		report_line(a->report, "the container %s", found ? "has ended" : "does not exist");
	return 0;
}

static int show(struct args *a, struct context *c, const char *name, uint64_t tail, struct err *e) {
	struct buf log CLEANUP(buf_done) = BUF_INIT(16 << 20);

	if (docker_log_tail(c->docker, name, (int64_t) tail, &log, e))
		return -1;
	char *save = NULL, *text CLEANUP(freep) = buf_steal(&log);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		report_line(a->report, "%s", line);
	return 0;
}

int cmd_logs(struct args *a, struct err *e) {
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	uint64_t tail = 200;

	if (a->option[OPT_TAIL] && !text_u64(a->option[OPT_TAIL], &tail))
		return err_set(e, ERR_USAGE, "'--tail %s' is not a number", a->option[OPT_TAIL]);
	if (context_open(a, "logs", NEED_DOCKER, &c, e) ||
	    context_active_lockfile(&c, a->at[0], &l, e))
		return -1;
	char *name CLEANUP(freep) = instance_name(&c.root, l);
	return a->option[OPT_FOLLOW] ? follow(a, &c, name, tail, e) : show(a, &c, name, tail, e);
}
