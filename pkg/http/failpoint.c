/* SPDX-License-Identifier: Apache-2.0 */
/* Why no whole answer came, in words for people. */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/text.h"
#include "http/internal.h"

/* curl says of such a path that a name does not resolve. */
int http_path_too_long(struct http *h, const char *path, struct err *e) {
	h->connect_errno = ENAMETOOLONG;
	return err_set(e, ERR_UNREACHABLE,
		       "cannot reach '%s': a socket's path has 107 bytes at most", path);
}

int http_stopped(const struct transfer *t, const char *who, struct err *e) {
	const struct http_request *q = t->q;
	char span[TEXT_BYTES];

	switch (t->stop) {
	case STOP_INTERRUPT: return err_set(e, ERR_INTERRUPTED, "interrupted");
	case STOP_HUNG_UP:
		return err_set(e, ERR_UNREACHABLE, "'%s' closed the connection without an answer",
			       who);
	case STOP_TOTAL:
		text_format_ms(q->total_timeout_ms, span);
		return err_set(e, ERR_UNREACHABLE, "no complete answer from '%s' within %s", who,
			       span);
	case STOP_STALL:
		text_format_ms(q->stall_timeout_ms, span);
		return err_set(e, ERR_UNREACHABLE, "no byte to or from '%s' for %s", who, span);
	case STOP_TOO_LARGE:
		return err_set(e, ERR_UNREACHABLE, "answer of '%s' is larger than %zu bytes", who,
			       http_body_limit(q, true));
	default: return err_set(e, ERR_UNREACHABLE, "answer of '%s' has too many headers", who);
	}
}

/* curl's words about the transfer, without its full stop or line break. */
static const char *reason_of(struct http *h, CURLcode rc) {
	if (!h->fault[0])
		(void) snprintf(h->fault, sizeof h->fault, "%s", curl_easy_strerror(rc));
	h->fault[strcspn(h->fault, "\r\n")] = 0;
	return h->fault;
}

static int no_connection(struct http *h, const struct http_request *q, const char *who,
			 struct err *e) {
	long number = 0;

	(void) curl_easy_getinfo(h->easy, CURLINFO_OS_ERRNO, &number);
	h->connect_errno = (int) number;
	if (!number)
		return err_set(e, ERR_UNREACHABLE, "cannot reach '%s': %s", who,
			       q->unix_socket ? "no connection" : h->fault);
	return err_set(e, ERR_UNREACHABLE, "cannot reach '%s': %s", who,
		       strerror(h->connect_errno));
}

static bool is_hang_up(CURLcode rc) {
	return rc == CURLE_COULDNT_CONNECT || rc == CURLE_GOT_NOTHING || rc == CURLE_PARTIAL_FILE ||
		rc == CURLE_RECV_ERROR || rc == CURLE_SEND_ERROR;
}

int http_failed(struct http *h, const struct transfer *t, CURLcode rc, const char *who,
		struct err *e) {
	const struct http_request *q = t->q;
	char span[TEXT_BYTES];

	h->hung_up = is_hang_up(rc);
	switch (rc) {
	case CURLE_COULDNT_CONNECT: return no_connection(h, q, who, e);
	case CURLE_COULDNT_RESOLVE_HOST:
		return err_set(e, ERR_UNREACHABLE, "cannot reach '%s': its name does not resolve",
			       who);
	case CURLE_OPERATION_TIMEDOUT: /* the other deadlines are ours */
		text_format_ms(http_connect_ms(q), span);
		return err_set(e, ERR_UNREACHABLE, "cannot reach '%s': no connection within %s",
			       who, span);
	case CURLE_PEER_FAILED_VERIFICATION:
		return err_set(e, ERR_UNREACHABLE,
			       "cannot reach '%s': its certificate is not trusted: %s", who,
			       reason_of(h, rc));
	case CURLE_SSL_CACERT_BADFILE:
		return err_set(
			e, ERR_UNREACHABLE,
			"cannot reach '%s': no certificates in '%s', which the environment names",
			who, http_bundle());
	case CURLE_TOO_MANY_REDIRECTS:
		return err_set(e, ERR_UNREACHABLE, "'%s' redirects more than 10 times", who);
	case CURLE_GOT_NOTHING:
		return err_set(e, ERR_UNREACHABLE, "'%s' closed the connection without an answer",
			       who);
	case CURLE_PARTIAL_FILE:
		return err_set(e, ERR_UNREACHABLE,
			       "'%s' closed the connection before the end of its answer", who);
	case CURLE_UNSUPPORTED_PROTOCOL:
		if (t->r->status >= 300 && t->r->status < 400)
			return err_set(e, ERR_UNREACHABLE,
				       "'%s' redirects to an address that is not %s", who,
				       strncasecmp(q->url, "https:", 6) ? "http or https"
									: "https");
		return err_set(e, ERR_UNREACHABLE, "answer of '%s' is not HTTP", who);
	case CURLE_WEIRD_SERVER_REPLY:
		return err_set(e, ERR_UNREACHABLE, "answer of '%s' is not HTTP", who);
	case CURLE_SSL_CONNECT_ERROR:
		return err_set(e, ERR_UNREACHABLE, "cannot reach '%s': %s", who, reason_of(h, rc));
	default:
		return err_set(e, ERR_UNREACHABLE, "exchange with '%s' failed: %s", who,
			       reason_of(h, rc));
	}
}
