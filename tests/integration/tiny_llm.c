/* SPDX-License-Identifier: Apache-2.0 */
/* An engine in a few kilobytes, for tests of rollouts: OpenAI-like, on a Unix socket, as process 1
 * of a container.
 *
 *     tiny_llm --socket PATH --model NAME [--start MS] [--first MS] [--gap MS] [--tokens N]
 *         [--fail PERCENT] [--exit MS]
 *              [--spoil MS] [--slow MS]
 *
 * --start: /health says 503 so long. --first, --gap: before the first token of a stream, between
 * two. A question's "max_tokens" goes before --tokens. --fail: so many of a hundred questions get
 * 500, but for those of one token, which a probe asks. --exit: it dies then. A question with the
 * word "poison" gets 500. --spoil: from then on the first token takes --slow longer, or without
 * that every question gets 500; but for those of one token. SIGTERM ends it at once. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { REQUEST = 1 << 16 };

struct options {
	const char *socket, *model;
	long start_ms, first_ms, gap_ms, tokens, fail_percent, exit_ms, spoil_ms, slow_ms;
	struct timespec began;
};

struct connection {
	int fd;
	const struct options *o;
};

static void end(int signal) {
	_exit(signal == SIGTERM ? 0 : 1);
}

static long since_ms(const struct timespec *t) {
	struct timespec now;

	(void) clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - t->tv_sec) * 1000 + (now.tv_nsec - t->tv_nsec) / 1000000;
}

static void nap(long ms) {
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	if (ms > 0)
		(void) nanosleep(&t, NULL);
}

static bool send_all(int fd, const char *text) {
	for (size_t n = strlen(text); n;) {
		ssize_t did = send(fd, text, n, MSG_NOSIGNAL);
		if (did < 0 && errno != EINTR)
			return false;
		text += did < 0 ? 0 : did;
		n -= did < 0 ? 0 : (size_t) did;
	}
	return true;
}

static bool answer(int fd, int status, const char *body) {
	char text[2048];

	(void) snprintf(
		text, sizeof text,
		"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		status, strlen(body), body);
	return send_all(fd, text);
}

static long number_after(const char *text, const char *key, long otherwise) {
	const char *at = strstr(text, key);

	return at ? strtol(at + strlen(key) + strspn(at + strlen(key), " "), NULL, 10) : otherwise;
}

static bool stream(int fd, const struct options *o, long tokens) {
	char text[512], chunk[600];

	if (!send_all(fd,
		      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: "
		      "chunked\r\n\r\n"))
		return false;
	for (long i = 0; i <= tokens; i++) {
		nap(i ? o->gap_ms : o->first_ms);
		if (i < tokens)
			(void) snprintf(text, sizeof text,
					"data: "
					"{\"model\":\"%s\",\"choices\":[{\"index\":0,\"delta\":{"
					"\"content\":\"w%ld \"}}]}\n\n",
					o->model, i);
		else
			(void) snprintf(text, sizeof text, "data: [DONE]\n\n");
		(void) snprintf(chunk, sizeof chunk, "%zx\r\n%s\r\n%s", strlen(text), text,
				i == tokens ? "0\r\n\r\n" : "");
		if (!send_all(fd, chunk))
			return false;
	}
	return true;
}

static bool complete(int fd, const struct options *o, const char *body, unsigned *seed) {
	long tokens = number_after(body, "\"max_tokens\":", o->tokens);
	bool spoiled = o->spoil_ms && tokens > 1 && since_ms(&o->began) >= o->spoil_ms;
	char text[512];

	if (strstr(body, "poison") || (spoiled && !o->slow_ms))
		return answer(fd, 500,
			      "{\"error\":{\"message\":\"this engine fails on purpose\"}}");
	if (spoiled)
		nap(o->slow_ms);
	if (tokens > 1 && (long) (rand_r(seed) % 100) < o->fail_percent)
		return answer(fd, 500,
			      "{\"error\":{\"message\":\"this engine fails on purpose\"}}");
	if (strstr(body, "\"stream\":true") || strstr(body, "\"stream\": true"))
		return stream(fd, o, tokens);
	nap(o->first_ms + (tokens - 1) * o->gap_ms);
	(void) snprintf(text, sizeof text,
			"{\"object\":\"chat.completion\",\"model\":\"%s\",\"choices\":[{\"index\":"
			"0,\"message\":{\"role\":\"assistant\","
			"\"content\":\"one "
			"two\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,"
			"\"completion_tokens\":%ld}}",
			o->model, tokens);
	return answer(fd, 200, text);
}

static bool serve(int fd, const struct options *o, const char *head, const char *body,
		  unsigned *seed) {
	char text[256];

	if (!strncmp(head, "GET /health ", 12))
		return since_ms(&o->began) < o->start_ms
			? answer(fd, 503, "{\"status\":\"loading\"}")
			: answer(fd, 200, "{\"status\":\"ok\"}");
	if (!strncmp(head, "GET /v1/models ", 15)) {
		(void) snprintf(
			text, sizeof text,
			"{\"object\":\"list\",\"data\":[{\"id\":\"%s\",\"object\":\"model\"}]}",
			o->model);
		return answer(fd, 200, text);
	}
	if (!strncmp(head, "POST /v1/chat/completions ", 26) ||
	    !strncmp(head, "POST /v1/completions ", 21))
		return complete(fd, o, body, seed);
	return answer(fd, 404, "{\"error\":{\"message\":\"no such path\"}}");
}

/* One request after the other, until the other side closes. */
static void *converse(void *ctx) {
	struct connection c = *(struct connection *) ctx;
	char *text = malloc(REQUEST + 1);
	unsigned seed = (unsigned) c.fd * 7919u + (unsigned) getpid();
	size_t have = 0;
	bool going = text != NULL;

	free(ctx);
	while (going) {
		text[have] = 0;
		char *blank = strstr(text, "\r\n\r\n");
		const char *said = blank ? strcasestr(text, "\r\ncontent-length:") : NULL;
		size_t length = said && said < blank ? (size_t) strtol(said + 17, NULL, 10) : 0;
		size_t whole = blank ? (size_t) (blank + 4 - text) + length : REQUEST + 1;
		if (blank && have >= whole) {
			char kept = text[whole];
			text[whole] = 0;
			going = serve(c.fd, c.o, text, blank + 4, &seed);
			text[whole] = kept;
			memmove(text, text + whole, have - whole);
			have -= whole;
			continue;
		}
		ssize_t n = have < REQUEST ? recv(c.fd, text + have, REQUEST - have, 0) : 0;
		going = n > 0;
		have += going ? (size_t) n : 0;
	}
	free(text);
	(void) close(c.fd);
	return NULL;
}

