/* SPDX-License-Identifier: Apache-2.0 */
#include "compile_common.h"

#include <string.h>

#include "base/buf.h"
#include "base/diagnostics.h"
#include "base/err.h"
#include "base/mem.h"
#include "eval/eval.h"
#include "exposure.h"
#include "input.h"
#include "report/report.h"
#include "spec/files.h"
#include "spec/golden.h"
#include "spec/spec.h"
#include "json/json.h"

/* A golden set says so itself, in a line of its own; everything else is held to be a manifest. */
static bool is_golden(const char *text) {
	const char *kind = !strncmp(text, "kind:", 5) ? text - 1 : strstr(text, "\nkind:");

	return kind && !strncmp(kind + 6 + strspn(kind + 6, " \t\"'"), "GoldenSet", 9);
}

static int check_golden(const struct input *in, struct diagnostics *all, struct err *e) {
	struct json *golden CLEANUP(json_freep) = NULL;
	char *dir CLEANUP(freep) = spec_dir_of(in->name);

	if (golden_parse(in->name, dir, buf_str(&in->text), in->text.len, &golden, all, e))
		return -1;
	return eval_check(golden, e);
}

static int check_manifest(struct args *a, const struct input *in, struct diagnostics *all,
			  struct err *e) {
	struct spec *spec CLEANUP(spec_freep) = NULL;

	if (compile_common_load(a, in, &spec, all, e))
		return -1;
	if (spec->golden && eval_check(spec->golden, e))
		return -1;
	struct pos at = spec_pos(spec, "gateway.listen");
	exposure_warn(a, spec->gateway, &at);
	return 0;
}

static int check(struct args *a, const char *path, const char **name, struct diagnostics *all,
		 struct err *e) {
	struct input in CLEANUP(input_done) = INPUT_INIT;
	int failed = input_read(path, &in, e);

	*name = in.name;
	if (failed)
		return -1;
	if (is_golden(buf_str(&in.text)))
		return check_golden(&in, all, e);
	return check_manifest(a, &in, all, e);
}

static void note_file(struct json *list, const char *path, bool valid) {
	struct json *o = json_object();

	json_set_str(o, "file", path);
	json_set_bool(o, "valid", valid);
	json_push(list, o);
}

int cmd_validate(struct args *a, struct err *e) {
	struct json *list CLEANUP(json_freep) = json_array();
	struct err worst = {0};
	int bad = 0;

	for (int i = 0; i < a->n; i++) {
		struct diagnostics all CLEANUP(diagnostics_done) = {0};
		struct err here = {0};
		const char *name;
		bool valid = !check(a, a->at[i], &name, &all, &here);
		note_file(list, name, valid);
		if (valid) {
			report_line(a->report, "%s is valid", name);
			continue;
		}
		if (all.n)
			report_diagnostics(a->report, &all);
		else if (strstr(here.msg, name))
			report_warning(a->report, "%s", here.msg);
		else
			report_warning(a->report, "%s: %s", name, here.msg);
		worst = worst.code ? worst : here;
		bad++;
	}
	report_result(a->report, list);
	if (!bad)
		return 0;
	return err_set(e, worst.code, "%d of %d file%s not valid", bad, a->n,
		       a->n == 1 ? " is" : "s are");
}
