/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct err;
struct json;
struct progress;

/* The Docker Engine's HTTP API (1.41 to 1.51), over its Unix socket; also the one that Podman
 * offers, from 5.1 on. Where the two differ is known here alone (docs/engines.md).
 *
 * A `struct docker` is one connection that is used again and again, by one thread.
 *
 * Every call has a deadline, and every answer a size. An Engine that hangs up, as one does that is
 * restarted, is waited for (back_ms), and what can be asked again without harm is: looks, and what
 * may be so already (create, where the name is taken then; start, stop, remove, update). A failure
 * says which call, on which object, and what the Engine said: "docker: create container 'x': 400
 * Bad Request: invalid mount config ...". Codes: ERR_UNREACHABLE when there is no Engine, or none
 * that answers, in time and to its end; ERR_SYS when the Engine answered with a failure or with
 * something that is not an answer; ERR_INTERRUPTED after Ctrl-C.
 *
 * "Not there" and "already so" are results, not failures: an absent container inspects as
 * found = false; to stop or remove what is absent is done at once; to start what runs, too.
 *
 * `name` is a container's name or id. An image's `ref` is "sha256:DIGEST", a name with a tag, or an
 * id. Digests that come back are 64 hex digits without "sha256:". */
struct docker;

struct docker_options {
	const char *host;  /* "unix:///path" or "/path"; NULL: found as docker_find_host says */
	uint64_t quick_ms; /* deadline of inspect, list and the like; 0: 15 s */
	uint64_t slow_ms;  /* of what changes something, added to a stop's own grace; 0: 2 min */
	/* longest silence during an image load; 0: 5 min (and 12 times that for all of it) */
	uint64_t load_ms;
	uint64_t back_ms; /* how long an Engine that went away is waited for; 0: not */
	/* the Engine's warnings, and bytes of a load; may be NULL */
	const struct progress *progress;
};

/* Connects, asks for the version and agrees on min(its own, 1.51). `o` may be NULL.
 * ERR_UNREACHABLE, with the way out: not a Unix socket, no socket, no permission on it, nobody
 * listens, no answer in time, not an Engine, older than 1.41, Podman before 5.1. */
int docker_open(const struct docker_options *o, struct docker **out, struct err *e);
void docker_free(struct docker *d);
void docker_freep(struct docker **d); /* for CLEANUP */

/* Where the docker command would go: `host` if not NULL, else $DOCKER_HOST, else the context named
 * by $DOCKER_CONTEXT or by currentContext in config.json ($DOCKER_CONFIG, ~/.docker), else
 * $XDG_RUNTIME_DIR/docker.sock if there is one (rootless), else /var/run/docker.sock. *out is the
 * path of a Unix socket, yours. Other addresses are refused, with the reason: the Engine must see
 * this file system, because it mounts models from it. */
int docker_find_host(const char *host, char **out, struct err *e);

bool docker_is_podman(const struct docker *d);

/* What kind of Docker it is, as far as containers have to be made differently for it. */
struct docker_nature {
	bool known;
	/* uid 0 in a container is the user who runs Docker; its network is not this machine's */
	bool rootless;
	/* uids in a container are others outside, unless it asks for the machine's user
	 * namespace */
	bool userns_remap;
	bool limits_memory; /* a memory limit is kept, and memory is counted */
};
/* Asks for it (GET /info), once a connection. */
int docker_learn(struct docker *d, const struct docker_nature **out, struct err *e);
/* The owner of the socket is root: then Docker is not rootless, and need not be asked. */
bool docker_is_of_root(const struct docker *d);
/* Does its user see this owner's files as their own? ERR_USAGE with the way out: a rootless Docker
 * of someone else. */
int docker_suits(struct docker *d, unsigned owner, struct err *e);
/* "UID:GID" in a container for who is uid:uid on this machine: "0:0" where Docker is rootless.
 * Before it was learned: not rootless. Yours. */
char *docker_user(const struct docker *d, unsigned uid);
/* How often it hung up so far. More than before: what ran in it may have been ended by that, and by
 * nothing else. */
unsigned docker_outages(const struct docker *d);
/* The same, counted from just before it was last asked to start a container. */
unsigned docker_outages_since_start(const struct docker *d);

/* What the structs below point to belongs to their `raw`, the Engine's own words; x_done frees it
 * all and accepts a zeroed struct. Absent texts are "", never NULL. */

struct docker_info {
	struct json *raw;
	const char *version, *os, *root_dir;
	const char *storage_driver;                 /* "overlay2" */
	const char *cgroup_driver, *cgroup_version; /* "systemd" | "cgroupfs" | "none"; "1" | "2" */
	uint64_t memory_bytes;
	int64_t cpus;
	bool rootless, userns_remap, containerd_store;
	bool limits_memory, limits_pids; /* the kernel and the Engine can */
	bool nvidia, cdi; /* has a runtime "nvidia"; knows directories with CDI definitions */
};
int docker_info(struct docker *d, struct docker_info *out, struct err *e);
void docker_info_done(struct docker_info *i);

