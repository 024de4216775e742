/* SPDX-License-Identifier: Apache-2.0 */
#include "docker/docker.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/text.h"
#include "docker/internal.h"

enum { OLDEST = 41, NEWEST = 51, BACK_LOOK_MS = 100, PODMAN_MAJOR = 5, PODMAN_MINOR = 1 };

void docker_free(struct docker *d) {
	if (!d)
		return;
	http_free(d->http);
	free(d->socket);
	free(d);
}

void docker_freep(struct docker **d) {
	docker_free(*d);
}

bool docker_is_podman(const struct docker *d) {
	return d->podman;
}

/* The words for each way of not getting to an Engine, and what to do. */
static int no_docker(const struct docker *d, struct err *e) {
	char why[sizeof e->msg];

	if (e->code != ERR_UNREACHABLE)
		return err_wrap(e, "docker: connect");
	memcpy(why, e->msg, sizeof why);
	switch (http_connect_errno(d->http)) {
	case ENOENT:
	case ENOTDIR:
		return err_set(
			e, ERR_UNREACHABLE,
			"no Docker Engine: there is no socket '%s'; start it (systemctl start "
			"docker) or set DOCKER_HOST",
			d->socket);
	case EACCES:
	case EPERM:
		return err_set(
			e, ERR_SYS,
			"permission denied: the Docker Engine's socket '%s'; run as root, or as a "
			"member of the group that owns it "
			"(usermod -aG docker USER)",
			d->socket);
	case ECONNREFUSED:
		return err_set(
			e, ERR_UNREACHABLE,
			"no Docker Engine: no process listens on '%s'; start it (systemctl start "
			"docker) or set DOCKER_HOST",
			d->socket);
	default:
		return err_set(e, ERR_UNREACHABLE,
			       "the Docker Engine at '%s' does not answer (%.200s); restart it "
			       "(systemctl restart docker)",
			       d->socket, why);
	}
}

unsigned docker_outages(const struct docker *d) {
	return d->outages;
}

unsigned docker_outages_since_start(const struct docker *d) {
	return d->outages - d->outages_at_start;
}

static void note_podman(void *ctx, const char *name, const char *value) {
	struct docker *d = ctx;

	if (strcasecmp(name, "Libpod-API-Version") != 0)
		return;
	d->podman = true;
	(void) snprintf(d->podman_version, sizeof d->podman_version, "%s", value);
}

/* Podman counts its own versions: before 5.1 it cannot change the restart policy of a container
 * that is there. */
static int check_podman(const struct docker *d, struct err *e) {
	unsigned major = 0, minor = 0;

	if (!d->podman)
		return 0;
	if (sscanf(d->podman_version, "%u.%u", &major, &minor) == 2 &&
	    (major > PODMAN_MAJOR || (major == PODMAN_MAJOR && minor >= PODMAN_MINOR)))
		return 0;
	return err_set(e, ERR_UNREACHABLE,
		       "Podman %s at '%s' cannot change the restart policy of a container, which a "
		       "switch needs: upgrade it to %d.%d or later",
		       d->podman_version, d->socket, PODMAN_MAJOR, PODMAN_MINOR);
}

/* "1.41" to 41. */
static bool parse_version(const char *text, int *minor) {
	uint64_t n;

	if (!text_starts(text, "1.") || !text_u64(text + 2, &n) || n > 10000)
		return false;
	*minor = (int) n;
	return true;
}

static int negotiate(struct docker *d, struct err *e) {
	struct http_response r CLEANUP(http_response_done) = {0};
	struct http_request q = {.url = "http://engine/_ping",
				 .unix_socket = d->socket,
				 .connect_timeout_ms = d->quick_ms,
				 .total_timeout_ms = d->quick_ms,
				 .on_header = note_podman,
				 .header_ctx = d,
				 .max_body = 65536};
	int theirs;

	if (http_do(d->http, &q, &r, e))
		return no_docker(d, e);
	if (!parse_version(r.api_version, &theirs))
		return err_set(e, ERR_UNREACHABLE,
			       "the server at '%s' is not a Docker Engine: status %ld and no API "
			       "version (its log says more: journalctl -u docker)",
			       d->socket, r.status);
	if (theirs < OLDEST)
		return err_set(
			e, ERR_UNREACHABLE,
			"the Docker Engine at '%s' has API %s, 1.%d is needed: upgrade it to "
			"20.10 or later",
			d->socket, r.api_version, OLDEST);
	d->minor = theirs < NEWEST ? theirs : NEWEST;
	return check_podman(d, e);
}

