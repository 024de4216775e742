/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct args;
struct err;
struct runtime;

/* What `runtime list` and `runtime show` print. */

/* The definition by name; what is wrong with it is reported. */
int runtime_view_load(struct args *a, const char *name, char **dir, struct runtime **rt,
		      struct err *e);

/* All definitions; with --requires the verdict on each, with --capabilities the words of it. */
int runtime_view_list(struct args *a, struct err *e);
int runtime_view_show(struct args *a, struct err *e);
/* How it would be started: commands before, environment, argv. */
int runtime_view_argv(struct args *a, struct err *e);
