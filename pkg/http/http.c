#include "http/http.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/text.h"
#include "http/private.h"

enum {
	CONNECT_DEFAULT_MS = 30000,
	LOOK_MS = 500, /* how often a transfer without events is looked at */
};

/* A multi handle, though there is one transfer at a time: our loop keeps the deadlines
 * to the millisecond and sees an interrupt at once, and the connections stay with it. The easy
 * handle is new for each request: after a failure curl leaves its buffers in the old one, and then
 * refuses options about them. */
struct http {
	CURLM *multi;
	CURL *easy; /* during a request */
	int connect_errno;
	char fault[CURL_ERROR_SIZE];
};

struct http *http_new(void) {
	struct http *h = mem_zalloc(1, sizeof *h);

	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		abort();
	h->multi = curl_multi_init();
	if (!h->multi)
		abort();
	return h;
}

void http_free(struct http *h) {
	if (!h)
		return;
	(void) curl_multi_cleanup(h->multi);
	curl_global_cleanup();
	free(h);
}

void http_freep(struct http **h) {
	http_free(*h);
	*h = NULL;
}

int http_connect_errno(const struct http *h) {
	return h->connect_errno;
}

static void curlup(CURLU **u) {
	curl_url_cleanup(*u);
}

static void curl_freep(char **s) {
	curl_free(*s);
}

static void slistp(struct curl_slist **list) {
	curl_slist_free_all(*list);
}

/* The part of a URL, or NULL; curl_free() it. */
static char *url_part(CURLU *u, CURLUPart part) {
	char *s = NULL;

	return curl_url_get(u, part, &s, 0) ? NULL : s;
}

char *http_shown(const char *url) {
	CURLU *u CLEANUP(curlup) = curl_url();

	if (curl_url_set(u, CURLUPART_URL, url, 0))
		return mem_strdup("a malformed address");
	(void) curl_url_set(u, CURLUPART_USER, NULL, 0);
	(void) curl_url_set(u, CURLUPART_PASSWORD, NULL, 0);
	(void) curl_url_set(u, CURLUPART_OPTIONS, NULL, 0);
	(void) curl_url_set(u, CURLUPART_QUERY, NULL, 0);
	(void) curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
	char *clean CLEANUP(curl_freep) = url_part(u, CURLUPART_URL);
	return mem_strdup(clean ? clean : "a malformed address");
}

bool http_is_loopback(const char *url) {
	CURLU *u CLEANUP(curlup) = curl_url();

	if (curl_url_set(u, CURLUPART_URL, url, 0))
		return false;
	char *host CLEANUP(curl_freep) = url_part(u, CURLUPART_HOST);
	struct in_addr v4;
	return host && (!strcasecmp(host, "localhost") || !strcmp(host, "[::1]") ||
			(text_starts(host, "127.") && inet_pton(AF_INET, host, &v4) == 1));
}

/* Who is asked, for messages: the socket's path or "host[:port]"; yours. */
static char *who_of(const struct http_request *q) {
	CURLU *u CLEANUP(curlup) = curl_url();

	if (q->unix_socket)
		return mem_strdup(q->unix_socket);
	(void) curl_url_set(u, CURLUPART_URL, q->url, 0);
	char *host CLEANUP(curl_freep) = url_part(u, CURLUPART_HOST);
	char *port CLEANUP(curl_freep) = url_part(u, CURLUPART_PORT);
	if (!host)
		return mem_strdup("a malformed address");
	return mem_printf("%s%s%s", host, port ? ":" : "", port ? port : "");
}

static void set(CURLcode rc) {
	if (rc)
		abort(); /* an option that this libcurl does not know, or no memory */
}

static bool has_control(const char *s) {
	for (; *s; s++)
		if (iscntrl((unsigned char) *s))
			return true;
	return false;
}

