/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

struct arena;

/* A list of URLs that grows in an arena, none twice. */
struct config_urls {
	struct arena *arena;
	const char **at;
	size_t n, size;
};

/* Without slashes at the end; a URL that is there already is passed over, and so is the 33rd. */
void config_urls_add(struct config_urls *urls, const char *url, size_t n);

/* The mirrors of the Debian main archive in the apt configuration below `dir`; a file that cannot
 * be read is passed over. */
void config_apt_mirrors(const char *dir, struct config_urls *out);
/* One file of it, see sources.list(5): the format of a line an entry, and deb822. */
void config_apt_list(const char *text, struct config_urls *out);
void config_apt_sources(const char *text, struct config_urls *out);
