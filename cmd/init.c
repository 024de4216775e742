/* SPDX-License-Identifier: Apache-2.0 */
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
#include "init_model.h"
#include "offer.h"
#include "report/report.h"
#include "spec/spec.h"
#include "json/json.h"

/* Where both files will lie. */
struct places {
	char *dir, *route, *manifest, *golden; /* dir: absolute */
};

static void places_done(struct places *p) {
	free(p->dir);
	free(p->route);
	free(p->manifest);
	free(p->golden);
}

/* Neither is replaced, unless that was said: looked at before anything is read or written. */
static int check_free(const struct args *a, const char *path, struct err *e) {
	if (fs_exists(AT_FDCWD, path) && !a->option[OPT_FORCE])
		return err_set(e, ERR_USAGE, "'%s' is there already; --force replaces it", path);
	return 0;
}

/* Absolute, also of a directory that is not there yet. */
static char *absolute(const char *dir) {
	char *full = realpath(dir, NULL), *here CLEANUP(freep) = NULL;

	if (full)
		return full;
	here = *dir == '/' ? mem_strdup("") : realpath(".", NULL);
	char *path = mem_printf("%s%s%s", here ? here : "", *dir == '/' ? "" : "/", dir);
	for (size_t n = strlen(path); n > 1 && path[n - 1] == '/';)
		path[--n] = 0;
	return path;
}

static int find_places(const struct args *a, struct places *p, struct err *e) {
	const char *dir = a->n ? a->at[0] : ".", *in = a->n ? dir : "";
	const char *slash = a->n && dir[strlen(dir) - 1] != '/' ? "/" : "";

	p->dir = absolute(dir);
	const char *base = strrchr(p->dir, '/') + 1;
	p->route = mem_strdup(text_is_name(base) ? base : "my-model");
	p->manifest = mem_printf("%s%s%s.yaml", in, slash, p->route);
	p->golden = mem_printf("%s%s%s.golden.yaml", in, slash, p->route);
	if (check_free(a, p->manifest, e))
		return -1;
	return check_free(a, p->golden, e);
}

static int put(struct args *a, const char *path, const struct buf *text, struct err *e) {
	if (fs_write(EFFECT_OUTPUT, AT_FDCWD, path, buf_str(text), text->len, 0644, e))
		return -1;
	report_line(a->report, "wrote %s", path);
	return 0;
}

static int put_both(struct args *a, const struct places *p, const char *model,
		    int64_t context_tokens, struct err *e) {
	struct buf manifest CLEANUP(buf_done) = BUF_INIT(1 << 16),
			    golden CLEANUP(buf_done) = BUF_INIT(1 << 16);

	if (spec_starter(p->route, model, context_tokens, &manifest, &golden, e) ||
	    fs_mkdirs(EFFECT_OUTPUT, AT_FDCWD, a->n ? a->at[0] : ".", 0755, e) ||
	    put(a, p->manifest, &manifest, e))
		return -1;
	return put(a, p->golden, &golden, e);
}

static int init_model(struct args *a, const struct places *p, struct err *e) {
	struct offer o CLEANUP(offer_done) = {0};
	struct buf section CLEANUP(buf_done) = BUF_INIT(1 << 15);
	int failed = offer_read(a, a->option[OPT_MODEL], &o, e);

	if (o.rows)
		init_model_show(a, &o);
	if (failed || offer_digests(a, &o, e))
		return -1;
	init_model_section(&o, p->manifest, p->dir, &section);
	if (put_both(a, p, buf_str(&section), o.context_tokens, e))
		return -1;
	if (o.none_fits)
		report_warning(a->report,
			       "no file fits on this machine: llmdeploy plan %s shows what would; "
			       "resources.device and resources.machines plan "
			       "for another machine",
			       p->manifest);
	report_line(a->report, "next: write your questions into %s, then run llmdeploy %s %s",
		    p->golden, o.n_picks > 1 ? "choose" : "plan", p->manifest);
	init_model_result(a, &o, p->manifest, p->golden);
	return 0;
}

int cmd_init(struct args *a, struct err *e) {
	struct places p CLEANUP(places_done) = {0};

	if (find_places(a, &p, e))
		return -1;
	if (a->option[OPT_MODEL])
		return init_model(a, &p, e);
	if (put_both(a, &p, NULL, 0, e))
		return -1;
	report_line(a->report,
		    "next: enter your model and its digest in %s and your questions in %s, then "
		    "run llmdeploy validate %s",
		    p.manifest, p.golden, p.manifest);
	struct json *result CLEANUP(json_freep) = json_object();
	json_set_str(result, "manifest", p.manifest);
	json_set_str(result, "golden", p.golden);
	report_result(a->report, result);
	return 0;
}
