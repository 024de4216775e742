/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Inside pkg/image: does every program find its libraries? */
struct err;
struct tree;

/* For each ELF file of a merged tree: its interpreter and each DT_NEEDED is found where ld.so(8)
 * looks without a cache: RPATH (if there is no RUNPATH), RUNPATH, the architecture's folders.
 * `provided` (NULL-terminated or NULL) are sonames that come from elsewhere. ERR_INTEGRITY names
 * the first that is not, and counts the rest. */
int elf_deps_check(const struct tree *t, const char *architecture, const char *const *provided,
		   struct err *e);
