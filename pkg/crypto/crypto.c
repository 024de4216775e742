/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"

struct sha256 {
	EVP_MD_CTX *ctx;
};

/* EVP fails only for want of memory or of the algorithm: neither can be lived with. */
static void must(int ok) {
	if (ok != 1)
		abort();
}

struct sha256 *sha256_new(void) {
	struct sha256 *h = mem_zalloc(1, sizeof *h);

	h->ctx = EVP_MD_CTX_new();
	must(h->ctx && EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL));
	return h;
}

void sha256_freep(struct sha256 **h) {
	if (!*h)
		return;
	EVP_MD_CTX_free((*h)->ctx);
	free(*h);
	*h = NULL;
}

void sha256_add(struct sha256 *h, const void *data, size_t n) {
	must(EVP_DigestUpdate(h->ctx, data, n));
}

void sha256_hex(const struct sha256 *h, char out[SHA256_HEX]) {
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned n;
	EVP_MD_CTX *copy = EVP_MD_CTX_new();

	must(copy && EVP_MD_CTX_copy_ex(copy, h->ctx));
	must(EVP_DigestFinal_ex(copy, raw, &n));
	EVP_MD_CTX_free(copy);
	text_hex(raw, n, out);
}

void sha256_of(const void *data, size_t n, char out[SHA256_HEX]) {
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned len;

	must(EVP_Digest(data, n, raw, &len, EVP_sha256(), NULL));
	text_hex(raw, len, out);
}

/* Pieces that stay in the processor's cache between read and hash: of 4 MiB ones the hash would
 * read every byte from memory again. The kernel reads ahead by itself, twice as far as usual;
 * asking for it piece by piece costs 5 % where the file is cached. */
int sha256_file(int fd, const char *name, char out[SHA256_HEX], uint64_t *size, struct err *e) {
	enum { PIECE = 128 << 10 };
	char *piece CLEANUP(freep) = mem_zalloc(PIECE, 1);
	struct sha256 *h CLEANUP(sha256_freep) = sha256_new();
	uint64_t at = 0;

	(void) posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	for (;;) {
		ssize_t n = pread(fd, piece, PIECE, (off_t) at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "cannot read '%s'", name);
		if (!n)
			break;
		sha256_add(h, piece, (size_t) n);
		at += (uint64_t) n;
	}
	sha256_hex(h, out);
	if (size)
		*size = at;
	return 0;
}

/* Four bits at a time. */
static uint32_t crc_by_table(uint32_t crc, const unsigned char *p, size_t n) {
	static const uint32_t table[16] = {
		0x00000000U, 0x105ec76fU, 0x20bd8edeU, 0x30e349b1U, 0x417b1dbcU, 0x5125dad3U,
		0x61c69362U, 0x7198540dU, 0x82f63b78U, 0x92a8fc17U, 0xa24bb5a6U, 0xb21572c9U,
		0xc38d26c4U, 0xd3d3e1abU, 0xe330a81aU, 0xf36e6f75U,
	};

	for (; n--; p++) {
		crc = table[(crc ^ *p) & 15] ^ crc >> 4;
		crc = table[(crc ^ *p >> 4) & 15] ^ crc >> 4;
	}
	return crc;
}

/* How many of the n bytes the processor's own instruction took, eight at a time. */
#ifdef __x86_64__
__attribute__((target("sse4.2"))) static size_t crc_by_processor(uint32_t *crc,
								 const unsigned char *p, size_t n) {
	uint64_t word, c = *crc;

	if (!__builtin_cpu_supports("sse4.2"))
		return 0;
	for (size_t i = 0; i + sizeof word <= n; i += sizeof word) {
		memcpy(&word, p + i, sizeof word);
		c = __builtin_ia32_crc32di(c, word);
	}
	*crc = (uint32_t) c;
	return n - n % sizeof word;
}
#else
static size_t crc_by_processor(uint32_t *crc, const unsigned char *p, size_t n) {
	(void) crc, (void) p, (void) n;
	return 0;
}
#endif

uint32_t crc32c(const void *data, size_t n) {
	uint32_t crc = ~0U;
	size_t done = crc_by_processor(&crc, data, n);

	return ~crc_by_table(crc, (const unsigned char *) data + done, n - done);
}

int crypto_random(void *out, size_t n, struct err *e) {
	if (n > 256 || getrandom(out, n, 0) != (ssize_t) n)
		return err_sys(e, "cannot read %zu random bytes", n);
	return 0;
}
