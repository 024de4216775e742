/* SPDX-License-Identifier: Apache-2.0 */
#include "root/root.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

/* Names go into messages, a lock file and the journal: one plain word each. */
static bool is_plain(const char *s) {
	if (!s[0] || strlen(s) > 64)
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s >= 127 || strchr("\"'\\@:,", *s))
			return false;
	return true;
}

char *root_user(void) {
	char space[4096];
	struct passwd entry, *found = NULL;
	const char *sudo = getenv("SUDO_USER");

	if (getpwuid_r(geteuid(), &entry, space, sizeof space, &found) || !found ||
	    !is_plain(found->pw_name))
		return mem_printf("uid-%u", (unsigned) geteuid());
	if (!geteuid() && sudo && is_plain(sudo) && strcmp(sudo, found->pw_name) != 0)
		return mem_printf("%s for %s", found->pw_name, sudo);
	return mem_strdup(found->pw_name);
}

char *root_host(void) {
	char name[256] = "";

	(void) gethostname(name, sizeof name - 1);
	return mem_strdup(is_plain(name) ? name : "host");
}

char *root_holder(const char *command) {
	char *user CLEANUP(freep) = root_user(), *host CLEANUP(freep) = root_host();
	char since[CLOCK_STAMP];

	clock_stamp(clock_unix(), since);
	return mem_printf("%s@%s pid %ld: %s, since %s", user, host, (long) getpid(), command,
			  since);
}
