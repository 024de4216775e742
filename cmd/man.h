/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct buf;

/* The names of all manual pages, a line each: "llmdeploy-apply.1". */
void man_list(struct buf *out);
