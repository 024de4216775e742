/* SPDX-License-Identifier: Apache-2.0 */
#include "image/layer.h"

#include <string.h>

#include "archive/archive.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "image/image.h"
#include "image/tree.h"
#include "store/store.h"

enum { GATHER = 1 << 18 };

/* Headers and small files are gathered; what is large goes straight through. */
struct gather {
	struct store_writer *writer;
	struct buf buf;
};

static int flush(struct gather *g, struct err *e) {
	if (g->buf.len && store_write(g->writer, g->buf.data, g->buf.len, e))
		return -1;
	buf_reset(&g->buf);
	return 0;
}

static int gather(void *ctx, const void *data, size_t n, struct err *e) {
	struct gather *g = ctx;

	if (g->buf.len + n > GATHER && flush(g, e))
		return -1;
	if (n > GATHER)
		return store_write(g->writer, data, n, e);
	(void) buf_add(&g->buf, data, n);
	return 0;
}

static int write_node(struct archive_tar *tar, const struct node *n, struct err *e) {
	if (n->type == NODE_DIR)
		return archive_tar_dir(tar, n->path, n->mode, e);
	if (n->type == NODE_LINK)
		return archive_tar_symlink(tar, n->path, n->target, e);
	if (archive_tar_file(tar, n->path, n->mode, n->size, e))
		return -1;
	return n->size ? archive_tar_data(tar, n->data, n->size, e) : 0;
}

static int write_nodes(const struct tree *t, unsigned layer, struct archive_tar *tar,
		       struct err *e) {
	for (size_t i = 0; i < t->n; i++)
		if (t->at[i].in_layers & 1U << layer &&
		    (interrupt_check(e) ||
		     write_node(tar, &t->at[i], e)))
			return -1;
	return archive_tar_end(tar, e);
}

static uint64_t bytes_of(const struct tree *t, unsigned layer) {
	uint64_t n = 0;

	for (size_t i = 0; i < t->n; i++)
		if (t->at[i].in_layers & 1U << layer)
			n += 1024 + t->at[i].size;
	return n;
}

static void abort_gather(struct gather *g) {
	store_abort(g->writer);
	buf_done(&g->buf);
}

int layer_write(const struct tree *t, unsigned layer, const char *name, struct store *store,
		struct image_layer *out, struct err *e) {
	struct gather g CLEANUP(abort_gather) = {.buf = BUF_INIT(GATHER)};
	struct archive_tar tar = {.write = gather, .ctx = &g};
	struct image_layer made = {.name = name};
	char *what CLEANUP(freep) = mem_printf("%s layer", name);

	if (!bytes_of(t, layer)) {
		*out = made;
		return 0;
	}
	if (store_begin(store, what, bytes_of(t, layer), &g.writer, e) ||
	    write_nodes(t, layer, &tar, e) ||
	    flush(&g, e) ||
	    store_commit(g.writer, NULL, made.diff_id, e))
		return -1;
	made.size = tar.size;
	*out = made;
	return 0;
}
