/* SPDX-License-Identifier: Apache-2.0 */
/* The Engine client against a real Engine: LLMDEPLOY_TEST_ENGINE is its address,
 * LLMDEPLOY_TEST_TINY the static program of tiny.c. Run by docker_live.sh. Everything it makes
 * carries the label llmdeploy.test. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "docker/docker.h"
#include "fs/fs.h"
#include "tests/fake/tiny_image.h"
#include "json/json.h"

#define NAME "llmdeploy-test-x"
#define TAG "localhost/llmdeploy-test:1"
#define SHORT_MS 20000

struct room {
	const struct docker_nature *nature;
	struct docker *d;
	struct tiny_image image;
	char *ref, *dir; /* "sha256:ID"; a directory of the host */
};

static const char *const mine[] = {"llmdeploy.test", NULL};

/* Fails the test with the message, which an assertion on the number alone would hide. */
static void ok(int result, const struct err *e) {
	if (result)
		fail_msg("%s", e->msg);
}

static const char *need_env(const char *name) {
	const char *value = getenv(name);

	if (!value)
		fail_msg("%s is not set; run tests/integration/docker_live.sh", name);
	return value;
}

static int put(int fd, const struct buf *b, struct err *e) {
	return fs_write_all(EFFECT_NONE, fd, b->data, b->len, "the archive", e);
}

static int produce(void *ctx, int fd, struct err *e) {
	return put(fd, ctx, e);
}

static void sweep(struct docker *d) {
	struct docker_containers l CLEANUP(docker_containers_done) = {0};
	struct json *nets CLEANUP(json_freep) = NULL;
	struct err e = {0};

	ok(docker_container_list(d, mine, &l, &e), &e);
	for (size_t i = 0; i < l.n; i++)
		ok(docker_container_remove(d, l.at[i].id, true, &e), &e);
	ok(docker_network_list(d, mine, &nets, &e), &e);
	for (const struct json *n = json_first(nets); n; n = json_next(n))
		ok(docker_network_remove(d, json_text(n), &e), &e);
}

static void sweep_images(struct docker *d) {
	struct docker_images l CLEANUP(docker_images_done) = {0};
	struct err e = {0};
	bool in_use;

	ok(docker_image_list(d, mine, &l, &e), &e);
	for (size_t i = 0; i < l.n; i++) {
		char *ref CLEANUP(freep) = mem_printf("sha256:%s", l.at[i].id);
		ok(docker_image_remove(d, ref, true, &in_use, &e), &e);
	}
}

static bool find(struct room *r) {
	const char *const layers[] = {r->image.layer};
	struct err e = {0};
	bool found = false;
	char id[65];

	ok(docker_image_find(r->d, r->image.config, r->image.manifest, layers, 1, &found, id, &e),
	   &e);
	if (found) {
		free(r->ref);
		r->ref = mem_printf("sha256:%s", id);
	}
	return found;
}

static int enter(void **state) {
	struct room *r = mem_zalloc(1, sizeof *r);
	struct docker_options o = {.host = need_env("LLMDEPLOY_TEST_ENGINE")};
	struct buf program CLEANUP(buf_done) = BUF_INIT(8 << 20);
	char dir[] = "/tmp/llmdeploy-live-XXXXXX";
	struct err e = {0};

	ok(fs_read_user(need_env("LLMDEPLOY_TEST_TINY"), &program, &e), &e);
	tiny_image_make(program.data, program.len, TAG, &r->image);
	ok(docker_open(&o, &r->d, &e), &e);
	ok(docker_learn(r->d, &r->nature, &e), &e);
	sweep(r->d);
	sweep_images(r->d);
	ok(docker_image_load(r->d, TAG, produce, &r->image.archive, &e), &e);
	assert_true(find(r));
	assert_non_null(mkdtemp(dir));
	r->dir = mem_strdup(dir);
	*state = r;
	return 0;
}

