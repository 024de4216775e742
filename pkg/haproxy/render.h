/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct haproxy_routes;

/* haproxy.cfg and what lies beside it, as a pure function of the state: the same state and paths
 * give the same bytes. Valid for HAProxy 2.6 and later. The texts are in templates/haproxy/ and are
 * compiled into the program.
 *
 * Names in HAProxy: backend `r:ROUTE` with the servers `a` and `b` (and `out`, the way to the
 * fallback, where one is declared); frontend `at:HOST:PORT`. A restart or reload does what the
 * files say: only a ready slot takes traffic, a canary its share; a slot that is draining is in
 * maintenance after it, because what it still answers is in the process before. */

struct haproxy_paths {
	/* the folder with ROUTE/a.sock, as HAProxy sees it: "/run/llmdeploy", or relative to where
	 * it was started */
	const char *run;
	/* the folder that these files lie in and that it makes its sockets in, as HAProxy sees
	 * it */
	const char *gateway;
	/* put before paths that the operator gave (certificates, keys): "" where HAProxy sees the
	 * host's files */
	const char *host;
	/* the folder with copies of them under haproxy_file_name, as HAProxy sees it; NULL: they
	 * are read under their own paths */
	const char *files;
	const char *const *missing; /* those that cannot be had, NULL at the end; NULL: none */
};

/* As HAProxy sees them from ROOT. */
#define HAPROXY_PATHS \
	{ .run = "run/routes", .gateway = "gateway", .host = "", .files = "gateway/files" }

/* What a missing file protects is closed: without its key hashes a route answers 503, without its
 * certificate its address is not listened on, without its CA file the fallback is not reached. */

#define HAPROXY_FILE_NAME 17
void haproxy_file_name(const char *path, char name[HAPROXY_FILE_NAME]);

#define HAPROXY_TEXTS 5
struct haproxy_text {
	/* in the gateway's folder: haproxy.cfg, llmdeploy.lua, llmdeploy.conf, canary.map,
	 * releases.map */
	const char *name;
	char *bytes;
	size_t n;
};
struct haproxy_texts {
	/* haproxy.cfg last: written in this order, it never names what is not there */
	struct haproxy_text files[HAPROXY_TEXTS];
};
int haproxy_render(const struct haproxy_routes *s, const struct haproxy_paths *p,
		   struct haproxy_texts *out, struct err *e);
void haproxy_texts_done(struct haproxy_texts *t); /* for CLEANUP */

/* Files of the operator that the configuration names: absolute paths, without `host`; sorted, each
 * once. HAProxy must be able to read them, and does not start without certificates, CA files and
 * key hashes. (A fallback without its api_key_file answers 503.) */
enum haproxy_file_use { HAPROXY_CERTIFICATE, HAPROXY_CA, HAPROXY_KEY_HASHES, HAPROXY_API_KEY };
struct haproxy_file {
	const char *path; /* borrowed from the route */
	enum haproxy_file_use use;
};
/* yours to free() */
size_t haproxy_files(const struct haproxy_routes *s, struct haproxy_file **out);

/* The runtime commands that turn a HAProxy which runs `before` into `after`: one line, parts joined
 * by "; ", nothing when they are the same. What becomes ready comes first, then what drains, so
 * there is never a moment without a server. False: the difference is in the configuration itself (a
 * route, an address, a certificate, a fallback): write the files and reload instead. `out` is then
 * untouched. */
bool haproxy_commands(const struct haproxy_routes *before, const struct haproxy_routes *after,
		      const struct haproxy_paths *p, struct buf *out);
/* The same for one slot and whatever runs: idempotent, for recovery. */
void haproxy_slot_commands(const struct haproxy_routes *s, const char *route, int slot,
			   const struct haproxy_paths *p, struct buf *out);
