/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What store_fetch_test.c and store_resume_test.c share. */
#include "test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/text.h"
#include "fs/fs.h"
#include "store/store.h"
#include "tests/fake/artifact_server.h"
#include "tests/fake/httpd.h"

enum { SIZE = SHOP_SIZE, HALF = SIZE / 2 };

struct bench {
	char root[48];
	int fd; /* ROOT/store */
	struct store *s;
	struct artifact_server server;
	struct buf told; /* what progress said */
};

/* --- the place --- */

static void save(const char *name, const void *data, size_t n) {
	struct err e;

	assert_int_equal(fs_write(EFFECT_NONE, AT_FDCWD, name, data, n, 0644, &e), 0);
}

static int enter(void **state) {
	struct bench *b = mem_zalloc(1, sizeof *b);
	struct err e;
	int root CLEANUP(closep) = -1;

	(void) unsetenv("http_proxy");
	(void) unsetenv("HF_TOKEN");
	(void) strcpy(b->root, "/tmp/llmdeploy-fetch-XXXXXX");
	if (!mkdtemp(b->root) ||
	    chdir(b->root) ||
	    fs_open_dir(AT_FDCWD, b->root, &root, &e) ||
	    store_open(root, b->root, &b->s, &e) ||
	    fs_open_dir(root, "store", &b->fd, &e))
		return -1;
	artifact_server_open(&b->server);
	save("right", b->server.bytes, SIZE);
	save("wrong", b->server.other, SIZE);
	save("half", b->server.bytes, HALF);
	save("a.zip", b->server.zip.data, b->server.zip.len);
	char *address CLEANUP(freep) = mem_printf("http://127.0.0.1:%u/good?token=s3cr3t\n",
						  httpd_port(b->server.web));
	save("address", address, strlen(address));
	save("text", "hello\n", 6);
	address[strlen(address) - 1] = '\0';
	(void) setenv("STORE_FETCH_TEST_URL", address, 1);
	*state = b;
	return mkdir("directory", 0755) || mkfifo("fifo", 0644);
}

static int leave(void **state) {
	struct bench *b = *state;
	struct err e;

	store_free(b->s);
	(void) close(b->fd);
	artifact_server_close(&b->server);
	buf_done(&b->told);
	int r = chdir("/") || fs_remove_tree(EFFECT_NONE, AT_FDCWD, b->root, &e);
	free(b);
	return r;
}

/* {url} {host} {dir} {right} {wrong} {half} */
static char *expand(const struct bench *b, const char *text) {
	struct buf out CLEANUP(buf_done) = BUF_INIT(4096);
	unsigned port = httpd_port(b->server.web);

	for (const char *p = text; *p;) {
		size_t n = strcspn(p, "{");
		(void) buf_add(&out, p, n);
		p += n;
		if (!*p)
			break;
		if (text_starts(p, "{url}"))
			(void) buf_printf(&out, "http://127.0.0.1:%u", port);
		else if (text_starts(p, "{host}"))
			(void) buf_printf(&out, "127.0.0.1:%u", port);
		else
			(void) buf_puts(&out,
					text_starts(p, "{dir}")             ? b->root
						: text_starts(p, "{right}") ? b->server.right
						: text_starts(p, "{wrong}") ? b->server.wrong
									    : b->server.half);
		p = strchr(p, '}') + 1;
	}
	return buf_steal(&out);
}

static void hear(void *ctx, const struct progress_event *ev) {
	struct bench *b = ctx;

	if (ev->kind == PROGRESS_NOTE || ev->kind == PROGRESS_WARN)
		(void) buf_printf(&b->told, "%s: %s\n", ev->what, ev->detail);
	if (ev->kind == PROGRESS_BYTES && ev->done == ev->total)
		(void) buf_printf(&b->told, "%s: %llu bytes\n", ev->what,
				  (unsigned long long) ev->total);
}

static void forget(struct bench *b) {
	struct err e = {0};

	assert_int_equal(store_remove(b->s, b->server.right, &e), 0);
	assert_int_equal(store_clean(b->s, true, NULL, &e), 0);
	b->server.hits = 0;
	b->server.range[0] = b->server.if_range[0] = b->server.auth[0] = 0;
	buf_done(&b->told);
	b->told = (struct buf) BUF_INIT(8192);
}

static int fetch(struct bench *b, const struct store_want *more, const char *const *sources,
		 size_t n, struct err *e) {
	char *full[8] = {0};
	struct store_want w = more ? *more : (struct store_want){0};
	struct progress p = {hear, b};

	for (size_t i = 0; i < n; i++)
		full[i] = expand(b, sources[i]);
	w.sources = (const char *const *) full;
	w.n_sources = n;
	w.sha256 = b->server.right;
	w.what = "model";
	w.backoff_ms = w.backoff_ms ? w.backoff_ms : 1;
	w.stall_timeout_ms = w.stall_timeout_ms ? w.stall_timeout_ms : 20000;
	int result = store_fetch(b->s, &w, &p, e);
	for (size_t i = 0; i < n; i++)
		free(full[i]);
	return result;
}

static size_t in_tmp(struct bench *b) {
	char **names CLEANUP(freep) = NULL;
	struct err e;
	size_t n = 0;

	assert_int_equal(fs_list(b->fd, "tmp", &names, &n, &e), 0);
	return n;
}

#define FETCH(b, more, source, e) fetch(b, more, &(const char *){source}, 1, e)

static void part_is(struct bench *b, const void *data, size_t n) {
	char *name CLEANUP(freep) = mem_printf("store/tmp/%s.part", b->server.right);

	save(name, data, n);
}
