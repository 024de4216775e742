/* SPDX-License-Identifier: Apache-2.0 */
#include "haproxy/haproxy.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/text.h"

enum { POLL_MS = 20 };

int haproxy_has(const struct haproxy *h, const struct socket_workers *all, const char *digest,
		bool *has, struct err *e) {
	struct buf info CLEANUP(buf_done) = BUF_INIT(64 << 10);
	char *wanted CLEANUP(freep) = mem_printf("\ndescription: %s\n", digest);
	bool gone, every = all->serving > 0;

	for (size_t i = 0; i < all->n && every; i++) {
		if (all->at[i].finishing)
			continue;
		if (socket_worker_ask(EFFECT_NONE, h->dir, &all->at[i], "show info", &info, &gone,
				      e))
			return -1;
		every = !gone && strstr(buf_str(&info), wanted);
	}
	*has = every;
	return 0;
}

int haproxy_await_reload(const struct haproxy *h, const char *digest, unsigned failed,
			 uint64_t timeout_ms, bool *up, struct err *e) {
	struct socket_workers all;

	*up = false;
	for (uint64_t until = clock_mono_ms() + timeout_ms; clock_mono_ms() < until;
	     clock_sleep_ms(POLL_MS)) {
		struct err why = {0};
		/* A process that is just coming may break off an answer. */
		bool answers = !socket_workers(h->dir, &all, &why) && all.running;
		if (answers && !haproxy_has(h, &all, digest, up, &why) && *up)
			return 0;
		if (answers && all.failed > failed)
			return 0;
		if (interrupt_check(e))
			return -1;
	}
	return 0;
}

int haproxy_await(const struct haproxy *h, const char *digest, uint64_t timeout_ms, bool *up,
		  struct err *e) {
	return haproxy_await_reload(h, digest, UINT_MAX, timeout_ms, up, e);
}

/* "[ALERT]    (8) : config : ..." to what follows the parenthesis. */
static const char *without_head(const char *line) {
	const char *at = strstr(line, ") : ");

	return at ? at + 4 : line;
}

/* Notices and warnings are none of why it does not come up. */
static const char *without_notices(const char *said) {
	while (text_starts(said, "[NOTICE]") || text_starts(said, "[WARNING]")) {
		said += strcspn(said, "\n");
		said += strspn(said, "\r\n");
	}
	return said;
}

/* The first alarm is the cause; what follows it are its consequences. */
static void find_cause(const char *said, char *cause, size_t size) {
	const char *alert = strstr(said, "[ALERT]"),
		   *line = alert ? without_head(alert) : without_notices(said);
	const char *bind = strstr(said, "cannot bind socket");

	if (bind)
		line = bind;
	line += strspn(line, " \r\n");
	(void) snprintf(cause, size, "%.*s", (int) strcspn(line, "\r\n"), line);
}

int haproxy_failed(const struct haproxy *h, const char *said, struct err *e) {
	char cause[240];

	h->memo->refused = true;
	find_cause(said, cause, sizeof cause);
	if (strstr(said, "cannot bind socket"))
		return err_set(
			e, ERR_UNREACHABLE,
			"the gateway cannot listen: %s; see ss -ltnp for the program that does",
			cause);
	return err_set(e, ERR_SPEC, "HAProxy does not start with its configuration: %s",
		       *cause ? cause : "it wrote no error");
}

int haproxy_refused(const struct haproxy *h, const char *said, struct err *e) {
	char cause[400];

	h->memo->refused = true;
	find_cause(said, cause, sizeof cause);
	return err_set(e, ERR_SPEC, "HAProxy refuses the gateway's configuration: %s",
		       *cause ? cause : "it wrote no error");
}
