/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "crypto/crypto.h"
#include "gateway/gateway.h"
#include "gateway/state.h"
#include "haproxy/haproxy.h"
#include "haproxy/image.h"
#include "haproxy/render.h"
#include "haproxy/socket.h"

enum { GATEWAY_START_MS = 15000, GATEWAY_BACK_MS = 3000 };

/* What the files of the gateway's process share. */

struct gateway {
	struct gateway_options o;
	bool none; /* mode none */
	struct haproxy h;
};

/* ---- what stands on disk (files.c) ---- */

/* Every change is made under gateway/lock: short, and taken after the root's lock where both are
 * held. */
int persist_lock(const struct gateway *g, int *fd, struct err *e);
/* A new one where there is none. */
int persist_state(const struct gateway *g, struct gateway_state **out, struct err *e);
/* State, configuration, and process.cfg with the digest of what a process has to be reloaded for;
 * written where they differ from what is there. `a` NULL: only servers changed, and what a process
 * was loaded with stands. *repaired: something else than the state was there, and it was no change
 * that was cut off (may be NULL). */
struct accepted;
int persist_save(const struct gateway *g, const struct gateway_state *s, const struct accepted *a,
		 bool *repaired, struct err *e);
/* The same texts in another folder ("check/gateway/"). */
struct staged;
int persist_lay_out(const struct gateway *g, const struct gateway_state *s, const struct staged *f,
		    const char *folder, struct err *e);
/* The configuration is of another state: a change was cut off between the two. */
int persist_torn(const struct gateway *g, const struct gateway_state *s, bool *torn, struct err *e);
/* What of this is there in another way, and the links of a route; nothing is changed. */
int persist_compare(const struct gateway *g, const struct gateway_state *s, const char *route,
		    gateway_found *found, void *ctx, struct err *e);
/* The digest: everything but which release is behind a server, and what it is doing, with the
 * operator's files as they are now. */
int persist_digest(const struct gateway *g, const struct gateway_state *s, char digest[SHA256_HEX],
		   struct err *e);
int persist_digest_of(const struct gateway_state *s, const struct staged *f,
		      char digest[SHA256_HEX], struct err *e);
/* What a killed run left half written of these files and links: counts it, and removes it, which
 * wants the lock. */
int persist_sweep(const struct gateway *g, bool removes, size_t *n, struct err *e);
/* state.loaded: the state with which a process came up, the last to do so. */
int persist_mark_loaded(const struct gateway *g, const struct gateway_state *s, struct err *e);
/* The routes and frontends of state.loaded with the servers of `s`: what is left of `s` without
 * that which no process came up with. *out NULL: there is none, or it is no other. */
int persist_without_refused(const struct gateway *g, const struct gateway_state *s,
			    struct gateway_state **out, struct err *e);
/* run/routes/ROUTE/{a,b}.sock; id "": no link. */
int persist_link(const struct gateway *g, const char *route, int slot, const char *id,
		 struct err *e);
/* Links of the route that are others than the state says: nothing is changed. */
void persist_links(const struct gateway *g, const struct gateway_state *s, const char *route,
		   gateway_found *found, void *ctx);
int persist_unlink_route(const struct gateway *g, const char *route, struct err *e);

/* ---- copies of the operator's files (staged.c) ---- */

/* as it is now; the copy that is there; neither */
enum staged_from { STAGED_FRESH, STAGED_KEPT, STAGED_MISSING };
struct staged_file {
	char *path, name[HAPROXY_FILE_NAME];
	enum haproxy_file_use use;
	enum staged_from from;
	struct buf bytes;
	char fault[512]; /* why it could not be read as it is now, or "" */
};
struct staged {
	struct staged_file *at;
	size_t n;
	const char **missing; /* their paths, NULL at the end */
};
enum staged_order { STAGED_FRESH_FIRST, STAGED_KEPT_FIRST };
void staged_read(const struct gateway *g, const struct gateway_state *s, enum staged_order order,
		 struct staged *out);