static int add_headers(const struct http_request *q, struct curl_slist **list, struct err *e) {
	bool typed = false;

	for (size_t i = 0; i < q->n_headers; i++) {
		const char *header = q->headers[i];
		if (has_control(header))
			return err_set(e, ERR_USAGE, "header '%.*s' has a control character in its value",
				       (int) strcspn(header, ":\r\n"), header);
		typed = typed || !strncasecmp(header, "content-type:", 13);
		*list = curl_slist_append(*list, header);
	}
	if (!typed)
		*list = curl_slist_append(*list, "Content-Type:"); /* not curl's form type */
	*list = curl_slist_append(*list, "Expect:");
	return 0;
}

static void set_body(CURL *c, const struct http_request *q) {
	const char *method = q->method ? q->method : "GET";

	if (q->read) {
		set(curl_easy_setopt(c, CURLOPT_UPLOAD, 1L));
		set(curl_easy_setopt(c, CURLOPT_READFUNCTION, http_on_read));
		set(curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE, 1L << 20));
	} else if (q->body || !strcmp(method, "POST") || !strcmp(method, "PUT")) {
		set(curl_easy_setopt(c, CURLOPT_POSTFIELDS, q->body ? q->body : ""));
		set(curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) q->body_len));
	} else if (!strcmp(method, "HEAD")) {
		set(curl_easy_setopt(c, CURLOPT_NOBODY, 1L));
	}
	set(curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method));
}

static void set_address(CURL *c, const struct http_request *q) {
	bool secure = !strncasecmp(q->url, "https:", 6);
	const char *bundle = getenv("CURL_CA_BUNDLE"), *dir = getenv("SSL_CERT_DIR");

	set(curl_easy_setopt(c, CURLOPT_URL, q->url));
	set(curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https"));
	set(curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https"));
	set(curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, q->follow ? 1L : 0L));
	set(curl_easy_setopt(c, CURLOPT_MAXREDIRS, 10L));
	set(curl_easy_setopt(c, CURLOPT_UNRESTRICTED_AUTH, 0L));
	if (q->unix_socket) {
		set(curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, q->unix_socket));
		set(curl_easy_setopt(c, CURLOPT_PROXY, ""));
	}
	if (!bundle || !*bundle)
		bundle = getenv("SSL_CERT_FILE");
	if (bundle && *bundle)
		set(curl_easy_setopt(c, CURLOPT_CAINFO, bundle));
	if (dir && *dir)
		set(curl_easy_setopt(c, CURLOPT_CAPATH, dir));
}

static void set_rest(struct http *h, const struct http_request *q, struct transfer *t) {
	CURL *c = h->easy;
	uint64_t connect_ms = q->connect_timeout_ms ? q->connect_timeout_ms : CONNECT_DEFAULT_MS;
	char range[32];

	set(curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->fault));
	set(curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L));
	set(curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L));
	set(curl_easy_setopt(c, CURLOPT_NOPROGRESS, 1L));
	set(curl_easy_setopt(c, CURLOPT_USERAGENT, "llmdeploy"));
	set(curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L));
	set(curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L));
	set(curl_easy_setopt(c, CURLOPT_BUFFERSIZE, 256L << 10));
	set(curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long) connect_ms));
	set(curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, http_on_header));
	set(curl_easy_setopt(c, CURLOPT_HEADERDATA, t));
	set(curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, http_on_body));
	set(curl_easy_setopt(c, CURLOPT_WRITEDATA, t));
	set(curl_easy_setopt(c, CURLOPT_READDATA, t));
	if (q->range_from) {
		(void) snprintf(range, sizeof range, "%llu-", (unsigned long long) q->range_from);
		set(curl_easy_setopt(c, CURLOPT_RANGE, range));
	}
}