/* ---- images ---- */

struct docker_image {
	struct json *raw;
	const char *id; /* digest of the configuration, or of the manifest (containerd store) */
	const char **layers; /* diff ids, lowest first */
	size_t n_layers;
	const struct json *labels; /* object or NULL */
};
int docker_image_inspect(struct docker *d, const char *ref, bool *found, struct docker_image *out,
			 struct err *e);
void docker_image_done(struct docker_image *i);

/* Is it the image that the lockfile means? Its id is either digest (stores differ in which they
 * use), and its layers are exactly these diff ids. `manifest` may be NULL. */
bool docker_image_matches(const struct docker_image *i, const char *config, const char *manifest,
			  const char *const *diff_ids, size_t n);
/* Looks for it under either digest: found means that it matches. Also the check after a load. `id`
 * is what to create containers from. */
int docker_image_find(struct docker *d, const char *config, const char *manifest,
		      const char *const *diff_ids, size_t n, bool *found, char id[65],
		      struct err *e);

/* Streams a tar archive into the Engine. `produce` writes it to the pipe `fd`, once, on a thread of
 * its own (so nothing else may use what it uses until this returns), and returns 0, or -1 with its
 * error, which is then the result. A write that fails means that nobody reads any more: return -1;
 * the reason is known here. All of the Engine's answer is read: it reports failures with status
 * 200. Even so, look with docker_image_find() afterwards. The archive's layers may be uncompressed
 * or gzip; zstd needs API 1.42. */
int docker_image_load(struct docker *d, const char *name,
		      int (*produce)(void *ctx, int fd, struct err *e), void *ctx, struct err *e);
/* Absent is done. in_use: a container or another tag needs it and `force` was not given. */
int docker_image_remove(struct docker *d, const char *ref, bool force, bool *in_use, struct err *e);

struct docker_image_entry {
	const char *id;
	const struct json *tags;   /* array of "name:tag" or NULL */
	const struct json *labels; /* object or NULL */
	uint64_t size;
};
struct docker_images {
	struct json *raw;
	struct docker_image_entry *at;
	size_t n;
};
/* Those that carry all of `labels` ("key" or "key=value"; ends with NULL). */
int docker_image_list(struct docker *d, const char *const *labels, struct docker_images *out,
		      struct err *e);
void docker_images_done(struct docker_images *l);

/* ---- containers ---- */

/* The restart policy of a container that has to run. A dockerd that dies alone leaves its
 * containers running; its successor stops them, and counts them as stopped by hand:
 * "unless-stopped" does not start them again, "always" does. Whoever stops such a container sets
 * its policy to "no" first, or the next start of Docker starts it again. */
#define DOCKER_RESTART_KEEP "always"

struct docker_mount {
	/* absolute; a source that the Engine does not see is a failure */
	const char *source, *target;
	bool read_only; /* with all that is mounted below it, where the Engine can (API 1.44) */
};

/* Every container is made with: no capabilities, no-new-privileges, no health check of its own, no
 * swap, no terminal, a log in files that rotate (3 of 10 MB). NULL and 0 leave a setting to the
 * Engine. JSON arrays hold strings, as in the lockfile. */
struct docker_container_spec {
	const char *name;
	const char *image; /* "sha256:ID", so that no tag can move under it */
	const struct json
		/* whole command line; the image's own entry point and command are not used */
		*argv;
	const struct json *env;    /* "NAME=value" */
	const char *user;          /* "65532:65532" */
	const struct json *groups; /* additional ones, by number */
	const struct json *labels; /* object of strings */
	const struct docker_mount *mounts;
	size_t n_mounts;
	const char *network; /* "none", "host", or a network's name */
	uint64_t memory_bytes, shm_bytes;
	int64_t pids;
	bool writable_root;       /* the root is read-only unless so said */
	const struct json *tmpfs; /* {"/tmp": "size=64m"} */
	const char *
		/* "", "nvidia" (all), "nvidia:0,1", or a CDI name "nvidia.com/gpu=0" (API 1.44) */
		gpu;
	const struct json *devices; /* paths of the host, the same inside */
	const char *stop_signal;
	uint64_t stop_timeout_ms; /* rounded up to seconds */
	/* "no" (when NULL), DOCKER_RESTART_KEEP, "unless-stopped", "on-failure" */
	const char *restart;
};
/* taken: another container has the name, and nothing was made. A name that a failed start left is
 * taken, too. */
int docker_container_create(struct docker *d, const struct docker_container_spec *s, bool *taken,
			    char id[65], struct err *e);
