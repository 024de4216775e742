/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Memory that is planned against memory that is there, as integers: nothing here knows a model or a
 * manifest. */

/* `percent` of n, rounded up. */
uint64_t capacity_percent(uint64_t n, unsigned percent);
/* planned <= capacity x (1 - reserve): the reserve is a part of the device, not
 * of the plan. reserve_percent is 0 to 90. */
bool capacity_admits(uint64_t capacity, unsigned reserve_percent, uint64_t planned);
/* What capacity_admits leaves of the capacity. */
uint64_t capacity_usable(uint64_t capacity, unsigned reserve_percent);

/* The limit of a container: host memory and the reserve on top, in whole MiB. Saturates. */
uint64_t capacity_limit(uint64_t host, unsigned reserve_percent);
