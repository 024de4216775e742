/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "commands.h"

const struct help_status help_statuses[] = {
	{ERR_OK, "done", "done, or nothing to do"},
	{ERR_SYS, "system error", "system error"},
	{ERR_USAGE, "usage", "wrong usage, or an unknown route or version"},
	{ERR_SPEC, "invalid manifest",
	 "the manifest is invalid, is refused by HAProxy, or has the version of another release"},
	{ERR_NOFIT, "refused by admission",
	 "refused by admission: the release does not fit on the device"},
	{ERR_INTEGRITY, "integrity", "integrity failure: a digest does not match"},
	{ERR_GATE, "gate failed",
	 "the gate failed, or the candidate ended or did not become ready; the active release is "
	 "untouched"},
	{ERR_REVERTED, "rolled back", "rolled back after the switch"},
	{ERR_BUSY, "busy", "busy: another command holds the lock, or the plan is stale"},
	{ERR_UNREACHABLE, "unreachable",
	 "Docker, a mirror, the hub or a source is unreachable, or a locked package is gone from "
	 "the mirror"},
	{ERR_HELD, "held", "the gate had no verdict; the candidate is held for promote or abort"},
	{ERR_DRIFT, "drift",
	 "changes or drift found (verify, plan --exit-code, pin-model --check)"},
	{ERR_RECOVERY, "recovery needs a human", "recovery needs a human"},
	{ERR_INTERRUPTED, "interrupted",
	 "interrupted; the last line says what was undone. --follow and --watch end with 0"},
	{0},
};

void help_usage(FILE *to) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(1 << 16),
		     statuses CLEANUP(buf_done) = BUF_INIT(4096);

	(void) buf_puts(&b, "usage: llmdeploy COMMAND [OPTION]... [ARGUMENT]...\n\n");
	for (const struct cmd *cmd = commands; cmd->name; cmd++) {
		char *left CLEANUP(freep) = mem_printf("  %s", cmd->name);
		args_wrap(&b, left, 13, cmd->summary);
	}
	(void) buf_puts(&b, "\nllmdeploy help COMMAND shows the options of a command.\n\n");
	for (const struct help_status *s = help_statuses; s->brief; s++)
		(void) buf_printf(&statuses, "%s%d %s", s == help_statuses ? "" : ", ",
				  err_exit_status(s->code), s->brief);
	(void) buf_putc(&statuses, '.');
	args_wrap(&b, "Exit status:", 13, buf_str(&statuses));
	(void) fputs(buf_str(&b), to);
}

void help_command(const struct cmd *cmd) {
	char *text CLEANUP(freep) = NULL;

	args_help(cmd, &text);
	(void) fputs(text, stdout);
}