int docker_open(const struct docker_options *o, struct docker **out, struct err *e) {
	static const struct docker_options defaults;
	struct docker *d CLEANUP(docker_freep) = mem_zalloc(1, sizeof *d);

	o = o ? o : &defaults;
	d->quick_ms = o->quick_ms ? o->quick_ms : 15000;
	d->slow_ms = o->slow_ms ? o->slow_ms : 120000;
	d->load_ms = o->load_ms ? o->load_ms : 300000;
	d->back_ms = o->back_ms;
	d->progress = o->progress;
	d->http = http_new();
	if (docker_find_host(o->host, &d->socket, e) ||
	    negotiate(d, e))
		return -1;
	*out = STEAL(d);
	return 0;
}

void docker_answer_done(struct answer *a) {
	json_free(a->json);
	*a = (struct answer){0};
}

static int wrap(const struct call *c, struct err *e) {
	if (c->object)
		return err_wrap(e, "docker: %s '%s'", c->verb, c->object);
	return err_wrap(e, "docker: %s", c->verb);
}

void docker_words(const char *text, char out[static DOCKER_WORDS]) {
	/* What to do stands behind them, and has to be read, too. */
	int most = *docker_way_out(text) ? DOCKER_WORDS / 2 : DOCKER_WORDS, head = most * 2 / 5,
	    tail = most - head - (int) sizeof " ... ";
	size_t n = strlen(text);

	while (n && ((unsigned char) text[n - 1] <= ' ' || text[n - 1] == 0x7f))
		n--;
	if (n < (size_t) most)
		(void) snprintf(out, DOCKER_WORDS, "%.*s", (int) n, text);
	else
		(void) snprintf(out, DOCKER_WORDS, "%.*s ... %.*s", head, text, tail,
				text + n - tail);
	for (char *s = out; *s; s++)
		if ((unsigned char) *s < ' ' || *s == 0x7f)
			*s = ' ';
}

/* The Engine's own words on one line: {"message": "..."}, or else the text as it came. */
static void said(const struct http_response *r, char out[static DOCKER_WORDS]) {
	struct json *j CLEANUP(json_freep) = NULL;
	struct err ignored;
	const char *text = buf_str(&r->body);

	if (!json_parse(text, r->body.len, &j, &ignored) && json_str(j, "message"))
		text = json_str(j, "message");
	docker_words(text, out);
	if (!*out)
		(void) snprintf(out, DOCKER_WORDS, "no reason given");
}

static const char *reason(long status) {
	switch (status) {
	case 400: return " Bad Request";
	case 401: return " Unauthorized";
	case 403: return " Forbidden";
	case 404: return " Not Found";
	case 409: return " Conflict";
	case 500: return " Internal Server Error";
	case 501: return " Not Implemented";
	case 503: return " Service Unavailable";
	default: return "";
	}
}

int docker_refused(const struct call *c, const struct http_response *r, struct err *e) {
	char words[DOCKER_WORDS];

	said(r, words);
	(void) err_set(e, ERR_SYS, "%ld%s: %s%s", r->status, reason(r->status), words,
		       docker_way_out(words));
	return wrap(c, e);
}

const char *docker_way_out(const char *words) {
	return strstr(words, "no space left on device")
		? "; free space where Docker keeps its data (docker system df), then run the "
		  "command again"
		: "";
}

int docker_misshapen(const struct call *c, const char *what, struct err *e) {
	(void) err_set(e, ERR_SYS, "the answer is not %s", what);
	return wrap(c, e);
}

/* Where it is not there, and where it is slow. */
static void add_way_out(const struct docker *d, const struct call *c, struct err *e) {
	char why[sizeof e->msg];

	memcpy(why, e->msg, sizeof why);
	if (e->code == ERR_UNREACHABLE && http_connect_errno(d->http))
		(void) err_set(
			e, e->code,
			"%.300s; start Docker (systemctl start docker), then run the command again",
			why);
	else if (e->code == ERR_UNREACHABLE && c->deadline_ms && strstr(why, "no complete answer"))
		(void) err_set(
			e, e->code,
			"%.300s; if Docker is only slow, raise engine_timeout in config.yaml", why);
}

int docker_stream(struct docker *d, const struct call *c, struct http_request *q,
		  struct http_response *r, struct err *e) {
	struct buf body CLEANUP(buf_done) = BUF_INIT(1 << 20);
	static const char *const headers[] = {"Content-Type: application/json"};
	char *url CLEANUP(freep) = mem_printf("http://engine/v1.%d%s", d->minor, c->path);

	q->url = url;
	q->method = c->method;
	q->effect = c->effect;
	q->unix_socket = d->socket;
	q->connect_timeout_ms = d->quick_ms;
	if (c->body) {
		json_print(c->body, &body);
		assert(!body.cut);
		q->body = body.data;
		q->body_len = body.len;
		q->headers = headers;
		q->n_headers = 1;
	}
	if (!http_do(d->http, q, r, e)) {
		d->given_up = false;
		return 0;
	}
	d->outages += http_hung_up(d->http);
	add_way_out(d, c, e);
	return wrap(c, e);
}

