/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fake/model_server.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "json/json.h"

#define REQUEST_MAX (1 << 20)
#define PATIENCE_MS 10000

struct model_server {
	const struct fake_script *script;
	char path[108];
	pthread_t thread;
	pthread_mutex_t lock; /* over what stands below */
	unsigned questions;
	char *last;
	size_t step;  /* of the health script */
	int stop;     /* eventfd: readable once the test is over */
	int listener; /* listens; -1 until refuse_ms are over */
};

/* Until `fd` is readable: true. The test's end or the time: false. fd -1 waits for the end
 * alone. */
static bool wait_for(const struct model_server *s, int fd, int ms) {
	struct pollfd p[2] = {{.fd = s->stop, .events = POLLIN}, {.fd = fd, .events = POLLIN}};

	for (;;) {
		int r = poll(p, 2, ms);
		if (r < 0 && errno == EINTR)
			continue;
		return r > 0 && !p[0].revents;
	}
}

static void send_all(int fd, const char *data, size_t n) {
	while (n > 0) {
		ssize_t sent = send(fd, data, n, MSG_NOSIGNAL);
		if (sent <= 0)
			return;
		data += sent;
		n -= (size_t) sent;
	}
}

static void reply_cut(int fd, int status, const char *body, size_t says, size_t sends) {
	char head[200];
	int n = snprintf(head, sizeof head,
			 "HTTP/1.1 %d Scripted\r\nContent-Type: "
			 "application/json\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
			 status, says);

	send_all(fd, head, (size_t) n);
	send_all(fd, body, sends);
}

static void reply(int fd, int status, const char *body) {
	reply_cut(fd, status, body, strlen(body), strlen(body));
}

static void reply_error(int fd, int status, const char *message) {
	struct json *o CLEANUP(json_freep) = json_object();
	struct json *error = json_object();
	struct buf b CLEANUP(buf_done) = BUF_INIT(4096);

	json_set_int(error, "code", status);
	json_set_str(error, "message", message);
	json_set(o, "error", error);
	json_print(o, &b);
	reply(fd, status, buf_str(&b));
}

static struct json *usage(void) {
	struct json *o = json_object();

	json_set_int(o, "prompt_tokens", 120);
	json_set_int(o, "completion_tokens", 16);
	return o;
}

static struct json *completion(const struct model_server *s, const char *text, const char *finish,
			       bool raw) {
	struct json *o = json_object(), *choice = json_object(), *choices = json_array(),
		    *message = json_object();

	if (finish)
		json_set_str(choice, "finish_reason", finish);
	json_set_int(choice, "index", 0);
	json_set_str(message, "role", "assistant");
	json_set_str(raw ? choice : message, raw ? "text" : "content", text);
	json_set(choice, "message", message);
	json_push(choices, choice);
	json_set(o, "choices", choices);
	json_set_str(o, "model", s->script->model ? s->script->model : "fake");
	json_set_str(o, "system_fingerprint", "fake-1");
	json_set(o, "usage", usage());
	return o;
}

static const char *last_message(const struct json *question) {
	const struct json *messages = json_get(question, "messages");
	size_t n = json_count(messages);

	return n ? json_str(json_at(messages, n - 1), "content") : json_str(question, "prompt");
}

static const char *last_line(const char *text) {
	const char *end = strrchr(text, '\n');

	return end ? end + 1 : text;
}

static void reply_completion(const struct model_server *s, int fd, const struct fake_answer *a,
			     const char *text, bool raw) {
	const char *finish = a->fault == FAKE_NO_FINISH ? NULL : a->finish ? a->finish : "stop";
	struct json *o CLEANUP(json_freep) = completion(s, text, finish, raw);
	struct buf b CLEANUP(buf_done) = BUF_INIT(8 << 20);

	json_print(o, &b);
	reply_cut(fd, 200, buf_str(&b), b.len, a->fault == FAKE_CUT ? b.len / 2 : b.len);
}

static void reply_huge(const struct model_server *s, int fd, const struct fake_answer *a,
		       bool raw) {
	char *text CLEANUP(freep) = mem_zalloc((2 << 20) + 1, 1);

	memset(text, 'x', 2 << 20);
	reply_completion(s, fd, a, text, raw);
}

static void play(const struct model_server *s, int fd, const struct fake_answer *a,
		 const struct json *question, bool raw) {
	const char *said = last_message(question);

	if (a->delay_ms)
		(void) wait_for(s, -1, (int) a->delay_ms);
	if (a->status && a->status != 200)
		reply_error(fd, a->status, a->text);
	else if (a->fault == FAKE_HANG)
		(void) wait_for(s, -1, PATIENCE_MS);
	else if (a->fault == FAKE_HUGE)
		reply_huge(s, fd, a, raw);
	else if (a->fault == FAKE_NOT_JSON)
		reply(fd, 200, "<html><body>It works!</body></html>");
	else if (a->fault == FAKE_BARE)
		reply(fd, 200, "{}");
	else if (a->fault == FAKE_ECHO)
		reply_completion(s, fd, a, said ? said : "", raw);
	else if (a->fault == FAKE_ECHO_TAIL)
		reply_completion(s, fd, a, said ? last_line(said) : "", raw);
	else if (a->fault != FAKE_CLOSE)
		reply_completion(s, fd, a, a->fault == FAKE_NO_CONTENT ? NULL : a->text, raw);
}

