#include "commands.h"

#include <string.h>

#include "base/err.h"
#include "base/text.h"

enum { MANY = 1 << 20 };

/* In the order in which an engineer meets them. The one table for dispatch and help. */
const struct cmd commands[] = {
	{"init", "[DIR]", "write a starter manifest and golden set that validate; --model hf://ORG/REPO[@REVISION], FOLDER or FILE: of that model",
		OPT_STATE | OPT(OPT_MODEL) | OPT(OPT_RUNTIMES) | OPT(OPT_FORCE), 0, 1, cmd_init},
	{"pin-model", "MANIFEST", "fill in or renew the digests and revisions of a manifest's model, candidates and adapters, in place",
		OPT(OPT_JSON) | OPT(OPT_REVISION) | OPT(OPT_CHECK) | OPT(OPT_DRY_RUN), 1, 1, cmd_pin_model},
	{"validate", "FILE...", "check manifests and golden sets: every complaint at once, with its place",
		OPT(OPT_JSON) | OPT(OPT_RUNTIMES) | OPT(OPT_FILE), 1, MANY, cmd_validate},
	{"plan", "FILE", "everything that an apply would decide, and why; nothing moves",
		OPT_STATE | OPT(OPT_LOCK_WAIT) | OPT(OPT_RUNTIMES) | OPT(OPT_OUT) | OPT(OPT_EXIT_CODE) | OPT(OPT_EXPLAIN) |
			OPT(OPT_ENGINE) | OPT(OPT_ESTIMATE) | OPT(OPT_FILE) | OPT(OPT_CHECK), 1, 1, cmd_plan},
	{"choose", "FILE", "try the candidates of a manifest, the smallest first, and write the manifest with the one that passes",
		OPT_MOVE | OPT(OPT_RUNTIMES) | OPT(OPT_OUTPUT) | OPT(OPT_PARANOID) | OPT(OPT_FILE), 1, 1, cmd_choose},
	{"build", "FILE", "compile a manifest into release.lock.json and its image; touches nothing that runs",
		OPT_STATE | OPT(OPT_LOCK_WAIT) | OPT(OPT_RUNTIMES) | OPT(OPT_OUTPUT) | OPT(OPT_SBOM) | OPT(OPT_ARCHIVE) | OPT(OPT_PARANOID) | OPT(OPT_FILE), 1, 1, cmd_build},
	{"apply", "FILE", "a manifest or a lock: compile, start the candidate, prove it, switch",
		OPT_MOVE | OPT(OPT_RUNTIMES) | OPT(OPT_ARCHIVE) | OPT(OPT_PARANOID) | OPT(OPT_DRY_RUN) | OPT(OPT_FILE), 1, 1, cmd_apply},
	{"rollback", "ROUTE", "back to the release before, without network, build or questions", OPT_MOVE | OPT(OPT_TO), 1, 1, cmd_rollback},
	{"promote", "ROUTE", "switch to a held candidate all the same", OPT_MOVE | OPT(OPT_REASON), 1, 1, cmd_promote},
	{"abort", "ROUTE", "drop a held candidate", OPT_MOVE | OPT(OPT_REASON), 1, 1, cmd_abort},
	{"stop", "ROUTE", "drain and stop a route; its active release stays, and clients get 503 or the fallback", OPT_MOVE, 1, 1, cmd_stop},
	{"start", "ROUTE", "start the active release of a route that was stopped", OPT_MOVE, 1, 1, cmd_start},
	{"remove", "ROUTE", "drain a route, stop it and take it off the gateway; its journal stays", OPT_MOVE | OPT(OPT_PURGE) | OPT(OPT_YES), 1, 1, cmd_remove},
	{"releases", "ROUTE", "the releases of a route: state, evidence, size, and where a rollback goes", OPT_STATE | OPT(OPT_ENGINE), 1, 1, cmd_releases},
	{"status", "[ROUTE]", "what is active, what is behind it, and whether it runs",
		OPT_STATE | OPT(OPT_ENGINE) | OPT(OPT_PROMETHEUS) | OPT(OPT_OUTPUT) | OPT(OPT_WATCH), 0, 1, cmd_status},
	{"history", "ROUTE", "every step of every rollout, from the journal", OPT_STATE | OPT(OPT_TAIL) | OPT(OPT_SINCE) | OPT(OPT_FOLLOW), 1, 1, cmd_history},
	{"ask", "ROUTE [QUESTION]", "ask the active release one question",
		OPT_STATE | OPT(OPT_SOCKET_PATH) | OPT(OPT_CASE) | OPT(OPT_SOURCES), 1, 2, cmd_ask},
	{"logs", "ROUTE", "the log of the active release's engine", OPT_STATE | OPT(OPT_ENGINE) | OPT(OPT_TAIL) | OPT(OPT_FOLLOW), 1, 1, cmd_logs},
	{"verify", "[ROUTE]", "compare what is there with the lock: container, image, model, gateway, link",
		OPT_MOVE | OPT(OPT_PARANOID) | OPT(OPT_FIX), 0, 1, cmd_verify},
	{"eval", "FILE", "ask a golden set of any OpenAI-compatible server, and judge the answers",
		OPT(OPT_JSON) | OPT(OPT_ENDPOINT) | OPT(OPT_MODEL) | OPT(OPT_API_KEY_FILE) | OPT(OPT_OUTPUT), 1, 1, cmd_eval},
	{"recover", "ROUTE | --all", "finish or undo what an interrupted run left", OPT_MOVE | OPT(OPT_ALL) | OPT(OPT_ACCEPT_JOURNAL), 0, 1, cmd_recover},
	{"gateway", "status | reload | upgrade | keys list|add|remove ROUTE [NAME]", "the HAProxy in front of the routes, and its clients' keys",
		OPT_MOVE | OPT(OPT_RUNTIMES) | OPT(OPT_FORCE), 1, 4, cmd_gateway},
	{"pin", "ROUTE VERSION", "keep a committed release whatever gc does", OPT_MOVE | OPT(OPT_REASON), 2, 2, cmd_pin},
	{"unpin", "ROUTE VERSION", "let gc take it again, when its time comes", OPT_MOVE | OPT(OPT_REASON), 2, 2, cmd_unpin},
	{"gc", "", "free what no release needs", OPT_MOVE | OPT(OPT_DRY_RUN), 0, 0, cmd_gc},
	{"model", "list | pull FILE | verify [SHA256] | show MODEL", "the artifacts in the store; what a model is, by its header",
		OPT_STATE | OPT(OPT_LOCK_WAIT) | OPT(OPT_PARANOID), 1, 2, cmd_model},
	{"runtime", "list | show NAME | lock NAME", "the serving engines: which can do what, how each is started, their locked packages",
		OPT(OPT_REQUIRES) | OPT(OPT_CAPABILITIES) | OPT(OPT_ARGV) | OPT_STATE | OPT(OPT_LOCK_WAIT) | OPT(OPT_RUNTIMES) | OPT(OPT_ACCEPT_EXPIRED) | OPT(OPT_BACKEND) | OPT(OPT_OUTPUT), 1, 2, cmd_runtime},
	{"host", "", "what this machine has: memory, processors, GPUs, bandwidth", OPT_STATE | OPT(OPT_MEASURE), 0, 0, cmd_host},
	{"schema", "manifest | golden | runtime | config | model-card | lock", "the JSON Schema of a file, for editors", 0, 1, 1, cmd_schema},
	{"version", "", "the version of this program", OPT(OPT_JSON), 0, 0, cmd_version},
	{0},
};