/* Until the Engine is back: a failure that asking again may end. */
static bool may_ask_again(struct docker *d, const struct call *c, uint64_t *until_ms,
			  struct err *e) {
	if (!d->back_ms || d->given_up || !http_hung_up(d->http) || (c->method && !c->again))
		return false;
	if (!*until_ms) {
		*until_ms = clock_mono_ms() + d->back_ms;
		progress_warn(d->progress,
			      "the Docker Engine went away: waiting for it to come back",
			      d->socket);
	}
	d->given_up = clock_mono_ms() >= *until_ms;
	if (d->given_up || interrupt_check(e))
		return false;
	clock_sleep_ms(BACK_LOOK_MS);
	return true;
}

static bool is_result(const struct call *c, long status) {
	for (const int *s = c->results; s && *s; s++)
		if (*s == status)
			return true;
	return false;
}

int docker_call(struct docker *d, const struct call *c, struct answer *a, struct err *e) {
	struct http_response r CLEANUP(http_response_done) = {0};
	struct http_request q = {.total_timeout_ms = c->deadline_ms, .max_body = 16 << 20};
	uint64_t until_ms = 0;
	struct err why;
	bool good;

	while (docker_stream(d, c, &q, &r, &why))
		if (!may_ask_again(d, c, &until_ms, &why))
			return docker_pass(&why, e);
	good = (r.status >= 200 && r.status < 300) || r.status == 304;
	if (!good && !is_result(c, r.status))
		return docker_refused(c, &r, e);
	if (good && c->wants_json && json_parse(buf_str(&r.body), r.body.len, &a->json, e)) {
		(void) err_wrap(e, "%ld with an answer that cannot be read", r.status);
		return wrap(c, e);
	}
	if (!good)
		said(&r, a->said);
	a->status = r.status;
	return 0;
}

bool docker_ran_out(const struct err *failure, uint64_t begun_ms, uint64_t deadline_ms) {
	return failure->code == ERR_UNREACHABLE && clock_mono_ms() - begun_ms >= deadline_ms;
}

int docker_pass(const struct err *failure, struct err *e) {
	*e = *failure;
	return -1;
}

static bool is_plain(char c) {
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		(c && strchr("-._~", c));
}

static void escape(struct buf *out, const char *text, const char *also_plain) {
	for (const char *s = text; *s; s++)
		if (is_plain(*s) || strchr(also_plain, *s))
			(void) buf_putc(out, *s);
		else
			(void) buf_printf(out, "%%%02X", (unsigned char) *s);
}

char *docker_path(const char *before, const char *name, const char *after) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(1 << 20);

	(void) buf_puts(&b, before);
	escape(&b, name, "/:@");
	(void) buf_puts(&b, after);
	return buf_steal(&b);
}

void docker_query(char **path, const char *key, const char *value) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(1 << 20);

	(void) buf_printf(&b, "%s%c%s=", *path, strchr(*path, '?') ? '&' : '?', key);
	escape(&b, value, "");
	free(*path);
	*path = buf_steal(&b);
}

void docker_query_int(char **path, const char *key, int64_t value) {
	char text[24];

	(void) snprintf(text, sizeof text, "%lld", (long long) value);
	docker_query(path, key, text);
}

void docker_query_labels(char **path, const char *const *labels) {
	struct json *filters CLEANUP(json_freep) = json_object();
	struct json *list = json_array();
	struct buf b CLEANUP(buf_done) = BUF_INIT(1 << 20);

	json_set(filters, "label", list);
	for (; labels && *labels; labels++)
		json_push_str(list, *labels);
	if (!json_count(list))
		return;
	json_print(filters, &b);
	docker_query(path, "filters", buf_str(&b));
}

const char *docker_text(const struct json *j, const char *path) {
	const char *s = json_text(json_path(j, path));

	return s ? s : "";
}

const char *docker_digest(const char *id) {
	return text_starts(id, "sha256:") ? id + strlen("sha256:") : id;
}

bool docker_all_have(const struct json *list, const char *key) {
	for (const struct json *i = json_first(list); i; i = json_next(i))
		if (!json_is_object(i) || !json_str(i, key))
			return false;
	return json_is_array(list);
}

const struct json *docker_object(const struct json *j, const char *path) {
	const struct json *o = json_path(j, path);

	return json_is_object(o) ? o : NULL;
}
