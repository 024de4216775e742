/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/archive.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"
#include "image/image.h"
#include "store/store.h"
#include "tests/fake/packages.h"

/* Images as archives: out of one store, into another, and what bad archives get. */

struct harness {
	struct fake_packages from, to;
	struct image image;
	struct buf tar;
};

static void harness_init(struct harness *w) {
	static const struct fake_entry files[] = {{"./usr/share/x", 'f', 0644, "x", 0}};
	struct err e = {0};

	*w = (struct harness){.tar = BUF_INIT(1 << 20)};
	fake_packages_init(&w->from);
	fake_packages_init(&w->to);
	fake_packages_add(&w->from, "tiny", "base", files, 1);
	struct image_request q = fake_packages_request(&w->from);
	if (image_build(&q, w->from.store, NULL, &w->image, &e))
		fail_msg("%s", e.msg);
}

static void harness_done(struct harness *w) {
	fake_packages_done(&w->from);
	fake_packages_done(&w->to);
	buf_done(&w->tar);
}

static int append(void *ctx, const void *data, size_t n, struct err *e) {
	return buf_add(ctx, data, n) ? 0 : err_set(e, ERR_SYS, "too large");
}

static int export(struct harness *w, const char *tag, const char *const *omit, struct err *e) {
	const struct image_archive a = {.manifest = w->image.manifest,
					.tag = tag,
					.omit = omit,
					.write = append,
					.ctx = &w->tar};

	buf_reset(&w->tar);
	return image_write_archive(w->from.store, &a, e);
}

static int import_bytes(struct harness *w, const struct buf *tar, const char *manifest,
			struct image *out, struct err *e) {
	char *path CLEANUP(freep) = mem_printf("%s/image.tar", w->to.dir);
	struct err ignored;

	assert_int_equal(fs_write(EFFECT_NONE, AT_FDCWD, path, tar->data, tar->len, 0644, &ignored),
			 0);
	int fd CLEANUP(closep) = open(path, O_RDONLY | O_CLOEXEC);
	return image_read_archive(w->to.store, fd, "image.tar", manifest, out, e);
}

static int list_item(void *ctx, const struct archive_item *item, enum archive_wish *wish,
		     struct err *e) {
	struct buf *b = ctx;

	(void) e;
	assert_true(buf_printf(b, "%s\n", item->path));
	*wish = text_starts(item->path, "blobs/") ? ARCHIVE_SKIP : ARCHIVE_TAKE;
	return 0;
}

static int list_bytes(void *ctx, const void *data, size_t n, struct err *e) {
	(void) e;
	assert_true(buf_add(ctx, data, n) && buf_puts(ctx, "\n"));
	return 0;
}

/* Names of the archive, and the content of all but the blobs. */
static void list(struct harness *w, struct buf *out) {
	const struct archive_visitor v = {list_item, list_bytes, out};
	char *path CLEANUP(freep) = mem_printf("%s/image.tar", w->to.dir);
	struct err e = {0};

	assert_int_equal(fs_write(EFFECT_NONE, AT_FDCWD, path, w->tar.data, w->tar.len, 0644, &e),
			 0);
	int fd CLEANUP(closep) = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(archive_tar_each(fd, "image.tar", &v, &e), 0);
}

static int by_text(const void *a, const void *b) {
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* What list() gives; `n` blobs are expected. */
static char *expected(const struct image *i, const char **blobs, size_t n, const char *name,
		      const char *version, const char *tag) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(1 << 16);

	qsort(blobs, n, sizeof *blobs, by_text);
	(void) buf_puts(&b, "blobs/\nblobs/sha256/\n");
	for (size_t k = 0; k < n; k++)
		(void) buf_printf(&b, "blobs/sha256/%s\n", blobs[k]);
	(void) buf_printf(
		&b,
		"index.json\n{\"schemaVersion\":2,\"mediaType\":\"application/"
		"vnd.oci.image.index.v1+json\","
		"\"manifests\":[{\"mediaType\":\"application/"
		"vnd.oci.image.manifest.v1+json\",\"digest\":"
		"\"sha256:%s\",\"size\":548,\"annotations\":{\"io.containerd.image.name\":\"%s\","
		"\"org.opencontainers.image.ref.name\":\"%s\"}}]}\n",
		i->manifest, name, version);
	(void) buf_printf(
		&b,
		"manifest.json\n[{\"Config\":\"blobs/sha256/%s\",\"RepoTags\":[\"%s\"],\"Layers\":"
		"[\"blobs/sha256/%s\",\"blobs/sha256/%s\"]}]\n"
		"oci-layout\n{\"imageLayoutVersion\":\"1.0.0\"}\n",
		i->config, tag, i->layers[0].diff_id, i->layers[1].diff_id);
	return buf_steal(&b);
}

