/* SPDX-License-Identifier: Apache-2.0 */
/* What comes in place of a file, delivered by a server: the message says what it is and what to
 * do. */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "fs/fs.h"
#include "http/http.h"
#include "model/model.h"
#include "store/store.h"
#include "tests/fake/httpd.h"

#define POINTER                                            \
	"version https://git-lfs.github.com/spec/v1\noid " \
	"sha256:b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53\nsize 98300000\n"
#define PAGE                                                \
	"<!DOCTYPE html>\n<html><head><title>Sign in\n to " \
	"Acme</title></head><body>hello</body></html>"
#define EXPIRED                                                                       \
	"<?xml version=\"1.0\" "                                                      \
	"encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code><Message>Request has " \
	"expired</Message><Expires>2026-01-01</Expires></Error>"
#define WHOLE "the right bytes of the model, all of them"

/* path, answer, message: {u} is the server's address. `file`: the same bytes as a local file. */
struct row {
	const char *name, *path;
	int status;
	const char *headers, *body;
	size_t n;      /* of the body; 0: its text */
	uint64_t size; /* that is wanted; 0: not known */
	enum err_code code;
	const char *member;  /* behind the path; or NULL */
	const char *message; /* behind "cannot fetch model: {u}PATH: " */
};

static const struct row rows[] = {
	{"a page", "/page", 200, "Content-Type: text/html\r\n", PAGE, .code = ERR_INTEGRITY,
	 .message = "an HTML page ('Sign in to Acme') came instead of the file: give the address "
		    "of the file itself; behind a login or a "
		    "network's sign-in page, sign in first"},
	{"a page of another size", "/page-sized", 200, "Content-Type: text/html\r\n", PAGE,
	 .size = 1000, .code = ERR_INTEGRITY,
	 .message = "an HTML page ('Sign in to Acme') came instead of the file: give the address "
		    "of the file itself; behind a login or a "
		    "network's sign-in page, sign in first"},
	{"a page without a title, behind blanks and a mark", "/bom", 200, "",
	 "\xef\xbb\xbf\r\n <HTML>x</HTML>", .code = ERR_INTEGRITY,
	 .message = "an HTML page came instead of the file: give the address of the file itself; "
		    "behind a login or a network's sign-in page, "
		    "sign in first"},
	{"an XHTML page", "/xhtml", 200, "",
	 "<?xml version=\"1.0\"?>\n<html><title>t</title></html>", .code = ERR_INTEGRITY,
	 .message = "an HTML page ('t') came instead of the file: give the address of the file "
		    "itself; behind a login or a network's sign-in page, "
		    "sign in first"},
	{"the hub's page of a file", "/ORG/REPO/blob/main/a.gguf", 200, "", PAGE,
	 .code = ERR_INTEGRITY,
	 .message = "an HTML page ('Sign in to Acme') came instead of the file: write /resolve/ "
		    "instead of /blob/ in its address"},
	{"a redirect to a login", "/login-first", 302, "Location: /page?next=secret\r\n", "",
	 .code = ERR_INTEGRITY,
	 .message = "an HTML page ('Sign in to Acme') came from '/page' instead of the file: give "
		    "an address that needs no login; behind a "
		    "network's sign-in page, sign in first"},
	{"a pointer", "/pointer", 200, "", POINTER, .code = ERR_INTEGRITY,
	 .message = "a Git LFS pointer to 98.3 MB (sha256 b179c9523d0e...) came instead of the "
		    "file: give the address of the file itself "
		    "(/resolve/ on the hub, media.githubusercontent.com)"},
	{"a pointer of another size", "/pointer-sized", 200, "", POINTER, .size = 98300000,
	 .code = ERR_INTEGRITY,
	 .message = "a Git LFS pointer to 98.3 MB (sha256 b179c9523d0e...) came instead of the "
		    "file: give the address of the file itself "
		    "(/resolve/ on the hub, media.githubusercontent.com)"},
	{"packed for the way", "/packed", 200, "Content-Encoding: gzip\r\n", "\x1f\x8b\x08\0\0\0",
	 6, .code = ERR_INTEGRITY,
	 .message = "a body that the server packed for the way (Content-Encoding: gzip) came "
		    "instead of the file: give another address, or fetch "
		    "it with curl --compressed and name that file"},
	{"packed in another way", "/brotli", 200, "Content-Encoding: br\r\n", "\x0b\x02\x80", 3,
	 .code = ERR_INTEGRITY,
	 .message = "a body that the server packed for the way (Content-Encoding: br) came instead "
		    "of the file: give another address, or fetch "
		    "it with curl --compressed and name that file"},
	{"not packed, says the server", "/identity", 200, "Content-Encoding: identity\r\n", WHOLE,
	 .code = ERR_OK},
	{"a gzip file", "/model.gguf", 200, "", "\x1f\x8b\x08\0\0\0", 6, .code = ERR_INTEGRITY,
	 .message = "a gzip file came instead of the file: name the member, as ADDRESS#MEMBER, or "
		    "unpack it"},
	{"a ZIP file", "/model2.gguf", 200, "", "PK\x03\x04xx", 6, .code = ERR_INTEGRITY,
	 .message = "a ZIP file came instead of the file: name the member, as ADDRESS#MEMBER, or "
		    "unpack it"},
	{"an XML error with a good status", "/xml", 200, "Content-Type: application/xml\r\n",
	 EXPIRED, .code = ERR_INTEGRITY,
	 .message = "an XML error came instead of the file: 'AccessDenied: Request has expired'"},
	{"a JSON error with a good status", "/json", 200, "",
	 "{\"error\":\"Repository\\nnot found\"}", .code = ERR_INTEGRITY,
	 .message = "a JSON error came instead of the file: 'Repository not found'"},
	{"an object in a JSON error", "/json-deep", 200, "",
	 "{\"error\":{\"code\":1,\"message\":\"no such key\"}}", .code = ERR_INTEGRITY,
	 .message = "a JSON error came instead of the file: 'no such key'"},
	{"400 without a range", "/400", 400, "",
	 "<Error><Code>InvalidArgument</Code><Message>Bad thing</Message></Error>",
	 .code = ERR_UNREACHABLE,
	 .message = "answered 400: the server does not take a plain request for the whole of it; "
		    "the server says 'InvalidArgument: Bad thing'; "
		    "check the address"},
	{"416 without a range", "/416", 416, "", "", .code = ERR_UNREACHABLE,
	 .message = "answered 416: the server does not take a plain request for the whole of it"},
	{"a signed address that expired, S3", "/expired", 403, "", EXPIRED, .code = ERR_UNREACHABLE,
	 .message = "answered 403: the signed address has expired: get a new one; the server says "
		    "'AccessDenied: Request has expired'"},
	{"a signed address that expired, GCS", "/expired-gcs", 400, "",
	 "<Error><Code>ExpiredToken</Code><Message>Invalid argument.</Message></Error>",
	 .code = ERR_UNREACHABLE,
	 .message = "answered 400: the signed address has expired: get a new one; the server says "
		    "'ExpiredToken: Invalid argument.'"},
	{"a signed address that was cut", "/cut-signature", 403, "",
	 "<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message><SignatureProvided>secret</"
	 "SignatureProvided></Error>",
	 .code = ERR_UNREACHABLE,
	 .message = "answered 403: the address's signature is wrong: copy it whole, with every "
		    "character of its query; the server says "
		    "'SignatureDoesNotMatch: no'"},
	{"a body that repeats what permits the address", "/echo", 403, "",
	 "no access to /m.gguf?X-Amz-Signature=abc", .code = ERR_UNREACHABLE,
	 .message = "answered 403: no access"},
	{"gated", "/gated", 401, "X-Error-Code: GatedRepo\r\n",
	 "Access to model ORG/REPO is restricted.", .code = ERR_UNREACHABLE,
	 .message = "answered 401: the repository is gated: accept its terms on its page, then set "
		    "HF_TOKEN; the server says 'Access to model "
		    "ORG/REPO is restricted.'"},
	{"no such file", "/entry", 404,
	 "X-Error-Code: EntryNotFound\r\nX-Error-Message: Entry not found\r\n", "",
	 .code = ERR_UNREACHABLE,
	 .message = "answered 404: there is no such file at that revision; the server says 'Entry "
		    "not found'"},
	{"no such revision", "/revision", 404, "X-Error-Code: RevisionNotFound\r\n", "",
	 .code = ERR_UNREACHABLE,
	 .message = "answered 404: there is no such revision in the repository"},
	{"a network's sign-in page by its status", "/511", 511, "", "", .code = ERR_UNREACHABLE,
	 .message = "answered 511: the network requires a sign-in first"},
	{"a redirect to nowhere", "/300", 300, "", "", .code = ERR_UNREACHABLE,
	 .message = "answered 300: it redirects without an address"},
	{"a page with a bad status", "/500", 502, "", "<html><title>Bad gateway</title></html>",
	 .code = ERR_UNREACHABLE, .message = "answered 502; the server says 'Bad gateway'"},
	{"a rate limit by its own header", "/429", 429, "RateLimit: \"resolvers\";r=0;t=55\r\n", "",
	 .code = ERR_UNREACHABLE, .message = "answered 429: it asks to come back in 55 s"},
	{"a page that begins with a remark", "/remark", 200,
	 "Content-Type: text/html; charset=utf-8\r\n", "<!-- x --><html><title>Oops</title>",
	 .code = ERR_INTEGRITY,
	 .message = "an HTML page ('Oops') came instead of the file: give the address of the file "
		    "itself; behind a login or a network's sign-in page, "
		    "sign in first"},
	{"a model that is served as a page", "/mistaken", 200, "Content-Type: text/html\r\n", WHOLE,
	 .code = ERR_OK},
	{"a few words", "/words", 200, "Content-Type: text/plain\r\n", "Access denied\n",
	 .code = ERR_INTEGRITY, .message = "a text came instead of the file: 'Access denied'"},
	{"a page in place of an archive", "/a.zip", 200, "", PAGE, .member = "#m/model.gguf",
	 .code = ERR_INTEGRITY,
	 .message = "an HTML page ('Sign in to Acme') came instead of the file: give the address "
		    "of the file itself; behind a login or a "
		    "network's sign-in page, sign in first"},
	{"a ZIP file with other bytes is one", "/b.zip", 200, "", "PK\x03\x04xx", 6,
	 .code = ERR_INTEGRITY},
	{"other bytes are told by their digests", "/other", 200, "", "GGUF other",
	 .code = ERR_INTEGRITY},
	{"the right bytes", "/right", 200, "", WHOLE, .code = ERR_OK},
};

