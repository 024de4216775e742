/* SPDX-License-Identifier: Apache-2.0 */
/* Traffic for the gateway: so many clients at once, each asking again as soon as it is answered,
 * and every answer looked at.
 *
 *     load --url URL [--model NAME] [--clients N] [--streams N] [--http 1|2|both]
 *         [--new-connections PERCENT] [--key-header TEXT]
 *          [--requests N] [--seconds N] [--log FILE] [--tokens N] [--pause MS] [--unix-socket PATH]
 *
 * URL is on 127.0.0.1. With --http both, two clients of four speak HTTP/2 (without TLS), each on
 * connections of its own. Half of the clients ask for token streams unless --streams says how many;
 * each rests --pause before it asks again. It ends after --requests answers, after --seconds, or by
 * SIGTERM (what is in flight is waited for), and prints one JSON object. A request has failed when
 * there was no whole answer, its status was not 200, or a stream had no [DONE]. With --log each
 * answer is a line: begin and end in milliseconds since 1970, status, whole or not, kind, version,
 * who answered, HTTP, libcurl's result. */
#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { MAX_CLIENTS = 512, MAX_VERSIONS = 64, NAME = 64, ANSWER_MS = 900000 };

struct options {
	const char *url, *model, *header, *log, *unix_socket;
	unsigned clients, streams, new_percent, tokens, pause_ms;
	int http; /* 1, 2, or 0 for both */
	uint64_t requests, seconds;
};

struct samples {
	double *at;
	size_t n, room;
};

struct version {
	char name[NAME], by[NAME];
	uint64_t answers;
	int64_t first_ms, last_ms; /* when requests began that it answered */
	int64_t answered_ms;       /* the first byte of its first answer */
};

struct client {
	CURL *easy;
	struct curl_slist *headers;
	char body[512];
	/* HTTP/2 is wanted; it has a connection of its own for it; this request has another */
	bool stream, second, kept, fresh;
	unsigned number;
	double began, last, due; /* due: when it asks again; 0: it is asking, or is at its end */
	int64_t began_unix, head_unix;
	bool any, done;
	char tail[16]; /* the end of what came, to see [DONE] wherever it is split */
	size_t n_tail;
	char version[NAME], by[NAME];
	struct load *load;
};

struct load {
	struct options o;
	CURLM *multi;
	struct client clients[MAX_CLIENTS];
	struct samples first[2], gap, total[2]; /* by kind: 0 short, 1 stream; ms */
	struct version versions[MAX_VERSIONS];
	size_t n_versions;
	uint64_t answers, streams, over_second, again, failed, cut, connections, begun;
	uint64_t statuses[1000];
	char first_failure[256];
	FILE *log;
};

static volatile sig_atomic_t stop;

static void on_signal(int sig) {
	(void) sig;
	stop = 1;
}

static double now_ms(void) {
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec * 1e3 + (double) t.tv_nsec / 1e6;
}

