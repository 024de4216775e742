/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"

#include <string.h>

#include "base/err.h"
#include "base/text.h"

enum { MANY = 1 << 20 };

static const struct cmd_verb gateway_verbs[] = {
	{"status", "", "what HAProxy runs, and the state of each route's two servers"},
	{"reload", "",
	 "load the configuration again, with the certificates and keys that it names"},
	{"upgrade", "",
	 "make the gateway's image of its locked packages, and replace the running HAProxy by it"},
	{"keys list", "ROUTE", "the names of the clients that have a key"},
	{"keys add", "ROUTE NAME", "make a key for a client and print it, once"},
	{"keys remove", "ROUTE NAME", "take a client's key away"},
	{0},
};

static const struct cmd_verb model_verbs[] = {
	{"list", "", "the models and adapters in the store, with their sizes and what uses them"},
	{"pull", "FILE", "fetch the model and the adapters of a manifest into the store"},
	{"verify", "[SHA256]", "compare what is in the store with its digest"},
	{"show", "MODEL",
	 "what a model is, read from its header: a file, a folder, an address or a model card"},
	{0},
};

static const struct cmd_verb runtime_verbs[] = {
	{"list", "", "the runtimes that are defined here, and what each supports"},
	{"show", "RUNTIME", "the definition of a runtime: flags, limits, backends"},
	{"lock", "RUNTIME", "choose the runtime's packages on the mirror, and write packages.lock"},
	{0},
};

static const struct cmd_verb schema_verbs[] = {
	{"manifest", "", "a release, as apply reads it"},
	{"golden", "", "a golden set"},
	{"runtime", "", "the definition of a runtime"},
	{"config", "", "config.yaml of a machine"},
	{"model-card", "", "a model card"},
	{"lock", "", "release.lock.json, the lockfile"},
	{0},
};

static const struct cmd_verb completion_verbs[] = {
	{"bash", "", "for bash, with or without the package bash-completion"},
	{"zsh", "", "for zsh"},
	{"fish", "", "for fish"},
	{"words", "-- WORD...", "for the scripts: what the last WORD of a command line may become"},
	{0},
};