static int leave(void **state) {
	struct room *r = *state;
	struct err e = {0};

	sweep(r->d);
	sweep_images(r->d);
	ok(fs_remove_tree(EFFECT_NONE, AT_FDCWD, r->dir, &e), &e);
	tiny_image_done(&r->image);
	docker_free(r->d);
	free(r->ref);
	free(r->dir);
	free(r);
	return 0;
}

static int after_each(void **state) {
	sweep(((struct room *) *state)->d);
	return 0;
}

/* ---- small helpers over one container ---- */

static struct json *words(const char *line) {
	struct json *a = json_array();
	char *copy CLEANUP(freep) = mem_strdup(line), *save = NULL;

	json_push_str(a, "/tiny");
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		json_push_str(a, w);
	return a;
}

static struct json *marked(void) {
	struct json *o = json_object();

	json_set_str(o, "llmdeploy.test", "live");
	return o;
}

/* Creates and starts NAME with `what` to do; other settings are in *s. */
static void run(struct room *r, struct docker_container_spec *s, const char *what) {
	struct json *argv CLEANUP(json_freep) = words(what), *labels CLEANUP(json_freep) = marked();
	struct err e = {0};
	char id[65];
	bool taken = true;

	s->name = NAME;
	s->image = r->ref;
	s->argv = argv;
	s->labels = labels;
	s->network = s->network ? s->network : "none";
	ok(docker_container_create(r->d, s, &taken, id, &e), &e);
	assert_false(taken);
	ok(docker_container_start(r->d, NAME, &e), &e);
}

static int64_t end_of(struct room *r) {
	struct err e = {0};
	bool ended = false;
	int64_t status = -2;

	ok(docker_container_wait(r->d, NAME, DOCKER_NOT_RUNNING, SHORT_MS, &ended, &status, &e),
	   &e);
	assert_true(ended);
	return status;
}

static void expect_log(struct room *r, const char *want) {
	struct buf log CLEANUP(buf_done) = BUF_INIT(65536);
	struct err e = {0};

	ok(docker_log_tail(r->d, NAME, 100, &log, &e), &e);
	assert_string_equal(buf_str(&log), want);
}

/* Bounded: a line that must come is in the log within SHORT_MS. */
static void await_log(struct room *r, const char *want) {
	struct err e = {0};

	for (uint64_t until = clock_mono_ms() + SHORT_MS; clock_mono_ms() < until;
	     clock_sleep_ms(20)) {
		struct buf log CLEANUP(buf_done) = BUF_INIT(65536);
		ok(docker_log_tail(r->d, NAME, 100, &log, &e), &e);
		if (strstr(buf_str(&log), want))
			return;
	}
	fail_msg("'%s' did not come in the log", want);
}

/* ---- images ---- */

static void knows_its_host(void **state) {
	struct room *r = *state;
	struct docker_info i CLEANUP(docker_info_done) = {0};
	struct err e = {0};

	ok(docker_info(r->d, &i, &e), &e);
	print_message("  %s %s, %s, storage %s, cgroup %s of %s%s%s\n",
		      docker_is_podman(r->d) ? "Podman" : "Docker", i.version, i.os,
		      i.storage_driver, i.cgroup_driver, i.cgroup_version,
		      i.rootless ? ", rootless" : "", i.userns_remap ? ", userns-remap" : "");
	assert_true(*i.version && *i.storage_driver && *i.root_dir && i.memory_bytes && i.cpus > 0);
}

