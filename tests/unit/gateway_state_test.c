/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "fs/fs.h"
#include "gateway/counters.h"
#include "gateway/gateway.h"
#include "gateway/state.h"
#include "haproxy/render.h"
#include "lockfile/lockfile.h"

#define DOOR "{\"listen\":\"127.0.0.1:8080\",\"privacy\":\"local\"}"
#define SLOT(id, version, want)                                       \
	"{\"generated_tokens\":\"\",\"id\":\"" id                     \
	"\",\"metrics\":\"\",\"prompt_tokens\":\"\",\"sequences\":4," \
	"\"version\":\"" version "\",\"want\":\"" want "\"}"
#define EMPTY                                                                             \
	"{\"generated_tokens\":\"\",\"id\":\"\",\"metrics\":\"\",\"prompt_tokens\":\"\"," \
	"\"sequences\":0,\"version\":\"\",\"want\":\"maint\"}"
#define ROUTE(name, since, a, b, percent, frontend)                                     \
	"{\"a\":" a ",\"b\":" b ",\"canary_percent\":" percent ",\"gateway\":" frontend \
	",\"name\":\"" name "\",\"since\":" since "}"
#define STATE(routes) \
	"{\"apiVersion\":\"llmdeploy/v1\",\"kind\":\"Gateway\",\"routes\":[" routes "]}\n"
#define R1 SLOT("aaaaaaaaaaaa", "r1", "ready")
#define R2 SLOT("bbbbbbbbbbbb", "r2", "maint")
#define ONE ROUTE("one", "1", R1, R2, "0", DOOR)
#define DOORS(members) STATE(ROUTE("one", "1", R1, R2, "0", "{" members ",\"privacy\":\"hybrid\"}"))
#define LISTEN "\"listen\":\"127.0.0.1:8080\""

static struct gateway_state *parsed(const char *text) {
	struct gateway_state *s = NULL;
	struct err e = {0};

	if (gateway_state_parse(text, strlen(text), &s, &e))
		fail_msg("%s", e.msg);
	return s;
}

static void prints(const struct gateway_state *s, const char *expect) {
	struct buf out CLEANUP(buf_done) = BUF_INIT(1 << 20);

	gateway_state_print(s, &out);
	assert_string_equal(buf_str(&out), expect);
}

static struct lockfile *golden_lock(const char *name) {
	char *path CLEANUP(freep) = mem_printf("tests/golden/%s/release.lock.json", name);
	struct buf text CLEANUP(buf_done) = BUF_INIT(1 << 20);
	struct lockfile *l = NULL;
	struct err e = {0};

	if (fs_read(AT_FDCWD, path, &text, &e) ||
	    lockfile_parse(path, buf_str(&text), text.len, &l, &e))
		fail_msg("%s", e.msg);
	return l;
}

/* Two routes from real locks; a copy, and what was printed, say the same. */
static void test_life(void **state) {
	struct gateway_state *s CLEANUP(gateway_state_freep) = gateway_state_new();
	struct lockfile *full CLEANUP(lockfile_freep) = golden_lock("full"),
			      *minimal CLEANUP(lockfile_freep) = golden_lock("minimal");
	struct buf text CLEANUP(buf_done) = BUF_INIT(1 << 20);
	struct err e = {0};

	(void) state;
	struct haproxy_route *z = gateway_state_add(s, "zebra"), *a = gateway_state_add(s, "ape");
	assert_ptr_equal(gateway_state_add(s, "zebra"), z);
	assert_int_equal(z->since, 1);
	assert_int_equal(a->since, 2);
	assert_int_equal(gateway_state_check(s, &e), -1);
	assert_string_equal(e.msg, "route 'ape' has no gateway section");
	assert_int_equal(gateway_route_take(s, z, full, &e), 0);
	assert_int_equal(gateway_route_take(s, a, minimal, &e), 0);
	gateway_slot_take(s, &z->slots[1], full);
	assert_int_equal(z->slots[1].want, HAPROXY_MAINT);
	z->slots[1].want = HAPROXY_READY;
	assert_int_equal(gateway_state_check(s, &e), 0);

	assert_string_equal(z->frontend.listen, "0.0.0.0:9000");
	assert_string_equal(z->frontend.certificate, "/etc/llmdeploy/gateway.pem");
	assert_string_equal(z->frontend.sticky, "X-User");
	assert_string_equal(z->frontend.privacy, "hybrid");
	assert_int_equal(z->frontend.max_body_bytes, 1000000);
	assert_int_equal(z->frontend.queue_length, 8);
	assert_int_equal(z->frontend.queue_timeout_ms, 5000);
	assert_string_equal(z->frontend.fallback.ca_file, "/etc/llmdeploy/ca.pem");
	assert_string_equal(z->frontend.fallback.names[0], "incident-assistant-hosted");
	assert_false(a->frontend.has_fallback);
	assert_string_equal(z->slots[1].version, "incident-q4-r17");
	assert_int_equal(z->slots[1].sequences, 3);
	assert_string_equal(z->slots[1].metrics, "/metrics");
	assert_string_equal(z->slots[1].generated_tokens, "llamacpp:tokens_predicted_total");
	assert_int_equal(haproxy_route_slot(z, full->id), 1);
	assert_int_equal(haproxy_route_slot(z, minimal->id), -1);
	assert_int_equal(haproxy_route_slot(z, ""), -1);
	assert_int_equal(haproxy_route_ready(z), 1);
	assert_int_equal(haproxy_route_ready(a), -1);

	gateway_state_print(s, &text);
	struct gateway_state *copy CLEANUP(gateway_state_freep) = gateway_state_copy(s);
	struct gateway_state *again CLEANUP(gateway_state_freep) = parsed(buf_str(&text));
	prints(copy, buf_str(&text));
	prints(again, buf_str(&text));
	gateway_state_remove(s, "zebra");
	gateway_state_remove(s, "zebra");
	assert_int_equal(gateway_state_count(s), 1);
	assert_null(gateway_state_find(s, "zebra"));
	assert_int_equal(gateway_state_add(s, "bee")->since, 3);
}

