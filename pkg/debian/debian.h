/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;
struct json;
struct progress;
struct store;

/* Debian packages for an image: from what a runtime asks for to a lock, from a lock to bytes.
 *
 *     request + mirrors -> debian_resolve -> struct debian_lock -> debian_lock_merge_write ->
 *         packages.lock
 *     packages.lock -> debian_lock_read -> struct debian_lock -> debian_fetch -> .deb files in
 *         the store
 *
 * Resolving trusts the archive's signature (gpgv, Debian's keyring) and nothing else: not the
 * mirror, not the connection. Fetching trusts the digests of the lock alone. No mirror's name is
 * ever written to a lock. */

/* ---- What is asked for ---- */

/* One suite of one archive. Where the same package is in several suites, the one that
 * stands first in the request wins, whatever the versions. */
struct debian_suite {
	const char *name;    /* "testing": the Suite or Codename of its index */
	const char *archive; /* kind of mirror: "debian" (also when NULL), "debian-security", ... */
	const char *const *components;
	size_t n_components;
};

/* A package to have. With `files`, only these paths of it (exact, or a folder with a slash at its
 * end) go into the image, and its dependencies and conflicts are ignored: who takes files apart
 * says what they need. */
struct debian_root {
	const char *name;
	const char *layer; /* NULL: "base" */
	const char *const *files;
	size_t n_files;
};

/* A package to leave out although others depend on it: every dependency that it could meet counts
 * as met. */
struct debian_exclude {
	const char *name;
	const char *reason; /* goes into the lock; required */
};

/* Which package to take for a virtual one that several provide. */
struct debian_prefer {
	const char *virtual, *name;
};

struct debian_layer {
	const char *package, *layer;
};

struct debian_request {
	const char *runtime, *backend, *architecture; /* "llama.cpp", "cpu", "amd64" */
	const struct debian_suite *suites;
	size_t n_suites;
	const struct debian_root *roots;
	size_t n_roots;
	const struct debian_exclude *excludes;
	size_t n_excludes;
	const struct debian_prefer *prefers;
	size_t n_prefers;
	/* of packages that are not roots; all others are in "base" */
	const struct debian_layer *layers;
	size_t n_layers;
	bool accept_expired; /* take an index past its Valid-Until, say so, and record it */
};

/* A request from a tree, which is what `packages:` of a runtime.yaml becomes:
 *   {"suites": [{"name": "testing", "components": ["main"], "archive": "debian"}],
 *    "roots": [{"name": "coreutils", "layer": "base", "files": ["usr/bin/unlink"]}],
 *    "excludes": [{"name": "debconf", "reason": "..."}],
 *    "prefer": [{"virtual": "awk", "name": "mawk"}],
 *    "layers": {"libllama0": "engine"},
 *    "backends": {"cpu": {}, "vulkan": {"roots": [...], ...}}}
 * What stands under the backend's name is added to the lists above it; a backend that is not
 * named there is ERR_USAGE. `name` is for messages. ERR_SPEC, with the place in the tree. */
int debian_request_from_json(const char *name, const struct json *tree, const char *runtime,
			     const char *backend, const char *architecture,
			     struct debian_request **out, struct err *e);
void debian_request_free(struct debian_request *q); /* only for those of debian_request_from_json */
void debian_request_freep(struct debian_request **q);

/* ---- Where it comes from ---- */

struct debian_mirror {
	/* http://, https:// or file:/; the folder that holds dists/ and pool/ */
	const char *url;
	const char *archive; /* NULL: "debian" */
	/* url + "/20261030T080801Z" is a mirror as it was then; used for packages only */
	bool snapshot;
};

struct debian_mirrors {
	const struct debian_mirror *at; /* tried in order */
	size_t n;
	const char *keyring; /* for gpgv, not armoured; NULL: DEBIAN_KEYRING */
};

#define DEBIAN_KEYRING "/usr/share/keyrings/debian-archive-keyring.gpg"

/* ---- The lock ---- */

/* The index that a suite's packages were taken from. */
struct debian_index {
	const char *suite, *archive, *codename;
	const char *const *components;
	size_t n_components;
	const char *date;             /* "2026-10-30T08:08:01Z" */
	const char *valid_until;      /* NULL: the archive gives none */
	bool accepted_expired;        /* it was past that, and the request accepted it */
	const char *release_sha256;   /* of the InRelease file */
	const char *const *signed_by; /* fingerprints of primary keys */
	size_t n_signed_by;
};

struct debian_package {
	const char *name, *version, *architecture; /* "all" where the package is */
	const char *suite;                         /* one of the lock's indexes */
	const char *path;                          /* "pool/main/..." */
	const char *sha256;
	uint64_t size, installed_size; /* bytes; the latter as the archive estimates it */
	const char *layer;
	const char *const *files; /* as in the request; NULL: all */
	size_t n_files;
	const char *reason; /* "asked for", or which package depends on it and how */
};

struct debian_lock {
	const char *runtime, *backend, *architecture;
	struct debian_index *indexes;
	size_t n_indexes;
	struct debian_package *packages; /* by name, bytewise */
	size_t n_packages;
	struct debian_exclude *excludes; /* those that made a difference, by name */
	size_t n_excludes;
	struct arena *arena; /* owns all of it */
};

void debian_lock_free(struct debian_lock *lock);
void debian_lock_freep(struct debian_lock **lock); /* for CLEANUP */
/* bytes; packages taken apart count whole */
uint64_t debian_lock_installed(const struct debian_lock *lock);

/* Fetch and verify each suite's index, solve, lock. Recommends are not followed; of alternatives
 * the first that exists is taken. Same request and same indexes, same lock.
 *
 * Of the mirrors the first whose index is signed and fresh is taken. ERR_UNREACHABLE: none
 * answered. ERR_INTEGRITY: not signed by a key of the keyring, of another suite, expired (and how
 * to accept it), from the future, or a Packages file with another digest. ERR_SPEC: the request
 * cannot be met, with the chain of dependencies that leads there, or a virtual package for which
 * nothing is preferred. */
int debian_resolve(const struct debian_request *q, const struct debian_mirrors *m,
		   struct store *store, const struct progress *p, struct debian_lock **out,
		   struct err *e);

/* Of a packages.lock, the lock for one backend and architecture. ERR_SPEC, with the place, for
 * anything that is not exactly as debian_lock_merge_write writes it, and where there is no such
 * lock. */
int debian_lock_read(const char *path, const char *backend, const char *architecture,
		     struct debian_lock **out, struct err *e);
int debian_lock_parse(const char *name, const char *in, size_t n, const char *backend,
		      const char *architecture, struct debian_lock **out, struct err *e);

/* Put a lock into the file (made if absent), in place of the one for its backend and
 * architecture; the others stay. Atomic. */
int debian_lock_merge_write(const char *path, const struct debian_lock *lock, struct err *e);

/* Every package of the lock into the store, by digest. ERR_UNREACHABLE: no mirror has it
 * any more, with the package's name and how to lock again. */
int debian_fetch(const struct debian_lock *lock, struct store *store,
		 const struct debian_mirrors *m, const struct progress *p, struct err *e);