static void test_layout(void **state) {
	static const struct {
		const char *name, *tag, *full, *version;
		bool omit;
	} cases[] = {
		{"one part", "tiny:1", "docker.io/library/tiny:1", "1", false},
		{"two parts", "llmdeploy/incident:r17", "docker.io/llmdeploy/incident:r17", "r17",
		 false},
		{"localhost", "localhost/x:1", "localhost/x:1", "1", false},
		{"registry", "registry.example/x:1", "registry.example/x:1", "1", false},
		{"port", "box:5000/x:1", "box:5000/x:1", "1", false},
		{"without a layer", "tiny:1", "docker.io/library/tiny:1", "1", true},
	};
	struct harness w CLEANUP(harness_done);

	(void) state;
	harness_init(&w);
	EACH_CASE (c, cases) {
		const char *omit[] = {w.image.layers[0].diff_id, NULL};
		const char *blobs[] = {w.image.manifest, w.image.config, w.image.layers[1].diff_id,
				       w.image.layers[0].diff_id};
		struct buf text CLEANUP(buf_done) = BUF_INIT(1 << 16);
		struct err e = {0};
		if (export(&w, c->tag, c->omit ? omit : NULL, &e))
			fail_msg("%s", e.msg);
		list(&w, &text);
		char *want CLEANUP(freep) = expected(&w.image, blobs, c->omit ? 3 : 4, c->full,
						     c->version, c->tag);
		assert_string_equal(buf_str(&text), want);
	}
}

static void test_export_faults(void **state) {
	struct harness w CLEANUP(harness_done);
	struct err e = {0};

	(void) state;
	harness_init(&w);
	assert_int_equal(export(&w, "box:5000/x", NULL, &e), -1);
	assert_string_equal(e.msg,
			    "image name 'box:5000/x' has no version: write it as NAME:VERSION");
	w.tar.cap = 20000;
	assert_int_equal(export(&w, "x:1", NULL, &e), -1);
	assert_string_equal(e.msg, "too large");
	memcpy(w.image.manifest, w.image.layers[1].diff_id, 65);
	w.tar.cap = 1 << 20;
	assert_int_equal(export(&w, "x:1", NULL, &e), -1);
	assert_int_equal(e.code, ERR_INTEGRITY);
}

static void test_round_trip(void **state) {
	struct harness w CLEANUP(harness_done);
	struct image there;
	struct err e = {0};

	(void) state;
	harness_init(&w);
	const char *omit[] = {w.image.layers[0].diff_id, NULL};
	assert_int_equal(export(&w, "x:1", omit, &e), 0);
	assert_int_equal(import_bytes(&w, &w.tar, NULL, &there, &e), -1);
	char *want CLEANUP(freep) = mem_printf(
		"image in 'image.tar': 'image.tar' does not have layer '%.12s', and neither "
		"has the store",
		w.image.layers[0].diff_id);
	assert_string_equal(e.msg, want);
	assert_int_equal(e.code, ERR_INTEGRITY);
	assert_int_equal(export(&w, "x:1", NULL, &e), 0);
	assert_int_equal(import_bytes(&w, &w.tar, w.image.manifest, &there, &e), 0);
	assert_string_equal(there.config, w.image.config);
	assert_string_equal(there.manifest, w.image.manifest);
	assert_int_equal(there.n_layers, 2);
	assert_string_equal(there.layers[0].diff_id, w.image.layers[0].diff_id);
	assert_int_equal(there.layers[0].size, w.image.layers[0].size);
	for (size_t i = 0; i < there.n_layers; i++)
		assert_int_equal(store_verify(w.to.store, there.layers[i].diff_id, true, &e), 0);
	/* Now the store has it all, a part is enough. */
	assert_int_equal(export(&w, "x:1", omit, &e), 0);
	assert_int_equal(import_bytes(&w, &w.tar, w.image.manifest, &there, &e), 0);
}