const struct cmd *cmd_find(const char *name) {
	for (const struct cmd *cmd = commands; cmd->name; cmd++)
		if (!strcmp(cmd->name, name))
			return cmd;
	return NULL;
}

/* What other tools call it. Of several commands the first that there is. */
static const char *known_elsewhere(const char *name) {
	static const struct {
		const char *name, *command;
	} others[] = {
		{"list", "status"}, {"ls", "status"}, {"ps", "status"}, {"get", "status"}, {"info", "status"}, {"show", "status"},
		{"describe", "status"}, {"top", "status"}, {"deploy", "apply"}, {"up", "apply"}, {"create", "apply"}, {"install", "apply"},
		{"update", "apply"}, {"upgrade", "apply"}, {"push", "apply"}, {"serve", "apply"}, {"release", "apply"}, {"down", "remove"},
		{"destroy", "remove"}, {"delete", "remove"}, {"rm", "remove"}, {"uninstall", "remove"}, {"undeploy", "remove"},
		{"undo", "rollback"}, {"revert", "rollback"}, {"back", "rollback"}, {"diff", "plan"}, {"preview", "plan"},
		{"check", "validate"}, {"lint", "validate"}, {"compile", "build"}, {"test", "eval"}, {"chat", "ask"}, {"run", "ask"},
		{"query", "ask"}, {"tail", "logs"}, {"audit", "history"}, {"events", "history"}, {"prune", "gc"}, {"clean", "gc"},
		{"cleanup", "gc"}, {"doctor", "verify"}, {"drift", "verify"}, {"repair", "recover"}, {"cancel", "abort"},
		{"models", "model"}, {"pull", "model"}, {"runtimes", "runtime"}, {"new", "init"}, {"keys", "gateway"},
	};

	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (!strcmp(others[i].name, name) && cmd_find(others[i].command))
			return others[i].command;
	return NULL;
}

int cmd_unknown(const char *name, struct err *e) {
	const char *names[sizeof commands / sizeof *commands], *other = known_elsewhere(name);
	size_t n = 0;

	if (other)
		return err_set(e, ERR_USAGE, "no command '%s', did you mean '%s'?", name, other);
	for (const struct cmd *cmd = commands; cmd->name; cmd++)
		names[n++] = cmd->name;
	const char *near = text_nearest(name, names, n);
	return near ? err_set(e, ERR_USAGE, "no command '%s', did you mean '%s'?", name, near)
		    : err_set(e, ERR_USAGE, "no command '%s', see llmdeploy --help", name);
}
