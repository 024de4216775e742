/* SPDX-License-Identifier: Apache-2.0 */
#include "context.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "lockfile/lockfile.h"
#include "probe/endpoint.h"
#include "release/run.h"
#include "report/report.h"
#include "json/json.h"

enum { ASK_MS = 300000 };

static const struct json *case_of(const struct lockfile *l, const char *id) {
	for (const struct json *c = json_first(json_get(l->golden, "cases")); c; c = json_next(c))
		if (!strcmp(json_str(c, "id"), id))
			return c;
	return NULL;
}

static int no_case(const struct lockfile *l, const char *id, struct err *e) {
	struct buf known CLEANUP(buf_done) = BUF_INIT(300);

	for (const struct json *c = json_first(json_get(l->golden, "cases")); c; c = json_next(c))
		(void) buf_printf(&known, " %s", json_str(c, "id"));
	return err_set(e, ERR_USAGE, "the golden set of '%s' has no case '%s'; it has%s",
		       l->version, id, known.len ? buf_str(&known) : " none");
}

static void push_message(struct json *messages, const char *role, const char *content) {
	struct json *m = json_object();

	json_set_str(m, "role", role);
	json_set_str(m, "content", content);
	json_push(messages, m);
}

/* Sources as the golden set gives them: a line each, "[ID] text", then an empty line. */
static int add_sources(const struct lockfile *l, const char *ids, struct buf *out, struct err *e) {
	char *list CLEANUP(freep) = mem_strdup(ids), *save = NULL;

	for (char *id = strtok_r(list, ", ", &save); id; id = strtok_r(NULL, ", ", &save)) {
		const char *text = json_str(json_get(l->golden, "sources"), id);
		if (!text)
			return err_set(e, ERR_USAGE, "the golden set of '%s' has no source '%s'",
				       l->version, id);
		(void) buf_printf(out, "[%s] %s\n", id, text);
	}
	(void) buf_putc(out, '\n');
	return 0;
}

static int question(struct args *a, const struct lockfile *l, struct json **messages,
		    struct err *e) {
	struct buf user CLEANUP(buf_done) = BUF_INIT(1 << 20);
	const char *id = a->option[OPT_CASE], *sources = a->option[OPT_SOURCES];

	if (id && a->n > 1)
		return err_set(e, ERR_USAGE, "give a QUESTION or --case, not both");
	if (id) {
		const struct json *c = case_of(l, id);
		if (!c || !json_get(c, "messages"))
			return no_case(l, id, e);
		*messages = json_copy(json_get(c, "messages"));
		return 0;
	}
	if (a->n < 2)
		return err_set(e, ERR_USAGE, "ask needs a QUESTION or --case ID");
	if (sources && add_sources(l, sources, &user, e))
		return -1;
	(void) buf_puts(&user, a->at[1]);
	*messages = json_array();
	if (json_str(l->golden, "system"))
		push_message(*messages, "system", json_str(l->golden, "system"));
	push_message(*messages, "user", buf_str(&user));
	return 0;
}

static int call(struct args *a, const struct context *c, const struct lockfile *l,
		struct json *messages, struct err *e) {
	struct release_socket socket CLEANUP(release_socket_done) = RELEASE_SOCKET_INIT;
	struct json *body CLEANUP(json_freep) = json_object();
	struct endpoint_reply reply CLEANUP(endpoint_reply_done) = {0};

	json_set_str(body, "model", l->route);
	json_set(body, "messages", json_copy(messages));
	json_set_int(body, "temperature", 0);
	json_set_int(body, "max_tokens", 512);
	if (release_socket_path(&c->root, l->id, &socket, e))
		return -1;
	struct endpoint ep = {.base_url = "http://localhost",
			      .unix_socket = socket.path,
			      .model = l->route};
	if (endpoint_call(&ep, "/v1/chat/completions", body, ASK_MS, &reply, e))
		return err_wrap(
			e, "release '%s' of route '%s' does not answer; see llmdeploy verify %s",
			l->version, l->route, l->route);
	const char *answer = reply.status == 200 ? endpoint_answer(reply.body) : NULL;
	if (!answer || !*answer)
		return err_set(e, ERR_UNREACHABLE, "release '%s' answered with HTTP status %ld: %s",
			       l->version, reply.status, reply.message);
	report_text(a->report, answer, strlen(answer));
	struct json *result CLEANUP(json_freep) = json_object();
	json_set_str(result, "route", l->route);
	json_set_str(result, "version", l->version);
	json_set_str(result, "answer", answer);
	json_set_int(result, "latency_ms", (int64_t) reply.latency_ms);
	report_result(a->report, result);
	return 0;
}

static int tell_socket(struct args *a, const struct context *c, const struct lockfile *l) {
	char *path CLEANUP(freep) = mem_printf("%s/run/%s/engine.sock", c->root.path, l->id);
	struct json *result CLEANUP(json_freep) = json_object();

	report_line(a->report, "%s", path);
	json_set_str(result, "route", l->route);
	json_set_str(result, "version", l->version);
	json_set_str(result, "socket", path);
	report_result(a->report, result);
	return 0;
}

static void show_question(struct args *a, const char *content) {
	report_text(a->report, content, strlen(content));
	report_line(a->report, "%s", "");
}

int cmd_ask(struct args *a, struct err *e) {
	struct json *messages CLEANUP(json_freep) = NULL;
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;

	if (context_open(a, "ask", a->option[OPT_SOCKET_PATH] ? NEED_READ : NEED_ASK, &c, e) ||
	    context_active_lockfile(&c, a->at[0], &l, e))
		return -1;
	if (a->option[OPT_SOCKET_PATH])
		return tell_socket(a, &c, l);
	if (context_is_started(&c, a->at[0], e))
		return -1;
	if (question(a, l, &messages, e))
		return -1;
	if (!a->option[OPT_JSON])
		show_question(a, json_str(json_at(messages, json_count(messages) - 1), "content"));
	return call(a, &c, l, messages, e);
}