static const struct haproxy_paths here = {.run = "run/routes", .gateway = "gateway", .host = ""};

static bool looks_at_names(const struct gateway_state *s) {
	struct haproxy_texts texts CLEANUP(haproxy_texts_done) = {0};
	struct err e = {0};

	if (haproxy_render(gateway_state_routes(s), &here, &texts, &e))
		fail_msg("%s", e.msg);
	return strstr(texts.files[HAPROXY_TEXTS - 1].bytes, "is not served here") != NULL;
}

/* Of two routes at an address one is removed: its clients are not answered by the other, now and
 * from what is on disk. */
static void test_named(void **state) {
	const char *all = STATE(ONE "," ROUTE(
		"three", "2", EMPTY, EMPTY, "0",
		"{\"listen\":\"127.0.0.1:9090\",\"privacy\":\"local\"}") "," ROUTE("two", "3",
										   EMPTY, EMPTY,
										   "0", DOOR));
	struct buf out CLEANUP(buf_done) = BUF_INIT(1 << 20);
	struct lockfile *same CLEANUP(lockfile_freep) = golden_lock("minimal"),
			      *moved CLEANUP(lockfile_freep) = golden_lock("full");
	struct err e = {0};

	(void) state;
	struct gateway_state *s CLEANUP(gateway_state_freep) = parsed(all);
	gateway_state_remove(s, "three");
	assert_false(gateway_state_find(s, "one")->named);
	gateway_state_remove(s, "two");
	assert_true(gateway_state_find(s, "one")->named);
	assert_true(looks_at_names(s));
	gateway_state_print(s, &out);
	struct gateway_state *again CLEANUP(gateway_state_freep) = parsed(buf_str(&out)),
				    *copy CLEANUP(gateway_state_freep) = gateway_state_copy(s);
	prints(again, buf_str(&out));
	prints(copy, buf_str(&out));
	struct gateway_state *alone CLEANUP(gateway_state_freep) = parsed(STATE(ONE));
	assert_false(looks_at_names(alone));
	/* At another address nothing was removed. */
	assert_int_equal(gateway_route_take(s, gateway_state_find(s, "one"), same, &e), 0);
	assert_true(gateway_state_find(s, "one")->named);
	assert_int_equal(gateway_route_take(s, gateway_state_find(s, "one"), moved, &e), 0);
	assert_false(gateway_state_find(s, "one")->named);
}

