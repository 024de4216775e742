/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "host/gpu.h"

/* 1: there was something, 0: the end, -1: too late or too much. */
static int read_some(int fd, uint64_t deadline, struct buf *out) {
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint64_t now = clock_mono_ms();
	char part[4096];

	if (now >= deadline)
		return -1;
	if (poll(&p, 1, (int) (deadline - now)) < 0)
		return errno == EINTR ? 1 : -1;
	if (!p.revents)
		return 1;
	ssize_t n = read(fd, part, sizeof part);

	if (n < 0)
		return errno == EINTR ? 1 : -1;
	return n ? buf_add(out, part, (size_t) n) ? 1 : -1 : 0;
}

int host_read_subprocess(int pid, int fd, uint64_t timeout_ms, struct buf *out) {
	uint64_t deadline = clock_mono_ms() + timeout_ms;
	int more, status = 0;
	pid_t got;

	while ((more = read_some(fd, deadline, out)) > 0)
		;
	/* It closed its end, and may still hang. One that hangs in its driver cannot be killed: it
	 * is left behind. */
	while (more == 0 && (got = waitpid(pid, &status, WNOHANG)) == 0 &&
	       clock_mono_ms() < deadline)
		clock_sleep_ms(1);
	if (more == 0 && got == pid)
		return status;
	(void) kill(pid, SIGKILL);
	for (int i = 0; i < 200 && waitpid(pid, &status, WNOHANG) == 0; i++)
		clock_sleep_ms(1);
	return -1;
}