static void identifies_images(void **state) {
	struct room *r = *state;
	struct docker_image i CLEANUP(docker_image_done) = {0},
			      none CLEANUP(docker_image_done) = {0};
	const char *const layers[] = {r->image.layer}, *const others[] = {r->image.config};
	struct docker_images l CLEANUP(docker_images_done) = {0};
	struct err e = {0};
	bool found = false;
	char id[65];

	ok(docker_image_inspect(r->d, TAG, &found, &i, &e), &e);
	assert_true(found);
	assert_true(docker_image_matches(&i, r->image.config, r->image.manifest, layers, 1));
	assert_false(docker_image_matches(&i, r->image.layer, NULL, layers, 1));
	assert_string_equal(json_str(i.labels, "llmdeploy.test"), "tiny");
	ok(docker_image_find(r->d, r->image.config, r->image.manifest, others, 1, &found, id, &e),
	   &e);
	assert_false(found);
	ok(docker_image_inspect(r->d, "localhost/llmdeploy-test:none", &found, &none, &e), &e);
	assert_false(found);
	ok(docker_image_list(r->d, mine, &l, &e), &e);
	assert_int_equal(l.n, 1);
	assert_string_equal(json_text(json_at(l.at[0].tags, 0)), TAG);
}

static void removes_images(void **state) {
	struct room *r = *state;
	struct docker_container_spec s = {0};
	struct err e = {0};
	bool in_use = true;

	ok(docker_image_remove(r->d, "localhost/llmdeploy-test:2", false, &in_use, &e), &e);
	assert_false(in_use);
	assert_true(find(r));
	run(r, &s, "wait");
	ok(docker_image_remove(r->d, r->ref, false, &in_use, &e), &e);
	assert_true(in_use);
}

static void loads_again_without_the_layer(void **state) {
	struct room *r = *state;
	struct err e = {0};

	ok(docker_image_load(r->d, TAG, produce, &r->image.rest, &e), &e);
	assert_true(find(r));
}

static void refuses_incomplete_and_damaged_images(void **state) {
	struct room *r = *state;
	struct err e = {0};

	sweep_images(r->d);
	assert_int_equal(docker_image_load(r->d, TAG, produce, &r->image.rest, &e), -1);
	print_message("  without its layer: %s\n", e.msg);
	assert_int_equal(e.code, ERR_SYS);
	assert_false(find(r));
	r->image.archive.data[r->image.layer_at + 4096] ^= 1;
	assert_int_equal(docker_image_load(r->d, TAG, produce, &r->image.archive, &e), -1);
	print_message("  damaged: %s\n", e.msg);
	assert_int_equal(e.code, ERR_SYS);
	assert_false(find(r));
	r->image.archive.data[r->image.layer_at + 4096] ^= 1;
	ok(docker_image_load(r->d, TAG, produce, &r->image.archive, &e), &e);
	assert_true(find(r));
}

static int produce_half(void *ctx, int fd, struct err *e) {
	struct buf *b = ctx;

	if (fs_write_all(EFFECT_NONE, fd, b->data, b->len / 2, "the archive", e))
		return -1;
	return err_set(e, ERR_INTEGRITY, "the other half is gone");
}

static void loads_nothing_from_half_an_archive(void **state) {
	struct room *r = *state;
	struct err e = {0};

	sweep_images(r->d);
	assert_int_equal(docker_image_load(r->d, TAG, produce_half, &r->image.archive, &e), -1);
	assert_string_equal(e.msg, "the other half is gone");
	assert_false(find(r));
	ok(docker_image_load(r->d, TAG, produce, &r->image.archive, &e), &e);
	assert_true(find(r));
}

/* ---- containers ---- */

static void runs_to_its_end(void **state) {
	struct room *r = *state;
	struct docker_container_spec s = {0};
	struct docker_container c CLEANUP(docker_container_done) = {0};
	struct err e = {0};
	bool found = false, taken = false;
	char id[65];

	run(r, &s, "out:one err:two exit:3");
	assert_int_equal(end_of(r), 3);
	ok(docker_container_inspect(r->d, NAME, &found, &c, &e), &e);
	assert_true(found && !c.running && !c.oom_killed && !c.tty);
	assert_int_equal(c.exit_code, 3);
	assert_string_equal(c.name, NAME);
	assert_string_equal(c.state, "exited");
	assert_string_equal(c.restart, "no");
	assert_string_equal(c.image, r->ref + strlen("sha256:"));
	assert_string_equal(json_str(c.labels, "llmdeploy.test"), "live");
	await_log(r, "one\n");
	await_log(r, "two\n");
	s.argv = s.labels = NULL;
	ok(docker_container_create(r->d, &s, &taken, id, &e), &e);
	assert_true(taken);
	ok(docker_container_stop(r->d, NAME, 1000, &e), &e);
	ok(docker_container_kill(r->d, NAME, "SIGKILL", &e), &e);
	ok(docker_container_remove(r->d, NAME, false, &e), &e);
	ok(docker_container_remove(r->d, NAME, false, &e), &e);
	ok(docker_container_stop(r->d, NAME, 1000, &e), &e);
	ok(docker_container_kill(r->d, NAME, "SIGKILL", &e), &e);
	assert_int_equal(end_of(r), -1);
}