static void answer_question(struct model_server *s, int fd, const char *body, bool raw) {
	struct json *question CLEANUP(json_freep) = NULL;
	struct err ignored;

	(void) pthread_mutex_lock(&s->lock);
	s->questions++;
	free(s->last);
	s->last = mem_strdup(body);
	(void) pthread_mutex_unlock(&s->lock);
	if (json_parse(body, strlen(body), &question, &ignored)) {
		reply_error(fd, 400, "the question is not JSON");
		return;
	}
	for (size_t i = 0; i < s->script->n_answers; i++) {
		const struct fake_answer *a = &s->script->answers[i];
		if (!a->asks || strstr(body, a->asks)) {
			play(s, fd, a, question, raw);
			return;
		}
	}
	reply_error(fd, 404, "no row of the script is for this question");
}

static void answer_health(struct model_server *s, int fd) {
	static const struct fake_health well[] = {{200, "{\"status\":\"ok\"}"}, {0, NULL}};
	const struct fake_health *rows = s->script->health ? s->script->health : well;
	const struct fake_health *row = &rows[s->step];

	if (rows[s->step + 1].body)
		s->step++;
	if (row->status)
		reply(fd, row->status, row->body);
}

static void answer_models(const struct model_server *s, int fd) {
	char body[256];

	(void) snprintf(body, sizeof body,
			"{\"object\":\"list\",\"data\":[{\"id\":\"%s\",\"object\":\"model\"}]}",
			s->script->model ? s->script->model : "fake");
	reply(fd, 200, body);
}

/* The whole request; its body begins at *body. False: not one, or none came. */
static bool read_request(const struct model_server *s, int fd, struct buf *b, const char **body) {
	for (;;) {
		char piece[4096];
		if (!wait_for(s, fd, PATIENCE_MS))
			return false;
		ssize_t n = recv(fd, piece, sizeof piece, 0);
		if (n <= 0 || !buf_add(b, piece, (size_t) n))
			return false;
		const char *end = strstr(buf_str(b), "\r\n\r\n");
		if (!end)
			continue;
		const char *length = strcasestr(buf_str(b), "\r\nContent-Length:");
		size_t want = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
		*body = end + 4;
		if (b->len - (size_t) (end + 4 - buf_str(b)) >= want)
			return true;
	}
}

static bool knows_key(const struct model_server *s, const char *request) {
	char line[300];

	if (!s->script->want_key)
		return true;
	(void) snprintf(line, sizeof line, "\r\nAuthorization: Bearer %s\r\n", s->script->want_key);
	return strstr(request, line) != NULL;
}

static void serve(struct model_server *s, int fd) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(REQUEST_MAX);
	const char *body = NULL;

	if (!read_request(s, fd, &b, &body))
		return;
	const char *request = buf_str(&b);
	if (!knows_key(s, request))
		reply_error(fd, 401, "Invalid API Key");
	else if (!strncmp(request, "GET /health ", 12))
		answer_health(s, fd);
	else if (!strncmp(request, "GET /v1/models ", 15))
		answer_models(s, fd);
	else if (!strncmp(request, "POST /v1/chat/completions ", 26))
		answer_question(s, fd, body, false);
	else if (!strncmp(request, "POST /v1/completions ", 21))
		answer_question(s, fd, body, true);
	else
		reply_error(fd, 404, "File Not Found");
}

static int listen_at(const char *path) {
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void) snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
	(void) unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *) &a, sizeof a) || listen(fd, 16)) {
		perror(path);
		abort();
	}
	return fd;
}

static void *run(void *ctx) {
	struct model_server *s = ctx;

	if (s->script->refuse_ms)
		(void) wait_for(s, -1, (int) s->script->refuse_ms);
	if (s->listener < 0)
		s->listener = listen_at(s->path);
	while (wait_for(s, s->listener, -1)) {
		int fd CLEANUP(closep) = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			serve(s, fd);
	}
	return NULL;
}

struct model_server *model_server_start(const char *path, const struct fake_script *script) {
	struct model_server *s = mem_zalloc(1, sizeof *s);

	s->script = script;
	(void) snprintf(s->path, sizeof s->path, "%s", path);
	(void) unlink(path);
	s->listener = script->refuse_ms ? -1 : listen_at(path);
	s->stop = eventfd(0, EFD_CLOEXEC);
	(void) pthread_mutex_init(&s->lock, NULL);
	if (s->stop < 0 || pthread_create(&s->thread, NULL, run, s))
		abort();
	return s;
}

void model_server_stop(struct model_server *s) {
	static const uint64_t one = 1;

	if (!s)
		return;
	if (write(s->stop, &one, sizeof one) < 0)
		abort();
	(void) pthread_join(s->thread, NULL);
	(void) unlink(s->path);
	closep(&s->listener);
	closep(&s->stop);
	(void) pthread_mutex_destroy(&s->lock);
	free(s->last);
	free(s);
}

void model_server_stopp(struct model_server **s) {
	model_server_stop(*s);
}

unsigned model_server_questions(struct model_server *s) {
	(void) pthread_mutex_lock(&s->lock);
	unsigned n = s->questions;
	(void) pthread_mutex_unlock(&s->lock);
	return n;
}

char *model_server_last_question(struct model_server *s) {
	(void) pthread_mutex_lock(&s->lock);
	char *last = s->last ? mem_strdup(s->last) : NULL;
	(void) pthread_mutex_unlock(&s->lock);
	return last;
}