static int64_t unix_ms(void) {
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void add(struct samples *s, double v) {
	if (s->n == s->room) {
		s->room = s->room ? s->room * 2 : 1024;
		s->at = realloc(s->at, s->room * sizeof *s->at);
		if (!s->at)
			abort();
	}
	s->at[s->n++] = v;
}

static int by_value(const void *a, const void *b) {
	double x = *(const double *) a, y = *(const double *) b;

	return x < y ? -1 : x > y;
}

static double percentile(const struct samples *s, double p) {
	return s->n ? s->at[(size_t) ((double) (s->n - 1) * p / 100)] : -1;
}

static size_t on_body(char *data, size_t one, size_t n, void *ctx) {
	struct client *c = ctx;
	double t = now_ms();

	(void) one;
	if (!c->any)
		add(&c->load->first[c->stream], t - c->began);
	else if (c->stream)
		add(&c->load->gap, t - c->last);
	c->any = true;
	c->last = t;
	/* The last bytes, with those of the piece before. */
	char joined[sizeof c->tail * 2 + 1];
	size_t keep = n < sizeof c->tail ? n : sizeof c->tail;
	memcpy(joined, c->tail, c->n_tail);
	memcpy(joined + c->n_tail, data + n - keep, keep);
	size_t all = c->n_tail + keep;
	joined[all] = 0;
	c->done = c->done || strstr(joined, "[DONE]");
	c->n_tail = all < sizeof c->tail ? all : sizeof c->tail;
	memcpy(c->tail, joined + all - c->n_tail, c->n_tail);
	return n;
}

static void take_header(const char *line, size_t n, const char *name, char out[NAME]) {
	size_t k = strlen(name);

	if (n <= k || strncasecmp(line, name, k))
		return;
	while (k < n && line[k] == ' ')
		k++;
	size_t i = 0;
	for (; k < n && i < NAME - 1 && line[k] != '\r' && line[k] != '\n'; k++)
		out[i++] = line[k];
	out[i] = 0;
}

static size_t on_header(char *line, size_t one, size_t n, void *ctx) {
	struct client *c = ctx;

	(void) one;
	if (!c->head_unix)
		c->head_unix = unix_ms();
	take_header(line, n, "x-llmdeploy-release:", c->version);
	take_header(line, n, "x-llmdeploy-answered-by:", c->by);
	return n;
}

/* libcurl 7.88 begins a kept HTTP/2 connection again when the handle says prior knowledge (curl
 * issue 10634), and takes one that is only being made for one of HTTP/1.1. So only who makes a
 * connection says so, and each client has its own: connections of different local addresses are not
 * shared. */
static void choose_second(struct client *c, bool fresh) {
	bool opens = fresh || !c->kept;
	char address[32];

	(void) snprintf(address, sizeof address, "127.0.%u.%u", (fresh ? 16 : 8) + c->number / 200,
			1 + c->number % 200);
	curl_easy_setopt(c->easy, CURLOPT_INTERFACE, address);
	curl_easy_setopt(c->easy, CURLOPT_HTTP_VERSION,
			 opens ? (long) CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE
			       : (long) CURL_HTTP_VERSION_2_0);
	curl_easy_setopt(c->easy, CURLOPT_FRESH_CONNECT, (long) opens);
	curl_easy_setopt(c->easy, CURLOPT_FORBID_REUSE, (long) fresh);
	c->fresh = fresh;
}

static void choose_http(struct client *c, bool fresh) {
	if (c->second) {
		choose_second(c, fresh);
		return;
	}
	curl_easy_setopt(c->easy, CURLOPT_FRESH_CONNECT, (long) fresh);
	curl_easy_setopt(c->easy, CURLOPT_FORBID_REUSE, (long) fresh);
}

static void begin(struct load *l, struct client *c) {
	choose_http(c, l->begun % 100 < l->o.new_percent);

	c->any = c->done = false;
	c->due = 0;
	c->head_unix = 0;
	c->n_tail = 0;
	*c->version = *c->by = 0;
	c->began_unix = unix_ms();
	c->began = c->last = now_ms();
	l->begun++;
	curl_multi_add_handle(l->multi, c->easy);
}

static void init_client(struct load *l, struct client *c, unsigned i) {
	c->number = i;
	c->second = l->o.http == 2 || (!l->o.http && i % 4 >= 2);
	c->load = l;
	c->stream = i * l->o.streams / l->o.clients != (i + 1) * l->o.streams / l->o.clients;
	(void) snprintf(c->body, sizeof c->body,
			"{\"model\":\"%.128s\",\"messages\":[{\"role\":\"user\",\"content\":"
			"\"ping\"}],\"max_tokens\":%u,\"temperature\":0,\"stream\":%s}",
			l->o.model, l->o.tokens, c->stream ? "true" : "false");
	c->easy = curl_easy_init();
	c->headers = curl_slist_append(NULL, "Content-Type: application/json");
	c->headers = curl_slist_append(c->headers, "Expect:");
	if (l->o.unix_socket)
		curl_easy_setopt(c->easy, CURLOPT_UNIX_SOCKET_PATH, l->o.unix_socket);
	if (l->o.header)
		c->headers = curl_slist_append(c->headers, l->o.header);
	curl_easy_setopt(c->easy, CURLOPT_URL, l->o.url);
	curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, c->body);
	curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, c->headers);
	curl_easy_setopt(c->easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(c->easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c->easy, CURLOPT_HEADERDATA, c);
	curl_easy_setopt(c->easy, CURLOPT_PRIVATE, c);
	curl_easy_setopt(c->easy, CURLOPT_TIMEOUT_MS, (long) ANSWER_MS);
	curl_easy_setopt(c->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(c->easy, CURLOPT_TCP_NODELAY, 1L);
}

static void count_version(struct load *l, const struct client *c) {
	struct version *v = NULL;

	for (size_t i = 0; i < l->n_versions && !v; i++)
		if (!strcmp(l->versions[i].name, c->version) && !strcmp(l->versions[i].by, c->by))
			v = &l->versions[i];
	if (!v) {
		if (l->n_versions == MAX_VERSIONS)
			return;
		v = &l->versions[l->n_versions++];
		memcpy(v->name, c->version, sizeof v->name);
		memcpy(v->by, c->by, sizeof v->by);
		v->first_ms = c->began_unix;
		v->answered_ms = c->head_unix;
	}
	if (c->head_unix < v->answered_ms)
		v->answered_ms = c->head_unix;
	if (c->began_unix < v->first_ms)
		v->first_ms = c->began_unix;
	v->answers++;
	if (c->began_unix > v->last_ms)
		v->last_ms = c->began_unix;
}

static void end(struct load *l, struct client *c, CURLcode r) {
	long status = 0, connects = 0, http = 0;
	bool whole = r == CURLE_OK && (!c->stream || c->done);

	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(c->easy, CURLINFO_NUM_CONNECTS, &connects);
	curl_easy_getinfo(c->easy, CURLINFO_HTTP_VERSION, &http);
	if (!c->fresh)
		c->kept = r == CURLE_OK && http == CURL_HTTP_VERSION_2_0;
	l->over_second += http == CURL_HTTP_VERSION_2_0;
	l->answers++;
	l->streams += c->stream;
	l->connections += (uint64_t) connects;
	l->statuses[status >= 0 && status < 1000 ? status : 0]++;
	if (status == 200 && whole) {
		add(&l->total[c->stream], now_ms() - c->began);
		count_version(l, c);
	} else {
		l->failed++;
		l->cut += c->stream && c->any && !whole;
		if (!*l->first_failure)
			(void) snprintf(
				l->first_failure, sizeof l->first_failure,
				"%s: status %ld, %s, version %.40s, %.0f ms after its begin",
				c->stream ? "stream" : "request", status,
				r               ? curl_easy_strerror(r)
					: whole ? "whole"
						: "no [DONE]",
				c->version, now_ms() - c->began);
	}
	if (l->log)
		(void) fprintf(l->log, "%" PRId64 " %" PRId64 " %ld %s %s %s %s %s %d\n",
			       c->began_unix, unix_ms(), status, whole ? "whole" : "broken",
			       c->stream ? "stream" : "short", *c->version ? c->version : "-",
			       *c->by ? c->by : "-", c->second ? c->fresh ? "2new" : "2" : "1",
			       (int) r);
}

static bool goes_on(const struct load *l, double until) {
	return !stop && now_ms() < until && (!l->o.requests || l->begun < l->o.requests);
}

/* libcurl 7.88 now and then takes a kept HTTP/2 connection for one of HTTP/0.9 before anything was
 * sent or came. That is nobody's answer: asked again on a new connection, and counted. What a
 * server closes, resets or refuses has other results. */
static bool is_libcurls(const struct client *c, CURLcode r) {
	return r == CURLE_UNSUPPORTED_PROTOCOL && c->second && c->kept && !c->fresh &&
		!c->head_unix && !c->any;
}

static void collect(struct load *l, double until) {
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(l->multi, &left))) {
		struct client *c = NULL;
		CURLcode r = m->data.result;
		CURL *easy = m->easy_handle;
		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **) &c);
		curl_multi_remove_handle(l->multi, easy);
		if (is_libcurls(c, r)) {
			l->again++;
			l->begun--;
			c->kept = false;
			begin(l, c);
			continue;
		}
		end(l, c, r);
		if (goes_on(l, until) && !l->o.pause_ms)
			begin(l, c);
		else if (goes_on(l, until))
			c->due = now_ms() + l->o.pause_ms;
	}
}

