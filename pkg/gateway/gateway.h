/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "haproxy/histogram.h"

struct docker;
struct err;
struct json;
struct lockfile;
struct progress;
struct root;
struct store;

/* The HAProxy in front of the routes: the only address that clients know. One process for a root,
 * in a container in the host's network (mode docker), the installed program (mode host), or none
 * (mode none: whoever asks follows `active`).
 *
 * What should be is one document, gateway/state (JSON, written aside and renamed before anything
 * that it announces): for every route the two servers `a` and `b`, which release each of them leads
 * to (run/routes/ROUTE/{a,b}.sock, links to ../../ID/engine.sock), their states, the canary's
 * share, and the gateway section of the active lock.
 *
 * HAProxy runs with `-C ROOT` (in its container /llmdeploy, where run/ is mounted read-only and
 * gateway/ writable), so every path in haproxy.cfg is relative and short, and the text is the same
 * in both modes: run/routes/ROUTE/a.sock, unix@gateway/admin.sock (mode 600, level admin, expose-fd
 * listeners), its Lua and its maps. Certificates, CA and key files stand under the absolute path
 * that the manifest names, which is mounted under the same name. gateway/process.cfg is a second
 * -f, of the process itself: `noreuseport` (a taken port must be a fault) and `description`, the
 * digest of what was loaded.
 *
 * haproxy.cfg is a pure function of the state and is written with it, so that a gateway that starts
 * again serves what `active` names. What runs is turned by the runtime socket, in every worker
 * process that still has connections; a reload happens only where listeners, certificates or routes
 * changed.
 *
 * Changes to state want the route's lock; the root's lock is taken inside, for the length of the
 * change. In mode none every function below succeeds at once, counts nothing, and gateway_present
 * says so. */

enum gateway_mode { GATEWAY_IN_DOCKER, GATEWAY_ON_HOST, GATEWAY_NONE };

/* What config.yaml says of the gateway. */
struct gateway_settings {
	enum gateway_mode mode;
	const char *program;     /* absolute path of the installed HAProxy, for GATEWAY_ON_HOST */
	const char *config_path; /* of config.yaml, for messages */
};

struct gateway_options {
	const struct root *root;
	struct store *store;
	struct docker *docker;
	struct gateway_settings settings;
	const struct progress *progress;
	const char *tool;
};

struct gateway;
int gateway_open(const struct gateway_options *o, struct gateway **out, struct err *e);
void gateway_free(struct gateway *g);
void gateway_freep(struct gateway **g);        /* for CLEANUP */
bool gateway_present(const struct gateway *g); /* false in mode none */

/* It runs and answers on its socket with the configuration of the state; made, started, restarted
 * or reloaded where it must. Idempotent; a second call costs one look. ERR_UNREACHABLE: it does not
 * come up (its last log lines), or a port is another's. ERR_USAGE: there is no gateway image yet
 * and nothing to make it from. */
int gateway_ensure(struct gateway *g, struct err *e);

/* Away with what a killed run left half written; a change that was cut off is finished: the
 * configuration is that of the state, the links of the route lead where it says, and a process that
 * serves has its names and shares. What someone edited is gateway_ensure's. */
int gateway_reconcile(struct gateway *g, const char *route, struct err *e);

/* Would the HAProxy that will load it accept the whole configuration with this release active?
 * Asked of HAProxy itself (haproxy -c), in a container of the gateway's image with the mounts and
 * the uid that it will have, or as the installed program under its user. Nothing is changed.
 * ERR_SPEC: no, with its reason, or a file or port that cannot be had. is_new: its files must be
 * there as they are now; else the copies that the gateway has are enough. */
int gateway_accepts(struct gateway *g, const struct lockfile *l, bool is_new, struct err *e);

/* Assign a slot to a release at the server that the active one does not have: link made, server in
 * maintenance. It gets no traffic. Where it has a slot already, nothing. The route is made when it
 * is new, with the lock's gateway section, and reaches HAProxy (a reload) before any traffic is
 * moved. */
int gateway_assign_slot(struct gateway *g, const struct lockfile *l, struct err *e);

