/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
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
	struct timespec t = {.tv_sec = (time_t) (ms / 1000),
			     .tv_nsec = (long) (ms % 1000) * 1000000};

	(void) nanosleep(&t, NULL);
}

void clock_stamp(int64_t unix_seconds, char out[CLOCK_STAMP]) {
	time_t t = (time_t) unix_seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(out, CLOCK_STAMP, "%Y-%m-%dT%H:%M:%SZ", &tm))
		(void) snprintf(out, CLOCK_STAMP, "?");
}

/* "Z", "+HH:MM" or "-HH:MM" to seconds east. */
static bool parse_zone(const char *s, int64_t *seconds) {
	unsigned hours, minutes;
	int used = 0;

	*seconds = 0;
	if (!strcmp(s, "Z") || !strcmp(s, "z"))
		return true;
	if ((*s != '+' && *s != '-') || sscanf(s + 1, "%2u:%2u%n", &hours, &minutes, &used) != 2 ||
	    used != 5 || s[6] || hours > 23 || minutes > 59)
		return false;
	*seconds = (int64_t) (hours * 3600 + minutes * 60) * (*s == '-' ? -1 : 1);
	return true;
}

bool clock_parse(const char *text, int64_t *unix_seconds) {
	struct tm tm = {0};
	int64_t east = 0;
	char *rest = strptime(text, "%Y-%m-%d", &tm);

	if (!rest || rest - text != 10)
		return false;
	if (*rest) {
		if (*rest != 'T' && *rest != 't')
			return false;
		char *zone = strptime(rest + 1, "%H:%M:%S", &tm);
		if (!zone || zone - rest != 9)
			return false;
		if (*zone == '.')
			zone += 1 + strspn(zone + 1, "0123456789");
		if (!parse_zone(zone, &east))
			return false;
	}
	*unix_seconds = (int64_t) timegm(&tm) - east;
	return true;
}
