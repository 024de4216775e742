/* SPDX-License-Identifier: Apache-2.0 */
#include "image/postinst_emulation.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "image/image.h"
#include "image/package.h"

#define OWNER "llmdeploy" /* no Debian package has this name */
enum { MAX_BUNDLE = 16 << 20 };

static const struct node FIXED[] = {
	{.path = "bin", .type = NODE_LINK, .rank = RANK_FORCED, .target = "usr/bin"},
	{.path = "sbin", .type = NODE_LINK, .rank = RANK_FORCED, .target = "usr/sbin"},
	{.path = "lib", .type = NODE_LINK, .rank = RANK_FORCED, .target = "usr/lib"},
	{.path = "usr/bin", .type = NODE_DIR, .rank = RANK_DEFAULT, .mode = 0755},
	{.path = "usr/sbin", .type = NODE_DIR, .rank = RANK_DEFAULT, .mode = 0755},
	{.path = "usr/lib", .type = NODE_DIR, .rank = RANK_DEFAULT, .mode = 0755},

	/* The root is read-only when it runs: whatever is mounted needs its place here. */
	{.path = "dev", .type = NODE_DIR, .rank = RANK_FORCED, .mode = 0755},
	{.path = "models", .type = NODE_DIR, .rank = RANK_FORCED, .mode = 0755},
	{.path = "proc", .type = NODE_DIR, .rank = RANK_FORCED, .mode = 0755},
	{.path = "run", .type = NODE_DIR, .rank = RANK_FORCED, .mode = 0755},
	{.path = "run/engine", .type = NODE_DIR, .rank = RANK_FORCED, .mode = 0755},
	{.path = "sys", .type = NODE_DIR, .rank = RANK_FORCED, .mode = 0755},
	{.path = "tmp", .type = NODE_DIR, .rank = RANK_FORCED, .mode = 01777},
	{.path = "var/lock", .type = NODE_LINK, .rank = RANK_FORCED, .target = "/run/lock"},
	{.path = "var/run", .type = NODE_LINK, .rank = RANK_FORCED, .target = "/run"},
	{.path = "var/tmp", .type = NODE_DIR, .rank = RANK_FORCED, .mode = 01777},
	{.path = "home/nonroot", .type = NODE_DIR, .rank = RANK_FORCED, .mode = 0755},
	{.path = "root", .type = NODE_DIR, .rank = RANK_FORCED, .mode = 0700},

	{.path = "etc/ld.so.conf.d", .type = NODE_DIR, .rank = RANK_DEFAULT, .mode = 0755},
	{.path = "etc/os-release",
	 .type = NODE_LINK,
	 .rank = RANK_DEFAULT,
	 .target = "../usr/lib/os-release"},
};

/* The instances' uid may be another one, when a user without root's rights deploys: then it has no
 * name. */
static const struct {
	const char *path;
	enum node_rank rank;
	const char *text;
} TEXTS[] = {
	{"etc/passwd", RANK_FORCED,
	 "root:x:0:0:root:/root:/usr/sbin/nologin\n"
	 "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
	 "nonroot:x:65532:65532:nonroot:/home/nonroot:/usr/sbin/nologin\n"},
	{"etc/group", RANK_FORCED, "root:x:0:\nnogroup:x:65534:\nnonroot:x:65532:\n"},
	{"etc/nsswitch.conf", RANK_DEFAULT, "passwd: files\ngroup: files\nhosts: files dns\n"},
	/* The GPU toolkits of the host call ldconfig in the container and fail without these two.
	 */
	{"etc/ld.so.conf", RANK_DEFAULT, "include /etc/ld.so.conf.d/*.conf\n"},
	/* base-files has the real one; scanners need at least the distribution. */
	{"usr/lib/os-release", RANK_DEFAULT,
	 "PRETTY_NAME=\"Debian GNU/Linux\"\nNAME=\"Debian GNU/Linux\"\nID=debian\n"},
};

static void add(struct tree *t, struct node n) {
	n.owner = OWNER;
	tree_add(t, &n);
}

static bool has_below(const struct tree *t, const char *prefix) {
	for (size_t i = 0; i < t->n; i++)
		if (text_starts(t->at[i].path, prefix))
			return true;
	return false;
}

static bool is_certificate(const struct node *n) {
	return n->type == NODE_FILE && text_starts(n->path, "usr/share/ca-certificates/mozilla/") &&
		text_ends(n->path, ".crt");
}

static int by_path(const void *a, const void *b) {
	return strcmp((*(const struct node *const *) a)->path,
		      (*(const struct node *const *) b)->path);
}

static int bundle(const struct node **certs, size_t n, struct buf *out, struct err *e) {
	qsort(certs, n, sizeof *certs, by_path);
	for (size_t i = 0; i < n; i++) {
		const struct node *c = certs[i];
		bool ends = c->size && c->data[c->size - 1] == '\n';
		if (!buf_add(out, c->data ? c->data : "", c->size) ||
		    (!ends && !buf_putc(out, '\n')))
			return err_set(e, ERR_INTEGRITY,
				       "the certificates of '%s' are larger than %d bytes together",
				       c->owner, MAX_BUNDLE);
	}
	return 0;
}

/* As update-ca-certificates does it, in the layer of the certificates. */
static int add_bundle(struct tree *t, struct arena *a, struct err *e) {
	const struct node **certs CLEANUP(freep) = mem_zalloc(t->n + 1, sizeof *certs);
	struct buf text CLEANUP(buf_done) = BUF_INIT(MAX_BUNDLE);
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++)
		if (is_certificate(&t->at[i]))
			certs[n++] = &t->at[i];
	if (!n)
		return 0;
	if (bundle(certs, n, &text, e))
		return -1;
	char *copy = arena_zalloc(a, text.len + 1, 1);
	memcpy(copy, buf_str(&text), text.len);
	add(t,
	    (struct node){.path = &IMAGE_CA_BUNDLE[1],
			  .type = NODE_FILE,
			  .rank = RANK_FORCED,
			  .mode = 0644,
			  .data = copy,
			  .size = text.len,
			  .layer = certs[0]->layer});
	return 0;
}

int postinst_emulate(struct tree *t, struct arena *a, struct err *e) {
	/* The loader of amd64 is /lib64/ld-linux-x86-64.so.2; other architectures have no such
	 * folder. */
	bool lib64 = has_below(t, "usr/lib64/");

	if (add_bundle(t, a, e))
		return -1;
	for (size_t i = 0; i < sizeof FIXED / sizeof *FIXED; i++)
		add(t, FIXED[i]);
	for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++)
		add(t,
		    (struct node){.path = TEXTS[i].path,
				  .type = NODE_FILE,
				  .rank = TEXTS[i].rank,
				  .mode = 0644,
				  .data = TEXTS[i].text,
				  .size = strlen(TEXTS[i].text)});
	if (lib64)
		add(t,
		    (struct node){.path = "lib64",
				  .type = NODE_LINK,
				  .rank = RANK_FORCED,
				  .target = "usr/lib64"});
	return 0;
}