/* The flip. State and configuration are written with `to` active; then, in one line to every
 * worker, `to` ready and the other draining; the canary's share is 0. `to` must have a slot; NULL:
 * no release is active, and the fallback answers where declared, else 503 with Retry-After.
 * Idempotent: recovery calls it again. The symlink `active` is the caller's, after this. */
int gateway_flip(struct gateway *g, const char *route, const struct lockfile *to, struct err *e);

/* Share of new clients for the seated candidate, 0 to 100; a gate must have passed before. */
int gateway_canary(struct gateway *g, const char *route, const struct lockfile *candidate,
		   unsigned percent, struct err *e);

/* Requests in flight at a release, in all workers. No slot: 0. */
int gateway_in_flight(struct gateway *g, const char *route, const struct lockfile *l, uint64_t *n,
		      struct err *e);
/* Wait until a draining release has none, at most until the deadline (monotonic ms); close what is
 * left (*cut), then maintenance. ERR_INTERRUPTED leaves it draining. */
int gateway_drain(struct gateway *g, const char *route, const struct lockfile *l,
		  uint64_t deadline_mono_ms, uint64_t *cut, struct err *e);
/* The slot is given up: maintenance, link removed. The active one is refused (ERR_USAGE). Absent is
 * fine. */
int gateway_release_slot(struct gateway *g, const char *route, const struct lockfile *l,
			 struct err *e);
/* The route leaves the gateway. */
int gateway_remove(struct gateway *g, const char *route, struct err *e);

/* What a release's clients saw, counted since the gateway's process began: take two and
 * subtract. */
struct gateway_sample {
	/* errors: 5xx, cut answers, and late ones that clients gave up on; requests: these and the
	 * good answers */
	uint64_t requests, errors;
	/* no requests: 4xx, what clients got wrong; what they gave up on before it was late */
	uint64_t refused, left;
	/* histograms; haproxy_bucket_ms gives the upper edges */
	uint64_t total_ms[HAPROXY_BUCKETS], first_ms[HAPROXY_BUCKETS];
	uint64_t began_ms; /* of the process: when it differs, the difference means nothing */
};
/* When a request that its client gave up on was late; it holds for what ends after it was told. 0:
 * no limit. */
struct gateway_late_limits {
	uint64_t first_ms;  /* no byte came: since the request, queue included */
	uint64_t served_ms; /* no byte came: since it was at the release */
	uint64_t whole_ms;  /* in the middle of an answer */
};
int gateway_sample(struct gateway *g, const char *route, const struct lockfile *l,
		   const struct gateway_late_limits *patience, struct gateway_sample *out,
		   struct err *e);
/* `after` less `before`; false when the process is another. */
bool gateway_sample_since(const struct gateway_sample *before, const struct gateway_sample *after,
			  struct gateway_sample *out);
/* The same of each client of a release: "key NAME", "session HASH" or "address A.B.C.D". Of many
 * the gateway knows 64, those that failed first. */
struct gateway_client {
	char name[128];
	/* how its errors came: 5xx, cut answers, given up on when they were late */
	uint64_t failed, cut, late;
	struct gateway_sample seen;
};
struct gateway_clients {
	uint64_t began_ms;
	struct gateway_client *at;
	size_t n;
};
int gateway_clients(struct gateway *g, const struct lockfile *l, struct gateway_clients *out,
		    struct err *e);
void gateway_clients_done(struct gateway_clients *c);
/* NULL: none */
const struct gateway_client *gateway_clients_find(const struct gateway_clients *c,
						  const char *name);

/* Where llmdeploy itself asks a release through the gateway, uncounted and before all others: a
 * socket that only the gateway's user can open. Good while `g` is open. ERR_USAGE: the release has
 * no server there. */
struct gateway_probe_address {
	char socket[64], base_url[128];
};
int gateway_probe_address(struct gateway *g, const struct lockfile *l,
			  struct gateway_probe_address *out, struct err *e);

