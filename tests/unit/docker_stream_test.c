/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "docker/docker.h"
#include "docker/internal.h"
#include "tests/fake/docker.h"

#define V "/v1.41"
#define LOAD "POST " V "/images/load?quiet=1"

static void start(const struct fake_call *calls, size_t n, struct docker_options *o,
		  struct fake_call all[8], struct fake_docker **f, struct docker **d) {
	struct err e = {0};

	all[0] = (struct fake_call) FAKE_PING;
	for (size_t i = 0; i < n; i++)
		all[i + 1] = calls[i];
	*f = fake_docker_start(all, n + 1);
	o->host = fake_docker_socket(*f);
	assert_int_equal(docker_open(o, d, &e), 0);
}

/* The socket's path differs from run to run. */
static void plain_path(char *message, const char *socket) {
	char *at = strstr(message, socket);

	if (!at)
		return;
	memmove(at + 4, at + strlen(socket), strlen(at + strlen(socket)) + 1);
	memcpy(at, "SOCK", 4);
}

/* ---- load ---- */

static int put(int fd, const char *data, size_t n, struct err *e) {
	while (n) {
		ssize_t done = write(fd, data, n);
		if (done < 0)
			return err_sys(e, "cannot write the archive");
		data += done;
		n -= (size_t) done;
	}
	return 0;
}

static int small(void *ctx, int fd, struct err *e) {
	(void) ctx;
	return put(fd, "an archive", 10, e);
}

static int large(void *ctx, int fd, struct err *e) {
	static const char block[65536];

	(void) ctx;
	for (int i = 0; i < 256; i++)
		if (put(fd, block, sizeof block, e))
			return -1;
	return 0;
}

/* Its source is damaged in the middle. */
static int broken(void *ctx, int fd, struct err *e) {
	(void) ctx;
	return put(fd, "an arch", 7, e) ? -1 : err_set(e, ERR_INTEGRITY, "layer 'x' is damaged");
}

