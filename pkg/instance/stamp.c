/* SPDX-License-Identifier: Apache-2.0 */
#include <time.h>

#include "instance/instance.h"

int64_t instance_stamp_ms(const char *stamp) {
	struct tm t = {0};
	const char *end = strptime(stamp, "%Y-%m-%dT%H:%M:%S", &t);

	if (!end || t.tm_year <= 0)
		return 0;
	/* Down to the millisecond: ".1" is 100. */
	int64_t ms = 0;
	for (int64_t unit = *end == '.' ? 100 : 0; unit && *++end >= '0' && *end <= '9'; unit /= 10)
		ms += (*end - '0') * unit;
	return (int64_t) timegm(&t) * 1000 + ms;
}
