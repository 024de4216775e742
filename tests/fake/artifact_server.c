/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fake/artifact_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "tests/fake/deb.h"

enum { SIZE = SHOP_SIZE, HALF = SIZE / 2 };

static bool head(struct httpd_conn *c, const char *status, const char *more, size_t n) {
	char *text CLEANUP(freep) = mem_printf("HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n",
					       status, more, n);

	return httpd_puts(c, text);
}

/* As servers do: from the byte asked for, if the file is still the one that the client began. */
static bool good(struct httpd_conn *c, const struct artifact_server *s) {
	size_t from = text_starts(s->range, "bytes=") ? strtoul(s->range + 6, NULL, 10) : 0;

	if (from && from >= SIZE)
		return httpd_reply(c, 416, "", "", 0);
	if (!from || (s->if_range[0] && strcmp(s->if_range, "\"v1\"")))
		return head(c, "200 OK", "ETag: \"v1\"\r\n", SIZE) && httpd_send(c, s->bytes, SIZE);
	char *more CLEANUP(freep) = mem_printf("ETag: \"v1\"\r\nContent-Range: bytes %zu-%d/%d\r\n",
					       from, SIZE - 1, SIZE);
	return head(c, "206 Partial Content", more, SIZE - from) &&
		httpd_send(c, s->bytes + from, SIZE - from);
}

/* The first `n` requests are broken, what comes after them is good. */
static bool cut(struct httpd_conn *c, const struct artifact_server *s, unsigned n,
		const char *etag) {
	if (s->hits > n)
		return good(c, s);
	return head(c, "200 OK", etag, SIZE) && httpd_send(c, s->bytes, HALF) && false;
}

/* 300,000 bytes more each time. */
static bool drip(struct httpd_conn *c, const struct artifact_server *s) {
	size_t from = text_starts(s->range, "bytes=") ? strtoul(s->range + 6, NULL, 10) : 0;
	size_t n = SIZE - from < 300000 ? SIZE - from : 300000;
	char *more CLEANUP(freep) = mem_printf("Content-Range: bytes %zu-%d/%d\r\n", from, SIZE - 1,
					       SIZE);

	return head(c, from ? "206 Partial Content" : "200 OK", from ? more : "", SIZE - from) &&
		httpd_send(c, s->bytes + from, n) && false;
}

static bool stall(struct httpd_conn *c, const struct artifact_server *s, unsigned n) {
	if (s->hits > n)
		return good(c, s);
	return head(c, "200 OK", "", SIZE) && httpd_send(c, s->bytes, HALF) && httpd_hang(c);
}

static bool slow(struct httpd_conn *c, const struct artifact_server *s) {
	if (!head(c, "200 OK", "", SIZE) || !httpd_send(c, s->bytes, HALF))
		return false;
	clock_sleep_ms(700);
	return httpd_send(c, s->bytes + HALF, HALF);
}

static bool archives(struct artifact_server *s, struct httpd_conn *c, const char *path) {
	if (!strcmp(path, "/a.zip"))
		return httpd_reply(c, 200, "", s->zip.data, s->zip.len);
	if (!strcmp(path, "/a.tar.gz") && s->hits == 1)
		return head(c, "200 OK", "", s->tgz.len) &&
			httpd_send(c, s->tgz.data, s->tgz.len / 2) && false;
	if (!strcmp(path, "/a.tar.gz"))
		return httpd_reply(c, 200, "", s->tgz.data, s->tgz.len);
	if (!strcmp(path, "/half.zip"))
		return httpd_reply(c, 200, "", s->zip.data, s->zip.len / 4);
	return httpd_reply(c, 404, "", "", 0);
}

static bool statuses(struct artifact_server *s, struct httpd_conn *c, const char *path) {
	int status = atoi(path + 1);

	if (!strcmp(path, "/503-once") && s->hits > 1)
		return good(c, s);
	if (!strcmp(path, "/429-soon"))
		return s->hits > 1 ? good(c, s) : httpd_reply(c, 429, "Retry-After: 1\r\n", "", 0);
	if (!strcmp(path, "/429-later"))
		return httpd_reply(c, 429, "Retry-After: 3600\r\n", "", 0);
	return httpd_reply(c, status, "", "<html>", status == 204 ? 0 : 6);
}

static void keep(const struct httpd_request *q, const char *name, char *to, size_t size) {
	char *value CLEANUP(freep) = httpd_header(q, name);

	(void) snprintf(to, size, "%s", value);
}

