/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/err.h"

/* Nobody is there to be asked. */
static int no_passphrase(char *out, int size, int writes, void *ctx) {
	(void) out;
	(void) size;
	(void) writes;
	(void) ctx;
	return -1;
}

static int check_key(const char *name, BIO *text, X509 *leaf, struct err *e) {
	EVP_PKEY *key = PEM_read_bio_PrivateKey(text, NULL, no_passphrase, NULL);
	int fits = key ? X509_check_private_key(leaf, key) : 0;

	EVP_PKEY_free(key);
	if (!key)
		return err_set(e, ERR_SPEC,
			       "'%s' holds no private key that can be read without a passphrase: "
			       "certificate, chain and key are in one "
			       "PEM file",
			       name);
	return fits ? 0
		    : err_set(e, ERR_SPEC,
			      "'%s': its private key is not that of its first certificate", name);
}

int pem_check(const char *name, const char *text, size_t n, bool wants_key, struct err *e) {
	BIO *certificates = BIO_new_mem_buf(text, (int) n), *keys = BIO_new_mem_buf(text, (int) n);
	X509 *leaf = certificates && keys
		? PEM_read_bio_X509(certificates, NULL, no_passphrase, NULL)
		: NULL;
	int r = 0;

	if (!leaf)
		r = err_set(e, ERR_SPEC, "'%s' holds no certificate in PEM form", name);
	else if (wants_key)
		r = check_key(name, keys, leaf, e);
	X509_free(leaf);
	BIO_free(certificates);
	BIO_free(keys);
	ERR_clear_error();
	return r;
}
