/* SPDX-License-Identifier: Apache-2.0 */
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
	if (!mkdtemp(b->root) || chdir(b->root) || fs_open_dir(AT_FDCWD, b->root, &root, &e) ||
	    store_open(root, b->root, &b->s, &e) || fs_open_dir(root, "store", &b->fd, &e))
		return -1;
	artifact_server_open(&b->server);
	save("right", b->server.bytes, SIZE);
	save("wrong", b->server.other, SIZE);
	save("half", b->server.bytes, HALF);
	save("a.zip", b->server.zip.data, b->server.zip.len);
	char *address CLEANUP(freep) = mem_printf("http://127.0.0.1:%u/good?token=s3cr3t\n", httpd_port(b->server.web));
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
			(void) buf_puts(&out, text_starts(p, "{dir}") ? b->root : text_starts(p, "{right}") ? b->server.right :
					text_starts(p, "{wrong}") ? b->server.wrong : b->server.half);
		p = strchr(p, '}') + 1;
	}
	return buf_steal(&out);
}

static void hear(void *ctx, const struct progress_event *ev) {
	struct bench *b = ctx;

	if (ev->kind == PROGRESS_NOTE || ev->kind == PROGRESS_WARN)
		(void) buf_printf(&b->told, "%s: %s\n", ev->what, ev->detail);
	if (ev->kind == PROGRESS_BYTES && ev->done == ev->total)
		(void) buf_printf(&b->told, "%s: %llu bytes\n", ev->what, (unsigned long long) ev->total);
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

static int fetch(struct bench *b, const struct store_want *more, const char *const *sources, size_t n, struct err *e) {
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

/* --- every way to go well or wrong --- */

static const struct {
	const char *name;
	const char *sources[3];
	uint64_t size;
	uint64_t stall_ms;
	unsigned hits;	   /* requests to the server */
	const char *range; /* of the last one */
	bool part;	   /* a partial download stays for the next time */
	enum err_code code;
	const char *message;
} rows[] = {
	{"a file", {"file:{dir}/right"}, .hits = 0},
	{"a file of the right size", {"file:{dir}/right"}, .size = SIZE},
	{"a member of a zip", {"file:{dir}/a.zip#m/model.gguf"}, .hits = 0},
	{"an address", {"{url}/good"}, .hits = 1},
	{"an address with a query", {"{url}/good?x=1"}, .size = SIZE, .hits = 1},
	{"a redirect", {"{url}/moved"}, .hits = 2},
	{"a member of a zip that is elsewhere", {"{url}/a.zip#m/model.gguf"}, .hits = 1},
	{"a member of a tar.gz that was cut once", {"{url}/a.tar.gz#m/model.gguf"}, .hits = 2},
	{"cut once, resumed", {"{url}/cut"}, .hits = 2, .range = "bytes=1572864-"},
	{"cut three times, resumed", {"{url}/cut-3"}, .hits = 4, .range = "bytes=1572864-"},
	{"cut, then another file", {"{url}/changed"}, .hits = 2, .range = "bytes=1572864-"},
	{"cut, with a weak ETag", {"{url}/weak"}, .hits = 2, .range = "bytes=1572864-"},
	{"cut, resumed without ranges", {"{url}/norange"}, .hits = 2, .range = "bytes=1572864-"},
	{"cut, resumed with another range", {"{url}/wrong-range"}, .hits = 3, .range = ""},
	{"stalled once", {"{url}/stall-once"}, .stall_ms = 500, .hits = 2, .range = "bytes=1572864-"},
	{"503 once", {"{url}/503-once"}, .hits = 2},
	{"no length, but the size is known", {"{url}/until-close"}, .size = SIZE, .hits = 2},
	{"the second source", {"file:{dir}/none", "file:{dir}/right"}, .hits = 0},
	{"the second source, after wrong bytes", {"{url}/other", "{url}/good"}, .hits = 2, .range = ""},
	{"the second source goes on where the first was cut", {"{url}/drip", "{url}/good"}, .hits = 5, .range = "bytes=1200000-"},
	{"an address from a file", {"url_file:{dir}/address"}, .hits = 1},
	{"an address from the environment", {"url_env:STORE_FETCH_TEST_URL"}, .hits = 1},
	{"a file without an address", {"url_file:{dir}/text"}, .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: url_file:{dir}/text: what stands there is no https:// address"},
	{"no file with an address", {"url_file:{dir}/none"}, .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: url_file:{dir}/none: cannot open '{dir}/none': No such file or directory"},
	{"no variable with an address", {"url_env:STORE_FETCH_TEST_NONE"}, .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: url_env:STORE_FETCH_TEST_NONE: the variable 'STORE_FETCH_TEST_NONE' is not set"},
	{"no sources", {NULL}, .code = ERR_UNREACHABLE, .message = "cannot fetch model: it has no source"},
	{"no such file", {"file:{dir}/none"}, .code = ERR_UNREACHABLE, .message = "cannot fetch model: file:{dir}/none: No such file or directory"},
	{"a directory", {"file:{dir}/directory"}, .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: file:{dir}/directory: it is not a regular file"},
	{"a fifo", {"file:{dir}/fifo"}, .code = ERR_UNREACHABLE, .message = "cannot fetch model: file:{dir}/fifo: it is not a regular file"},
	{"a relative path", {"file:right"}, .code = ERR_UNREACHABLE, .message = "cannot fetch model: file:right: its path is not absolute"},
	{"wrong bytes in a file", {"file:{dir}/wrong"}, .code = ERR_INTEGRITY,
	 .message = "cannot fetch model {right}: file:{dir}/wrong: it has the digest {wrong}, nothing of it was kept"},
	{"a file that was cut", {"file:{dir}/half"}, .code = ERR_INTEGRITY,
	 .message = "cannot fetch model {right}: file:{dir}/half: it has the digest {half}, nothing of it was kept"},
	{"a file that was cut, and the size is known", {"file:{dir}/half"}, .size = SIZE, .code = ERR_INTEGRITY,
	 .message = "cannot fetch model {right}: file:{dir}/half: it has 1572864 bytes instead of 3145728, nothing of it was kept"},
	{"wrong bytes in a member", {"file:{dir}/a.zip#m/other.gguf"}, .code = ERR_INTEGRITY,
	 .message = "cannot fetch model {right}: file:{dir}/a.zip#m/other.gguf: it has the digest {wrong}, nothing of it was kept"},
	{"no such member", {"file:{dir}/a.zip#m/modl.gguf"}, .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: file:{dir}/a.zip#m/modl.gguf: '{dir}/a.zip' has no member 'm/modl.gguf', did you mean 'm/model.gguf'?"},
	{"no such member elsewhere", {"{url}/a.zip#m/modl.gguf"}, .hits = 1, .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: {url}/a.zip#m/modl.gguf: 'the archive' has no member 'm/modl.gguf', did you mean 'm/model.gguf'?"},
	{"no such archive", {"file:{dir}/none.zip#x"}, .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: file:{dir}/none.zip#x: cannot open '{dir}/none.zip': No such file or directory"},
	{"a member of something else", {"file:{dir}/right#x"}, .code = ERR_INTEGRITY,
	 .message = "cannot fetch model {right}: file:{dir}/right#x: '{dir}/right' is not an archive that can be read: Unrecognized archive format"},
	{"another scheme", {"s3://bucket/x"}, .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: s3://bucket/x: it begins with none of file:/, https://, hf://, url_file:, url_env:"},
	{"plain http elsewhere", {"http://example.invalid/x"}, .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: http://example.invalid/x: http:// is for this host only, take https://"},
	{"malformed", {"https://user:secret@[x/y"}, .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: a malformed address: an https address is malformed"},
	{"half a name of huggingface", {"hf://ORG/REPO/FILE"}, .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: hf://ORG/REPO/FILE: it is not of the form hf://ORG/REPO@REVISION/FILE"},
	{"nobody listens", {"http://localhost:1/x"}, .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: http://localhost:1/x: cannot reach 'localhost:1': Connection refused"},
	{"a range is refused with 400", {"{url}/refuses-range"}, .hits = 3},
	{"wrong bytes", {"{url}/other"}, .hits = 1, .code = ERR_INTEGRITY,
	 .message = "cannot fetch model {right}: {url}/other: it has the digest {wrong}, nothing of it was kept"},
	{"too few bytes, as announced", {"{url}/short"}, .hits = 1, .code = ERR_INTEGRITY,
	 .message = "cannot fetch model {right}: {url}/short: it has the digest {half}, nothing of it was kept"},
	{"too few bytes, and the size is known", {"{url}/short"}, .size = SIZE, .hits = 1, .code = ERR_INTEGRITY,
	 .message = "cannot fetch model {right}: {url}/short: it has 1572864 bytes instead of 3145728, nothing of it was kept"},
	{"too many bytes", {"{url}/endless"}, .size = SIZE, .hits = 1, .code = ERR_INTEGRITY,
	 .message = "cannot fetch model {right}: {url}/endless: it has more than 3145728 bytes, nothing of it was kept"},
	{"no bytes", {"{url}/empty"}, .hits = 1, .code = ERR_INTEGRITY,
	 .message = "cannot fetch model {right}: {url}/empty: it has the digest e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855, nothing of it was kept"},
	{"the wrong file by its own name", {"{url}/linked"}, .hits = 2, .code = ERR_INTEGRITY,
	 .message = "cannot fetch model {right}: {url}/linked: it has the digest {wrong}, nothing of it was kept"},
	{"half an archive", {"{url}/half.zip#m/model.gguf"}, .hits = 1, .code = ERR_INTEGRITY,
	 .message = "cannot fetch model {right}: {url}/half.zip#m/model.gguf: 'the archive' is corrupt or cut short: ZIP decompression failed (-5)"},
	{"404", {"{url}/404"}, .hits = 1, .code = ERR_UNREACHABLE, .message = "cannot fetch model: {url}/404: answered 404: it is not there"},
	{"403", {"{url}/403"}, .hits = 1, .code = ERR_UNREACHABLE, .message = "cannot fetch model: {url}/403: answered 403: no access"},
	{"400", {"{url}/400"}, .hits = 1, .code = ERR_UNREACHABLE, .message = "cannot fetch model: {url}/400: answered 400: the server does not take a plain request for the whole of it; check the address"},
	{"204", {"{url}/204"}, .hits = 1, .code = ERR_UNREACHABLE, .message = "cannot fetch model: {url}/204: answered 204"},
	{"503 always", {"{url}/503"}, .hits = 4, .code = ERR_UNREACHABLE, .message = "cannot fetch model: {url}/503: answered 503"},
	{"429 for an hour", {"{url}/429-later"}, .hits = 1, .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: {url}/429-later: answered 429: it asks to come back in 3600 s"},
	/* curl asks once more where an old connection closes without a word. */
	{"silent", {"{url}/silent"}, .hits = 5, .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: {url}/silent: '{host}' closed the connection without an answer"},
	{"stalled always", {"{url}/stall"}, .stall_ms = 200, .hits = 4, .part = true, .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: {url}/stall: no byte to or from '{host}' for 200 ms"},
	{"a range that nobody asked for", {"{url}/unasked-range"}, .hits = 4, .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: {url}/unasked-range: sent another range than asked for"},
	{"all of them", {"file:{dir}/none", "{url}/404", "{url}/other"}, .hits = 2, .code = ERR_INTEGRITY,
	 .message = "cannot fetch model {right}: file:{dir}/none: No such file or directory; {url}/404: answered 404: it is not there; "
		    "{url}/other: it has the digest {wrong}, nothing of it was kept"},
	{"secrets are not shown", {"{url}/404?token=secret", "https://user:secret@localhost:1/y"}, .hits = 1, .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: {url}/404: answered 404: it is not there; "
		    "https://localhost:1/y: cannot reach 'localhost:1': Connection refused"},
	{"more than one line has room for", {"file:{dir}/wrong", "{url}/other", "{url}/short"}, .hits = 2, .code = ERR_INTEGRITY,
	 .message = "cannot fetch model {right}: file:{dir}/wrong: it has the digest {wrong}, nothing of it was kept; "
		    "{url}/other: it has the digest {wrong}, nothing of it was kept (and 1 more)"},
};

static void every_source(void **state) {
	struct bench *b = *state;

	EACH_CASE(c, rows) {
		char *message CLEANUP(freep) = expand(b, c->message ? c->message : "");
		struct store_want w = {.size = c->size, .stall_timeout_ms = c->stall_ms};
		struct err e = {0};
		size_t n = 0;
		bool there;
		forget(b);
		while (n < 3 && c->sources[n])
			n++;
		int result = fetch(b, &w, c->sources, n, &e);
		assert_string_equal(e.msg, message);
		assert_int_equal(result, c->code ? -1 : 0);
		assert_int_equal(e.code, c->code);
		assert_int_equal(b->server.hits, c->hits);
		if (c->range)
			assert_string_equal(b->server.range, c->range);
		assert_int_equal(in_tmp(b), c->part ? 1 : 0);
		assert_int_equal(store_has(b->s, b->server.right, &there, NULL, &e), 0);
		assert_int_equal(there, !c->code);
		if (!c->code)
			assert_int_equal(store_verify(b->s, b->server.right, true, &e), 0);
	}
}

#define FETCH(b, more, source, e) fetch(b, more, &(const char *){source}, 1, e)

static void what_is_there_is_not_fetched(void **state) {
	struct bench *b = *state;
	struct err e = {0};

	forget(b);
	assert_int_equal(FETCH(b, NULL, "{url}/good", &e), 0);
	assert_int_equal(FETCH(b, NULL, "{url}/404", &e), 0);
	assert_int_equal(b->server.hits, 1);
	assert_string_equal(buf_str(&b->told), "model: 3145728 bytes\n");
	/* Nor what lost its receipt. */
	char *receipt CLEANUP(freep) = mem_printf("receipts/%.2s/%s", b->server.right, b->server.right);
	assert_int_equal(unlinkat(b->fd, receipt, 0), 0);
	assert_int_equal(FETCH(b, NULL, "{url}/404", &e), 0);
	assert_int_equal(b->server.hits, 1);
}

static void what_has_changed_is_fetched_again(void **state) {
	struct bench *b = *state;
	char *name CLEANUP(freep) = store_path(b->s, b->server.right), *expect CLEANUP(freep) = NULL;
	struct err e = {0};

	forget(b);
	assert_int_equal(FETCH(b, NULL, "{url}/good", &e), 0);
	assert_int_equal(chmod(name, 0644), 0);
	int fd CLEANUP(closep) = open(name, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, b->server.other + SIZE - 1, 1, SIZE - 1), 1);
	assert_int_equal(FETCH(b, NULL, "{url}/404", &e), -1);
	assert_int_equal(FETCH(b, NULL, "{url}/good", &e), 0);
	assert_int_equal(store_verify(b->s, b->server.right, true, &e), 0);
	expect = mem_printf("model: '%s' has changed: its bytes have the digest %s; fetch it again\n", name, b->server.wrong);
	assert_non_null(strstr(buf_str(&b->told), expect));
}

static void part_is(struct bench *b, const void *data, size_t n) {
	char *name CLEANUP(freep) = mem_printf("store/tmp/%s.part", b->server.right);

	save(name, data, n);
}

/* What an earlier process left in tmp/ is of use, or does no harm. */
static void an_earlier_part(void **state) {
	struct bench *b = *state;
	struct store_want sized = {.size = SIZE};
	struct err e = {0};
	const char *bytes = b->server.bytes, *other = b->server.other;
	const struct {
		const char *name, *from;
		const char *bytes;
		size_t n;
		bool sized;
		unsigned hits;
		const char *range; /* of the last request */
	} parts[] = {
		{"half of it", "{url}/good", bytes, HALF, false, 1, "bytes=1572864-"},
		{"all of it", "{url}/404", bytes, SIZE, false, 0, ""},
		{"other bytes", "{url}/good", other + 1, HALF, false, 2, ""},
		{"as long as it, other bytes", "{url}/good", other, SIZE, false, 2, ""},
		{"too long", "{url}/good", bytes, SIZE, true, 0, ""},
		{"longer than the size", "{url}/good", other, SIZE + 0, true, 2, ""},
	};

	EACH_CASE(c, parts) {
		forget(b);
		part_is(b, c->bytes, c->n);
		assert_int_equal(FETCH(b, c->sized ? &sized : NULL, c->from, &e), 0);
		assert_int_equal(b->server.hits, c->hits);
		assert_string_equal(b->server.range, c->range);
		assert_int_equal(in_tmp(b), 0);
	}
}

static void progress_tells_of_retries(void **state) {
	struct bench *b = *state;
	char *expect CLEANUP(freep) = expand(b, "model: taking the next source: file:{dir}/none: No such file or directory\n"
						"model: trying again in 1 ms: answered 503\n"
						"model: 3145728 bytes\n");
	const char *const sources[] = {"file:{dir}/none", "{url}/503-once"};
	struct err e = {0};

	forget(b);
	assert_int_equal(fetch(b, NULL, sources, 2, &e), 0);
	assert_string_equal(buf_str(&b->told), expect);
}

static void retry_after(void **state) {
	struct bench *b = *state;
	uint64_t start_ms = clock_mono_ms();
	struct err e = {0};

	forget(b);
	assert_int_equal(FETCH(b, NULL, "{url}/429-soon", &e), 0);
	assert_in_range(clock_mono_ms() - start_ms, 1000, 5000);
}

static void huggingface(void **state) {
	struct bench *b = *state;
	char *url CLEANUP(freep) = expand(b, "{url}/"), *denied CLEANUP(freep) = expand(b, "{url}/403?x=");
	static const char source[] = "hf://ORG/REPO@ab810cf6/sub dir/model+1.gguf";
	struct err e = {0};

	forget(b);
	(void) setenv("HF_ENDPOINT", url, 1);
	assert_int_equal(FETCH(b, NULL, source, &e), 0);
	assert_string_equal(b->server.path, "/ORG/REPO/resolve/ab810cf6/sub%20dir/model+1.gguf");
	assert_string_equal(b->server.auth, "");
	forget(b);
	(void) setenv("HF_TOKEN", "hf_secret\n", 1);
	assert_int_equal(FETCH(b, NULL, source, &e), 0);
	assert_string_equal(b->server.auth, "Bearer hf_secret");
	forget(b);
	(void) setenv("HF_ENDPOINT", denied, 1);
	assert_int_equal(FETCH(b, NULL, source, &e), -1);
	(void) unsetenv("HF_TOKEN");
	(void) unsetenv("HF_ENDPOINT");
	assert_string_equal(e.msg, "cannot fetch model: hf://ORG/REPO@ab810cf6/sub dir/model+1.gguf: answered 403: no access with the token in HF_TOKEN");
}

/* When half of it is here. */
static void *press_ctrl_c(void *arg) {
	struct bench *b = arg;
	char *name CLEANUP(freep) = mem_printf("tmp/%s.part", b->server.right);
	struct stat st;

	for (int i = 0; i < 2000 && (fstatat(b->fd, name, &st, 0) || st.st_size < HALF); i++)
		clock_sleep_ms(5);
	(void) kill(getpid(), SIGINT);
	return NULL;
}

/* What came so far waits for the next time. */
static void ctrl_c_keeps_the_part(void **state) {
	struct bench *b = *state;
	struct store_want patient = {.stall_timeout_ms = 60000};
	struct err e = {0};
	pthread_t thread;

	forget(b);
	interrupt_install();
	assert_int_equal(pthread_create(&thread, NULL, press_ctrl_c, b), 0);
	assert_int_equal(FETCH(b, &patient, "{url}/stall", &e), -1);
	(void) pthread_join(thread, NULL);
	interrupt_clear();
	assert_string_equal(e.msg, "interrupted");
	assert_int_equal(e.code, ERR_INTERRUPTED);
	assert_int_equal(in_tmp(b), 1);
	assert_int_equal(FETCH(b, NULL, "{url}/good", &e), 0);
	assert_string_equal(b->server.range, "bytes=1572864-");
	assert_int_equal(in_tmp(b), 0);
}

struct second {
	struct bench *b;
	struct store *s;
	struct buf told;
	char *url;
	struct err e;
};

static void hear_second(void *ctx, const struct progress_event *ev) {
	struct second *two = ctx;

	if (ev->kind == PROGRESS_NOTE)
		(void) buf_printf(&two->told, "%s: %s\n", ev->what, ev->detail);
}

static void *fetch_too(void *arg) {
	struct second *two = arg;
	struct progress p = {hear_second, two};
	struct store_want w = {.sources = (const char *const *) &two->url, .n_sources = 1, .sha256 = two->b->server.right, .what = "model"};

	for (int i = 0; i < 2000 && !two->b->server.hits; i++) /* the first is at it */
		clock_sleep_ms(5);
	(void) store_fetch(two->s, &w, &p, &two->e);
	return NULL;
}

/* Two handles are as good as two processes: the lock is of the open file. */
static void two_fetch_the_same(void **state) {
	struct bench *b = *state;
	struct second two = {.b = b, .told = BUF_INIT(1000), .url = expand(b, "{url}/slow")};
	int root CLEANUP(closep) = -1;
	struct err e = {0};
	pthread_t thread;

	forget(b);
	assert_int_equal(fs_open_dir(AT_FDCWD, b->root, &root, &e), 0);
	assert_int_equal(store_open(root, b->root, &two.s, &e), 0);
	assert_int_equal(pthread_create(&thread, NULL, fetch_too, &two), 0);
	assert_int_equal(FETCH(b, NULL, "{url}/slow", &e), 0);
	(void) pthread_join(thread, NULL);
	assert_string_equal(two.e.msg, "");
	assert_int_equal(b->server.hits, 1);
	assert_string_equal(buf_str(&two.told), "model: waiting for another process that fetches it\n");
	store_free(two.s);
	buf_done(&two.told);
	free(two.url);
	assert_int_equal(in_tmp(b), 0);
}

static void another_that_does_not_get_on(void **state) {
	struct bench *b = *state;
	char *name CLEANUP(freep) = mem_printf("tmp/%s.part", b->server.right);
	struct store_want hasty = {.wait_ms = 100};
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct err e = {0};

	forget(b);
	part_is(b, b->server.bytes, HALF);
	int fd CLEANUP(closep) = openat(b->fd, name, O_RDWR | O_CLOEXEC);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &l), 0);
	assert_int_equal(FETCH(b, &hasty, "{url}/good", &e), -1);
	assert_string_equal(e.msg, "another process fetches model and makes no progress; end it, then try again");
	assert_int_equal(e.code, ERR_BUSY);
	assert_int_equal(b->server.hits, 0);
}

/* 2 MiB for 3 MiB: known before, or found out; nothing stays, and no other source is asked. */
static void a_full_disk(void **state) {
	struct bench *b = *state;
	static const char *const sources[] = {"{url}/good", "{url}/until-close", "file:{dir}/right", "file:{dir}/a.zip#m/model.gguf"};
	struct store *large = b->s;
	int fd = b->fd, root = -1;
	struct err e = {0};

	forget(b);
	assert_int_equal(mkdir("small", 0755), 0);
	assert_int_equal(mount("none", "small", "tmpfs", 0, "size=2m"), 0);
	assert_int_equal(fs_open_dir(AT_FDCWD, "small", &root, &e), 0);
	assert_int_equal(store_open(root, "small", &b->s, &e), 0);
	assert_int_equal(fs_open_dir(root, "store", &b->fd, &e), 0);
	for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
		const char *const both[] = {sources[i], "{url}/404"};
		print_message("  - %s\n", sources[i]);
		b->server.hits = 1; /* until-close then sends all of it */
		assert_int_equal(fetch(b, NULL, both, 2, &e), -1);
		assert_int_equal(e.code, ERR_SYS);
		char *expect CLEANUP(freep) = mem_printf("no room for model in '%s/small/store': ", b->root);
		assert_true(text_starts(e.msg, expect));
		if (i != 1 && i != 3)
			assert_true(text_ends(e.msg, ": it needs 3.1 MB, 2.1 MB is free"));
		assert_int_equal(in_tmp(b), 0);
	}
	store_free(b->s);
	(void) close(b->fd);
	(void) close(root);
	b->s = large;
	b->fd = fd;
	assert_int_equal(umount("small"), 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_source),
		cmocka_unit_test(what_is_there_is_not_fetched),
		cmocka_unit_test(what_has_changed_is_fetched_again),
		cmocka_unit_test(an_earlier_part),
		cmocka_unit_test(progress_tells_of_retries),
		cmocka_unit_test(retry_after),
		cmocka_unit_test(huggingface),
		cmocka_unit_test(ctrl_c_keeps_the_part),
		cmocka_unit_test(two_fetch_the_same),
		cmocka_unit_test(another_that_does_not_get_on),
		cmocka_unit_test(a_full_disk),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
