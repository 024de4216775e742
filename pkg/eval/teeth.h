/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "eval/golden_set.h"

/* Can the assertions of a case fail? Not decided by how they are written, but by trying them on
 * answers that are as unlike as answers can be. ERR_SPEC: one that looks for something and finds it
 * in all of them, one that forbids something that all have, or a case that all of them pass. */
int eval_has_teeth(const struct eval_question *q, struct err *e);
