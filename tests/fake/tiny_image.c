/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fake/tiny_image.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "crypto/crypto.h"

struct header { /* of a tar entry, POSIX.1-1988 */
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100],
		magic[8], rest[247];
};

static void add_entry(struct buf *tar, const char *name, const char *mode, const void *data,
		      size_t n) {
	static const char zeroes[512];
	struct header h = {.type = '0', .magic = "ustar\00000"};
	unsigned sum = 0;

	(void) snprintf(h.name, sizeof h.name, "%s", name);
	(void) snprintf(h.mode, sizeof h.mode, "%s", mode);
	(void) snprintf(h.uid, sizeof h.uid, "0000000");
	(void) snprintf(h.gid, sizeof h.gid, "0000000");
	(void) snprintf(h.size, sizeof h.size, "%011zo", n);
	(void) snprintf(h.mtime, sizeof h.mtime, "00000000000");
	memset(h.sum, ' ', sizeof h.sum);
	for (size_t i = 0; i < sizeof h; i++)
		sum += ((const unsigned char *) &h)[i];
	(void) snprintf(h.sum, sizeof h.sum, "%06o", sum);
	(void) buf_add(tar, &h, sizeof h);
	(void) buf_add(tar, data, n);
	(void) buf_add(tar, zeroes, (512 - n % 512) % 512);
}

static void add_text(struct buf *tar, const char *name, const struct buf *text) {
	add_entry(tar, name, "0000644", buf_str(text), text->len);
}

static void add_blob(struct buf *tar, const char *digest, const struct buf *data) {
	char *name CLEANUP(freep) = mem_printf("blobs/sha256/%s", digest);

	add_text(tar, name, data);
}

static void finish(struct buf *tar) {
	static const char zeroes[1024];

	(void) buf_add(tar, zeroes, sizeof zeroes);
}

static void describe(const char *tag, struct tiny_image *out, const struct buf *layer) {
	struct buf config CLEANUP(buf_done) = BUF_INIT(4096),
			  manifest CLEANUP(buf_done) = BUF_INIT(4096);
	struct buf index CLEANUP(buf_done) = BUF_INIT(4096),
			 docker CLEANUP(buf_done) = BUF_INIT(4096);
	struct buf layout CLEANUP(buf_done) = BUF_INIT(4096);

	(void) buf_printf(&config,
			  "{\"architecture\":\"amd64\",\"config\":{\"Entrypoint\":[\"/"
			  "tiny\"],\"Labels\":{\"llmdeploy.test\":\"tiny\"}},"
			  "\"created\":\"1970-01-01T00:00:00Z\",\"os\":\"linux\",\"rootfs\":{"
			  "\"diff_ids\":[\"sha256:%s\"],\"type\":\"layers\"}}",
			  out->layer);
	sha256_of(config.data, config.len, out->config);
	(void) buf_printf(&manifest,
			  "{\"schemaVersion\":2,\"mediaType\":\"application/"
			  "vnd.oci.image.manifest.v1+json\",\"config\":{\"mediaType\":"
			  "\"application/"
			  "vnd.oci.image.config.v1+json\",\"digest\":\"sha256:%s\",\"size\":%zu},"
			  "\"layers\":[{\"mediaType\":"
			  "\"application/"
			  "vnd.oci.image.layer.v1.tar\",\"digest\":\"sha256:%s\",\"size\":%zu}]}",
			  out->config, config.len, out->layer, layer->len);
	sha256_of(manifest.data, manifest.len, out->manifest);
	(void) buf_printf(&index,
			  "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"application/"
			  "vnd.oci.image.manifest.v1+json\",\"digest\":\"sha256:%s\","
			  "\"size\":%zu,\"annotations\":{\"io.containerd.image.name\":\"%s\",\"org."
			  "opencontainers.image.ref.name\":\"%s\"}}]}",
			  out->manifest, manifest.len, tag, strrchr(tag, ':') + 1);
	(void) buf_printf(&docker,
			  "[{\"Config\":\"blobs/sha256/"
			  "%s\",\"RepoTags\":[\"%s\"],\"Layers\":[\"blobs/sha256/%s\"]}]",
			  out->config, tag, out->layer);
	(void) buf_puts(&layout, "{\"imageLayoutVersion\":\"1.0.0\"}");
	add_text(&out->archive, "oci-layout", &layout);
	add_text(&out->archive, "index.json", &index);
	add_text(&out->archive, "manifest.json", &docker);
	add_blob(&out->archive, out->config, &config);
	add_blob(&out->archive, out->manifest, &manifest);
}

void tiny_image_make(const void *program, size_t n, const char *tag, struct tiny_image *out) {
	struct buf layer CLEANUP(buf_done) = BUF_INIT(16 << 20);

	*out = (struct tiny_image){.archive = BUF_INIT(32 << 20), .rest = BUF_INIT(32 << 20)};
	add_entry(&layer, "tiny", "0000755", program, n);
	finish(&layer);
	sha256_of(layer.data, layer.len, out->layer);
	describe(tag, out, &layer);
	(void) buf_add(&out->rest, out->archive.data, out->archive.len);
	out->layer_at = out->archive.len + 512;
	add_blob(&out->archive, out->layer, &layer);
	finish(&out->archive);
	finish(&out->rest);
}

void tiny_image_done(struct tiny_image *i) {
	buf_done(&i->archive);
	buf_done(&i->rest);
}
