/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "fs/step.h"
#include "store/internal.h"

struct store_writer {
	struct store *s;
	char *what;
	uint64_t size;         /* announced */
	char name[STORE_NAME]; /* in tmp/; "" after the commit */
	int fd;
	struct sha256 *hash;
};

int store_begin(struct store *s, const char *what, uint64_t size, struct store_writer **out,
		struct err *e) {
	struct store_writer *w CLEANUP(store_abortp) = mem_zalloc(1, sizeof *w);

	w->s = s;
	w->fd = -1;
	w->what = mem_strdup(what);
	w->size = size;
	w->hash = sha256_new();
	if (store_check_room(s, what, size, e) ||
	    store_tmp_new(s, w->name, &w->fd, e))
		return -1;
	*out = STEAL(w);
	return 0;
}

int store_write(struct store_writer *w, const void *data, size_t n, struct err *e) {
	if (store_append(w->s, w->fd, data, n, w->what, w->size, e))
		return -1;
	sha256_add(w->hash, data, n);
	return 0;
}

void store_writer_hex(const struct store_writer *w, char out[SHA256_HEX]) {
	sha256_hex(w->hash, out);
}

int store_commit(struct store_writer *w, const char *expected, char sha256[65], struct err *e) {
	char found[SHA256_HEX];
	bool has;

	sha256_hex(w->hash, found);
	if (expected && strcmp(found, expected))
		return err_set(e, ERR_INTEGRITY,
			       "%s has the digest %s instead of %s; nothing of it was kept",
			       w->what, found, expected);
	if (store_has(w->s, found, &has, NULL, e))
		return -1;
	if (!has) {
		if (store_adopt(w->s, w->fd, w->name, found, e))
			return -1;
		w->name[0] = 0;
	}
	if (sha256)
		memcpy(sha256, found, sizeof found);
	return 0;
}

void store_abort(struct store_writer *w) {
	if (!w)
		return;
	if (w->fd >= 0) {
		if (w->name[0])
			(void) fs_step_unlink(EFFECT_STORE_CLEAN, w->s->dir, w->name, 0);
		(void) close(w->fd);
	}
	sha256_freep(&w->hash);
	free(w->what);
	free(w);
}

void store_abortp(struct store_writer **w) {
	store_abort(*w);
	*w = NULL;
}

int store_put(struct store *s, const void *data, size_t n, char sha256[65], struct err *e) {
	struct store_writer *w CLEANUP(store_abortp) = NULL;
	char found[SHA256_HEX];
	bool has;

	sha256_of(data, n, found);
	if (store_has(s, found, &has, NULL, e))
		return -1;
	if (!has &&
	    (store_begin(s, "an object", n, &w, e) ||
	     store_write(w, data, n, e) ||
	     store_commit(w, found, NULL, e)))
		return -1;
	memcpy(sha256, found, sizeof found);
	return 0;
}