static const struct {
	const char *name;
	struct fake_call call;
	int (*produce)(void *ctx, int fd, struct err *e);
	enum err_code code;
	const char *message;
} loads[] = {
	{"loaded",
	 {.request = LOAD,
	  .body = "an archive",
	  .json = "{\"stream\":\"Loaded image: a:b\\n\"}\r\n"},
	 small,
	 0,
	 ""},
	{"loaded quietly", {.request = LOAD, .body = "an archive"}, small, 0, ""},
	{"progress in pieces",
	 {.request = LOAD,
	  .body = "*",
	  .piece = 7,
	  .json = "{\"status\":\"Loading "
		  "layer\",\"progressDetail\":{\"current\":1}}\n{\"stream\":\"x\"}"},
	 small,
	 0,
	 ""},
	{"errorDetail",
	 {.request = LOAD,
	  .body = "an archive",
	  .json = "{\"status\":\"Loading\"}\r\n{\"errorDetail\":{\"message\":\"invalid diffID for "
		  "layer 0\"},\"error\":\"old\"}\r\n"},
	 small,
	 ERR_SYS,
	 "docker: load image 'a:b': invalid diffID for layer 0"},
	{"error alone",
	 {.request = LOAD, .body = "*", .json = "{\"error\":\"unexpected\\nEOF\\n\"}"},
	 small,
	 ERR_SYS,
	 "docker: load image 'a:b': unexpected EOF"},
	{"unpacking fails",
	 {.request = LOAD,
	  .body = "*",
	  .json = "{\"stream\":\"Loaded image: a:b\\n\"}{\"stream\":\"Error unpacking image "
		  "docker.io/a:b: no space\\n\"}"},
	 small,
	 ERR_SYS,
	 "docker: load image 'a:b': Error unpacking image docker.io/a:b: no space"},
	{"400",
	 {.request = LOAD,
	  .body = "*",
	  .status = 400,
	  .json = "{\"message\":\"invalid URL escape\"}"},
	 small,
	 ERR_SYS,
	 "docker: load image 'a:b': 400 Bad Request: invalid URL escape"},
	{"answer without its end",
	 {.request = LOAD, .body = "*", .json = "{\"stream\":\"Loaded"},
	 small,
	 ERR_SYS,
	 "docker: load image 'a:b': the answer has an object without its end"},
	{"answer that is not JSON",
	 {.request = LOAD, .body = "*", .json = "Loaded image"},
	 small,
	 ERR_SYS,
	 "docker: load image 'a:b': the answer has something that is not JSON"},
	{"answer of broken JSON",
	 {.request = LOAD, .body = "*", .json = "{\"stream\" \"x\"}"},
	 small,
	 ERR_SYS,
	 "docker: load image 'a:b': the answer has an object that is not JSON"},
	{"cut in a chunk",
	 {.request = LOAD,
	  .body = "*",
	  .raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n17\r\n{\"stream\":\"Loaded "
		 "a:b\"}\r\n",
	  .then = FAKE_RESET},
	 small,
	 ERR_UNREACHABLE,
	 "docker: load image 'a:b': 'SOCK' closed the connection before the end of its answer"},
	{"silence",
	 {.request = LOAD,
	  .body = "*",
	  .raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	  .then = FAKE_HANG},
	 small,
	 ERR_UNREACHABLE,
	 "docker: load image 'a:b': no byte to or from 'SOCK' for 500 ms"},
	{"a large archive",
	 {.request = LOAD, .body = "*", .json = "{\"stream\":\"x\"}"},
	 large,
	 0,
	 ""},
};

static void loads_images(void **state) {
	char fault[512];

	(void) state;
	EACH_CASE (c, loads) {
		struct docker_options o = {.load_ms = !strcmp(c->name, "silence") ? 500 : 10000};
		struct docker *d CLEANUP(docker_freep) = NULL;
		struct fake_call all[8];
		struct fake_docker *f;
		struct err e = {0};
		start(&c->call, 1, &o, all, &f, &d);
		int r = docker_image_load(d, "a:b", c->produce, NULL, &e);
		plain_path(e.msg, o.host);
		fake_docker_stop(f, fault);
		assert_string_equal(fault, "");
		assert_string_equal(e.msg, c->message);
		assert_int_equal(r, c->code ? -1 : 0);
		assert_int_equal(e.code, c->code);
	}
}

/* The request never becomes whole. */
static void never_sends_half_an_archive_as_a_whole_one(void **state) {
	const struct fake_call call = {.request = LOAD, .body = "*"};
	struct docker *d CLEANUP(docker_freep) = NULL;
	struct docker_options o = {0};
	struct fake_call all[8];
	struct fake_docker *f;
	struct err e = {0};
	char fault[512];

	(void) state;
	start(&call, 1, &o, all, &f, &d);
	assert_int_equal(docker_image_load(d, "a:b", broken, NULL, &e), -1);
	assert_string_equal(e.msg, "layer 'x' is damaged");
	assert_int_equal(e.code, ERR_INTEGRITY);
	fake_docker_stop(f, fault);
	assert_string_equal(fault, "call 1: then got 'nothing', expected '" LOAD "'");
}

/* It answers before it has read it all: its words count, not the broken pipe. */
static void hears_an_early_refusal(void **state) {
	const struct fake_call call = {.request = LOAD,
				       .unread = true,
				       .status = 500,
				       .json = "{\"message\":\"no space left\"}",
				       .then = FAKE_HANG};
	struct docker_options o = {.load_ms = 2000};
	struct docker *d CLEANUP(docker_freep) = NULL;
	struct fake_call all[8];
	struct fake_docker *f;
	struct err e = {0};
	char fault[512];

	(void) state;
	start(&call, 1, &o, all, &f, &d);
	assert_int_equal(docker_image_load(d, "a:b", large, NULL, &e), -1);
	assert_string_equal(e.msg,
			    "docker: load image 'a:b': 500 Internal Server Error: no space left");
	fake_docker_stop(f, fault);
	assert_string_equal(fault, "");
}

static void count_bytes(void *ctx, const struct progress_event *ev) {
	uint64_t *most = ctx;

	assert_int_equal(ev->kind, PROGRESS_BYTES);
	*most = ev->done;
}

static void tells_progress(void **state) {
	const struct fake_call call = {.request = LOAD, .body = "*", .json = "{}"};
	uint64_t most = 0;
	const struct progress p = {count_bytes, &most};
	struct docker_options o = {.progress = &p};
	struct docker *d CLEANUP(docker_freep) = NULL;
	struct fake_call all[8];
	struct fake_docker *f;
	struct err e = {0};
	char fault[512];

	(void) state;
	start(&call, 1, &o, all, &f, &d);
	assert_int_equal(docker_image_load(d, "a:b", large, NULL, &e), 0);
	fake_docker_stop(f, fault);
	assert_string_equal(fault, "");
	assert_int_equal(most, 256 * 65536);
}

/* ---- streams, split anywhere ---- */

static bool add_object(void *ctx, const struct json *j) {
	json_print(j, ctx);
	return true;
}

#define DEEP16 "[[[[[[[[[[[[[[[["

static const struct {
	const char *name, *text, *objects, *fault;
} object_rows[] = {
	{"none", "", "", NULL},
	{"blanks", " \r\n\x1e\n", "", NULL},
	{"lines", "{\"a\":1}\r\n{\"b\":[{}]}\n", "{\"a\":1}{\"b\":[{}]}", NULL},
	{"nothing between", "{\"a\":1}{\"b\":2}", "{\"a\":1}{\"b\":2}", NULL},
	{"brackets and quotes in strings", "{\"a\":\"}\\\"{\\\\\"}{}", "{\"a\":\"}\\\"{\\\\\"}{}",
	 NULL},
	{"unfinished", "{}{\"a\":", "{}", "an object without its end"},
	{"unfinished string", "{\"a", "", "an object without its end"},
	{"not JSON", "{}\nError", "{}", "something that is not JSON"},
	{"wrong brackets", "{\"a\":1]", "", "an object that is not JSON"},
	{"a number", "1", "", "something that is not JSON"},
	{"an array", "[1]", "", "something that is not JSON"},
	{"too deep", "{\"a\":" DEEP16 DEEP16 DEEP16 DEEP16 DEEP16 DEEP16 DEEP16 "1", "",
	 "an object without its end"},
};

static void splits_objects(void **state) {
	(void) state;
	EACH_CASE (c, object_rows) {
		size_t n = strlen(c->text);
		for (size_t at = 0; at <= n; at++) {
			struct docker_objects o CLEANUP(docker_objects_done) = DOCKER_OBJECTS;
			struct buf seen CLEANUP(buf_done) = BUF_INIT(1000);
			o.each = add_object;
			o.ctx = &seen;
			(void) (docker_objects_feed(&o, c->text, at) &&
				docker_objects_feed(&o, c->text + at, n - at));
			const char *fault = docker_objects_fault(&o);
			assert_string_equal(fault ? fault : "", c->fault ? c->fault : "");
			assert_string_equal(buf_str(&seen), c->objects);
		}
	}
}

static void bounds_an_object(void **state) {
	struct docker_objects o CLEANUP(docker_objects_done) = DOCKER_OBJECTS;
	static char x[4096];

	(void) state;
	o.each = add_object;
	memset(x, 'x', sizeof x);
	assert_true(docker_objects_feed(&o, "{\"", 2));
	for (int i = 0; i < 255; i++)
		assert_true(docker_objects_feed(&o, x, sizeof x));
	assert_false(docker_objects_feed(&o, x, sizeof x));
	assert_string_equal(docker_objects_fault(&o), "an object larger than 1 MiB");
}

static bool add_frame(void *ctx, int stream, const char *data, size_t n) {
	struct buf *b = ctx;

	(void) buf_printf(b, "%d", stream);
	(void) buf_add(b, data, n);
	return !memchr(data, '!', n);
}

#define FRAME(stream, length) stream "\0\0\0\0\0\0" length
#define FRAMES \
	FRAME("\1", "\3") "one" FRAME("\2", "\0") FRAME("\2", "\5") "three" FRAME("\0", "\1") "x"

static void splits_frames(void **state) {
	static const char text[] = FRAMES;
	size_t n = sizeof text - 1;

	(void) state;
	for (size_t at = 0; at <= n; at++) {
		struct buf seen CLEANUP(buf_done) = BUF_INIT(1000);
		struct docker_frames f = {.sink = add_frame, .ctx = &seen};
		assert_true(docker_frames_feed(&f, text, at));
		assert_true(docker_frames_feed(&f, text + at, n - at));
		assert_false(f.have);
		/* a frame in two parts gives the stream's number once more */
		size_t whole = seen.len;
		assert_true(whole == 12 || whole == 13);
		assert_true(whole == 13 || !strcmp(buf_str(&seen), "1one2three1x"));
	}
}

static void refuses_other_frames(void **state) {
	static const char *const heads[] = {FRAME("\4", "\1"), "\1\1\0\0\0\0\0\1", "a log line"};

	(void) state;
	for (size_t i = 0; i < 3; i++) {
		struct buf seen CLEANUP(buf_done) = BUF_INIT(1000);
		struct docker_frames f = {.sink = add_frame, .ctx = &seen};
		assert_false(docker_frames_feed(&f, heads[i], 8));
		assert_true(f.bad);
	}
}

/* ---- logs ---- */

#define HEAD "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
#define PLAIN                                                                    \
	{                                                                        \
		.request = "GET " V "/containers/x/json",                        \
		.json = "{\"Id\":\"x\",\"State\":{},\"Config\":{\"Tty\":false}}" \
	}
#define TTY                                                                     \
	{                                                                       \
		.request = "GET " V "/containers/x/json",                       \
		.json = "{\"Id\":\"x\",\"State\":{},\"Config\":{\"Tty\":true}}" \
	}
#define LOGS "GET " V "/containers/x/logs?stdout=1&stderr=1"
#define BYTES(text) .raw = HEAD text, .raw_len = sizeof(HEAD text) - 1, .then = FAKE_CLOSE

static const struct {
	const char *name;
	struct fake_call calls[2];
	size_t n;
	struct docker_log log;
	const char *seen, *message; /* seen: NULL when there is no such container */
} logs[] = {
	{"frames", {PLAIN, {.request = LOGS, BYTES(FRAMES)}}, 2, {.name = "x"}, "1one2three1x", ""},
	{"terminal", {TTY, {.request = LOGS, BYTES("one\r\n")}}, 2, {.name = "x"}, "1one\r\n", ""},
	{"nothing", {PLAIN, {.request = LOGS, BYTES("")}}, 2, {.name = "x"}, "", ""},
	{"tail, since and times",
	 {PLAIN, {.request = LOGS "&tail=5&since=1700000000.050&timestamps=1", BYTES(FRAMES)}},
	 2,
	 {.name = "x", .tail = 5, .since_ms = 1700000000050, .timestamps = true},
	 "1one2three1x",
	 ""},
	{"the sink has enough",
	 {PLAIN, {.request = LOGS, BYTES(FRAME("\1", "\4") "one!" FRAMES)}},
	 2,
	 {.name = "x"},
	 "1one!",
	 ""},
	{"follows for a while",
	 {PLAIN,
	  {.request = LOGS "&follow=1",
	   .raw = HEAD FRAMES,
	   .raw_len = sizeof(HEAD FRAMES) - 1,
	   .then = FAKE_HANG}},
	 2,
	 {.name = "x", .follow_ms = 1000},
	 "1one2three1x",
	 ""},
	{"absent",
	 {{.request = "GET " V "/containers/x/json", .status = 404}},
	 1,
	 {.name = "x"},
	 NULL,
	 ""},
	{"absent meanwhile", {PLAIN, {.request = LOGS, .status = 404}}, 2, {.name = "x"}, NULL, ""},
	{"not frames",
	 {PLAIN, {.request = LOGS, BYTES("a line of text\n")}},
	 2,
	 {.name = "x"},
	 "",
	 "docker: read log of 'x': the answer has a frame of no known kind"},
	{"ends inside a frame",
	 {PLAIN, {.request = LOGS, BYTES(FRAME("\1", "\4") "one")}},
	 2,
	 {.name = "x"},
	 "1one",
	 "docker: read log of 'x': the answer ends inside a frame"},
	{"500",
	 {PLAIN, {.request = LOGS, .status = 500, .json = "{\"message\":\"log driver\"}"}},
	 2,
	 {.name = "x"},
	 "",
	 "docker: read log of 'x': 500 Internal Server Error: log driver"},
};

static void reads_logs(void **state) {
	char fault[512];

	(void) state;
	EACH_CASE (c, logs) {
		struct buf seen CLEANUP(buf_done) = BUF_INIT(1000);
		struct docker *d CLEANUP(docker_freep) = NULL;
		struct docker_options o = {0};
		struct fake_call all[8];
		struct fake_docker *f;
		struct err e = {0};
		bool found = !c->seen;
		start(c->calls, c->n, &o, all, &f, &d);
		int r = docker_log_read(d, &c->log, add_frame, &seen, &found, &e);
		fake_docker_stop(f, fault);
		assert_string_equal(fault, "");
		assert_string_equal(e.msg, c->message);
		assert_int_equal(r, *c->message ? -1 : 0);
		assert_string_equal(buf_str(&seen), c->seen ? c->seen : "");
		if (!r)
			assert_int_equal(found, c->seen != NULL);
	}
}

static void keeps_the_end_of_a_log(void **state) {
	const struct fake_call calls[] = {PLAIN,
					  {.request = LOGS "&tail=3", BYTES(FRAMES)},
					  PLAIN,
					  {.request = LOGS "&tail=3", BYTES(FRAMES)}};
	struct buf end CLEANUP(buf_done) = BUF_INIT(7), last CLEANUP(buf_done) = BUF_INIT(2);
	struct docker *d CLEANUP(docker_freep) = NULL;
	struct docker_options o = {0};
	struct fake_call all[8];
	struct fake_docker *f;
	struct err e = {0};
	char fault[512];

	(void) state;
	start(calls, 4, &o, all, &f, &d);
	assert_int_equal(docker_log_tail(d, "x", 3, &end, &e), 0);
	assert_string_equal(buf_str(&end), "ethreex");
	assert_int_equal(docker_log_tail(d, "x", 3, &last, &e), 0);
	assert_string_equal(buf_str(&last), "ex");
	fake_docker_stop(f, fault);
	assert_string_equal(fault, "");
}

/* ---- events ---- */

static bool add_event(void *ctx, const struct docker_event *ev) {
	(void) buf_printf(ctx, "%s %s %s %s %lld\n", ev->type, ev->action, ev->id, ev->name,
			  (long long) ev->time_ms);
	return strcmp(ev->action, "enough") != 0;
}

#define EVENT(action)                                                  \
	"{\"Type\":\"container\",\"Action\":\"" action                 \
	"\",\"Actor\":{\"ID\":\"1\",\"Attributes\":{\"name\":\"x\"}}," \
	"\"time\":1700000000,\"timeNano\":1700000000250000000}\n"
#define EVENTS                                                                                     \
	"GET " V "/events?since=1700000000.000&until=1700000001.000&filters=%7B%22label%22%3A%5B%" \
	"22k%22%5D%7D"

static const struct {
	const char *name;
	struct fake_call call;
	const char *seen, *message;
} events[] = {
	{"none", {.request = EVENTS}, "", ""},
	{"two",
	 {.request = EVENTS, .json = EVENT("start") EVENT("die")},
	 "container start 1 x 1700000000250\ncontainer die 1 x 1700000000250\n",
	 ""},
	{"enough",
	 {.request = EVENTS, .json = EVENT("enough") EVENT("die")},
	 "container enough 1 x 1700000000250\n",
	 ""},
	{"cut",
	 {.request = EVENTS, .json = EVENT("start") "{\"Ty"},
	 "container start 1 x 1700000000250\n",
	 "docker: read events: the answer has an object without its end"},
	{"400",
	 {.request = EVENTS, .status = 400, .json = "{\"message\":\"bad filter\"}"},
	 "",
	 "docker: read events: 400 Bad Request: bad filter"},
};

static void hears_events(void **state) {
	const char *const labels[] = {"k", NULL};
	char fault[512];

	(void) state;
	EACH_CASE (c, events) {
		struct buf seen CLEANUP(buf_done) = BUF_INIT(1000);
		struct docker *d CLEANUP(docker_freep) = NULL;
		struct docker_options o = {0};
		struct fake_call all[8];
		struct fake_docker *f;
		struct err e = {0};
		start(&c->call, 1, &o, all, &f, &d);
		int r = docker_events(d, labels, 1700000000000, 1700000001000, add_event, &seen,
				      &e);
		fake_docker_stop(f, fault);
		assert_string_equal(fault, "");
		assert_string_equal(e.msg, c->message);
		assert_int_equal(r, *c->message ? -1 : 0);
		assert_string_equal(buf_str(&seen), c->seen);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loads_images),
		cmocka_unit_test(never_sends_half_an_archive_as_a_whole_one),
		cmocka_unit_test(hears_an_early_refusal),
		cmocka_unit_test(tells_progress),
		cmocka_unit_test(splits_objects),
		cmocka_unit_test(bounds_an_object),
		cmocka_unit_test(splits_frames),
		cmocka_unit_test(refuses_other_frames),
		cmocka_unit_test(reads_logs),
		cmocka_unit_test(keeps_the_end_of_a_log),
		cmocka_unit_test(hears_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
