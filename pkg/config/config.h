/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/diagnostics.h"

struct schema_field;

enum config_gateway { CONFIG_GATEWAY_DOCKER, CONFIG_GATEWAY_HOST, CONFIG_GATEWAY_NONE };

/* What belongs to this machine and not to a release: ROOT/config.yaml, which may be missing.
 *
 *     mirror: https://HOST/debian          # or a list, tried in order
 *     snapshot: https://HOST/archive/debian  # an archive of snapshots, for locked packages that
 *                                            the mirrors dropped
 *     keyring: /usr/share/keyrings/debian-archive-keyring.gpg
 *     engine: unix:///run/docker.sock
 *     engine_timeout: 15s                  # what a look at the Engine may take; what changes
 *                                          something may take 8 times that
 *     gateway: {mode: docker}              # or host, with program: /usr/sbin/haproxy; or none
 *
 * Without `mirror` the mirrors are those of the host's apt: the Debian main archive in sources.list
 * and sources.list.d, in both of its formats. */
struct config {
	/* URLs without a slash at the end, in order, none twice; may be none */
	const char *const *mirrors;
	size_t n_mirrors;
	/* archives of snapshots: URL/TIME is a mirror as it was then */
	const char *const *snapshots;
	size_t n_snapshots;
	const char *keyring; /* absolute path of the keys that sign the archive's index */
	const char *docker;  /* "unix:///PATH", or NULL: found by pkg/docker */
	uint64_t docker_timeout_ms;
	enum config_gateway gateway;
	const char *haproxy; /* absolute path of the installed one, for CONFIG_GATEWAY_HOST */
	const char *path;    /* ROOT/config.yaml, for messages */
};

#define CONFIG_HAPROXY "/usr/sbin/haproxy"
#define CONFIG_KEYRING "/usr/share/keyrings/debian-archive-keyring.gpg"

/* `root` is an open directory and `root_path` its name for messages; `apt_dir` is "/etc/apt" except
 * in tests. ERR_SPEC: what is wrong is in `c`. What apt itself would not take in its own files is
 * passed over. */
int config_load(int root, const char *root_path, const char *apt_dir, struct config **out,
		struct diagnostics *c, struct err *e);
void config_free(struct config *c);
void config_freep(struct config **c); /* for CLEANUP */

/* The table behind it. */
const struct schema_field *config_fields(void);
