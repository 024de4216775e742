/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as an apt configuration: some URLs, none with a blank in it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/apt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct arena *arena CLEANUP(arena_freep) = arena_new();
	struct config_urls urls = {.arena = arena};
	char *text CLEANUP(freep) = mem_strndup((const char *) data, size);

	if (strstr(text, "mirror+file:"))
		return 0; /* would read files of this machine */
	config_apt_list(text, &urls);
	config_apt_sources(text, &urls);
	for (size_t i = 0; i < urls.n; i++)
		if (strpbrk(urls.at[i], " \t\r\n") || strncmp(urls.at[i], "http", 4) != 0)
			abort();
	return 0;
}