static const struct {
	const char *name, *text, *message;
} faults[] = {
	{"nothing", "", "not JSON at byte 0"},
	{"cut", "{\"apiVersion\":", "not JSON at byte 14"},
	{"another kind", "{\"apiVersion\":\"llmdeploy/v1\",\"kind\":\"Release\",\"routes\":[]}",
	 "it is not a gateway's state of this version"},
	{"another version", "{\"apiVersion\":\"llmdeploy/v2\",\"kind\":\"Gateway\",\"routes\":[]}",
	 "it is not a gateway's state of this version"},
	{"no routes", "{\"apiVersion\":\"llmdeploy/v1\",\"kind\":\"Gateway\"}",
	 "routes is missing"},
	{"a field that is not known",
	 "{\"apiVersion\":\"llmdeploy/v1\",\"kind\":\"Gateway\",\"routes\":[],\"x\":1}",
	 "unknown field 'x'"},
	{"twice", STATE(ONE "," ONE), "route 'one' occurs twice"},
	{"a route that climbs", STATE(ROUTE("../x", "1", R1, R2, "0", DOOR)),
	 "routes.0.name must be a name ([a-z0-9][a-z0-9._-]*)"},
	{"before the first", STATE(ROUTE("one", "0", R1, R2, "0", DOOR)),
	 "route 'one': since or canary_percent is out of range"},
	{"more than all", STATE(ROUTE("one", "1", R1, R2, "101", DOOR)),
	 "route 'one': since or canary_percent is out of range"},
	{"a share for nobody", STATE(ROUTE("one", "1", R1, R2, "10", DOOR)),
	 "route 'one': a share of 10 % without a canary"},
	{"a word", STATE(ROUTE("one", "1", R1, SLOT("bbbbbbbbbbbb", "r2", "fast"), "0", DOOR)),
	 "route 'one': b: want is 'fast': ready, canary, drain or maint"},
	{"both ready", STATE(ROUTE("one", "1", R1, SLOT("bbbbbbbbbbbb", "r2", "ready"), "0", DOOR)),
	 "route 'one': both a and b are ready"},
	{"both canary",
	 STATE(ROUTE("one", "1", SLOT("aaaaaaaaaaaa", "r1", "canary"),
		     SLOT("bbbbbbbbbbbb", "r2", "canary"), "5", DOOR)),
	 "route 'one': both a and b are canary"},
	{"one release twice",
	 STATE(ROUTE("one", "1", R1, SLOT("aaaaaaaaaaaa", "r1", "maint"), "0", DOOR)),
	 "route 'one': a and b are the same release"},
	{"nobody ready", STATE(ROUTE("one", "1", SLOT("", "", "ready"), R2, "0", DOOR)),
	 "route 'one': a: id '', version '' and 4 sequences are no release"},
	{"half a digest", STATE(ROUTE("one", "1", SLOT("aaaa", "r1", "ready"), R2, "0", DOOR)),
	 "route 'one': a: id 'aaaa', version 'r1' and 4 sequences are no release"},
	{"a version that is configuration",
	 STATE(ROUTE("one", "1", SLOT("aaaaaaaaaaaa", "r1\\n", "ready"), R2, "0", DOOR)),
	 "route 'one': a: id 'aaaaaaaaaaaa', version 'r1\n' and 4 sequences are no release"},
	{"empty and wanted",
	 STATE(ROUTE("one", "1",
		     "{\"generated_tokens\":\"\",\"id\":\"\",\"metrics\":\"\",\"prompt_tokens\":"
		     "\"\",\"sequences\":0,\"version\":\"\",\"want\":\"drain\"}",
		     R2, "0", DOOR)),
	 "route 'one': a is empty and cannot be drain"},
	{"a counter that is configuration",
	 STATE(ROUTE("one", "1",
		     "{\"generated_tokens\":\"x "
		     "y\",\"id\":\"aaaaaaaaaaaa\",\"metrics\":\"\",\"prompt_tokens\":\"\","
		     "\"sequences\":1,\"version\":\"r\",\"want\":\"maint\"}",
		     R2, "0", DOOR)),
	 "route 'one': a: this name of a counter or its page is not allowed in a gateway's "
	 "configuration"},
	{"no door", STATE(ROUTE("one", "1", R1, R2, "0", "{}")),
	 "route 'one': gateway.listen: '' is not HOST:PORT"},
	{"a door in words", STATE(ROUTE("one", "1", R1, R2, "0", "{\"listen\":7}")),
	 "route 'one': gateway.listen must be a text"},
	{"lines in a door", DOORS("\"listen\":\"127.0.0.1:80\\n  bind :81\""),
	 "route 'one': gateway.listen: '127.0.0.1:80\n  bind :81' is not allowed in a gateway's "
	 "configuration: letters, digits and ._~:/@%+,=-[] can"},
	{"port 0", DOORS("\"listen\":\"127.0.0.1:0\""),
	 "route 'one': gateway.listen: '127.0.0.1:0' is not HOST:PORT"},
	{"a page without a port", DOORS(LISTEN ",\"metrics\":\"x\""),
	 "route 'one': gateway.metrics: 'x' is not HOST:PORT"},
	{"the page at the door", DOORS(LISTEN ",\"metrics\":\"127.0.0.1:8080\""),
	 "routes 'one' and 'one': '127.0.0.1:8080' is used for clients "
	 "and for metrics: give gateway.metrics another address"},
	{"no privacy", STATE(ROUTE("one", "1", R1, R2, "0", "{" LISTEN "}")),
	 "route 'one': gateway.privacy is '': local, hybrid or any"},
	{"a certificate here", DOORS(LISTEN ",\"tls\":{\"certificate\":\"x.pem\"}"),
	 "route 'one': gateway.tls.certificate: 'x.pem' is not an absolute path"},
	{"keys with blanks", DOORS(LISTEN ",\"api_keys\":\"/a b\""),
	 "route 'one': gateway.api_keys: '/a b' is not allowed in a gateway's configuration: "
	 "letters, digits and ._~:/@%+,=-[] can"},
	{"origins that are none",
	 DOORS(LISTEN ",\"cors\":[\"https://a.example\",\"https://a.example/x\"]"),
	 "route 'one': gateway.cors[1] has a path, and an origin has none, not even a '/' at its "
	 "end: write https://HOST or https://HOST:PORT"},
	{"origins that are no list", DOORS(LISTEN ",\"cors\":\"*\""),
	 "route 'one': gateway.cors must be a list of origins"},
	{"an origin that is no text", DOORS(LISTEN ",\"cors\":[1]"),
	 "route 'one': gateway.cors[0] is not a text"},
	{"a header", DOORS(LISTEN ",\"sticky\":\"a:b\""),
	 "route 'one': gateway.sticky: 'a:b' is not the name of a header"},
	{"no body", DOORS(LISTEN ",\"max_body_bytes\":0"),
	 "route 'one': gateway.max_body_bytes must be a whole number from 1 to 1000000000000"},
	{"no queue", DOORS(LISTEN ",\"queue\":{\"length\":0}"),
	 "route 'one': gateway.queue.length must be a whole number from 1 to 1000000000000"},
	{"a wait that HAProxy cannot count", DOORS(LISTEN ",\"queue\":{\"timeout_ms\":2147483648}"),
	 "route 'one': gateway.queue.timeout_ms must be a whole number from 1 to 2147483647"},
	{"a fallback in words", DOORS(LISTEN ",\"fallback\":\"x\""),
	 "route 'one': gateway.fallback must be an object"},
	{"in the clear", DOORS(LISTEN ",\"fallback\":{\"url\":\"http://host/v1\",\"model\":\"m\"}"),
	 "route 'one': gateway.fallback.url: 'http://host/v1' is neither https:// nor on this "
	 "machine"},
	{"no host", DOORS(LISTEN ",\"fallback\":{\"url\":\"https:///v1\",\"model\":\"m\"}"),
	 "route 'one': gateway.fallback.url: 'https:///v1' has no host"},
	{"a password",
	 DOORS(LISTEN ",\"fallback\":{\"url\":\"https://me:word@host/v1\",\"model\":\"m\"}"),
	 "route 'one': gateway.fallback.url: 'https://me:word@host/v1' has no host"},
	{"no model", DOORS(LISTEN ",\"fallback\":{\"url\":\"https://host/v1\"}"),
	 "route 'one': gateway.fallback.model is missing"},
	{"names that are none",
	 DOORS(LISTEN ",\"fallback\":{\"url\":\"https://host/"
		      "v1\",\"model\":\"m\",\"shareable\":[\"a b\"]}"),
	 "route 'one': gateway.fallback.shareable: name 1 is not allowed in a gateway's "
	 "configuration"},
	{"names in words",
	 DOORS(LISTEN
	       ",\"fallback\":{\"url\":\"https://host/v1\",\"model\":\"m\",\"shareable\":\"x\"}"),
	 "route 'one': gateway.fallback.shareable must be a list of texts"},
	{"local and elsewhere",
	 STATE(ROUTE("one", "1", R1, R2, "0",
		     "{" LISTEN ",\"privacy\":\"local\",\"fallback\":{\"url\":\"https://host/"
		     "v1\",\"model\":\"m\"}}")),
	 "route 'one': gateway.fallback sends questions to another service, but privacy is local"},
	{"an address with and without TLS",
	 STATE(ONE "," ROUTE("two", "2", R1, R2, "0",
			     "{" LISTEN ",\"privacy\":\"any\",\"tls\":{\"certificate\":\"/c\"}}")),
	 "routes 'two' and 'one' share '127.0.0.1:8080', one with TLS and one without: give both "
	 "gateway.tls, or one of them another address"},
};