/* Those that have rested ask again; how many still rest. */
static unsigned wake(struct load *l, double until) {
	unsigned resting = 0;

	for (unsigned i = 0; i < l->o.clients; i++) {
		struct client *c = &l->clients[i];
		if (c->due > 0 && !goes_on(l, until))
			c->due = 0;
		else if (c->due > 0 && c->due <= now_ms())
			begin(l, c);
		resting += c->due > 0;
	}
	return resting;
}

static void run(struct load *l) {
	double until = now_ms() + (double) l->o.seconds * 1e3;
	unsigned resting = 0;
	int running;

	for (unsigned i = 0; i < l->o.clients; i++)
		begin(l, &l->clients[i]);
	/* Ends with the last answer: each has its own deadline. */
	while (l->begun > l->answers || resting) {
		curl_multi_perform(l->multi, &running);
		collect(l, until);
		resting = wake(l, until);
		curl_multi_perform(l->multi, &running);
		if (l->begun > l->answers || resting)
			curl_multi_poll(l->multi, NULL, 0, resting ? 10 : 100, NULL);
	}
}

static void print_samples(const char *name, struct samples *s) {
	qsort(s->at, s->n, sizeof *s->at, by_value);
	printf(",\"%s\":{\"n\":%zu,\"p50\":%.3f,\"p95\":%.3f,\"p99\":%.3f,\"max\":%.3f}", name,
	       s->n, percentile(s, 50), percentile(s, 95), percentile(s, 99), percentile(s, 100));
}