static bool answer(void *ctx, struct httpd_conn *c, const struct httpd_request *q) {
	char *encoding CLEANUP(freep) = httpd_header(q, "Accept-Encoding");
	size_t path = strcspn(q->path, "?");

	(void) ctx;
	if (strcmp(encoding, "identity") != 0)
		return httpd_reply(c, 406, "", "ask for identity", 16);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (strlen(rows[i].path) == path && !strncmp(rows[i].path, q->path, path))
			return httpd_reply(c, rows[i].status, rows[i].headers, rows[i].body,
					   rows[i].n ? rows[i].n : strlen(rows[i].body));
	return httpd_reply(c, 404, "", "", 0);
}

struct bench {
	char root[48];
	struct store *s;
	struct httpd *web;
	char right[65];
};

static int enter(void **state) {
	struct bench *b = mem_zalloc(1, sizeof *b);
	int root CLEANUP(closep) = -1;
	struct err e;

	(void) unsetenv("http_proxy");
	(void) unsetenv("HF_TOKEN");
	(void) strcpy(b->root, "/tmp/llmdeploy-unexpected-XXXXXX");
	if (!mkdtemp(b->root) ||
	    fs_open_dir(AT_FDCWD, b->root, &root, &e) ||
	    store_open(root, b->root, &b->s, &e))
		return -1;
	b->web = httpd_start(NULL, answer, NULL);
	sha256_of(WHOLE, strlen(WHOLE), b->right);
	*state = b;
	return 0;
}

