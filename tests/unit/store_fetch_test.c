/* SPDX-License-Identifier: Apache-2.0 */
#include "store_fetch_parts.h"

/* --- every way to go well or wrong --- */

static const struct {
	const char *name;
	const char *sources[3];
	uint64_t size;
	uint64_t stall_ms;
	unsigned hits;     /* requests to the server */
	const char *range; /* of the last one */
	bool part;         /* a partial download stays for the next time */
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
	{"stalled once",
	 {"{url}/stall-once"},
	 .stall_ms = 500,
	 .hits = 2,
	 .range = "bytes=1572864-"},
	{"503 once", {"{url}/503-once"}, .hits = 2},
	{"no length, but the size is known", {"{url}/until-close"}, .size = SIZE, .hits = 2},
	{"the second source", {"file:{dir}/none", "file:{dir}/right"}, .hits = 0},
	{"the second source, after wrong bytes",
	 {"{url}/other", "{url}/good"},
	 .hits = 2,
	 .range = ""},
	{"the second source goes on where the first was cut",
	 {"{url}/drip", "{url}/good"},
	 .hits = 5,
	 .range = "bytes=1200000-"},
	{"an address from a file", {"url_file:{dir}/address"}, .hits = 1},
	{"an address from the environment", {"url_env:STORE_FETCH_TEST_URL"}, .hits = 1},
	{"a file without an address",
	 {"url_file:{dir}/text"},
	 .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: url_file:{dir}/text: it contains no https:// address"},
	{"no file with an address",
	 {"url_file:{dir}/none"},
	 .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: url_file:{dir}/none: cannot open '{dir}/none': No such "
		    "file or directory"},
	{"no variable with an address",
	 {"url_env:STORE_FETCH_TEST_NONE"},
	 .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: url_env:STORE_FETCH_TEST_NONE: the variable "
		    "'STORE_FETCH_TEST_NONE' is not set"},
	{"no sources",
	 {NULL},
	 .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: it has no source"},
	{"no such file",
	 {"file:{dir}/none"},
	 .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: file:{dir}/none: No such file or directory"},
	{"a directory",
	 {"file:{dir}/directory"},
	 .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: file:{dir}/directory: it is not a regular file"},
	{"a fifo",
	 {"file:{dir}/fifo"},
	 .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: file:{dir}/fifo: it is not a regular file"},
	{"a relative path",
	 {"file:right"},
	 .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: file:right: its path is not absolute"},
	{"wrong bytes in a file",
	 {"file:{dir}/wrong"},
	 .code = ERR_INTEGRITY,
	 .message = "cannot fetch model {right}: file:{dir}/wrong: it has the digest {wrong}, "
		    "nothing of it was kept"},
	{"a file that was cut",
	 {"file:{dir}/half"},
	 .code = ERR_INTEGRITY,
	 .message = "cannot fetch model {right}: file:{dir}/half: it has the digest {half}, "
		    "nothing of it was kept"},
	{"a file that was cut, and the size is known",
	 {"file:{dir}/half"},
	 .size = SIZE,
	 .code = ERR_INTEGRITY,
	 .message = "cannot fetch model {right}: file:{dir}/half: it has 1572864 bytes instead of "
		    "3145728, nothing of it was kept"},
	{"wrong bytes in a member",
	 {"file:{dir}/a.zip#m/other.gguf"},
	 .code = ERR_INTEGRITY,
	 .message = "cannot fetch model {right}: file:{dir}/a.zip#m/other.gguf: it has the digest "
		    "{wrong}, nothing of it was kept"},
	{"no such member",
	 {"file:{dir}/a.zip#m/modl.gguf"},
	 .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: file:{dir}/a.zip#m/modl.gguf: '{dir}/a.zip' has no member "
		    "'m/modl.gguf', did you mean 'm/model.gguf'?"},
	{"no such member elsewhere",
	 {"{url}/a.zip#m/modl.gguf"},
	 .hits = 1,
	 .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: {url}/a.zip#m/modl.gguf: 'the archive' has no member "
		    "'m/modl.gguf', did you mean 'm/model.gguf'?"},
	{"no such archive",
	 {"file:{dir}/none.zip#x"},
	 .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: file:{dir}/none.zip#x: cannot open '{dir}/none.zip': No "
		    "such file or directory"},
	{"a member of something else",
	 {"file:{dir}/right#x"},
	 .code = ERR_INTEGRITY,
	 .message = "cannot fetch model {right}: file:{dir}/right#x: '{dir}/right' is not an "
		    "archive that can be read: Unrecognized archive format"},
	{"another scheme",
	 {"s3://bucket/x"},
	 .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: s3://bucket/x: it begins with none of file:/, https://, "
		    "hf://, url_file:, url_env:"},
	{"plain http elsewhere",
	 {"http://example.invalid/x"},
	 .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: http://example.invalid/x: http:// is for this host only, "
		    "use https://"},
	{"malformed",
	 {"https://user:secret@[x/y"},
	 .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: a malformed address: an https address is malformed"},
	{"half a name of huggingface",
	 {"hf://ORG/REPO/FILE"},
	 .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: hf://ORG/REPO/FILE: it is not of the form "
		    "hf://ORG/REPO@REVISION/FILE"},
	{"nobody listens",
	 {"http://localhost:1/x"},
	 .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: http://localhost:1/x: cannot reach 'localhost:1': "
		    "Connection refused"},
	{"a range is refused with 400", {"{url}/refuses-range"}, .hits = 3},
	{"wrong bytes",
	 {"{url}/other"},
	 .hits = 1,
	 .code = ERR_INTEGRITY,
	 .message = "cannot fetch model {right}: {url}/other: it has the digest {wrong}, nothing "
		    "of it was kept"},
	{"too few bytes, as announced",
	 {"{url}/short"},
	 .hits = 1,
	 .code = ERR_INTEGRITY,
	 .message = "cannot fetch model {right}: {url}/short: it has the digest {half}, nothing of "
		    "it was kept"},
	{"too few bytes, and the size is known",
	 {"{url}/short"},
	 .size = SIZE,
	 .hits = 1,
	 .code = ERR_INTEGRITY,
	 .message = "cannot fetch model {right}: {url}/short: it has 1572864 bytes instead of "
		    "3145728, nothing of it was kept"},
	{"too many bytes",
	 {"{url}/endless"},
	 .size = SIZE,
	 .hits = 1,
	 .code = ERR_INTEGRITY,
	 .message = "cannot fetch model {right}: {url}/endless: it has more than 3145728 bytes, "
		    "nothing of it was kept"},
	{"no bytes",
	 {"{url}/empty"},
	 .hits = 1,
	 .code = ERR_INTEGRITY,
	 .message = "cannot fetch model {right}: {url}/empty: it has the digest "
		    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855, nothing of "
		    "it was kept"},
	{"the wrong file by its own name",
	 {"{url}/linked"},
	 .hits = 2,
	 .code = ERR_INTEGRITY,
	 .message = "cannot fetch model {right}: {url}/linked: it has the digest {wrong}, nothing "
		    "of it was kept"},
	{"half an archive",
	 {"{url}/half.zip#m/model.gguf"},
	 .hits = 1,
	 .code = ERR_INTEGRITY,
	 .message = "cannot fetch model {right}: {url}/half.zip#m/model.gguf: 'the archive' is "
		    "corrupt or cut short: ZIP decompression failed (-5)"},
	{"404",
	 {"{url}/404"},
	 .hits = 1,
	 .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: {url}/404: answered 404: it does not exist"},
	{"403",
	 {"{url}/403"},
	 .hits = 1,
	 .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: {url}/403: answered 403: no access"},
	{"400",
	 {"{url}/400"},
	 .hits = 1,
	 .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: {url}/400: answered 400: the server does not take a plain "
		    "request for the whole of it; check the address"},
	{"204",
	 {"{url}/204"},
	 .hits = 1,
	 .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: {url}/204: answered 204"},
	{"503 always",
	 {"{url}/503"},
	 .hits = 4,
	 .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: {url}/503: answered 503"},
	{"429 for an hour",
	 {"{url}/429-later"},
	 .hits = 1,
	 .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: {url}/429-later: answered 429: it asks to come back in "
		    "3600 s"},
	/* curl asks once more where an old connection closes without a word. */
	{"silent",
	 {"{url}/silent"},
	 .hits = 5,
	 .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: {url}/silent: '{host}' closed the connection without an "
		    "answer"},
	{"stalled always",
	 {"{url}/stall"},
	 .stall_ms = 200,
	 .hits = 4,
	 .part = true,
	 .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: {url}/stall: no byte to or from '{host}' for 200 ms"},
	{"a range that nobody asked for",
	 {"{url}/unasked-range"},
	 .hits = 4,
	 .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: {url}/unasked-range: sent another range than asked for"},
	{"all of them",
	 {"file:{dir}/none", "{url}/404", "{url}/other"},
	 .hits = 2,
	 .code = ERR_INTEGRITY,
	 .message = "cannot fetch model {right}: file:{dir}/none: No such file or directory; "
		    "{url}/404: answered 404: it does not exist; "
		    "{url}/other: it has the digest {wrong}, nothing of it was kept"},
	{"secrets are not shown",
	 {"{url}/404?token=secret", "https://user:secret@localhost:1/y"},
	 .hits = 1,
	 .code = ERR_UNREACHABLE,
	 .message = "cannot fetch model: {url}/404: answered 404: it does not exist; "
		    "https://localhost:1/y: cannot reach 'localhost:1': Connection refused"},
	{"more than one line has room for",
	 {"file:{dir}/wrong", "{url}/other", "{url}/short"},
	 .hits = 2,
	 .code = ERR_INTEGRITY,
	 .message = "cannot fetch model {right}: file:{dir}/wrong: it has the digest {wrong}, "
		    "nothing of it was kept; "
		    "{url}/other: it has the digest {wrong}, nothing of it was kept (and 1 more)"},
};

static void every_source(void **state) {
	struct bench *b = *state;

	EACH_CASE (c, rows) {
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

static void what_is_there_is_not_fetched(void **state) {
	struct bench *b = *state;
	struct err e = {0};

	forget(b);
	assert_int_equal(FETCH(b, NULL, "{url}/good", &e), 0);
	assert_int_equal(FETCH(b, NULL, "{url}/404", &e), 0);
	assert_int_equal(b->server.hits, 1);
	assert_string_equal(buf_str(&b->told), "model: 3145728 bytes\n");
	/* Nor what lost its receipt. */
	char *receipt CLEANUP(freep) = mem_printf("receipts/%.2s/%s", b->server.right,
						  b->server.right);
	assert_int_equal(unlinkat(b->fd, receipt, 0), 0);
	assert_int_equal(FETCH(b, NULL, "{url}/404", &e), 0);
	assert_int_equal(b->server.hits, 1);
}

static void what_has_changed_is_fetched_again(void **state) {
	struct bench *b = *state;
	char *name CLEANUP(freep) = store_path(b->s, b->server.right),
		   *expect CLEANUP(freep) = NULL;
	struct err e = {0};

	forget(b);
	assert_int_equal(FETCH(b, NULL, "{url}/good", &e), 0);
	assert_int_equal(chmod(name, 0644), 0);
	int fd CLEANUP(closep) = open(name, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, b->server.other + SIZE - 1, 1, SIZE - 1), 1);
	assert_int_equal(FETCH(b, NULL, "{url}/404", &e), -1);
	assert_int_equal(FETCH(b, NULL, "{url}/good", &e), 0);
	assert_int_equal(store_verify(b->s, b->server.right, true, &e), 0);
	expect = mem_printf(
		"model: '%s' has changed: its bytes have the digest %s; fetch it again\n", name,
		b->server.wrong);
	assert_non_null(strstr(buf_str(&b->told), expect));
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

	EACH_CASE (c, parts) {
		forget(b);
		part_is(b, c->bytes, c->n);
		assert_int_equal(FETCH(b, c->sized ? &sized : NULL, c->from, &e), 0);
		assert_int_equal(b->server.hits, c->hits);
		assert_string_equal(b->server.range, c->range);
		assert_int_equal(in_tmp(b), 0);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_source),
		cmocka_unit_test(what_is_there_is_not_fetched),
		cmocka_unit_test(what_has_changed_is_fetched_again),
		cmocka_unit_test(an_earlier_part),
	};
	return cmocka_run_group_tests(tests, enter, leave);
}
