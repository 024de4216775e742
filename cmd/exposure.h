/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct args;
struct json;
struct pos;

/* A warning where everybody on the network can use a route: gateway.listen is no address of this
 * machine alone, and gateway.api_keys is not set. `gateway` is the section of a manifest or of a
 * lockfile; `at`: where it stands, or NULL. */
void exposure_warn(const struct args *a, const struct json *gateway, const struct pos *at);
