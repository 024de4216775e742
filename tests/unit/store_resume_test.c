/* SPDX-License-Identifier: Apache-2.0 */
#include "store_fetch_parts.h"

static void progress_tells_of_retries(void **state) {
	struct bench *b = *state;
	char *expect CLEANUP(freep) =
		expand(b,
		       "model: taking the next source: file:{dir}/none: No such file or directory\n"
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
	char *url CLEANUP(freep) = expand(b, "{url}/"),
		  *denied CLEANUP(freep) = expand(b, "{url}/403?x=");
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
	assert_string_equal(e.msg,
			    "cannot fetch model: hf://ORG/REPO@ab810cf6/sub dir/model+1.gguf: "
			    "answered 403: no access with the token in HF_TOKEN");
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
	struct store_want w = {.sources = (const char *const *) &two->url,
			       .n_sources = 1,
			       .sha256 = two->b->server.right,
			       .what = "model"};

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
	assert_string_equal(buf_str(&two.told),
			    "model: waiting for another process that fetches it\n");
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
	assert_string_equal(
		e.msg,
		"another process fetches model and makes no progress; end it, then try again");
	assert_int_equal(e.code, ERR_BUSY);
	assert_int_equal(b->server.hits, 0);
}

/* 2 MiB for 3 MiB: known before, or found out; nothing stays, and no other source is asked. */
static void a_full_disk(void **state) {
	struct bench *b = *state;
	static const char *const sources[] = {"{url}/good", "{url}/until-close", "file:{dir}/right",
					      "file:{dir}/a.zip#m/model.gguf"};
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
		char *expect CLEANUP(freep) =
			mem_printf("not enough space for model in '%s/small/store': ", b->root);
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