/* Whole answers with something odd about them. */
static bool odd(struct artifact_server *s, struct httpd_conn *c, const char *path) {
	if (!strcmp(path, "/other"))
		return httpd_reply(c, 200, "", s->other, SIZE);
	if (!strcmp(path, "/short"))
		return httpd_reply(c, 200, "", s->bytes, HALF);
	if (!strcmp(path, "/empty"))
		return httpd_reply(c, 200, "", "", 0);
	if (!strcmp(path, "/wrong-range"))
		return s->hits == 2
			? httpd_reply(c, 206, "Content-Range: bytes 7-9/10\r\n", "xxx", 3)
			: cut(c, s, 1, "");
	if (!strcmp(path, "/unasked-range"))
		return httpd_reply(c, 206, "Content-Range: bytes 7-9/10\r\n", "xxx", 3);
	if (!strcmp(path, "/endless"))
		return httpd_puts(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n") &&
			httpd_send(c, s->bytes, SIZE) && httpd_send(c, s->bytes, 1);
	if (!strcmp(path, "/until-close"))
		return httpd_puts(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n") &&
			httpd_send(c, s->bytes, s->hits == 1 ? HALF : SIZE) && false;
	if (!strcmp(path, "/moved"))
		return httpd_reply(c, 302, "Location: /good\r\n", "", 0);
	if (!strcmp(path, "/linked")) {
		char *more CLEANUP(freep) =
			mem_printf("X-Linked-Etag: \"%s\"\r\nLocation: /good\r\n", s->wrong);
		return httpd_reply(c, 302, more, "", 0);
	}
	if (!strcmp(path, "/silent"))
		return false;
	if (path[1] >= '0' && path[1] <= '9')
		return statuses(s, c, path);
	return archives(s, c, path);
}

static bool answer(void *ctx, struct httpd_conn *c, const struct httpd_request *q) {
	struct artifact_server *s = ctx;
	const char *path = q->path;

	s->hits++;
	keep(q, "Range", s->range, sizeof s->range);
	keep(q, "If-Range", s->if_range, sizeof s->if_range);
	keep(q, "Authorization", s->auth, sizeof s->auth);
	(void) snprintf(s->path, sizeof s->path, "%s", path);
	if (text_starts(path, "/good") || text_starts(path, "/ORG/"))
		return good(c, s);
	if (!strcmp(path, "/norange"))
		return s->hits == 1 ? cut(c, s, 1, "") : httpd_reply(c, 200, "", s->bytes, SIZE);
	if (!strcmp(path, "/refuses-range")) {
		if (s->hits == 1)
			return cut(c, s, 1, "");
		return *s->range ? httpd_reply(c, 400, "", "no ranges", 9)
				 : httpd_reply(c, 200, "", s->bytes, SIZE);
	}
	if (!strcmp(path, "/cut"))
		return cut(c, s, 1, "ETag: \"v1\"\r\n");
	if (!strcmp(path, "/cut-3"))
		return cut(c, s, 3, "");
	if (!strcmp(path, "/changed"))
		return cut(c, s, 1, "ETag: \"v0\"\r\n");
	if (!strcmp(path, "/weak"))
		return cut(c, s, 1, "ETag: W/\"v0\"\r\n");
	if (!strcmp(path, "/drip"))
		return drip(c, s);
	if (!strcmp(path, "/stall-once"))
		return stall(c, s, 1);
	if (!strcmp(path, "/stall"))
		return stall(c, s, 100);
	if (!strcmp(path, "/slow"))
		return slow(c, s);
	return odd(s, c, path);
}

static void make_bytes(struct artifact_server *s) {
	uint32_t x = 1;

	for (size_t i = 0; i < SIZE; i++) {
		x = x * 1664525 + 1013904223;
		s->bytes[i] = (char) (x >> 24);
		s->other[i] = (char) (s->bytes[i] ^ (i == SIZE - 1));
	}
	sha256_of(s->bytes, SIZE, s->right);
	sha256_of(s->other, SIZE, s->wrong);
	sha256_of(s->bytes, HALF, s->half);
}

static void make_archives(struct artifact_server *s) {
	const struct fake_entry entries[] = {{"m/model.gguf", 'f', 0644, s->bytes, SIZE},
					     {"m/other.gguf", 'f', 0644, s->other, SIZE},
					     {"m/readme.txt", 'f', 0644, "hello", 0}};

	s->zip = s->tgz = (struct buf) BUF_INIT(16 << 20);
	fake_archive("zip", entries, 3, &s->zip);
	fake_archive("tar.gz", entries, 3, &s->tgz);
}

void artifact_server_open(struct artifact_server *s) {
	make_bytes(s);
	make_archives(s);
	s->web = httpd_start(NULL, answer, s);
}

void artifact_server_close(struct artifact_server *s) {
	httpd_stop(s->web);
	buf_done(&s->zip);
	buf_done(&s->tgz);
}
