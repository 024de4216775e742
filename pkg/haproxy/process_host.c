/* SPDX-License-Identifier: Apache-2.0 */
#include "haproxy/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "fs/fs.h"
#include "fs/step.h"
#include "root/root.h"

/* The installed HAProxy as a daemon of its own: it goes on when we end. What it says before it is
 * one goes to gateway/haproxy.log. */

#define LOG_NAME "haproxy.log"
#define PID_NAME "haproxy.pid"
enum { LAUNCH_MS = 10000, STOP_MS = 5000 };

/* Of its pid file, if it is a HAProxy of this root; else 0. */
static pid_t master_pid(const struct haproxy *h) {
	struct buf pid CLEANUP(buf_done) = BUF_INIT(64),
		       words CLEANUP(buf_done) = BUF_INIT(64 << 10);
	struct err ignored = {0};
	bool found;
	int n = 0, at = 0;

	if (fs_read_if(h->dir, PID_NAME, &pid, &found, &ignored) || !found ||
	    sscanf(buf_str(&pid), "%d", &n) != 1 || n < 2)
		return 0;
	char *path CLEANUP(freep) = mem_printf("/proc/%d/cmdline", n);
	if (fs_read_user(path, &words, &ignored))
		return 0;
	for (const char *w = buf_str(&words); w < buf_str(&words) + words.len; w += strlen(w) + 1)
		at += !strcmp(w, h->root->path);
	return at ? n : 0;
}

int process_host_inspect(const struct haproxy *h, struct process *out, struct err *e) {
	struct socket_workers all;

	if (socket_workers(h->dir, &all, e))
		return -1;
	*out = (struct process){.found = all.running || master_pid(h),
				.running = all.running,
				.same = true};
	(void) snprintf(out->version, sizeof out->version, "%s", all.version);
	return 0;
}

int process_host_master(const struct haproxy *h) {
	return master_pid(h);
}

static void become(const struct haproxy *h, int log) {
	uid_t uid = h->root->instance_uid;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
		_exit(127);
	/* It outlives us, and whoever started us: a pipe of theirs that it held would never end. */
	closefrom(3);
	(void) umask(077);
	if (geteuid() == 0 && uid != 0 &&
	    (setgroups(0, NULL) || setgid((gid_t) uid) || setuid(uid)))
		_exit(127);
}