static void *die_later(void *ctx) {
	const struct options *o = ctx;

	nap(o->exit_ms);
	fprintf(stderr, "this engine dies on purpose\n");
	_exit(3);
}

static void listen_at(const struct options *o) {
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), client;
	pthread_attr_t small;
	pthread_t t;

	(void) snprintf(a.sun_path, sizeof a.sun_path, "%s", o->socket);
	(void) unlink(o->socket);
	if (bind(fd, (struct sockaddr *) &a, sizeof a) || listen(fd, 512)) {
		perror(o->socket);
		exit(1);
	}
	(void) pthread_attr_init(&small);
	(void) pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
	(void) pthread_attr_setstacksize(&small, 1 << 16);
	if (o->exit_ms)
		(void) pthread_create(&t, &small, die_later, (void *) (size_t) o);
	while ((client = accept(fd, NULL, NULL)) >= 0 || errno == EINTR || errno == ECONNABORTED) {
		struct connection *c = client < 0 ? NULL : malloc(sizeof *c);
		if (!c)
			continue;
		*c = (struct connection){client, o};
		if (pthread_create(&t, &small, converse, c)) {
			(void) close(client);
			free(c);
		}
	}
}

int main(int argc, char **argv) {
	struct options o = {.socket = "/run/engine/engine.sock", .model = "tiny", .tokens = 8};

	(void) clock_gettime(CLOCK_MONOTONIC, &o.began);
	(void) signal(SIGTERM, end);
	for (int i = 1; i + 1 < argc; i += 2) {
		const char *name = argv[i], *value = argv[i + 1];
		long *number = !strcmp(name, "--start") ? &o.start_ms
			: !strcmp(name, "--first")      ? &o.first_ms
			: !strcmp(name, "--gap")        ? &o.gap_ms
			: !strcmp(name, "--tokens")     ? &o.tokens
			: !strcmp(name, "--fail")       ? &o.fail_percent
			: !strcmp(name, "--exit")       ? &o.exit_ms
			: !strcmp(name, "--spoil")      ? &o.spoil_ms
			: !strcmp(name, "--slow")       ? &o.slow_ms
							: NULL;
		if (number)
			*number = atol(value);
		else if (!strcmp(name, "--socket"))
			o.socket = value;
		else if (!strcmp(name, "--model"))
			o.model = value;
	}
	listen_at(&o);
	return 1;
}
