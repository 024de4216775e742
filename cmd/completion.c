/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/embed.h"
#include "base/err.h"
#include "completion_words.h"

extern const char completion_bash[], completion_bash_end[], completion_zsh[], completion_zsh_end[];
extern const char completion_fish[], completion_fish_end[];
EMBED(completion_bash, "templates/completion/llmdeploy.bash");
EMBED(completion_zsh, "templates/completion/llmdeploy.zsh");
EMBED(completion_fish, "templates/completion/llmdeploy.fish");

int cmd_completion(struct args *a, struct err *e) {
	static const struct {
		const char *shell, *script, *end;
	} scripts[] = {
		{"bash", completion_bash, completion_bash_end},
		{"zsh", completion_zsh, completion_zsh_end},
		{"fish", completion_fish, completion_fish_end},
	};
	const char *what = a->at[0];

	if (!strcmp(what, "words")) {
		completion_words(a->at + 1, (size_t) a->n - 1);
		return 0;
	}
	for (size_t i = 0; a->n == 1 && i < sizeof scripts / sizeof *scripts; i++)
		if (!strcmp(what, scripts[i].shell)) {
			(void) fwrite(scripts[i].script, 1,
				      (size_t) (scripts[i].end - scripts[i].script), stdout);
			return 0;
		}
	return err_set(e, ERR_USAGE, "completion wants bash, zsh, fish or words, got '%s%s%s'",
		       what, a->n > 1 ? " " : "", a->n > 1 ? a->at[1] : "");
}