static void test_faults(void **state) {
	(void) state;
	EACH_CASE (c, faults) {
		struct gateway_state *s = NULL;
		struct err e = {0};
		char *expect CLEANUP(freep) = mem_printf("gateway/state: %s", c->message);
		assert_int_equal(gateway_state_parse(c->text, strlen(c->text), &s, &e), -1);
		assert_string_equal(e.msg, expect);
		assert_int_equal(e.code, ERR_INTEGRITY);
		assert_null(s);
	}
}

#define FLIPPED                                                \
	ROUTE("one", "1", SLOT("aaaaaaaaaaaa", "r1", "drain"), \
	      SLOT("bbbbbbbbbbbb", "r2", "ready"), "0", DOOR)
#define WITH_CANARY(percent) \
	ROUTE("one", "1", R1, SLOT("bbbbbbbbbbbb", "r2", "canary"), percent, DOOR)

static const struct {
	const char *name, *before, *after, *commands; /* NULL: a reload */
} turns[] = {
	{"nothing", ONE, ONE, ""},
	{"a flip", ONE, FLIPPED,
	 "set server r:one/b weight 1; set server r:one/b state ready; set server r:one/a state "
	 "drain"},
	{"and back", FLIPPED, ONE,
	 "set server r:one/a weight 1; set server r:one/a state ready; set server r:one/b state "
	 "maint"},
	{"a canary", ONE, WITH_CANARY("10"),
	 "set server r:one/b state drain; set map g/canary.map one/b 10"},
	{"a larger share", WITH_CANARY("10"), WITH_CANARY("50"), "set map g/canary.map one/b 50"},
	{"a canary that failed", WITH_CANARY("10"), ONE,
	 "set map g/canary.map one/b 0; set server r:one/b state maint"},
	{"a canary that won", WITH_CANARY("50"), FLIPPED,
	 "set server r:one/b weight 1; set server r:one/b state ready; set map g/canary.map one/b "
	 "0; set server r:one/a state drain"},
	{"another release in a seat", ONE,
	 ROUTE("one", "1", R1, SLOT("cccccccccccc", "r3", "maint"), "0", DOOR),
	 "set map g/releases.map one/b r3|||; set maxconn server r:one/b 4"},
	{"a seat given up", ONE, ROUTE("one", "1", R1, EMPTY, "0", DOOR),
	 "set map g/releases.map one/b -|||; set maxconn server r:one/b 1"},
	{"nobody is left", ONE,
	 ROUTE("one", "1", SLOT("aaaaaaaaaaaa", "r1", "drain"), R2, "0", DOOR),
	 "set server r:one/a state drain"},
	{"another door", ONE, ROUTE("one", "1", R1, R2, "0", "{" LISTEN ",\"privacy\":\"any\"}"),
	 NULL},
	{"another route", ONE, ONE "," ROUTE("two", "2", R1, R2, "0", DOOR), NULL},
	{"a route less", ONE "," ROUTE("two", "2", R1, R2, "0", DOOR), ONE, NULL},
	{"another in its place", ONE, ROUTE("two", "1", R1, R2, "0", DOOR), NULL},
};