/* In the order in which an engineer meets them. The one table for dispatch and help. */
const struct cmd commands[] = {
	{"init", "[DIR]",
	 "write a valid starter manifest and golden set; with --model for that model "
	 "(hf://ORG/REPO[@REVISION], a folder or a file)",
	 OPT_STATE | OPT(OPT_MODEL) | OPT(OPT_RUNTIMES) | OPT(OPT_FORCE), 0, 1, cmd_init,
	 .details =
		 "The two files are named after DIR. A file that is already there is replaced only "
		 "with --force.\n"
		 "With --model the manifest names the model: its source with the commit, the "
		 "SHA-256 "
		 "of each file, the largest context that fits this machine, and candidates where "
		 "the "
		 "repository has several quantizations."},
	{"pin-model", "MANIFEST",
	 "fill in or renew the digests and revisions of a manifest's model, candidates and "
	 "adapters, in place",
	 OPT(OPT_JSON) | OPT(OPT_REVISION) | OPT(OPT_CHECK) | OPT(OPT_DRY_RUN), 1, 1, cmd_pin_model,
	 .details = "For the model, each candidate and each adapter that has a source, the command "
		    "looks "
		    "up what the source has now, and writes its SHA-256 and its commit into the "
		    "manifest. Comments, order and quotes of the file stay as they are.\n"
		    "All sources of one artifact must have the same bytes; otherwise the exit "
		    "status is "
		    "5."},
	{"validate", "FILE...",
	 "check manifests and golden sets; print all errors with line and column",
	 OPT(OPT_JSON) | OPT(OPT_RUNTIMES) | OPT(OPT_FILE), 1, MANY, cmd_validate,
	 .details =
		 "A manifest or a golden set is recognised by its content. Each mistake is a line "
		 "FILE:LINE:COLUMN: MESSAGE. No root, no network and no Docker is needed."},
	{"plan", "FILE", "show everything that an apply would decide, and why; change nothing",
	 OPT_STATE | OPT(OPT_LOCK_WAIT) | OPT(OPT_RUNTIMES) | OPT(OPT_OUT) | OPT(OPT_EXIT_CODE) |
		 OPT(OPT_EXPLAIN) | OPT(OPT_ENGINE) | OPT(OPT_ESTIMATE) | OPT(OPT_FILE) |
		 OPT(OPT_CHECK),
	 1, 1, cmd_plan,
	 .details =
		 "The plan shows the memory part by part, the verdict for each machine, which "
		 "candidate wins, the expected speed and cost, and what would change against the "
		 "active release.\n"
		 "FILE is a manifest or a lockfile. A plan that --out has written can be given to "
		 "apply; apply refuses it with exit status 8 when another release has become "
		 "active "
		 "meanwhile."},
	{"choose", "FILE",
	 "try the candidates of a manifest, smallest first, and write a manifest with the first "
	 "that passes",
	 OPT_MOVE | OPT(OPT_RUNTIMES) | OPT(OPT_OUTPUT) | OPT(OPT_PARANOID) | OPT(OPT_FILE), 1, 1,
	 cmd_choose,
	 .details = "Each candidate of model.candidates that fits is started and asked the golden "
		    "set. "
		    "The manifest that is written names the first one that passes. No route is "
		    "changed."},
	{"build", "FILE",
	 "compile a manifest into release.lock.json and an image; does not touch running releases",
	 OPT_STATE | OPT(OPT_LOCK_WAIT) | OPT(OPT_RUNTIMES) | OPT(OPT_OUTPUT) | OPT(OPT_SBOM) |
		 OPT(OPT_ARCHIVE) | OPT(OPT_PARANOID) | OPT(OPT_FILE),
	 1, 1, cmd_build,
	 .details =
		 "The result is the lockfile (release.lock.json, or the file of --output): every "
		 "name "
		 "of the manifest is a digest there, every default a value. The same manifest, "
		 "packages and version of llmdeploy give the same lockfile and the same image on "
		 "any "
		 "machine. apply takes the lockfile, on another machine together with the image of "
		 "--archive."},
	{"apply", "FILE",
	 "deploy a manifest, a lockfile or a plan: compile, start the candidate, run its gate, "
	 "switch",
	 OPT_MOVE | OPT(OPT_RUNTIMES) | OPT(OPT_ARCHIVE) | OPT(OPT_PARANOID) | OPT(OPT_DRY_RUN) |
		 OPT(OPT_FILE),
	 1, 1, cmd_apply,
	 .details =
		 "FILE is a manifest, a lockfile, or a plan that plan --out has written.\n"
		 "The candidate starts beside the active release, or in its place with "
		 "rollout.strategy recreate. It must become ready, answer one token, and pass its "
		 "golden set. Then the gateway switches the traffic to it. During rollout.watch a "
		 "release that fails is switched back (exit status 7). A failure before the switch "
		 "changes nothing that clients see (exit status 6); its reason, answers and log "
		 "are "
		 "kept under attempts/N of the route.\n"
		 "Ctrl-C undoes the operation. An apply that was killed is undone or finished by "
		 "the "
		 "next command on the route, or by llmdeploy recover."},
	{"rollback", "ROUTE",
	 "switch back to the previous release, without network, build or golden questions",
	 OPT_MOVE | OPT(OPT_TO), 1, 1, cmd_rollback,
	 .details = "The target is the newest committed release that was active before and was not "
		    "itself rolled back from; --to names another one. The target must answer one "
		    "token. "
		    "Nothing is downloaded and no golden question is asked."},
	{"promote", "ROUTE", "switch to a held candidate without a verdict of its gate",
	 OPT_MOVE | OPT(OPT_REASON), 1, 1, cmd_promote,
	 .details = "A candidate is held when its gate had too few requests for a verdict (exit "
		    "status "
		    "10 of apply). The reason is written to the journal and is required."},
	{"abort", "ROUTE", "remove a held candidate", OPT_MOVE | OPT(OPT_REASON), 1, 1, cmd_abort,
	 .details =
		 "The container of the candidate is removed; its evidence stays as an attempt. The "
		 "active release is not touched."},
	{"stop", "ROUTE",
	 "drain and stop a route; its release stays active, clients get 503 or the fallback",
	 OPT_MOVE, 1, 1, cmd_stop,
	 .details =
		 "Requests in flight may end within rollout.drain. New requests get the declared "
		 "fallback, else 503 with Retry-After, until llmdeploy start."},
	{"start", "ROUTE", "start the active release of a route that was stopped", OPT_MOVE, 1, 1,
	 cmd_start,
	 .details = "The release gets traffic after it has answered one token. A release that does "
		    "not "
		    "come up leaves the route stopped."},
	{"remove", "ROUTE",
	 "drain and stop a route and remove it from the gateway; its journal stays",
	 OPT_MOVE | OPT(OPT_PURGE) | OPT(OPT_YES), 1, 1, cmd_remove,
	 .details = "Containers, images and releases of the route are removed, pinned releases "
		    "too. At a "
		    "terminal the command asks first; elsewhere it needs --yes."},
	{"releases", "ROUTE",
	 "list the releases of a route: state, evidence, size, rollback target",
	 OPT_STATE | OPT(OPT_ENGINE), 1, 1, cmd_releases,
	 .details = "For each release: its state, when it was committed, its evidence, its size, "
		    "whether "
		    "it is pinned, and whether a rollback would return to it."},
	{"status", "[ROUTE]",
	 "show the active release of each route, its state and its rollback target",
	 OPT_STATE | OPT(OPT_ENGINE) | OPT(OPT_PROMETHEUS) | OPT(OPT_OUTPUT) | OPT(OPT_WATCH), 0, 1,
	 cmd_status,
	 .details = "Without ROUTE: one line for each route. With ROUTE: the active release, the "
		    "address "
		    "for clients, the target of a rollback, and the operation under way."},
	{"history", "ROUTE", "show every step of every rollout, from the journal",
	 OPT_STATE | OPT(OPT_TAIL) | OPT(OPT_SINCE) | OPT(OPT_FOLLOW), 1, 1, cmd_history,
	 .details = "The newest 20 records are shown unless --tail or --since says otherwise."},
	{"ask", "ROUTE [QUESTION]", "ask the active release one question",
	 OPT_STATE | OPT(OPT_SOCKET_PATH) | OPT(OPT_CASE) | OPT(OPT_SOURCES), 1, 2, cmd_ask,
	 .details = "The question goes to the active release directly, not through the gateway. "
		    "Either "
		    "QUESTION or --case is given."},
	{"logs", "ROUTE", "print the log of the active release's instance",
	 OPT_STATE | OPT(OPT_ENGINE) | OPT(OPT_TAIL) | OPT(OPT_FOLLOW), 1, 1, cmd_logs,
	 .details = "The log of the container of the active release."},
	{"verify", "[ROUTE]", "compare container, image, model, gateway and link with the lockfile",
	 OPT_MOVE | OPT(OPT_PARANOID) | OPT(OPT_FIX), 0, 1, cmd_verify,
	 .details =
		 "Nothing is changed without --fix. Differences are shown as a table, and the exit "
		 "status is 11. With --fix what can be repaired is repaired under the lock of the "
		 "route."},
	{"eval", "FILE", "run a golden set against any OpenAI-compatible server",
	 OPT(OPT_JSON) | OPT(OPT_ENDPOINT) | OPT(OPT_MODEL) | OPT(OPT_API_KEY_FILE) |
		 OPT(OPT_OUTPUT),
	 1, 1, cmd_eval,
	 .details =
		 "The server may be any with the OpenAI API. The verdicts are those of the gate of "
		 "apply: exit status 6 when a case fails. --output keeps the evidence."},
	{"recover", "ROUTE | --all", "finish or undo an interrupted operation",
	 OPT_MOVE | OPT(OPT_ALL) | OPT(OPT_ACCEPT_JOURNAL), 0, 1, cmd_recover,
	 .details =
		 "Every command that changes a route does this first. A systemd unit runs recover "
		 "--all after a boot."},
	{"gateway", NULL, "manage the HAProxy in front of the routes, and the API keys of clients",
	 OPT_MOVE | OPT(OPT_RUNTIMES) | OPT(OPT_FORCE), 1, 4, cmd_gateway,
	 .details = "HAProxy runs in a container of llmdeploy, or as an installed program; "
		    "gateway.mode "
		    "of config.yaml decides. In place of ROUTE, the keys commands take the "
		    "absolute path "
		    "of a file of keys.",
	 .verbs = gateway_verbs},
	{"pin", "ROUTE VERSION", "protect a committed release from gc", OPT_MOVE | OPT(OPT_REASON),
	 2, 2, cmd_pin,
	 .details = "A pinned release stays on disk with its model and its image, so that a "
		    "rollback can "
		    "return to it."},
	{"unpin", "ROUTE VERSION", "end the protection of a release from gc",
	 OPT_MOVE | OPT(OPT_REASON), 2, 2, cmd_unpin,
	 .details =
		 "The release is removed by gc as soon as rollout.keep newer ones are committed."},
	{"gc", "", "remove files and images that no release uses", OPT_MOVE | OPT(OPT_DRY_RUN), 0,
	 0, cmd_gc,
	 .details =
		 "Kept are the active release, the target of a rollback, held and pinned releases, "
		 "and the newest rollout.keep committed ones, with everything that they need. "
		 "After a "
		 "commit this runs by itself."},
	{"model", NULL, "manage the artifacts in the store; show what the header of a model says",
	 OPT_STATE | OPT(OPT_LOCK_WAIT) | OPT(OPT_PARANOID), 1, 2, cmd_model,
	 .details =
		 "MODEL is a GGUF file, a folder of safetensors, an address "
		 "(hf://ORG/REPO@REVISION/FILE or https://...), or the name of a model card. Only "
		 "headers are read, also over the network.",
	 .verbs = model_verbs},
	{"runtime", NULL, "list and show runtimes: capabilities, command lines, locked packages",
	 OPT(OPT_REQUIRES) | OPT(OPT_CAPABILITIES) | OPT(OPT_ARGV) | OPT_STATE |
		 OPT(OPT_LOCK_WAIT) | OPT(OPT_RUNTIMES) | OPT(OPT_ACCEPT_EXPIRED) |
		 OPT(OPT_BACKEND) | OPT(OPT_OUTPUT),
	 1, 2, cmd_runtime,
	 .details =
		 "A runtime is a folder with runtime.yaml, and with packages.lock where llmdeploy "
		 "makes its image. lock verifies the signature of the archive.",
	 .verbs = runtime_verbs},
	{"host", "", "show the memory, processors, GPUs and memory bandwidth of this machine",
	 OPT_STATE | OPT(OPT_MEASURE), 0, 0, cmd_host,
	 .details =
		 "The bandwidth that --measure finds is kept in host.json of the root, and used by "
		 "plan."},
	{"schema", NULL, "print the JSON Schema of a file format, for editors", OPT(OPT_MARKDOWN),
	 1, 1, cmd_schema,
	 .details = "The JSON Schema (2020-12) is printed on the standard output.",
	 .verbs = schema_verbs},
	{"completion", NULL, "print the completion script of a shell", 0, 1, MANY, cmd_completion,
	 .details = "For the running shell: source <(llmdeploy completion bash), or the same with "
		    "zsh; in fish "
		    "llmdeploy completion fish | source. make install and the Debian package put "
		    "the scripts "
		    "where the shells look for them.\n"
		    "The scripts have no list of their own: they call llmdeploy completion words, "
		    "so that "
		    "commands, options, routes and versions are always those of this program and "
		    "this machine.",
	 .verbs = completion_verbs},
	{"man", "[PAGE]", "print a manual page as roff; without PAGE, the names of all pages", 0, 0,
	 1, cmd_man,
	 .details = "Where no manual is installed: llmdeploy man llmdeploy-apply.1 | man -l -"},
	{"version", "", "print the version of this program", OPT(OPT_JSON), 0, 0, cmd_version,
	 .details = ""},
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
		{"list", "status"},      {"ls", "status"},       {"ps", "status"},
		{"get", "status"},       {"info", "status"},     {"show", "status"},
		{"describe", "status"},  {"top", "status"},      {"deploy", "apply"},
		{"up", "apply"},         {"create", "apply"},    {"install", "apply"},
		{"update", "apply"},     {"upgrade", "apply"},   {"push", "apply"},
		{"serve", "apply"},      {"release", "apply"},   {"down", "remove"},
		{"destroy", "remove"},   {"delete", "remove"},   {"rm", "remove"},
		{"uninstall", "remove"}, {"undeploy", "remove"}, {"undo", "rollback"},
		{"revert", "rollback"},  {"back", "rollback"},   {"diff", "plan"},
		{"preview", "plan"},     {"check", "validate"},  {"lint", "validate"},
		{"compile", "build"},    {"test", "eval"},       {"chat", "ask"},
		{"run", "ask"},          {"query", "ask"},       {"tail", "logs"},
		{"audit", "history"},    {"events", "history"},  {"prune", "gc"},
		{"clean", "gc"},         {"cleanup", "gc"},      {"doctor", "verify"},
		{"drift", "verify"},     {"repair", "recover"},  {"cancel", "abort"},
		{"models", "model"},     {"pull", "model"},      {"runtimes", "runtime"},
		{"new", "init"},         {"keys", "gateway"},
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
