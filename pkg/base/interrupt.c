/* SPDX-License-Identifier: Apache-2.0 */
#include "base/interrupt.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "base/clock.h"

/* What sends one signal to a process and to its group (timeout, some terminals) sends it twice:
 * that is still the first. */
enum { SAME_MS = 300 };

/* Signals reach a process only through such state. */
static volatile sig_atomic_t asked, held, unattended;
static _Atomic uint64_t asked_ms;

static void leave(void) {
	static const char text[] = "llmdeploy: stopped at once; the next command, or llmdeploy "
				   "recover, finishes or undoes the operation\n";

	(void) !write(STDERR_FILENO, text, sizeof text - 1);
	_exit(130);
}

static void on_signal(int sig) {
	uint64_t now = clock_mono_ms();

	if (sig == SIGHUP && unattended)
		return;
	if (asked && sig != SIGHUP && now - asked_ms >= SAME_MS)
		leave();
	if (!asked)
		asked_ms = now;
	asked = 1;
}

void interrupt_install(void) {
	struct sigaction act = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN}, old;

	(void) sigfillset(&act.sa_mask);
	(void) sigaction(SIGINT, &act, NULL);
	(void) sigaction(SIGTERM, &act, NULL);
	/* nohup means it. */
	if (!sigaction(SIGHUP, NULL, &old) && old.sa_handler != SIG_IGN)
		(void) sigaction(SIGHUP, &act, NULL);
	(void) sigaction(SIGPIPE, &ignore, NULL);
}

bool interrupt_pending(void) {
	return asked && !held;
}

int interrupt_check(struct err *e) {
	return interrupt_pending() ? err_set(e, ERR_INTERRUPTED, "interrupted") : 0;
}

void interrupt_hold(void) {
	held = held + 1;
}

void interrupt_release(void) {
	held = held - 1;
}

void interrupt_unattended(void) {
	unattended = 1;
}

void interrupt_clear(void) {
	asked = 0;
}