static void stops_restarts_and_renames(void **state) {
	struct room *r = *state;
	struct docker_container_spec s = {.stop_timeout_ms = 5000};
	struct docker_container c CLEANUP(docker_container_done) = {0};
	struct err e = {0};
	bool found = false, taken = true, ended = true;
	int64_t status = 0;

	run(r, &s, "out:up wait");
	await_log(r, "up\n");
	ok(docker_container_start(r->d, NAME, &e), &e);
	ok(docker_container_wait(r->d, NAME, DOCKER_NEXT_EXIT, 200, &ended, &status, &e), &e);
	assert_false(ended);
	assert_int_equal(docker_container_remove(r->d, NAME, false, &e), -1);
	ok(docker_container_set_restart(r->d, NAME, DOCKER_RESTART_KEEP, &e), &e);
	ok(docker_container_rename(r->d, NAME, NAME "2", &taken, &e), &e);
	assert_false(taken);
	ok(docker_container_rename(r->d, NAME "2", NAME, &taken, &e), &e);
	ok(docker_container_stop(r->d, NAME, 5000, &e), &e);
	ok(docker_container_inspect(r->d, NAME, &found, &c, &e), &e);
	assert_false(c.running);
	assert_int_equal(c.exit_code, 7);
	assert_string_equal(c.restart, DOCKER_RESTART_KEEP);
	ok(docker_container_start(r->d, NAME, &e), &e);
	ok(docker_container_kill(r->d, NAME, "SIGKILL", &e), &e);
}

static void is_hardened(void **state) {
	struct room *r = *state;
	struct json *tmpfs CLEANUP(json_freep) = json_object();
	struct docker_mount mounts[] = {{r->dir, "/models", true}};
	struct docker_container_spec s = {.user = "65532:65532",
					  .mounts = mounts,
					  .n_mounts = 1,
					  .tmpfs = tmpfs,
					  .pids = 32,
					  .memory_bytes = 64 << 20};
	char *file CLEANUP(freep) = mem_printf("%s/m", r->dir);
	struct err e = {0};

	json_set_str(tmpfs, "/tmp", "size=1m,mode=1777");
	ok(fs_write(EFFECT_NONE, AT_FDCWD, file, "weights", 7, 0444, &e), &e);
	assert_return_code(chmod(r->dir, 0755), 0);
	run(r, &s,
	    "id read:/models/m write:/models/n write:/n write:/tmp/n connect:127.0.0.1:9 "
	    "connect:10.0.0.1:9");
	assert_int_equal(end_of(r), 0);
	expect_log(
		r,
		"uid 65532 gid "
		"65532\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\n"
		"weights\n/models/n: Read-only file system\n/n: Read-only file system\n/tmp/n: ok\n"
		"127.0.0.1: Connection refused\n10.0.0.1: Network is unreachable\n");
}

