/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Inside of pkg/hub, and for its fuzz target. */

struct err;
struct hub_repo;
struct json;

/* One page of the list of files, added to what is there. */
int hub_take_page(const struct json *page, struct hub_repo *out, struct err *e);
/* The address of the next page by a Link header, at our own endpoint; NULL: this was the last.
 * Yours. */
char *hub_next_page(const char *link, const char *endpoint);
