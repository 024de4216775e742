/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/failpoint.h"
#include "base/interrupt.h"
#include "help.h"
#include "report/report.h"

static bool is_help(const char *word) {
	return !strcmp(word, "--help") || !strcmp(word, "-h");
}

static bool wants_help(int argc, char **argv) {
	for (int i = 0; i < argc && strcmp(argv[i], "--"); i++)
		if (is_help(argv[i]))
			return true;
	return false;
}

static int unknown_command(const char *name) {
	struct err e = {0};

	(void) cmd_unknown(name, &e);
	(void) fprintf(stderr, "llmdeploy: %s\n", e.msg);
	return err_exit_status(e.code);
}

static int usage(FILE *to, int status) {
	help_usage(to);
	return status;
}

static int help(const struct cmd *cmd) {
	help_command(cmd);
	return 0;
}

/* "help", "help COMMAND". */
static int help_on(const char *name) {
	if (!name || is_help(name) || !strcmp(name, "help"))
		return usage(stdout, 0);
	const struct cmd *cmd = cmd_find(name);
	return cmd ? help(cmd) : unknown_command(name);
}

static int run(const struct cmd *cmd, int argc, char **argv, struct err *e) {
	struct report report;
	struct args a = {.report = &report};

	int bad = args_parse(cmd, argc, argv, &a, e);
	report_init(&report, stdout, stderr, !bad && a.option[OPT_JSON]);
	/* What may take long says how long it takes. */
	if (!bad && cmd->options & (OPT(OPT_LOCK_WAIT) | OPT(OPT_ENDPOINT)))
		report_pulse(&report);
	if (bad || cmd->run(&a, e))
		report_error(&report, e);
	report_done(&report);
	return err_exit_status(e->code);
}

/* A reader that left, or a terminal that dropped, changes nothing of what was done; a full disk
 * lost what was asked for. */
static bool output_is_lost(void) {
	struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

	if (!fflush(stdout) && !ferror(stdout))
		return false;
	return poll(&out, 1, 0) < 1 || !(out.revents & (POLLERR | POLLHUP));
}

/* For the authors of tests alone; see base/failpoint.h. */
static int bad_failpoint(const struct err *e) {
	(void) fprintf(stderr, "llmdeploy: %s; the effects are:", e->msg);
	for (int i = 1; i < EFFECT_COUNT; i++)
		(void) fprintf(stderr, " %s", failpoint_name((enum effect) i));
	(void) fprintf(stderr, "\n");
	return err_exit_status(e->code);
}

int main(int argc, char **argv) {
	struct err e = {0};

	(void) umask(022);
	interrupt_install();
	if (failpoint_install(getenv("LLMDEPLOY_FAULT"), &e))
		return bad_failpoint(&e);
	if (argc < 2)
		return usage(stderr, err_exit_status(ERR_USAGE));
	if (is_help(argv[1]) || !strcmp(argv[1], "help"))
		return help_on(argc > 2 ? argv[2] : NULL);
	if (!strcmp(argv[1], "--version"))
		argv[1] = (char *) (uintptr_t) "version";

	const struct cmd *cmd = cmd_find(argv[1]);
	if (cmd && wants_help(argc - 2, argv + 2))
		return help(cmd);
	if (!cmd)
		return unknown_command(argv[1]);
	int status = run(cmd, argc - 2, argv + 2, &e);
	/* A signal that cuts a write leaves the stream's error flag set: then the signal, and not
	 * the output, decides. */
	return !interrupt_pending() && output_is_lost() ? err_exit_status(ERR_SYS) : status;
}