/* How it is: for status, verify and recovery. Read from HAProxy itself where it runs. */
struct gateway_server {
	char id[13], version[64]; /* "" where the slot is empty */
	/* "ready", "drain", "maint"; have: "" when HAProxy does not answer */
	char want[8], have[16];
	bool up; /* its health check */
	uint64_t in_flight, queued, weight;
};
/* Why an answer came from elsewhere. */
enum gateway_reason { GATEWAY_DOWN, GATEWAY_QUEUE, GATEWAY_ASKED, GATEWAY_REASONS };
/* Since the gateway's process began. */
struct gateway_fallback_stats {
	uint64_t requests, prompt_tokens, generated_tokens;
	uint64_t estimated; /* requests whose tokens the answer did not say */
};
struct gateway_route_view {
	char listen[128];
	bool known;                       /* the state has this route */
	struct gateway_server servers[2]; /* a, b */
	unsigned canary_percent;
	struct gateway_fallback_stats fallback_stats[GATEWAY_REASONS];
	uint64_t began_ms; /* of the process that counts, unix time; 0: unknown */
};
struct gateway_view {
	bool running;
	char version[32]; /* of HAProxy */
	unsigned workers; /* processes, with those that only finish */
};
int gateway_status(struct gateway *g, struct gateway_view *out, struct err *e);
int gateway_status_route(struct gateway *g, const char *route, struct gateway_route_view *out,
			 struct err *e);

/* One look at everything, for a report on many releases routes: state, processes and servers are
 * asked for once, so that the cost of a route is what is said of it. Without a gateway it knows no
 * route. */
struct gateway_snapshot;
int gateway_snapshot_take(struct gateway *g, struct gateway_snapshot **out, struct err *e);
void gateway_snapshot_free(struct gateway_snapshot *s);
void gateway_snapshot_freep(struct gateway_snapshot **s); /* for CLEANUP */
void gateway_snapshot_process(const struct gateway_snapshot *s, struct gateway_view *out);
int gateway_snapshot_route(const struct gateway_snapshot *s, const char *route,
			   struct gateway_route_view *out, struct err *e);

/* What is not what the state says: on disk configuration, Lua, maps, the links of the route; in the
 * process that serves what it was loaded with and its maps. gateway_ensure repairs it. */
typedef void gateway_found(void *ctx, const char *what, const char *want, const char *have);
int gateway_compare(struct gateway *g, const char *route, gateway_found *found, void *ctx,
		    struct err *e);

/* Can gateway/state be read? -1: *fault says why not. *there: something stands at its place. */
int gateway_state_readable(struct gateway *g, bool *there, struct err *fault);
/* A state that is damaged or missing is created again, for all routes at once: those of the locks,
 * each active; then as gateway_ensure. Where it is whole, nothing. *aside (yours, or NULL): what
 * became of what was there, in words. Wants no route's lock: nobody else can change a state like
 * that. */
int gateway_rebuild(struct gateway *g, const struct lockfile *const *active, size_t n, char **aside,
		    struct err *e);

/* Names of the routes that the state has, sorted; one block, free(*names). */
int gateway_routes(struct gateway *g, char ***names, size_t *n, struct err *e);

/* ---- for the operator ---- */

/* A new process with the same configuration, certificates read again: what is in flight goes on in
 * the one before. */
int gateway_reload(struct gateway *g, struct err *e);
/* Another process takes the listening sockets over where its image (gateway/gateway.lock.json) or
 * its mounts changed, or `force`. *changed says whether. */
int gateway_upgrade(struct gateway *g, bool force, bool *changed, struct err *e);

/* Keys of a route's clients, in the file that its manifest names as gateway.api_keys: "SHA256 NAME"
 * a line. `where` is the route, or the file's absolute path. Effective at once, in what runs as in
 * what starts again. ERR_USAGE: the name is there already, or not there. */
#define GATEWAY_KEY 64
int gateway_api_keys_add(struct gateway *g, const char *where, const char *name,
			 char key[GATEWAY_KEY], struct err *e);
int gateway_api_keys_remove(struct gateway *g, const char *where, const char *name, struct err *e);
/* one block, free(*names) */
int gateway_api_keys_list(struct gateway *g, const char *where, char ***names, size_t *n,
			  struct err *e);
