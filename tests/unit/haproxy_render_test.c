/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "fs/fs.h"
#include "gateway/gateway.h"
#include "gateway/state.h"
#include "haproxy/render.h"

/* The files of a state, byte for byte:
 * tests/unit/gateway/NAME/{state,haproxy.cfg,llmdeploy.conf,canary.map,releases.map}. UPDATE=1
 * writes what came as what is expected; look at it with git diff. */
#define FOLDER "tests/unit/gateway"
static const struct haproxy_paths paths = {.run = "run/routes", .gateway = "gateway", .host = ""};
static const struct haproxy_paths contained = {.run = "/r", .gateway = "/g", .host = "/host"};

static const struct {
	const char *name;
	const struct haproxy_paths *paths;
} cases[] = {
	{"nothing", &paths}, /* no route yet */
	{"one", &paths},     /* a route, local */
	{"address", &paths}, /* a fallback at an IPv6 address */
	/* two addresses, TLS, keys, a canary, hosted models by name and by number */
	{"everything", &contained},
};

static void content(const char *name, const char *file, struct buf *out) {
	char *path CLEANUP(freep) = mem_printf(FOLDER "/%s/%s", name, file);
	struct err e = {0};

	if (fs_read(AT_FDCWD, path, out, &e))
		fail_msg("%s", e.msg);
}

static struct gateway_state *state_of(const char *name) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(1 << 20);
	struct gateway_state *s = NULL;
	struct err e = {0};

	content(name, "state", &text);
	if (gateway_state_parse(buf_str(&text), text.len, &s, &e))
		fail_msg("%s", e.msg);
	return s;
}

static void same(const char *name, const struct haproxy_text *t) {
	struct buf expect CLEANUP(buf_done) = BUF_INIT(1 << 20);
	char *path CLEANUP(freep) = mem_printf(FOLDER "/%s/%s", name, t->name);
	struct err e = {0};

	if (getenv("UPDATE") && fs_write(EFFECT_NONE, AT_FDCWD, path, t->bytes, t->n, 0644, &e))
		fail_msg("%s", e.msg);
	content(name, t->name, &expect);
	assert_string_equal(t->bytes, buf_str(&expect));
	assert_int_equal(t->n, expect.len);
}

static void test_texts(void **state) {
	(void) state;
	EACH_CASE (c, cases) {
		struct gateway_state *s CLEANUP(gateway_state_freep) = state_of(c->name),
					*again CLEANUP(gateway_state_freep) = gateway_state_copy(s);
		struct haproxy_texts t CLEANUP(haproxy_texts_done) = {0},
				       u CLEANUP(haproxy_texts_done) = {0};
		struct err e = {0};
		assert_int_equal(haproxy_render(gateway_state_routes(s), c->paths, &t, &e), 0);
		assert_int_equal(haproxy_render(gateway_state_routes(again), c->paths, &u, &e), 0);
		for (size_t i = 0; i < HAPROXY_TEXTS; i++) {
			assert_string_equal(t.files[i].bytes, u.files[i].bytes);
			/* its text is its template's */
			if (strcmp(t.files[i].name, "llmdeploy.lua") != 0)
				same(c->name, &t.files[i]);
		}
		assert_string_equal(t.files[HAPROXY_TEXTS - 1].name, "haproxy.cfg");
	}
}

static void test_lua(void **state) {
	struct gateway_state *s CLEANUP(gateway_state_freep) = state_of("one");
	struct haproxy_texts t CLEANUP(haproxy_texts_done) = {0};
	struct err e = {0};

	(void) state;
	assert_int_equal(haproxy_render(gateway_state_routes(s), &paths, &t, &e), 0);
	assert_string_equal(t.files[3].name, "llmdeploy.lua");
	assert_non_null(
		strstr(t.files[3].bytes, "\nlocal conf_path = \"gateway/llmdeploy.conf\"\n"));
	assert_null(strstr(t.files[3].bytes, "@GATEWAY@"));
}

static void test_files(void **state) {
	static const struct haproxy_file expect[] = {
		{"/etc/ca.pem", HAPROXY_CA},
		{"/etc/clients", HAPROXY_KEY_HASHES},
		{"/etc/door.pem", HAPROXY_CERTIFICATE},
		{"/etc/hosted.key", HAPROXY_API_KEY},
	};
	struct gateway_state *s CLEANUP(gateway_state_freep) = state_of("everything"),
				*none CLEANUP(gateway_state_freep) = state_of("one");
	struct haproxy_file *files CLEANUP(freep) = NULL, *no_files CLEANUP(freep) = NULL;

	(void) state;
	assert_int_equal(haproxy_files(gateway_state_routes(s), &files), 4);
	for (size_t i = 0; i < 4; i++) {
		assert_string_equal(files[i].path, expect[i].path);
		assert_int_equal(files[i].use, expect[i].use);
	}
	assert_int_equal(haproxy_files(gateway_state_routes(none), &no_files), 0);
}

static void test_refused(void **state) {
	struct gateway_state *s CLEANUP(gateway_state_freep) = gateway_state_new();
	struct haproxy_texts t CLEANUP(haproxy_texts_done) = {0};
	struct err e = {0};

	(void) state;
	(void) gateway_state_add(s, "one");
	assert_int_equal(haproxy_render(gateway_state_routes(s), &paths, &t, &e), -1);
	assert_string_equal(e.msg, "route 'one' has no gateway section");
	assert_null(t.files[0].bytes);
}

/* A thousand routes fit. */
static void test_many(void **state) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(8 << 20);
	struct gateway_state *s CLEANUP(gateway_state_freep) = NULL;
	struct haproxy_texts t CLEANUP(haproxy_texts_done) = {0};
	struct err e = {0};

	(void) state;
	(void) buf_puts(&text,
			"{\"apiVersion\":\"llmdeploy/v1\",\"kind\":\"Gateway\",\"routes\":[");
	for (int i = 0; i < HAPROXY_MAX_ROUTES; i++)
		(void) buf_printf(
			&text,
			"%s{\"a\":{\"generated_tokens\":\"\",\"id\":\"\",\"metrics\":\"\",\"prompt_"
			"tokens\":\"\",\"sequences\":0,\"version\":\"\",\"want\":\"maint\"},"
			"\"b\":{\"generated_tokens\":\"\",\"id\":\"\",\"metrics\":\"\",\"prompt_"
			"tokens\":\"\",\"sequences\":0,\"version\":\"\",\"want\":\"maint\"},"
			"\"canary_percent\":0,\"gateway\":{\"listen\":\"127.0.0.1:%d\",\"metrics\":"
			"\"127.0.0.1:1\",\"privacy\":\"any\",\"fallback\":{\"url\":"
			"\"https://h/v1\",\"model\":\"m\"}},\"name\":\"r%d\",\"since\":%d}",
			i ? "," : "", 2000 + i, i, i + 1);
	(void) buf_puts(&text, "]}");
	if (gateway_state_parse(buf_str(&text), text.len, &s, &e) ||
	    haproxy_render(gateway_state_routes(s), &paths, &t, &e))
		fail_msg("%s", e.msg);
}

int main(void) {
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_texts), cmocka_unit_test(test_lua),
					   cmocka_unit_test(test_files),
					   cmocka_unit_test(test_refused),
					   cmocka_unit_test(test_many)};

	return cmocka_run_group_tests_name("gateway render", tests, NULL, NULL);
}
