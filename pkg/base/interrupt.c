#include "base/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

/* Signals reach a process only through such state. */
static volatile sig_atomic_t asked, held;

static void on_signal(int sig) {
	if (asked && sig != SIGHUP && !held)
		_exit(130);
	asked = 1;
}

void interrupt_install(void) {
	struct sigaction act = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};

	(void) sigemptyset(&act.sa_mask);
	(void) sigaction(SIGINT, &act, NULL);
	(void) sigaction(SIGTERM, &act, NULL);
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

void interrupt_clear(void) {
	asked = 0;
}
