/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct json;

/* release.lock.json: the compiled release, and the waist of the house. What stands to the left
 * makes the tree (pkg/compile); what stands to the right reads this struct and nothing else. RFC
 * 8785 canonical JSON and a newline; the digest is of the file's bytes. */

#define LOCKFILE_ID 13 /* the head of the digest, and NUL: names containers and sockets */

struct lockfile_layer {
	/* diff_id is also the digest of the uncompressed tar in the store */
	const char *name, *diff_id;
	uint64_t size;
};

struct lockfile_artifact {
	const char *role;   /* "model" or "adapter" */
	const char *sha256; /* its name in the store */
	const char *path;   /* where the container sees it */
	const char *scale;  /* adapters: "1.0" and the like; else NULL */
	uint64_t size;
	const char *const *sources; /* remote ones; may be none */
	size_t n_sources;
};

/* What live traffic must hold. -1: not asked. */
struct lockfile_gates {
	int64_t error_rate_percent; /* 5xx and cut answers */
	int64_t p95_ms, ttft_ms;    /* 95 % of the answers, of the first bytes */
	/* Against the active release in the same time; canary only. */
	int64_t more_errors_percent;       /* its rate of errors, and so many points more */
	int64_t p95_percent, ttft_percent; /* of its own percentile: 200 is twice as long */
};

struct lockfile_step {
	unsigned weight_percent;
	uint64_t duration_ms, min_requests;
};

struct lockfile {
	const struct json *tree;
	const char *bytes; /* the file, canonical, with its newline */
	size_t n_bytes;
	char digest[65];
	char id[LOCKFILE_ID];

	const char *route, *version;
	const char *runtime, *runtime_version, *backend, *architecture;

	const char *image_config, *image_manifest; /* digests of the two blobs */
	const struct lockfile_layer *layers;       /* from the ground up */
	size_t n_layers;

	const struct lockfile_artifact *artifacts; /* the model first */
	size_t n_artifacts;

	const char *const *argv; /* the whole entry point */
	size_t n_argv;
	const char *const *env;
	size_t n_env;
	const char *socket;  /* inside the container; its directory is the mount */
	const char *network; /* "none" or "internal" */
	const char *gpu;     /* "" or "nvidia" */
	const char *const *devices;
	size_t n_devices;
	uint64_t memory_bytes, pids, stop_timeout_ms;
	const char *stop_signal;
	bool read_only;
	const struct json *tmpfs; /* object: path -> options */

	const struct json *probes, *logs;
	uint64_t startup_timeout_ms, stall_timeout_ms;
	const struct json *golden; /* NULL where there is none */
	const char *eval_skip;     /* the written reason, or NULL */
	uint64_t latency_p95_ms;   /* 0: no gate */
	const char *strategy, *previous;
	uint64_t watch_ms, drain_ms, keep;
	struct lockfile_gates gates;        /* of the watch */
	struct lockfile_gates canary_gates; /* of each step */
	const struct lockfile_step *steps;  /* none, but with strategy "canary" */
	size_t n_steps;
	const char *admission;
	uint64_t planned_bytes;
	unsigned reserve_percent;
	/* read for a token; of the device as the manifest says; 0: not said */
	uint64_t active_bytes, bandwidth;
};

/* Checks every field; nothing is guessed. ERR_SPEC names `name` and the field ("NAME: image.config
 * is missing"); ERR_INTEGRITY when the bytes are not canonical, which an edited lockfile is not. */
int lockfile_parse(const char *name, const char *text, size_t n, struct lockfile **out,
		   struct err *e);
void lockfile_free(struct lockfile *l);
void lockfile_freep(struct lockfile **l);
/* The same from a tree that a compiler made; the tree is copied. */
int lockfile_from_tree(const struct json *tree, struct lockfile **out, struct err *e);

/* JSON Schema 2020-12 of the file, from the table that lockfile_parse checks by. */
void lockfile_schema(struct buf *out);

const struct lockfile_artifact *lockfile_model(const struct lockfile *l);
