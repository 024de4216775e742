/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "image/blobs.h"
#include "image/image.h"
#include "image/package.h"
#include "image/tree.h"

#define OWNER "llmdeploy"
enum { MAX_TEXT = 4 << 20 };

static void add_text(struct tree *t, struct arena *a, const char *path, const char *text) {
	tree_add(t,
		 &(struct node){.path = path,
				.type = NODE_FILE,
				.rank = RANK_FORCED,
				.mode = 0644,
				.data = arena_strdup(a, text),
				.size = strlen(text),
				.owner = OWNER,
				.layer = LAYER_RELEASE});
}

/* What dpkg knows to be available: the one place where scanners look for a package's digest. */
static void write_available(const struct image_request *q, const struct image_package *const *list,
			    struct buf *out) {
	for (size_t i = 0; i < q->n_packages; i++)
		(void) buf_printf(out, "%sPackage: %s\nVersion: %s\nArchitecture: %s\nSHA256: %s\n",
				  i ? "\n" : "", list[i]->name, list[i]->version,
				  list[i]->architecture, list[i]->sha256);
}

static void write_notice(const struct image_request *q, const struct image_package *const *list,
			 struct buf *out) {
	(void) buf_printf(
		out,
		"Runtime: %s\n"
		"Assembled by llmdeploy from the Debian packages below, unchanged but for "
		"manuals,\n"
		"translations and other files that are left out. No maintainer script ran.\n"
		"\n"
		"Licence of each package: /usr/share/doc/PACKAGE/copyright\n"
		"Model and adapters are no part of this image: they are mounted below /models.\n"
		"Bill of materials (SPDX 2.3): beside the release's lock, where the image was "
		"built;\n"
		"it names this image by its digest, so it cannot be inside of it.\n"
		"\n",
		q->runtime);
	for (size_t i = 0; i < q->n_packages; i++) {
		const struct image_package *p = list[i];
		(void) buf_printf(out, "%s %s %s%s\n  sha256:%s\n", p->name, p->version,
				  p->architecture, p->files ? ", only:" : "", p->sha256);
		for (size_t k = 0; p->files && k < p->n_files; k++)
			(void) buf_printf(out, "  %s\n", p->files[k]);
	}
}

void release_add(struct tree *t, struct arena *a, const struct image_request *q,
		 const struct image_package *const *list) {
	struct buf notice CLEANUP(buf_done) = BUF_INIT(MAX_TEXT);
	struct buf available CLEANUP(buf_done) = BUF_INIT(MAX_TEXT);

	write_notice(q, list, &notice);
	write_available(q, list, &available);
	add_text(t, a, "usr/share/doc/llmdeploy/NOTICE", buf_str(&notice));
	add_text(t, a, "var/lib/dpkg/available", buf_str(&available));
	if (q->chat_template)
		add_text(t, a, &IMAGE_CHAT_TEMPLATE[1], q->chat_template);
}
