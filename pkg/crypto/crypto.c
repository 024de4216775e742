#include "crypto/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
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
	struct sha256 *h CLEANUP(sha256_freep) = sha256_new();

	sha256_add(h, data, n);
	sha256_hex(h, out);
}

int sha256_file(int fd, const char *name, char out[SHA256_HEX], uint64_t *size, struct err *e) {
	enum { PIECE = 4 << 20 };
	char *piece CLEANUP(freep) = mem_zalloc(PIECE, 1);
	struct sha256 *h CLEANUP(sha256_freep) = sha256_new();
	uint64_t at = 0;

	(void) posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	for (;;) {
		/* The kernel reads the piece after next while this one is hashed. */
		(void) posix_fadvise(fd, (off_t) at + PIECE, PIECE, POSIX_FADV_WILLNEED);
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

uint32_t crc32c(const void *data, size_t n) {
	uint32_t crc = ~0U;

	for (const unsigned char *p = data; n--; p++) {
		crc ^= *p;
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
	}
	return ~crc;
}

int crypto_random(void *out, size_t n, struct err *e) {
	if (n > 256 || getrandom(out, n, 0) != (ssize_t) n)
		return err_sys(e, "cannot read %zu random bytes", n);
	return 0;
}