/* Milliseconds until the next look; 0 and t->stop when a deadline has passed. */
static uint64_t next_look(struct http *h, struct transfer *t) {
	const struct http_request *q = t->q;
	uint64_t now = clock_mono_us(), wait = LOOK_MS, age = (now - t->start_us) / 1000;
	curl_off_t connected = 0;

	if (interrupt_pending()) {
		t->stop = STOP_INTERRUPT;
		return 0;
	}
	if (q->total_timeout_ms) {
		if (age >= q->total_timeout_ms) {
			t->stop = STOP_TOTAL;
			return 0;
		}
		wait = wait < q->total_timeout_ms - age ? wait : q->total_timeout_ms - age;
	}
	if (!t->sent && !curl_easy_getinfo(h->easy, CURLINFO_PRETRANSFER_TIME_T, &connected) && connected) {
		t->sent = true;
		t->last_us = now;
	}
	uint64_t quiet = (now - t->last_us) / 1000;
	if (q->stall_timeout_ms && t->sent) {
		if (quiet >= q->stall_timeout_ms) {
			t->stop = STOP_STALL;
			return 0;
		}
		wait = wait < q->stall_timeout_ms - quiet ? wait : q->stall_timeout_ms - quiet;
	}
	return wait;
}

/* Until the transfer is over or a deadline ends it. */
static CURLcode drive(struct http *h, struct transfer *t) {
	CURLcode rc = CURLE_FAILED_INIT;
	int running = 1, left;

	if (curl_multi_add_handle(h->multi, h->easy))
		abort();
	for (;;) {
		if (curl_multi_perform(h->multi, &running) || !running)
			break;
		uint64_t wait = next_look(h, t);
		if (t->stop)
			break;
		(void) curl_multi_poll(h->multi, NULL, 0, (int) wait, NULL);
	}
	for (CURLMsg *m; (m = curl_multi_info_read(h->multi, &left));)
		if (m->msg == CURLMSG_DONE)
			rc = m->data.result;
	(void) curl_multi_remove_handle(h->multi, h->easy);
	return rc;
}

static int stopped(const struct transfer *t, const char *who, struct err *e) {
	const struct http_request *q = t->q;
	char span[TEXT_BYTES];

	switch (t->stop) {
	case STOP_INTERRUPT:
		return err_set(e, ERR_INTERRUPTED, "interrupted");
	case STOP_TOTAL:
		text_format_ms(q->total_timeout_ms, span);
		return err_set(e, ERR_UNREACHABLE, "no complete answer from '%s' within %s", who, span);
	case STOP_STALL:
		text_format_ms(q->stall_timeout_ms, span);
		return err_set(e, ERR_UNREACHABLE, "no byte to or from '%s' for %s", who, span);
	case STOP_TOO_LARGE:
		return err_set(e, ERR_UNREACHABLE, "answer of '%s' is larger than %zu bytes", who, http_body_limit(q, true));
	default:
		return err_set(e, ERR_UNREACHABLE, "answer of '%s' has too many headers", who);
	}
}

/* curl's words about the transfer, without its full stop or line break. */
static const char *reason_of(struct http *h, CURLcode rc) {
	if (!h->fault[0])
		(void) snprintf(h->fault, sizeof h->fault, "%s", curl_easy_strerror(rc));
	h->fault[strcspn(h->fault, "\r\n")] = 0;
	return h->fault;
}

static int no_connection(struct http *h, const struct http_request *q, const char *who, struct err *e) {
	long number = 0;

	(void) curl_easy_getinfo(h->easy, CURLINFO_OS_ERRNO, &number);
	h->connect_errno = (int) number;
	if (!number)
		return err_set(e, ERR_UNREACHABLE, "cannot reach '%s': %s", who, q->unix_socket ? "no connection" : h->fault);
	return err_set(e, ERR_UNREACHABLE, "cannot reach '%s': %s", who, strerror(h->connect_errno));
}

