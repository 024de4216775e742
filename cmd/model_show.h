/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct args;
struct err;

/* llmdeploy model show MODEL: a file, a folder, an address, or the name of a model card. */
int model_show(struct args *a, struct err *e);
