/* SPDX-License-Identifier: Apache-2.0 */
/* HAProxy that refuses where a file beside it says so: it is given a line of configuration that it
 * does not know.
 *
 * Beside it: `real/haproxy`, a link to HAProxy; `nonsense.cfg`; and refuse.check, refuse.reload or
 * refuse.start while it shall refuse to be asked (-c), to load another configuration, or to be
 * started. A master that executes itself again hands over all its words: those of an earlier
 * refusal are taken out. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_WORDS = 128 };

static void beside(const char *self, const char *name, char out[PATH_MAX]) {
	const char *slash = strrchr(self, '/');

	(void) snprintf(out, PATH_MAX, "%.*s/%s", slash ? (int) (slash - self) : 1,
			slash ? self : ".", name);
}

static const char *place_of(int argc, char **argv) {
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "-c"))
			return "refuse.check";
	return getenv("HAPROXY_MWORKER_REEXEC") ? "refuse.reload" : "refuse.start";
}

int main(int argc, char **argv) {
	static char file_option[] = "-f";
	char program[PATH_MAX], nonsense[PATH_MAX], flag[PATH_MAX], *words[MAX_WORDS];
	int n = 0;

	beside(argv[0], "real/haproxy", program);
	beside(argv[0], "nonsense.cfg", nonsense);
	beside(argv[0], place_of(argc, argv), flag);
	for (int i = 0; i < argc && n < MAX_WORDS - 3; i++) {
		if (i + 1 < argc && !strcmp(argv[i + 1], nonsense))
			i++;
		else
			words[n++] = argv[i];
	}
	if (!access(flag, F_OK)) {
		words[n++] = file_option;
		words[n++] = nonsense;
	}
	words[n] = NULL;
	(void) execv(program, words);
	return 127;
}
