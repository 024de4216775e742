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

static int put(struct args *a, const char *dir, const char *name, const struct buf *text, struct err *e) {
	char *path CLEANUP(freep) = mem_printf("%s/%s", dir, name);

	if (fs_exists(AT_FDCWD, path) && !a->option[OPT_FORCE])
		return err_set(e, ERR_USAGE, "'%s' is there already; --force replaces it", path);
	if (fs_write(AT_FDCWD, path, buf_str(text), text->len, 0644, e))
		return -1;
	report_line(a->report, "wrote %s", path);
	return 0;
}

int cmd_init(struct args *a, struct err *e) {
	struct buf manifest CLEANUP(buf_done) = BUF_INIT(1 << 16), golden CLEANUP(buf_done) = BUF_INIT(1 << 16);
	const char *dir = a->n ? a->at[0] : ".";
	char *full CLEANUP(freep) = NULL;

	if (fs_mkdirs(AT_FDCWD, dir, 0755, e))
		return -1;
	full = realpath(dir, NULL);
	const char *base = full ? strrchr(full, '/') + 1 : "";
	const char *route = text_is_name(base) ? base : "my-model";
	char *file CLEANUP(freep) = mem_printf("%s.yaml", route), *questions CLEANUP(freep) = mem_printf("%s.golden.yaml", route);
	if (spec_starter(route, &manifest, &golden, e) || put(a, dir, file, &manifest, e) || put(a, dir, questions, &golden, e))
		return -1;
	report_line(a->report, "next: name your model and its digest in %s/%s, then llmdeploy validate %s/%s", dir, file, dir, file);
	return 0;
}
