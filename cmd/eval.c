/* SPDX-License-Identifier: Apache-2.0 */
#include "context.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/diagnostics.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "eval/eval.h"
#include "fs/fs.h"
#include "golden_report.h"
#include "input.h"
#include "probe/endpoint.h"
#include "report/report.h"
#include "spec/golden.h"
#include "json/json.h"

/* A key in a file that others can read is no secret. */
static int read_key(const char *path, struct buf *key, struct err *e) {
	struct stat st;

	if (input_check(path, e))
		return -1;
	if (stat(path, &st))
		return err_sys(e, "cannot open '%s'", path);
	if (st.st_mode & 077)
		return err_set(e, ERR_USAGE, "'%s' can be read by others: chmod 600 it", path);
	if (fs_read_user(path, key, e))
		return -1;
	while (key->len && strchr("\r\n \t", key->data[key->len - 1]))
		key->data[--key->len] = 0;
	return 0;
}

static void cut_slashes(char *url) {
	while (text_ends(url, "/"))
		url[strlen(url) - 1] = 0;
}

/* What clients are given is "http://HOST/v1", and what they ask ".../v1/chat/completions"; our
 * paths begin with /v1. */
static char *base_of(const char *url) {
	static const char *const ends[] = {"/chat/completions", "/completions", "/models", "/v1"};
	char *base = mem_strdup(url);

	cut_slashes(base);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		if (text_ends(base, ends[i])) {
			base[strlen(base) - strlen(ends[i])] = 0;
			cut_slashes(base);
		}
	return base;
}

static int endpoint_of(const struct args *a, struct endpoint *ep, char **base, struct err *e) {
	const char *url = a->option[OPT_ENDPOINT];

	if (!url)
		return err_set(e, ERR_USAGE,
			       "eval wants --endpoint: http://HOST:PORT, with or without /v1, or "
			       "unix:PATH of a running server");
	*ep = (struct endpoint){.base_url = "http://localhost", .model = a->option[OPT_MODEL]};
	if (text_starts(url, "unix:"))
		ep->unix_socket = url + (text_starts(url, "unix://") ? 7 : 5);
	else if (text_starts(url, "http://") || text_starts(url, "https://"))
		ep->base_url = *base = base_of(url);
	else
		return err_set(e, ERR_USAGE,
			       "'--endpoint %s' is neither http://, https:// nor unix:PATH", url);
	return 0;
}

int cmd_eval(struct args *a, struct err *e) {
	struct buf key CLEANUP(buf_done) = BUF_INIT(4096),
		       text CLEANUP(buf_done) = BUF_INIT(64 << 20);
	struct diagnostics all CLEANUP(diagnostics_done) = {0};
	struct json *golden CLEANUP(json_freep) = NULL, *evidence CLEANUP(json_freep) = NULL;
	struct eval_result *result CLEANUP(eval_result_freep) = NULL;
	char *base CLEANUP(freep) = NULL;
	struct endpoint ep;

	if (endpoint_of(a, &ep, &base, e) ||
	    (a->option[OPT_API_KEY_FILE] && read_key(a->option[OPT_API_KEY_FILE], &key, e)))
		return -1;
	ep.api_key = key.len ? buf_str(&key) : NULL;
	if (input_check(a->at[0], e))
		return -1;
	if (golden_load(a->at[0], &golden, &all, e)) {
		report_diagnostics(a->report, &all);
		return -1;
	}
	if (eval_run(golden, &ep, &(struct eval_options){0}, &a->report->progress, &result, e))
		return -1;
	evidence = eval_evidence(result);
	golden_report_show(a->report, evidence);
	report_result(a->report, evidence);
	json_print_pretty(evidence, &text);
	(void) buf_putc(&text, '\n');
	if (a->option[OPT_OUTPUT] &&
	    fs_write(EFFECT_OUTPUT, AT_FDCWD, a->option[OPT_OUTPUT], buf_str(&text), text.len, 0644,
		     e))
		return -1;
	return eval_gate(result, e);
}