/* Was it Docker's own failure (500, and no full disk)? An image that it lists and that lacks a
 * layer ("content digest ... not found") is one: it ends when the image is loaded again, whole. */
bool docker_create_may_want_image(const struct err *why);
int docker_container_start(struct docker *d, const char *name, struct err *e);
/* The stop signal, then SIGKILL after the grace. Absent or stopped is done. */
int docker_container_stop(struct docker *d, const char *name, uint64_t grace_ms, struct err *e);
/* The same, told and not waited for: the Engine goes on alone. A failure that takes it longer than
 * a moment to find is not seen. */
int docker_container_stop_begin(struct docker *d, const char *name, uint64_t grace_ms,
				struct err *e);
int docker_container_kill(struct docker *d, const char *name, const char *signal,
			  struct err *e); /* absent or stopped is done */
/* With its anonymous volumes. Returns when it is gone, also if someone else is removing it. Running
 * and not `force`: a failure. */
int docker_container_remove(struct docker *d, const char *name, bool force, struct err *e);
int docker_container_rename(struct docker *d, const char *name, const char *to, bool *taken,
			    struct err *e);
/* An absent container has no policy: "no" is done. */
int docker_container_set_restart(struct docker *d, const char *name, const char *policy,
				 struct err *e);

struct docker_container {
	struct json *raw;
	const char *id, *name, *image; /* image: id of the one it was made from */
	const char *state;             /* created running paused restarting removing exited dead */
	bool running, oom_killed;
	int64_t exit_code, pid, restarts;
	const char *error;                    /* why it could not be started */
	const char *started_at, *finished_at; /* RFC 3339 with nanoseconds; "0001-..." is never */
	const char *restart;                  /* its restart policy */
	const struct json *labels;            /* object or NULL */
	bool tty;
};
int docker_container_inspect(struct docker *d, const char *name, bool *found,
			     struct docker_container *out, struct err *e);
void docker_container_done(struct docker_container *c);

/* Memory that the container's control group counts now, less file pages that nobody uses; 0 where
 * the Engine does not know. Absent or stopped: 0. */
int docker_container_memory(struct docker *d, const char *name, uint64_t *bytes, struct err *e);

struct docker_container_entry {
	const char *id, *name, *image, *state;
	const struct json *labels; /* object or NULL */
	int64_t created;           /* seconds since 1970 */
};
struct docker_containers {
	struct json *raw;
	struct docker_container_entry *at;
	size_t n;
};
/* Running or not, those that carry all of `labels` ("key" or "key=value"; ends with NULL). */
int docker_container_list(struct docker *d, const char *const *labels,
			  struct docker_containers *out, struct err *e);
void docker_containers_done(struct docker_containers *l);

enum docker_until { DOCKER_NOT_RUNNING, DOCKER_NEXT_EXIT, DOCKER_REMOVED };
/* Until then, or timeout_ms is over (ended = false). A container that is already gone counts as
 * ended, with status -1. */
int docker_container_wait(struct docker *d, const char *name, enum docker_until until,
			  uint64_t timeout_ms, bool *ended, int64_t *status, struct err *e);

/* ---- logs and events ---- */

struct docker_log {
	const char *name;
	int64_t tail;       /* so many lines from the end; 0: all */
	int64_t since_ms;   /* since 1970; 0: from the beginning */
	bool timestamps;    /* each line begins with its time */
	uint64_t follow_ms; /* stay for what comes, so long; 0: what is there */
};
/* stream is 1 (stdout) or 2 (stderr; a terminal has only 1); data ends anywhere. false ends it,
 * without failure. */
int docker_log_read(struct docker *d, const struct docker_log *l,
		    bool (*sink)(void *ctx, int stream, const char *data, size_t n), void *ctx,
		    bool *found, struct err *e);
/* The last lines of both streams, in order; what does not fit into `out` is missing at the front.
 * An absent container has none. */
int docker_log_tail(struct docker *d, const char *name, int64_t lines, struct buf *out,
		    struct err *e);

struct docker_event {
	const struct json *raw;
	const char *type, *action; /* "container"; "die" */
	const char *id, *name;
	int64_t time_ms;
};
/* What happened to objects with these labels from since_ms to until_ms (since 1970; at most a day
 * ahead). Waits until then. false ends it. */
int docker_events(struct docker *d, const char *const *labels, int64_t since_ms, int64_t until_ms,
		  bool (*sink)(void *ctx, const struct docker_event *ev), void *ctx, struct err *e);

/* ---- networks ---- */

int docker_network_remove(struct docker *d, const char *name, struct err *e); /* absent is done */
/* Names of the networks that carry all of `labels`: a JSON array of strings, yours. */
int docker_network_list(struct docker *d, const char *const *labels, struct json **names,
			struct err *e);
