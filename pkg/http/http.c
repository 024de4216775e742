/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http.h"

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
#include "http/internal.h"

enum {
	LOOK_MS = 500, /* how often a transfer without events is looked at */
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

bool http_hung_up(const struct http *h) {
	return h->hung_up;
}

static void slistp(struct curl_slist **list) {
	curl_slist_free_all(*list);
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
			return err_set(e, ERR_USAGE,
				       "header '%.*s' has a control character in its value",
				       (int) strcspn(header, ":\r\n"), header);
		typed = typed || !strncasecmp(header, "content-type:", 13);
		*list = curl_slist_append(*list, header);
	}
	if (!typed)
		*list = curl_slist_append(*list, "Content-Type:"); /* not curl's form type */
	*list = curl_slist_append(*list, "Expect:");
	return 0;
}

static void set_body(CURL *c, const struct http_request *q, struct transfer *t) {
	const char *method = q->method ? q->method : "GET";

	if (q->read) {
		set(curl_easy_setopt(c, CURLOPT_UPLOAD, 1L));
		set(curl_easy_setopt(c, CURLOPT_READFUNCTION, http_on_read));
		set(curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE, 1L << 20));
		/* What was read cannot be sent again: no connection that may be dead already. */
		set(curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L));
		set(curl_easy_setopt(c, CURLOPT_SOCKOPTFUNCTION, http_on_socket));
		set(curl_easy_setopt(c, CURLOPT_SOCKOPTDATA, t));
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
	const char *bundle = http_bundle(), *dir = getenv("SSL_CERT_DIR");

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
	if (q->ca_file && *q->ca_file)
		set(curl_easy_setopt(c, CURLOPT_CAINFO, q->ca_file));
	else if (*bundle)
		set(curl_easy_setopt(c, CURLOPT_CAINFO, bundle));
	if (dir && *dir)
		set(curl_easy_setopt(c, CURLOPT_CAPATH, dir));
}

static void set_rest(struct http *h, const struct http_request *q, struct transfer *t) {
	CURL *c = h->easy;
	char range[48];

	set(curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->fault));
	set(curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L));
	set(curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L));
	set(curl_easy_setopt(c, CURLOPT_NOPROGRESS, 1L));
	set(curl_easy_setopt(c, CURLOPT_USERAGENT, "llmdeploy"));
	set(curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L));
	set(curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L));
	set(curl_easy_setopt(c, CURLOPT_BUFFERSIZE, 256L << 10));
	set(curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long) http_connect_ms(q)));
	set(curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, http_on_header));
	set(curl_easy_setopt(c, CURLOPT_HEADERDATA, t));
	set(curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, http_on_body));
	set(curl_easy_setopt(c, CURLOPT_WRITEDATA, t));
	set(curl_easy_setopt(c, CURLOPT_READDATA, t));
	if (q->range_from || q->range_to) {
		int n = snprintf(range, sizeof range, "%llu-", (unsigned long long) q->range_from);
		if (q->range_to)
			(void) snprintf(range + n, sizeof range - (size_t) n, "%llu",
					(unsigned long long) q->range_to);
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
	if (!t->sent && !curl_easy_getinfo(h->easy, CURLINFO_PRETRANSFER_TIME_T, &connected) &&
	    connected) {
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
		if (t->paused) {
			t->paused = false;
			(void) curl_easy_pause(h->easy, CURLPAUSE_CONT);
			continue;
		}
		(void) curl_multi_poll(h->multi, NULL, 0, (int) wait, NULL);
	}
	for (CURLMsg *m; (m = curl_multi_info_read(h->multi, &left));)
		if (m->msg == CURLMSG_DONE)
			rc = m->data.result;
	(void) curl_multi_remove_handle(h->multi, h->easy);
	return rc;
}

static int finish(struct http *h, struct transfer *t, CURLcode rc, struct err *e) {
	char *who CLEANUP(freep) = http_who(t->q);

	t->r->total_us = clock_mono_us() - t->start_us;
	t->r->aborted = t->stop == STOP_BY_CALLER;
	if (rc == CURLE_SEND_ERROR && http_answered(t))
		rc = CURLE_OK; /* it did not want the rest of the body */
	if (t->r->aborted || (!t->stop && !rc))
		return 0;
	h->hung_up = t->stop == STOP_HUNG_UP;
	int failure = t->stop ? http_stopped(t, who, e) : http_failed(h, t, rc, who, e);
	http_response_reset(t->r, 0);
	return failure;
}

int http_exchange(struct http *h, const struct http_request *q, struct http_response *r,
		  struct err *e) {
	struct curl_slist *headers CLEANUP(slistp) = NULL;
	struct transfer t = {.q = q, .r = r, .fd = -1};

	http_response_reset(r, http_body_limit(q, !q->sink));
	h->connect_errno = 0;
	h->hung_up = false;
	h->fault[0] = 0;
	if (http_check_address(q->url, e) ||
	    add_headers(q, &headers, e))
		return -1;
	assert(!q->follow || !q->read);
	if (q->unix_socket && strlen(q->unix_socket) >= HTTP_SOCKET_PATH)
		return http_path_too_long(h, q->unix_socket, e);
	h->easy = curl_easy_init();
	if (!h->easy)
		abort();
	set_address(h->easy, q);
	set_body(h->easy, q, &t);
	set_rest(h, q, &t);
	set(curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, headers));
	t.start_us = t.last_us = clock_mono_us();
	CURLcode rc = drive(h, &t);
	int result = finish(h, &t, rc, e);
	curl_easy_cleanup(h->easy);
	h->easy = NULL;
	return result;
}