static void print_text(const char *s) {
	for (; *s; s++)
		putchar(*s == '"' || *s == '\\' || (unsigned char) *s < ' ' ? '\'' : *s);
}

static void print(struct load *l, double took_ms) {
	printf("{\"requests\":%" PRIu64 ",\"streams\":%" PRIu64 ",\"http2\":%" PRIu64
	       ",\"asked_again\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"cut\":%" PRIu64
	       ",\"connections\":%" PRIu64 ",\"seconds\":%.3f,\"per_second\":%.1f",
	       l->answers, l->streams, l->over_second, l->again, l->failed, l->cut, l->connections,
	       took_ms / 1e3, (double) l->answers / took_ms * 1e3);
	print_samples("first_byte_ms", &l->first[0]);
	print_samples("first_token_ms", &l->first[1]);
	print_samples("between_tokens_ms", &l->gap);
	print_samples("short_ms", &l->total[0]);
	print_samples("stream_ms", &l->total[1]);
	printf(",\"statuses\":{");
	for (int i = 0, n = 0; i < 1000; i++)
		if (l->statuses[i])
			printf("%s\"%d\":%" PRIu64, n++ ? "," : "", i, l->statuses[i]);
	printf("},\"answered\":[");
	for (size_t i = 0; i < l->n_versions; i++)
		printf("%s{\"version\":\"%s\",\"by\":\"%s\",\"requests\":%" PRIu64
		       ",\"answered_ms\":%" PRId64 ",\"first_ms\":%" PRId64 ",\"last_ms\":%" PRId64
		       "}",
		       i ? "," : "", l->versions[i].name, l->versions[i].by, l->versions[i].answers,
		       l->versions[i].answered_ms, l->versions[i].first_ms, l->versions[i].last_ms);
	printf("],\"first_failure\":\"");
	print_text(l->first_failure);
	printf("\"}\n");
}

