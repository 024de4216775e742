/* SPDX-License-Identifier: Apache-2.0 */
#include "follow.h"

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/interrupt.h"

enum { LOOK_MS = 100 };

bool follow_is_wanted(void) {
	struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

	if (interrupt_pending() || ferror(stdout))
		return false;
	return poll(&out, 1, 0) < 1 || !(out.revents & (POLLERR | POLLHUP));
}

bool follow_wait(uint64_t ms) {
	for (uint64_t waited = 0; waited < ms; waited += LOOK_MS) {
		if (!follow_is_wanted())
			return false;
		clock_sleep_ms(ms - waited < LOOK_MS ? ms - waited : LOOK_MS);
	}
	return follow_is_wanted();
}