void staged_done(struct staged *f);
void staged_file_done(struct staged_file *f); /* for CLEANUP */
/* A directory that nobody but the gateway's uid looks into. */
int staged_own_dir(const struct gateway *g, const char *path, struct err *e);
void staged_warn(const struct gateway *g, const struct staged *f);
/* Two readings of one state's files. Exchange: the i-th of `a` for that of `b`; false where both
 * are the same. same_for: the files of the routes of `own` are the same in both. */
bool staged_exchange(struct staged *a, struct staged *b, size_t i);
bool staged_same_for(const struct staged *a, const struct staged *b,
		     const struct gateway_state *own);
/* Files that HAProxy has never accepted, because there was no copy of them. Left out: as if they
 * were missing. */
bool staged_has_unseen(const struct staged *f);
void staged_leave_out_unseen(struct staged *f);
/* Into FOLDERfiles/, FOLDER "" or ending with '/'. */
int staged_put(const struct gateway *g, const char *folder, const struct staged *f, struct err *e);
/* A file of key hashes was changed by us: so is its copy, where there is one. */
int staged_refresh(const struct gateway *g, const char *path, struct err *e);
/* Copies that nothing needs: counted, and removed. */
int staged_sweep(const struct gateway *g, const struct gateway_state *s, bool removes, size_t *n,
		 struct err *e);

/* ---- what HAProxy says of a configuration before it is loaded (accept.c) ---- */

struct accepted {
	struct staged files;
	char digest[SHA256_HEX];
};
void accepted_done(struct accepted *a); /* for CLEANUP */
/* ERR_SPEC with HAProxy's reason where it refuses. A file that cannot be read, or that it refuses,
 * is replaced by the copy that it has; where there is none, what it protects is closed. */
int accept_state(const struct gateway *g, const struct gateway_state *s, struct accepted *out,
		 struct err *e);
/* For a change: the files of `own`, the route alone, must be there and be accepted as they are now.
 * Where HAProxy refuses a changed file of another route, the copy of that file stays in use, with a
 * warning. */
int accept_strictly(const struct gateway *g, const struct gateway_state *s,
		    const struct gateway_state *own, struct err *e);
/* Saves a state that differs in its servers alone. A file without a copy is accepted first; where
 * HAProxy refuses it, it is still missing. */
int accept_and_save(const struct gateway *g, const struct gateway_state *s, struct err *e);

/* ---- what an operator may have wrong (checks.c) ---- */

/* It is there, readable to the gateway's uid, and secret where it must be; its bytes. */
int preflight_file(const struct gateway *g, const struct haproxy_file *f, struct buf *bytes,
		   struct err *e);
/* Keys, certificates and CA files of all routes. */
int preflight_files(const struct gateway *g, const struct gateway_state *s, struct err *e);
/* Addresses of `wanted` that `running` (may be NULL) does not have can be listened on. */
int preflight_ports(const struct gateway *g, const struct gateway_state *running,
		    const struct gateway_state *wanted, struct err *e);

/* ---- looking (look.c, sight.c, drift.c) ---- */

/* The maps of the process that serves, which the runtime socket alone changes, against the state;
 * nothing where none serves. loaded: it has the configuration of this state; without it they are
 * not compared. */
int drift_of_maps(const struct gateway *g, const struct gateway_state *s, const char *route,
		  gateway_found *found, void *ctx, bool *loaded, struct err *e);
/* The same, and what it was loaded with. */
int drift_of_process(const struct gateway *g, const struct gateway_state *s, const char *route,
		     gateway_found *found, void *ctx, struct err *e);

/* What the counters of the process that serves say to a command, "" where none serves. */
int status_counters(struct gateway *g, const struct socket_workers *all, const char *line,
		    struct buf *text, struct err *e);
/* What the fallback of a route counted, into *v. */
int status_fallback(struct gateway *g, const struct socket_workers *all, const char *route,
		    struct gateway_route_view *v, struct err *e);

/* The change of state behind every public function: under the lock, from what is there. ensure.c */
int ensure_locked(struct gateway *g, const struct gateway_state *s, struct err *e);