static const struct haproxy_paths paths = {.run = "run", .gateway = "g", .host = ""};

static void test_turns(void **state) {
	(void) state;
	EACH_CASE (c, turns) {
		char *before CLEANUP(freep) = mem_printf(
			"{\"apiVersion\":\"llmdeploy/v1\",\"kind\":\"Gateway\",\"routes\":[%s]}",
			c->before);
		char *after CLEANUP(freep) = mem_printf(
			"{\"apiVersion\":\"llmdeploy/v1\",\"kind\":\"Gateway\",\"routes\":[%s]}",
			c->after);
		struct gateway_state *b CLEANUP(gateway_state_freep) = parsed(before),
					*a CLEANUP(gateway_state_freep) = parsed(after);
		struct buf out CLEANUP(buf_done) = BUF_INIT(4096);
		assert_int_equal(haproxy_commands(gateway_state_routes(b), gateway_state_routes(a),
						  &paths, &out),
				 c->commands != NULL);
		assert_string_equal(buf_str(&out), c->commands ? c->commands : "");
	}
}

static void test_turn_slot(void **state) {
	struct gateway_state *s CLEANUP(gateway_state_freep) = parsed(STATE(WITH_CANARY("7")));
	struct buf out CLEANUP(buf_done) = BUF_INIT(4096);

	(void) state;
	haproxy_slot_commands(gateway_state_routes(s), "one", 0, &paths, &out);
	assert_string_equal(buf_str(&out),
			    "set map g/releases.map one/a r1|||; set maxconn server r:one/a 4; set "
			    "server r:one/a weight 1; "
			    "set server r:one/a state ready; set map g/canary.map one/a 0");
	buf_reset(&out);
	haproxy_slot_commands(gateway_state_routes(s), "one", 1, &paths, &out);
	assert_string_equal(buf_str(&out),
			    "set map g/releases.map one/b r2|||; set maxconn server r:one/b 4; set "
			    "server r:one/b state drain; "
			    "set map g/canary.map one/b 7");
}

