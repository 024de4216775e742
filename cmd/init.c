#include "cmd.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"
#include "report/report.h"
#include "spec/spec.h"

static int put(struct args *a, const char *path, const struct buf *text, struct err *e) {
	if (fs_exists(AT_FDCWD, path) && !a->option[OPT_FORCE])
		return err_set(e, ERR_USAGE, "'%s' is there already; --force replaces it", path);
	if (fs_write(EFFECT_OUTPUT, AT_FDCWD, path, buf_str(text), text->len, 0644, e))
		return -1;
	report_line(a->report, "wrote %s", path);
	return 0;
}

int cmd_init(struct args *a, struct err *e) {
	struct buf manifest CLEANUP(buf_done) = BUF_INIT(1 << 16), golden CLEANUP(buf_done) = BUF_INIT(1 << 16);
	const char *dir = a->n ? a->at[0] : ".";
	char *full CLEANUP(freep) = NULL;

	if (fs_mkdirs(EFFECT_OUTPUT, AT_FDCWD, dir, 0755, e))
		return -1;
	full = realpath(dir, NULL);
	const char *base = full ? strrchr(full, '/') + 1 : "";
	const char *route = text_is_name(base) ? base : "my-model";
	const char *in = a->n ? dir : "", *slash = a->n && dir[strlen(dir) - 1] != '/' ? "/" : "";
	char *file CLEANUP(freep) = mem_printf("%s%s%s.yaml", in, slash, route),
	     *questions CLEANUP(freep) = mem_printf("%s%s%s.golden.yaml", in, slash, route);
	if (spec_starter(route, &manifest, &golden, e) || put(a, file, &manifest, e) || put(a, questions, &golden, e))
		return -1;
	report_line(a->report, "next: your model and its digest in %s, your questions in %s; then llmdeploy validate %s", file, questions, file);
	return 0;
}
