/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

struct buf;
struct err;

/* Who signed, as fingerprints of primary keys. */
struct signers {
	char fingerprint[4][65];
	size_t n;
};

/* Check a clear-signed text with the program gpgv and give what was signed: nothing that stands
 * outside of the signed part gets through. At least one signature must be good and made with
 * SHA-256 or better, and none bad. One by a key that expired or that the keyring does not have is
 * passed over: archives sign with the old and the next key at once. ERR_INTEGRITY with the reason;
 * ERR_SYS without gpgv or without the keyring. `name` for messages. */
int gpgv_verify(const char *name, const void *data, size_t n, const char *keyring,
		struct buf *inner, struct signers *by, struct err *e);