#define ZEROS23 "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0"
static const struct {
	const char *name, *text;
	int result;
} samples[] = {
	{"counters", "7 3 1 5 6 0 " ZEROS23 " 2 " ZEROS23 "\n", 0},
	{"nothing", "", -1},
	{"one less", "7 3 1 5 6 0 " ZEROS23 " " ZEROS23 "\n", -1},
	{"one more", "7 3 1 5 6 0 " ZEROS23 " 2 " ZEROS23 " 9\n", -1},
	{"words", "Unknown command: 'llmdeploy'", -1},
	{"signs", "7 3 -1 5 6 0 " ZEROS23 " 2 " ZEROS23 "\n", -1},
};

static void test_samples(void **state) {
	(void) state;
	EACH_CASE (c, samples) {
		struct gateway_sample s = {0};
		struct err e = {0};
		assert_int_equal(gateway_sample_parse(c->text, &s, &e), c->result);
		if (c->result)
			assert_string_equal(e.msg,
					    "this version cannot read the gateway's counters: "
					    "llmdeploy gateway reload");
		else
			assert_true(s.began_ms == 7 && s.requests == 3 && s.errors == 1 &&
				    s.refused == 5 && s.left == 6 && s.first_ms[0] == 2);
	}
}

static void test_fallback_counters(void **state) {
	struct gateway_route_view v = {0};
	struct err e = {0};

	(void) state;
	assert_int_equal(gateway_fallback_parse("9 3 10 11 1 2 20 21 0 1 30 31 1\n\n", &v, &e), 0);
	const struct gateway_fallback_stats wanted[GATEWAY_REASONS] = {{3, 10, 11, 1},
								       {2, 20, 21, 0},
								       {1, 30, 31, 1}};
	assert_int_equal(v.began_ms, 9);
	assert_memory_equal(v.fallback_stats, wanted, sizeof wanted);
	assert_int_equal(gateway_fallback_parse("9 6 1 3 2 1 100\n", &v, &e), -1);
	assert_string_equal(
		e.msg, "this version cannot read the gateway's counters: llmdeploy gateway reload");
}

static void test_difference(void **state) {
	struct gateway_sample before = {.requests = 5, .errors = 1, .began_ms = 9}, after = before,
			      d = {0};

	(void) state;
	after.requests += 100;
	after.total_ms[3] = 95;
	after.total_ms[8] = 5;
	assert_true(gateway_sample_since(&before, &after, &d));
	assert_int_equal(d.requests, 100);
	assert_int_equal(d.errors, 0);
	assert_int_equal(d.total_ms[3], 95);
	assert_int_equal(d.total_ms[8], 5);
	assert_true(haproxy_bucket_ms(HAPROXY_BUCKETS - 1) == UINT64_MAX);
	for (size_t i = 1; i < HAPROXY_BUCKETS; i++)
		assert_true(haproxy_bucket_ms(i - 1) < haproxy_bucket_ms(i));
	assert_false(gateway_sample_since(&after, &before, &d));
	after.began_ms++;
	assert_false(gateway_sample_since(&before, &after, &d));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_turn_slot),
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_difference),
		cmocka_unit_test(test_fallback_counters),
		cmocka_unit_test(test_named),
	};

	return cmocka_run_group_tests_name("gateway state", tests, NULL, NULL);
}