static int failed(struct http *h, const struct transfer *t, CURLcode rc, const char *who, struct err *e) {
	const struct http_request *q = t->q;
	char span[TEXT_BYTES];

	switch (rc) {
	case CURLE_COULDNT_CONNECT:
		return no_connection(h, q, who, e);
	case CURLE_COULDNT_RESOLVE_HOST:
		return err_set(e, ERR_UNREACHABLE, "cannot reach '%s': its name does not resolve", who);
	case CURLE_OPERATION_TIMEDOUT: /* the other deadlines are ours */
		text_format_ms(q->connect_timeout_ms ? q->connect_timeout_ms : CONNECT_DEFAULT_MS, span);
		return err_set(e, ERR_UNREACHABLE, "cannot reach '%s': no connection within %s", who, span);
	case CURLE_PEER_FAILED_VERIFICATION:
		return err_set(e, ERR_UNREACHABLE, "cannot reach '%s': its certificate is not trusted: %s", who, reason_of(h, rc));
	case CURLE_TOO_MANY_REDIRECTS:
		return err_set(e, ERR_UNREACHABLE, "'%s' redirects more than 10 times", who);
	case CURLE_GOT_NOTHING:
		return err_set(e, ERR_UNREACHABLE, "'%s' closed the connection without an answer", who);
	case CURLE_PARTIAL_FILE:
		return err_set(e, ERR_UNREACHABLE, "'%s' closed the connection before the end of its answer", who);
	case CURLE_UNSUPPORTED_PROTOCOL:
		if (t->r->status >= 300 && t->r->status < 400)
			return err_set(e, ERR_UNREACHABLE, "'%s' redirects to an address that is not %s", who,
				       strncasecmp(q->url, "https:", 6) ? "http or https" : "https");
		return err_set(e, ERR_UNREACHABLE, "answer of '%s' is not HTTP", who);
	case CURLE_WEIRD_SERVER_REPLY:
		return err_set(e, ERR_UNREACHABLE, "answer of '%s' is not HTTP", who);
	case CURLE_SSL_CONNECT_ERROR:
		return err_set(e, ERR_UNREACHABLE, "cannot reach '%s': %s", who, reason_of(h, rc));
	default:
		return err_set(e, ERR_UNREACHABLE, "exchange with '%s' failed: %s", who, reason_of(h, rc));
	}
}

static int finish(struct http *h, struct transfer *t, CURLcode rc, struct err *e) {
	char *who CLEANUP(freep) = who_of(t->q);

	t->r->total_us = clock_mono_us() - t->start_us;
	t->r->aborted = t->stop == STOP_BY_CALLER;
	if (t->r->aborted || (!t->stop && !rc))
		return 0;
	int failure = t->stop ? stopped(t, who, e) : failed(h, t, rc, who, e);
	http_response_reset(t->r, 0);
	return failure;
}

/* No part of an address that cannot be read is shown: it could be the password. */
static int check_address(const char *url, struct err *e) {
	CURLU *u CLEANUP(curlup) = curl_url();

	if (strncasecmp(url, "http://", 7) && strncasecmp(url, "https://", 8))
		return err_set(e, ERR_USAGE, "an address begins with '%.*s' instead of http:// or https://",
			       (int) strcspn(url, "/?#@"), url);
	if (curl_url_set(u, CURLUPART_URL, url, 0))
		return err_set(e, ERR_USAGE, "an %.*s address is malformed", (int) strcspn(url, ":"), url);
	return 0;
}

int http_do(struct http *h, const struct http_request *q, struct http_response *r, struct err *e) {
	struct curl_slist *headers CLEANUP(slistp) = NULL;
	struct transfer t = {.q = q, .r = r};

	http_response_reset(r, http_body_limit(q, !q->sink));
	if (check_address(q->url, e) || add_headers(q, &headers, e))
		return -1;
	assert(!q->follow || !q->read);
	h->connect_errno = 0;
	h->fault[0] = 0;
	h->easy = curl_easy_init();
	if (!h->easy)
		abort();
	set_address(h->easy, q);
	set_body(h->easy, q);
	set_rest(h, q, &t);
	set(curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, headers));
	t.start_us = t.last_us = clock_mono_us();
	CURLcode rc = drive(h, &t);
	int result = finish(h, &t, rc, e);
	curl_easy_cleanup(h->easy);
	h->easy = NULL;
	return result;
}
