/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "image/tree.h"

/* Inside pkg/image: what maintainer scripts would have made. Looks at the packages' nodes in `t`
 * and adds to them, before the merge. Texts that it makes live in `a`. */
struct arena;
struct err;

int postinst_emulate(struct tree *t, struct arena *a, struct err *e);