static bool number(const char *text, uint64_t max, uint64_t *out) {
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	return !errno && *text >= '0' && *text <= '9' && !*end && *out <= max;
}

static bool take(struct options *o, const char *name, const char *value) {
	uint64_t n = 0;
	bool ok = number(value, 1000000000, &n);

	if (!strcmp(name, "--url"))
		o->url = value;
	else if (!strcmp(name, "--model"))
		o->model = value;
	else if (!strcmp(name, "--header"))
		o->header = value;
	else if (!strcmp(name, "--log"))
		o->log = value;
	else if (!strcmp(name, "--unix-socket"))
		o->unix_socket = value;
	else if (!strcmp(name, "--http"))
		return (o->http = !strcmp(value, "both") ? 0 : (int) n) <= 2 && (ok || !o->http);
	else if (!ok)
		return false;
	else if (!strcmp(name, "--clients"))
		o->clients = (unsigned) n;
	else if (!strcmp(name, "--streams"))
		o->streams = (unsigned) n;
	else if (!strcmp(name, "--new-connections"))
		o->new_percent = (unsigned) n;
	else if (!strcmp(name, "--tokens"))
		o->tokens = (unsigned) n;
	else if (!strcmp(name, "--pause"))
		o->pause_ms = (unsigned) n;
	else if (!strcmp(name, "--requests"))
		o->requests = n;
	else if (!strcmp(name, "--seconds"))
		o->seconds = n;
	else
		return false;
	return true;
}

static bool parse(int argc, char **argv, struct options *o) {
	*o = (struct options){.model = "test",
			      .clients = 16,
			      .streams = UINT32_MAX,
			      .new_percent = 10,
			      .tokens = 16,
			      .seconds = 3600};
	for (int i = 1; i < argc; i += 2)
		if (i + 1 >= argc || !take(o, argv[i], argv[i + 1]))
			return false;
	if (o->streams == UINT32_MAX)
		o->streams = o->clients / 2;
	return o->url && o->clients && o->clients <= MAX_CLIENTS && o->streams <= o->clients &&
		o->new_percent <= 100;
}

int main(int argc, char **argv) {
	static struct load l;
	struct sigaction on_stop = {.sa_handler = on_signal};

	if (!parse(argc, argv, &l.o)) {
		(void) fprintf(stderr,
			       "usage: %s --url URL [--model NAME] [--clients N] [--streams N] "
			       "[--http 1|2|both] [--new-connections PERCENT]\n"
			       "       [--header TEXT] [--requests N] [--seconds N] [--tokens N] "
			       "[--pause MS] [--log FILE] [--unix-socket PATH]\n",
			       argv[0]);
		return 2;
	}
	if (l.o.log && !(l.log = fopen(l.o.log, "w"))) {
		perror(l.o.log);
		return 1;
	}
	if (l.log)
		/* who waits for the first answer reads the file */
		(void) setvbuf(l.log, NULL, _IOLBF, 0);
	sigaction(SIGTERM, &on_stop, NULL);
	sigaction(SIGINT, &on_stop, NULL);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	l.multi = curl_multi_init();
	for (unsigned i = 0; i < l.o.clients; i++)
		init_client(&l, &l.clients[i], i);
	double from = now_ms();
	run(&l);
	print(&l, now_ms() - from);
	for (unsigned i = 0; i < l.o.clients; i++) {
		curl_easy_cleanup(l.clients[i].easy);
		curl_slist_free_all(l.clients[i].headers);
	}
	curl_multi_cleanup(l.multi);
	curl_global_cleanup();
	if (l.log)
		(void) fclose(l.log);
	for (size_t i = 0; i < 2; i++) {
		free(l.first[i].at);
		free(l.total[i].at);
	}
	free(l.gap.at);
	return l.failed ? 1 : 0;
}