static int leave(void **state) {
	struct bench *b = *state;
	struct err e;

	store_free(b->s);
	httpd_stop(b->web);
	int r = fs_remove_tree(EFFECT_NONE, AT_FDCWD, b->root, &e);
	free(b);
	return r;
}

static int fetch(struct bench *b, const char *source, uint64_t size, struct err *e) {
	struct store_want w = {.sources = &source,
			       .n_sources = 1,
			       .sha256 = b->right,
			       .size = size,
			       .what = "model",
			       .backoff_ms = 1};

	return store_fetch(b->s, &w, NULL, e);
}

static void what_came(void **state) {
	struct bench *b = *state;

	EACH_CASE (c, rows) {
		char *url CLEANUP(freep) = mem_printf("http://127.0.0.1:%u%s%s", httpd_port(b->web),
						      c->path, c->member ? c->member : "");
		char *expect CLEANUP(freep) = mem_printf("cannot fetch model: %s: %s", url,
							 c->message);
		struct err e = {0};
		int r = fetch(b, url, c->size, &e);
		assert_int_equal(e.code, c->code);
		assert_int_equal(r, c->code ? -1 : 0);
		if (c->message)
			assert_string_equal(e.msg, expect);
		else if (c->code)
			assert_non_null(strstr(e.msg, ": it has the digest "));
		assert_int_equal(store_remove(b->s, b->right, &e), 0);
	}
}

