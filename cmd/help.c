#include "help.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "commands.h"

void help_usage(FILE *to) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(1 << 16);

	(void) buf_puts(&b, "usage: llmdeploy COMMAND [OPTION]... [ARGUMENT]...\n\n");
	for (const struct cmd *cmd = commands; cmd->name; cmd++) {
		char *left CLEANUP(freep) = mem_printf("  %s", cmd->name);
		args_wrap(&b, left, 13, cmd->summary);
	}
	(void) buf_puts(&b, "\nllmdeploy help COMMAND says more.\n\n");
	args_wrap(&b, "Exit status:", 13, "0 done, 1 system error, 2 usage, 3 invalid manifest, 4 refused by admission, 5 integrity, 6 gate failed, "
			     "7 rolled back, 8 busy, 9 unreachable, 10 held, 11 drift, 12 recovery needs a human, 130 interrupted.");
	(void) fputs(buf_str(&b), to);
}

void help_command(const struct cmd *cmd) {
	char *text CLEANUP(freep) = NULL;

	args_help(cmd, &text);
	(void) fputs(text, stdout);
}
