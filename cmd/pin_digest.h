/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "crypto/crypto.h"
#include "hub/hub.h"

struct args;
struct err;
struct http;

/* Where the digest of a source came from. */
enum pin_origin {
	PIN_HUB,       /* the hub's list of files */
	PIN_FILE,      /* read here, whole */
	PIN_DOWNLOAD,  /* downloaded and thrown away */
	PIN_ABSENT,    /* a file that is not here, or a source that does not answer */
	PIN_NOT_ASKED, /* it would be a download, and another source has told */
};

/* One lookup for each repository and revision. */
struct pin_hub {
	struct http *http;
	struct {
		char *repo, *revision;
		struct hub_repo files;
	} * at;
	size_t n;
};
void pin_hub_done(struct pin_hub *h);

struct pin_found {
	enum pin_origin origin;
	char sha256[SHA256_HEX];
	uint64_t size;
	char *source;   /* with the commit in place of a branch or tag; NULL: as it was */
	char *revision; /* that was looked up, of a hub's source */
	char *why;      /* of PIN_ABSENT */
};
void pin_found_done(struct pin_found *f);

/* What a resolved source has now. `revision` NULL: as the source says, else main. `may_download`:
 * of https:// sources and members of archives there the bytes are fetched. What is not there is
 * PIN_ABSENT; errors are what cannot be pinned: pages, pointers, addresses of a wrong form. */
int pin_digest(struct args *a, struct pin_hub *h, const char *source, const char *revision,
	       bool may_download, struct pin_found *out, struct err *e);
const char *pin_origin_name(enum pin_origin o);