/* The same when only a header is to be read: nothing is taken for a model. */
static void before_a_download(void **state) {
	struct bench *b = *state;
	struct http *h CLEANUP(http_freep) = http_new();
	static const char *const paths[] = {"/page", "/pointer", "/json", "/packed"};

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		char *url CLEANUP(freep) = mem_printf("http://127.0.0.1:%u%s", httpd_port(b->web),
						      paths[i]);
		struct model_facts m CLEANUP(model_facts_done) = {0};
		struct err e = {0};
		assert_int_equal(model_read_source(h, url, &m, &e), -1);
		assert_int_equal(e.code, ERR_INTEGRITY);
		assert_non_null(strstr(e.msg, " came instead of the file: "));
	}
}

static void of_a_file(void **state) {
	struct bench *b = *state;
	static const struct {
		const char *name, *text, *message;
	} files[] = {
		{"pointer", POINTER,
		 "a Git LFS pointer to 98.3 MB (sha256 b179c9523d0e...) is there instead of the "
		 "file: run git lfs pull"},
		{"page", PAGE,
		 "an HTML page ('Sign in to Acme') is there instead of the file: give the address "
		 "of the file itself; behind a login "
		 "or a network's sign-in page, sign in first"},
	};

	EACH_CASE (c, files) {
		char *path CLEANUP(freep) = mem_printf("%s/file", b->root),
			   *source CLEANUP(freep) = mem_printf("file:%s", path),
			   *member CLEANUP(freep) = mem_printf("file:%s#m", path);
		char *expect CLEANUP(freep) = mem_printf("cannot fetch model: %s: %s", source,
							 c->message),
			     *expect2 CLEANUP(freep) = mem_printf("cannot fetch model: %s: %s",
								  member, c->message);
		struct err e = {0};
		assert_int_equal(fs_write(EFFECT_NONE, AT_FDCWD, path, c->text, strlen(c->text),
					  0644, &e),
				 0);
		assert_int_equal(fetch(b, source, 0, &e), -1);
		assert_string_equal(e.msg, expect);
		assert_int_equal(fetch(b, member, 0, &e), -1);
		assert_string_equal(e.msg, expect2);
	}
}

static void a_signed_address(void **state) {
	struct http_response r = {.status = 403};
	struct buf out CLEANUP(buf_done) = BUF_INIT(512);

	(void) state;
	http_refused(&r, "https://bucket.example/m.gguf?X-Amz-Signature=secret", false, false,
		     &out);
	assert_string_equal(buf_str(&out),
			    "answered 403: no access: a signed address expires, get a new one");
	buf_reset(&out);
	r = (struct http_response){.status = 401,
				   .error_message = "Invalid credentials in Authorization header"};
	http_refused(&r, "https://huggingface.co/api", true, false, &out);
	assert_string_equal(buf_str(&out),
			    "answered 401: no access with the token in HF_TOKEN; the server says "
			    "'Invalid credentials in Authorization "
			    "header'");
	buf_reset(&out);
	r = (struct http_response){.status = 416};
	http_refused(&r, "https://a.example/m", false, true, &out);
	assert_string_equal(
		buf_str(&out),
		"answered 416: the server does not take a plain request for a part of it");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_came, enter, leave),
		cmocka_unit_test_setup_teardown(before_a_download, enter, leave),
		cmocka_unit_test_setup_teardown(of_a_file, enter, leave),
		cmocka_unit_test(a_signed_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
