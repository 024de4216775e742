/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "crypto/crypto.h"
#include "haproxy/internal.h"
#include "haproxy/routes.h"

/* Sorted, each once: one that is needed for two things is the more secret of them. */
static void add(struct haproxy_file *list, size_t *n, const char *path, enum haproxy_file_use use) {
	size_t at = 0;

	if (!path || !*path)
		return;
	while (at < *n && strcmp(list[at].path, path) < 0)
		at++;
	if (at < *n && !strcmp(list[at].path, path)) {
		if (use == HAPROXY_API_KEY || use == HAPROXY_CERTIFICATE)
			list[at].use = use;
		return;
	}
	memmove(list + at + 1, list + at, (*n - at) * sizeof *list);
	list[at] = (struct haproxy_file){path, use};
	++*n;
}

size_t haproxy_files(const struct haproxy_routes *s, struct haproxy_file **out) {
	struct haproxy_file *list = mem_zalloc(4 * s->n + 1, sizeof *list);
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct haproxy_frontend *d = &s->at[i]->frontend;
		add(list, &n, d->certificate, HAPROXY_CERTIFICATE);
		add(list, &n, d->api_keys, HAPROXY_KEY_HASHES);
		if (!d->has_fallback)
			continue;
		add(list, &n, d->fallback.api_key_file, HAPROXY_API_KEY);
		add(list, &n, d->fallback.ca_file, HAPROXY_CA);
	}
	*out = list;
	return n;
}

void haproxy_file_name(const char *path, char name[HAPROXY_FILE_NAME]) {
	char digest[SHA256_HEX];

	sha256_of(path, strlen(path), digest);
	memcpy(name, digest, HAPROXY_FILE_NAME - 1);
	name[HAPROXY_FILE_NAME - 1] = 0;
}

void haproxy_put_file(const struct haproxy_paths *p, const char *path, struct buf *out) {
	char name[HAPROXY_FILE_NAME];

	if (!p->files) {
		(void) buf_printf(out, "%s%s", p->host, path);
		return;
	}
	haproxy_file_name(path, name);
	(void) buf_printf(out, "%s/%s", p->files, name);
}

bool haproxy_is_missing(const struct haproxy_paths *p, const char *path) {
	for (const char *const *m = p->missing; m && *m; m++)
		if (!strcmp(*m, path))
			return true;
	return false;
}