static void check_import(struct harness *w, const struct buf *tar, const char *manifest,
			 const char *message) {
	struct err e = {0};
	struct image there;

	assert_int_equal(import_bytes(w, tar, manifest, &there, &e), -1);
	assert_string_equal(e.msg, message);
	assert_int_equal(e.code, ERR_INTEGRITY);
}

#define DIGEST "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void test_bad_archives(void **state) {
	static const struct {
		const char *name;
		struct fake_entry entry;
		const char *message;
	} cases[] = {
		{"no index",
		 {"manifest.json", 'f', 0644, "[]", 0},
		 "'image.tar' has no index.json: it is no image archive"},
		{"no JSON", {"index.json", 'f', 0644, "{", 0}, NULL},
		{"no image",
		 {"index.json", 'f', 0644, "{\"manifests\":[]}", 0},
		 "index.json in 'image.tar' does not name exactly one image"},
		{"two images",
		 {"index.json", 'f', 0644, "{\"manifests\":[{\"digest\":\"" DIGEST "\"},{}]}", 0},
		 "index.json in 'image.tar' does not name exactly one image"},
		{"other digest",
		 {"index.json", 'f', 0644, "{\"manifests\":[{\"digest\":\"sha512:aa\"}]}", 0},
		 "index.json in 'image.tar' does not name exactly one image"},
		{"blob's name",
		 {"blobs/sha256/../../x", 'f', 0644, "x", 0},
		 "'image.tar' has a blob '../../x' that is not named by a SHA-256 digest"},
	};
	struct harness w CLEANUP(harness_done);

	(void) state;
	harness_init(&w);
	EACH_CASE (c, cases) {
		struct buf tar CLEANUP(buf_done) = BUF_INIT(1 << 20);
		struct err e = {0};
		struct image there;
		fake_archive("tar", &c->entry, 1, &tar);
		assert_int_equal(import_bytes(&w, &tar, NULL, &there, &e), -1);
		if (c->message)
			assert_string_equal(e.msg, c->message);
		assert_int_equal(e.code, ERR_INTEGRITY);
	}
	assert_int_equal(export(&w, "x:1", NULL, &(struct err){0}), 0);
	char *other CLEANUP(freep) = mem_printf("'image.tar' has the image %s instead of %s",
						w.image.manifest, &DIGEST[7]);
	check_import(&w, &w.tar, &DIGEST[7], other);
	struct buf half = {.data = w.tar.data, .len = 5000};
	check_import(&w, &half, NULL, "'image.tar' is corrupt or cut short: Truncated tar archive");
}

static int count(void *ctx, const char *sha256, uint64_t size, struct err *e) {
	(void) sha256;
	(void) size;
	(void) e;
	++*(size_t *) ctx;
	return 0;
}

/* Every byte of every blob counts. */
static void test_tampered(void **state) {
	struct harness w CLEANUP(harness_done);
	struct err e = {0};

	(void) state;
	harness_init(&w);
	assert_int_equal(export(&w, "x:1", NULL, &e), 0);
	for (size_t at = 512; at < w.tar.len; at += 4099) {
		struct image there;
		size_t n = 0;
		char before = w.tar.data[at];
		w.tar.data[at] ^= 1;
		int rc = import_bytes(&w, &w.tar, w.image.manifest, &there, &e);
		w.tar.data[at] = before;
		/* What was hit is an object, or the padding and dates between them, which nobody
		 * reads. */
		if (!rc)
			assert_string_equal(there.manifest, w.image.manifest);
		else
			assert_int_equal(e.code, ERR_INTEGRITY);
		assert_int_equal(store_each(w.to.store, count, &n, &e), 0);
		assert_true(n <= 4);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),     cmocka_unit_test(test_export_faults),
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_bad_archives),
		cmocka_unit_test(test_tampered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
