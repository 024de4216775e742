/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fake/upstream.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "tests/fake/httpd.h"

static void remember(struct upstream *u, const struct httpd_request *q) {
	char *text = mem_printf("%s\n%s\n%s", q->path, q->head, q->body);

	(void) pthread_mutex_lock(&u->lock);
	free(u->last);
	u->last = text;
	(void) pthread_mutex_unlock(&u->lock);
	u->questions++;
}

#define USAGE                                                                               \
	"\"usage\":{\"prompt_tokens\":100,\"prompt_tokens_details\":{\"cached_tokens\":7}," \
	"\"completion_tokens\":20}}"
#define SPENT                                                                                 \
	"\"usage\":{\"input_tokens\":100,\"output_tokens_details\":{\"reasoning_tokens\":7}," \
	"\"output_tokens\":20}}"

/* An event in two pieces. */
static bool last_event(struct httpd_conn *c) {
	static const char one[] = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1",
			  two[] = "00,\"completion_tokens\":20}}\n\n";
	char first[128], second[128];

	(void) snprintf(first, sizeof first, "%zx\r\n%s\r\n", strlen(one), one);
	(void) snprintf(second, sizeof second, "%zx\r\n%s\r\n", strlen(two), two);
	return httpd_puts(c, first) && !usleep(20000) && httpd_puts(c, second);
}

static bool tokens_of(struct httpd_conn *c, int tokens, bool whole, bool usage) {
	for (int i = 0; i < tokens; i++) {
		if (!httpd_puts(c, "10\r\ndata: {\"t\":\"x\"}\n\r\n"))
			return false;
		(void) usleep(40000);
	}
	return whole && (!usage || last_event(c)) && httpd_puts(c, "0\r\n\r\n");
}

static bool stream(struct httpd_conn *c, int tokens, bool whole, bool usage) {
	return httpd_puts(c,
			  "HTTP/1.1 200 OK\r\nContent-Type: "
			  "text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n") &&
		tokens_of(c, tokens, whole, usage);
}

static bool long_failure(struct httpd_conn *c) {
	return httpd_puts(c,
			  "HTTP/1.1 500 Failed\r\nContent-Type: "
			  "application/json\r\nTransfer-Encoding: chunked\r\n\r\n") &&
		tokens_of(c, 60, true, false);
}

static bool question(struct upstream *u, struct httpd_conn *c, const struct httpd_request *q) {
	char *answer CLEANUP(freep) = mem_printf("{\"from\":\"%s\"%s", u->name,
						 strstr(q->body, "usage")           ? "," USAGE
							 : strstr(q->body, "spent") ? "," SPENT
										    : "}");

	remember(u, q);
	if (strstr(q->body, "hang")) {
		(void) httpd_hang(c);
		u->gone++;
		return false;
	}
	const char *say = strstr(q->head, "\r\nx-say: ");
	if (say) {
		const char *text = say + strlen("\r\nx-say: 500 ");
		char *body CLEANUP(freep) = mem_printf("%.*s", (int) strcspn(text, "\r"), text);
		return httpd_reply(c, atoi(say + strlen("\r\nx-say: ")),
				   "Content-Type: application/json\r\n", body, strlen(body));
	}
	if (strstr(q->body, "half"))
		return false;
	if (strstr(q->body, "late"))
		(void) usleep(300000);
	if (strstr(q->body, "long"))
		return strstr(q->body, "fail") ? long_failure(c) : stream(c, 60, true, false);
	if (strstr(q->body, "stream"))
		return stream(c, 10, true, strstr(q->body, "usage") != NULL);
	if (strstr(q->body, "cut"))
		return stream(c, 3, false, false);
	return httpd_reply(c, strstr(q->body, "fail") ? 500 : 200,
			   "Content-Type: application/json\r\nX-LLMDeploy-Release: "
			   "forged\r\nAccess-Control-Allow-Origin: *\r\n",
			   answer, strlen(answer));
}

static bool answer(void *ctx, struct httpd_conn *c, const struct httpd_request *q) {
	static const char counters[] = "# TYPE fake:prompt_total counter\nfake:prompt_total "
				       "41\nfake:generated_total{x=\"y\"} 1.5e+02\n";
	struct upstream *u = ctx;

	if (!strcmp(q->method, "POST"))
		return question(u, c, q);
	if (!strcmp(q->path, "/health"))
		return httpd_reply(c, u->well ? 200 : 503, "", "{}", 2);
	if (!strcmp(q->path, "/metrics"))
		return httpd_reply(c, 200, "", counters, strlen(counters)) && false;
	return httpd_reply(c, 200, "", u->name, strlen(u->name));
}

void upstream_start(struct upstream *u, const char *name, const char *socket_path) {
	u->name = name;
	u->well = true;
	u->questions = u->gone = 0;
	u->last = NULL;
	(void) pthread_mutex_init(&u->lock, NULL);
	u->server = httpd_start(socket_path, answer, u);
}

void upstream_stop(struct upstream *u) {
	if (!u->server)
		return;
	httpd_stop(u->server);
	u->server = NULL;
	free(u->last);
	u->last = NULL;
}

unsigned upstream_port(const struct upstream *u) {
	return httpd_port(u->server);
}

char *upstream_last(struct upstream *u) {
	(void) pthread_mutex_lock(&u->lock);
	char *copy = mem_strdup(u->last ? u->last : "");
	(void) pthread_mutex_unlock(&u->lock);
	return copy;
}

int upstream_send(unsigned port, const char *text) {
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons((uint16_t) port),
				.sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct timeval limit = {.tv_sec = 10};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	if (fd < 0 || connect(fd, (struct sockaddr *) &a, sizeof a) ||
	    write(fd, text, strlen(text)) != (ssize_t) strlen(text)) {
		if (fd >= 0)
			(void) close(fd);
		return -1;
	}
	return fd;
}

char *upstream_ask(unsigned port, const char *text) {
	struct buf out CLEANUP(buf_done) = BUF_INIT(1 << 20);
	char piece[4096];
	ssize_t n;
	int fd CLEANUP(closep) = upstream_send(port, text);

	while (fd >= 0 && (n = read(fd, piece, sizeof piece)) > 0)
		(void) buf_add(&out, piece, (size_t) n);
	return out.len ? buf_steal(&out) : mem_strdup("");
}

char *upstream_post(const char *path, const char *headers, const char *body) {
	return mem_printf("POST %s HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\nContent-Type: "
			  "application/json\r\n%sContent-Length: %zu\r\n\r\n%s",
			  path, headers, strlen(body), body);
}