/* -1: no process could be made. */
static pid_t run(const struct haproxy *h, const char *const argv[], int log) {
	static const char *const env[] = {"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
	pid_t pid = fork();

	if (!pid) {
		become(h, log);
		(void) execve(argv[0], (char *const *) argv, (char *const *) env);
		_exit(127);
	}
	return pid;
}

/* -dMglobal: its buffers are large (tune.bufsize), and the C library would give each back to the
 * kernel and fetch it again, page by page. */
static pid_t launch(const struct haproxy *h, int log) {
	const char *const argv[] = {h->program, "-dMglobal",
				    "-W",       "-D",
				    "-p",       "gateway/" PID_NAME,
				    "-C",       h->root->path,
				    "-S",       "unix@gateway/" SOCKET_MASTER ",mode,600",
				    "-f",       "gateway/haproxy.cfg",
				    "-f",       "gateway/process.cfg",
				    NULL};

	return run(h, argv, log);
}

/* Until the process that we made has handed over to the daemon. */
static int await_launch(pid_t pid, int *status, struct err *e) {
	uint64_t until = clock_mono_ms() + LAUNCH_MS;
	pid_t got;

	while ((got = waitpid(pid, status, WNOHANG)) == 0 && clock_mono_ms() < until)
		clock_sleep_ms(5);
	if (got > 0)
		return 0;
	(void) kill(pid, SIGKILL);
	(void) waitpid(pid, status, 0);
	return err_set(
		e, ERR_UNREACHABLE,
		"HAProxy did not end, or become a daemon, within %d s; see gateway/" LOG_NAME,
		LAUNCH_MS / 1000);
}

static int no_program(const struct haproxy *h, struct err *e) {
	return err_set(
		e, ERR_USAGE,
		"no HAProxy at '%s': apt-get install haproxy, or name it as gateway.program in %s",
		h->program, h->config_path);
}

int process_host_start(const struct haproxy *h, struct err *e) {
	const char *program = h->program;
	int log CLEANUP(closep) = -1, status = 0;

	if (access(program, X_OK))
		return no_program(h, e);
	if (process_host_stop(h, e))
		return -1;
	log = fs_step_create(EFFECT_GATEWAY_RELOAD, h->dir, LOG_NAME, O_WRONLY | O_TRUNC, 0644);
	if (log < 0)
		return err_sys(e, "cannot make 'gateway/" LOG_NAME "'");
	if (failpoint_begin_call(EFFECT_GATEWAY_RELOAD))
		return err_sys(e, "cannot start '%s'", program);
	pid_t pid = launch(h, log);
	if (pid < 0)
		return err_sys(e, "cannot start '%s'", program);
	if (await_launch(pid, &status, e) || failpoint_end(EFFECT_GATEWAY_RELOAD, 0))
		return -1;
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	struct buf words CLEANUP(buf_done) = BUF_INIT(64 << 10);
	process_host_log_tail(h, &words);
	return haproxy_failed(h, buf_str(&words), e);
}

/* The same program, user and paths, with gateway/check instead of the root. */
static pid_t launch_check(const struct haproxy *h, int log) {
	char *dir CLEANUP(freep) = mem_printf("%s/gateway/" HAPROXY_CHECK_DIR, h->root->path);
	const char *const argv[] = {h->program, "-c",
				    "-C",       dir,
				    "-f",       "gateway/haproxy.cfg",
				    "-f",       "gateway/process.cfg",
				    NULL};

	return run(h, argv, log);
}

int process_host_check(const struct haproxy *h, bool *fine, struct buf *said, struct err *e) {
	const char *program = h->program;
	int log CLEANUP(closep) = -1, status = 0;
	bool found;

	if (access(program, X_OK))
		return no_program(h, e);
	log = fs_step_create(EFFECT_GATEWAY_CHECK, h->dir, HAPROXY_CHECK_DIR "/said",
			     O_WRONLY | O_TRUNC, 0644);
	if (log < 0)
		return err_sys(e, "cannot make 'gateway/" HAPROXY_CHECK_DIR "/said'");
	if (failpoint_begin_call(EFFECT_GATEWAY_CHECK))
		return err_sys(e, "cannot start '%s'", program);
	pid_t pid = launch_check(h, log);
	if (pid < 0)
		return err_sys(e, "cannot start '%s'", program);
	if (await_launch(pid, &status, e) || failpoint_end(EFFECT_GATEWAY_CHECK, 0))
		return -1;
	*fine = WIFEXITED(status) && !WEXITSTATUS(status);
	return fs_read_if(h->dir, HAPROXY_CHECK_DIR "/said", said, &found, e);
}

int process_host_stop(const struct haproxy *h, struct err *e) {
	uint64_t until = clock_mono_ms() + STOP_MS;
	pid_t pid = master_pid(h);

	if (!pid)
		return 0;
	if (failpoint_begin_call(EFFECT_GATEWAY_RELOAD) || kill(pid, SIGTERM))
		return errno == ESRCH ? 0 : err_sys(e, "cannot end HAProxy, process %d", (int) pid);
	while (master_pid(h) && clock_mono_ms() < until)
		clock_sleep_ms(10);
	if (master_pid(h))
		(void) kill(pid, SIGKILL);
	return failpoint_end(EFFECT_GATEWAY_RELOAD, 0);
}

void process_host_log_tail(const struct haproxy *h, struct buf *out) {
	struct err ignored = {0};
	bool found;

	(void) fs_read_if(h->dir, LOG_NAME, out, &found, &ignored);
}
