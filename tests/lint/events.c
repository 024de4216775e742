/* SPDX-License-Identifier: Apache-2.0 */
/* What pkg/release/event.h says, as text: `names`, `route`, `actions` and `root` (tables of
 * docs/formats.md). */
#include <stdio.h>
#include <string.h>

#include "release/event.h"

static const char *const classes[] = {[CLASS_BEGINS] = "begins",
				      [CLASS_STEP] = "step",
				      [CLASS_ENDS] = "ends",
				      [CLASS_WHOLE] = "begins, ends",
				      [CLASS_NOTE] = "note"};
#define WORD(id, word, does) [RECOVERY_##id] = word,
static const char *const words[] = {RECOVERY_ACTIONS(WORD)};

static void row(const char *name, enum event_class class, enum recovery_action action,
		const char *says, const char *members) {
	printf("| `%s` | %s | %s | %s | %s |\n", name, classes[class], words[action], says,
	       members);
}

int main(int argc, char **argv) {
	const char *what = argc > 1 ? argv[1] : "";

#define NAME(id, name, ...) puts(name);
#define ROW(id, name, class, action, means, phase, says, members) \
	row(name, CLASS_##class, RECOVERY_##action, says, members);
#define ROOT_ROW(id, name, class, action, means, phase, says, members) \
	printf("| `%s` | %s | %s |\n", name, says, members);
#define ACTION(id, word, does) printf("| %s | %s |\n", word, does);
	if (!strcmp(what, "names")) {
		EVENTS(NAME)
	} else if (!strcmp(what, "route")) {
		puts("| event | class | recovery | what it says | members "
		     "|\n|---|---|---|---|---|");
		EVENTS_OF_A_ROUTE(ROW)
	} else if (!strcmp(what, "actions")) {
		puts("| recovery | what is done |\n|---|---|");
		RECOVERY_ACTIONS(ACTION)
	} else if (!strcmp(what, "root")) {
		puts("| event | what it says | members |\n|---|---|---|");
		EVENTS_OF_THE_ROOT(ROOT_ROW)
	} else {
		return 2;
	}
	return 0;
}