static void answers_on_a_socket_of_the_host(void **state) {
	struct room *r = *state;
	struct docker_mount mounts[] = {{r->dir, "/run/engine", false}};
	uid_t uid = geteuid() ? geteuid() : 65532;
	char *user CLEANUP(freep) = docker_user(r->d, uid);
	struct docker_container_spec s = {.user = user, .mounts = mounts, .n_mounts = 1};
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[8] = "";

	assert_return_code(geteuid() ? 0 : chown(r->dir, uid, uid), 0);
	run(r, &s, "listen:/run/engine/e.sock");
	await_log(r, "/run/engine/e.sock: ok\n");
	(void) snprintf(a.sun_path, sizeof a.sun_path, "%s/e.sock", r->dir);
	assert_return_code(connect(fd, (struct sockaddr *) &a, sizeof a), 0);
	assert_int_equal(read(fd, text, sizeof text), 5);
	assert_string_equal(text, "hello");
	(void) close(fd);
}

static void says_when_memory_was_short(void **state) {
	struct room *r = *state;
	struct docker_container_spec s = {.memory_bytes = 32 << 20};
	struct docker_container c CLEANUP(docker_container_done) = {0};
	struct err e = {0};
	bool found = false;

	run(r, &s, "eat:200");
	/* Without control groups nothing is limited, and no figure is made up. */
	if (!r->nature->limits_memory) {
		uint64_t bytes = 1;
		assert_int_equal(end_of(r), 0);
		ok(docker_container_memory(r->d, NAME, &bytes, &e), &e);
		assert_int_equal(bytes, 0);
		return;
	}
	assert_int_equal(end_of(r), 137);
	ok(docker_container_inspect(r->d, NAME, &found, &c, &e), &e);
	assert_true(found && c.oom_killed);
}

static void refuses_what_cannot_be(void **state) {
	struct room *r = *state;
	struct docker_mount mounts[] = {{"/nonexistent/models", "/models", true}};
	struct json *argv CLEANUP(json_freep) = json_array(),
			  *labels CLEANUP(json_freep) = marked();
	struct docker_container_spec s = {.name = NAME,
					  .image = r->ref,
					  .labels = labels,
					  .network = "none"};
	struct docker_container c CLEANUP(docker_container_done) = {0};
	struct err e = {0};
	bool taken = true, found = false;
	char id[65];

	s.mounts = mounts;
	s.n_mounts = 1;
	assert_int_equal(docker_container_create(r->d, &s, &taken, id, &e), -1);
	print_message("  %s\n", e.msg);
	assert_int_equal(strncmp(e.msg, "docker: create container '" NAME "': ",
				 strlen("docker: create container '" NAME "': ")),
			 0);
	assert_non_null(strstr(e.msg, "bind source path does not exist: /nonexistent/models"));
	s.n_mounts = 0;
	s.image = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
	assert_int_equal(docker_container_create(r->d, &s, &taken, id, &e), -1);
	print_message("  %s\n", e.msg);
	s.image = r->ref;
	json_push_str(argv, "/nonexistent");
	s.argv = argv;
	ok(docker_container_create(r->d, &s, &taken, id, &e), &e);
	assert_int_equal(docker_container_start(r->d, NAME, &e), -1);
	print_message("  %s\n", e.msg);
	assert_non_null(strstr(e.msg, "docker: start container '" NAME "': "));
	ok(docker_container_inspect(r->d, NAME, &found, &c, &e), &e);
	/* Podman says it to who starts it, and keeps it nowhere. */
	assert_true(found && !c.running && (*c.error || docker_is_podman(r->d)));
}

/* ---- logs, events, networks ---- */

static bool count(void *ctx, int stream, const char *data, size_t n) {
	size_t *bytes = ctx;

	(void) data;
	bytes[stream] += n;
	return true;
}

static void follows_logs(void **state) {
	struct room *r = *state;
	struct docker_container_spec s = {0};
	struct docker_log l = {.name = NAME, .follow_ms = 500};
	size_t bytes[3] = {0};
	struct err e = {0};
	bool found = false;

	run(r, &s, "out:12345 err:123 wait");
	await_log(r, "123\n");
	ok(docker_log_read(r->d, &l, count, bytes, &found, &e), &e);
	assert_true(found);
	assert_int_equal(bytes[1], 6);
	assert_int_equal(bytes[2], 4);
	l = (struct docker_log){.name = NAME, .since_ms = clock_unix_ms() + 1000};
	bytes[1] = bytes[2] = 0;
	ok(docker_log_read(r->d, &l, count, bytes, &found, &e), &e);
	assert_int_equal(bytes[1] + bytes[2], 0);
	ok(docker_log_read(r->d, &(struct docker_log){.name = NAME "-none"}, count, bytes, &found,
			   &e),
	   &e);
	assert_false(found);
}

