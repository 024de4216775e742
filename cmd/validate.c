#include "compiling.h"

#include <string.h>

#include "base/buf.h"
#include "base/complaints.h"
#include "base/err.h"
#include "base/mem.h"
#include "eval/eval.h"
#include "fs/fs.h"
#include "json/json.h"
#include "report/report.h"
#include "spec/golden.h"
#include "spec/spec.h"

/* A golden set says so itself, in a line of its own; everything else is held to be a manifest. */
static int is_golden(const char *path, bool *is, struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(1 << 20);

	if (fs_read_user(path, &text, e))
		return -1;
	const char *kind = text.len > 5 && !strncmp(buf_str(&text), "kind:", 5) ? buf_str(&text) - 1 : strstr(buf_str(&text), "\nkind:");
	*is = kind && !strncmp(kind + 6 + strspn(kind + 6, " \t\"'"), "GoldenSet", 9);
	return 0;
}

static int check(const struct args *a, const char *path, struct complaints *all, struct err *e) {
	struct json *golden CLEANUP(json_freep) = NULL;
	struct spec *spec CLEANUP(spec_freep) = NULL;
	bool alone;

	if (is_golden(path, &alone, e))
		return -1;
	if (alone ? golden_load(path, &golden, all, e) : compiling_load(a, path, &spec, all, e))
		return -1;
	const struct json *set = alone ? golden : spec->golden;
	return set ? eval_check(set, e) : 0;
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
		struct complaints all CLEANUP(complaints_done) = {0};
		struct err here = {0};
		bool valid = !check(a, a->at[i], &all, &here);
		note_file(list, a->at[i], valid);
		if (valid) {
			report_line(a->report, "%s is valid", a->at[i]);
			continue;
		}
		if (all.n)
			report_complaints(a->report, &all);
		else if (strstr(here.msg, a->at[i]))
			report_warning(a->report, "%s", here.msg);
		else
			report_warning(a->report, "%s: %s", a->at[i], here.msg);
		worst = worst.code ? worst : here;
		bad++;
	}
	report_result(a->report, list);
	if (!bad)
		return 0;
	return err_set(e, worst.code, "%d of %d file%s not valid", bad, a->n, a->n == 1 ? " is" : "s are");
}
