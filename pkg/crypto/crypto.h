/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct err;

/* SHA-256 (FIPS 180-4) by OpenSSL's EVP, which uses the processor's instructions, and CRC32C
 * (Castagnoli, RFC 3720 appendix B.4) for journal frames. A digest is written
 * as 64 lower-case hex digits, without "sha256:". */

#define SHA256_HEX 65 /* digits and NUL */

struct sha256; /* a running hash */
struct sha256 *sha256_new(void);
void sha256_freep(struct sha256 **h); /* for CLEANUP; NULL is fine */
void sha256_add(struct sha256 *h, const void *data, size_t n);
/* The digest so far; the hash may go on afterwards. */
void sha256_hex(const struct sha256 *h, char out[SHA256_HEX]);

void sha256_of(const void *data, size_t n, char out[SHA256_HEX]);
/* Whole content of an open file from its start, read ahead; the offset is not used. `name` for
 * messages. */
int sha256_file(int fd, const char *name, char out[SHA256_HEX], uint64_t *size, struct err *e);

uint32_t crc32c(const void *data, size_t n);

/* n bytes of the kernel's randomness. */
int crypto_random(void *out, size_t n, struct err *e);