static bool note(void *ctx, const struct docker_event *ev) {
	assert_string_equal(ev->type, "container");
	/* Podman has more of them. */
	if (!strcmp(ev->action, "init") || !strcmp(ev->action, "cleanup"))
		return true;
	(void) buf_printf(ctx, "%s ", ev->action);
	return true;
}

static void tells_events(void **state) {
	struct room *r = *state;
	struct docker_container_spec s = {0};
	struct buf seen CLEANUP(buf_done) = BUF_INIT(4096);
	struct err e = {0};

	clock_sleep_ms(300); /* what was before is not meant */
	int64_t begun = clock_unix_ms();
	run(r, &s, "exit:0");
	assert_int_equal(end_of(r), 0);
	clock_sleep_ms(300);
	ok(docker_events(r->d, mine, begun, clock_unix_ms(), note, &seen, &e), &e);
	assert_string_equal(buf_str(&seen), "create start die ");
	buf_reset(&seen);
	ok(docker_events(r->d, mine, clock_unix_ms(), clock_unix_ms() + 300, note, &seen, &e), &e);
	assert_string_equal(buf_str(&seen), "");
}

/* Networks of an earlier version, or of someone's: listed by their label, removed once nothing is
 * in them. */
static void removes_networks(void **state) {
	struct room *r = *state;
	struct json *nets CLEANUP(json_freep) = NULL, *none CLEANUP(json_freep) = NULL;
	struct docker_container_spec s = {.network = "llmdeploy-test-n"};
	struct err e = {0};

	assert_int_equal(system("docker -H \"$LLMDEPLOY_TEST_ENGINE\" network create --internal "
				"--label llmdeploy.test llmdeploy-test-n >/dev/null"),
			 0);
	ok(docker_network_list(r->d, mine, &nets, &e), &e);
	assert_int_equal(json_count(nets), 1);
	assert_string_equal(json_text(json_at(nets, 0)), "llmdeploy-test-n");
	run(r, &s, "wait");
	assert_int_equal(docker_network_remove(r->d, "llmdeploy-test-n", &e), -1);
	ok(docker_container_remove(r->d, NAME, true, &e), &e);
	ok(docker_network_remove(r->d, "llmdeploy-test-n", &e), &e);
	ok(docker_network_remove(r->d, "llmdeploy-test-n", &e), &e);
	ok(docker_network_list(r->d, mine, &none, &e), &e);
	assert_int_equal(json_count(none), 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(knows_its_host, after_each),
		cmocka_unit_test_teardown(identifies_images, after_each),
		cmocka_unit_test_teardown(removes_images, after_each),
		cmocka_unit_test_teardown(loads_again_without_the_layer, after_each),
		cmocka_unit_test_teardown(refuses_incomplete_and_damaged_images, after_each),
		cmocka_unit_test_teardown(loads_nothing_from_half_an_archive, after_each),
		cmocka_unit_test_teardown(runs_to_its_end, after_each),
		cmocka_unit_test_teardown(stops_restarts_and_renames, after_each),
		cmocka_unit_test_teardown(is_hardened, after_each),
		cmocka_unit_test_teardown(answers_on_a_socket_of_the_host, after_each),
		cmocka_unit_test_teardown(says_when_memory_was_short, after_each),
		cmocka_unit_test_teardown(refuses_what_cannot_be, after_each),
		cmocka_unit_test_teardown(follows_logs, after_each),
		cmocka_unit_test_teardown(tells_events, after_each),
		cmocka_unit_test_teardown(removes_networks, after_each),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
