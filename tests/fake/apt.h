/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "httpd.h"

/* Signed Debian archives that tests make, with the programs gpg, gzip and xz. They abort when they
 * cannot. */

/* Keys in DIR/gpg: "good", "next" (not in the keyring), "old" (in the keyring, expired);
 * DIR/keyring.gpg. fake_apt_keys_done stops gpg's agent. The fingerprint of "good" is written to
 * `fingerprint`. */
void fake_apt_keys(const char *dir, char fingerprint[41]);
void fake_apt_keys_done(const char *dir);

struct fake_suite {
	const char *name, *codename, *component, *packages; /* the text of Packages */
	int64_t date, valid_until;                          /* Unix time; valid_until 0: none */
	const char *packed;                                 /* ".xz", ".gz" or "" */
	const char *signers;                                /* "good next"; "" does not sign */
	const char *options;                                /* more for gpg, or NULL */
	bool only_by_hash; /* the file under its plain name is another one */
	/* Faults: in the Release file, before it is signed, in the InRelease after that, and in
	 * Packages after its digest was taken. The first text is replaced by the second. NULL:
	 * none. */
	const char *release[2], *inrelease[2], *content[2];
};
/* Write MIRROR/dists/NAME/. */
void fake_apt_suite(const char *dir, const char *mirror, const struct fake_suite *s);
/* Write MIRROR/PATH, with its folders. */
void fake_apt_file(const char *mirror, const char *path, const void *data, size_t n);

/* For httpd_start: the files of a folder, whose path is ctx. */
bool fake_apt_serve(void *folder, struct httpd_conn *c, const struct httpd_request *q);
