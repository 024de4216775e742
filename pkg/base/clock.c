#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static uint64_t read_us(clockid_t id) {
	struct timespec t;

	(void) clock_gettime(id, &t);
	return (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
}

uint64_t clock_mono_us(void) {
	return read_us(CLOCK_MONOTONIC);
}

uint64_t clock_mono_ms(void) {
	return clock_mono_us() / 1000;
}

int64_t clock_unix(void) {
	return (int64_t) (read_us(CLOCK_REALTIME) / 1000000);
}

int64_t clock_unix_ms(void) {
	return (int64_t) (read_us(CLOCK_REALTIME) / 1000);
}

void clock_sleep_ms(uint64_t ms) {
	struct timespec t = {.tv_sec = (time_t) (ms / 1000), .tv_nsec = (long) (ms % 1000) * 1000000};

	(void) nanosleep(&t, NULL);
}

void clock_stamp(int64_t unix_seconds, char out[CLOCK_STAMP]) {
	time_t t = (time_t) unix_seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(out, CLOCK_STAMP, "%Y-%m-%dT%H:%M:%SZ", &tm))
		(void) snprintf(out, CLOCK_STAMP, "?");
}
