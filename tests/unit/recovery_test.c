/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "crypto/crypto.h"
#include "docker/docker.h"
#include "fs/fs.h"
#include "journal/frame.h"
#include "journal/journal.h"
#include "release/event.h"
#include "release/release.h"
#include "release/run.h"
#include "rollout/rollout.h"
#include "root/root.h"
#include "store/store.h"
#include "tests/fake/docker_state.h"
#include "tests/fake/model_server.h"
#include "json/json.h"

/* Recovery with every event of the table as the last record of a route's journal: the action, and
 * what it does to the journal, to Docker's containers, to the link `active` and to the releases on
 * disk. Release r1 was committed and is active; the records of the row are of r2, its successor,
 * unless the row says otherwise. Nothing here is the gateway's: that is tests/fault/matrix.py's. */

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LOCKFILE                                                                              \
	"{\"apiVersion\":\"llmdeploy/v1\",\"artifacts\":[{\"path\":\"/models/"                \
	"model.gguf\",\"role\":\"model\",\"sha256\":\"%s\","                                  \
	"\"size\":5,\"sources\":[]}],\"budget\":{\"adapters_bytes\":0,\"admission\":\"off\"," \
	"\"compute_bytes\":0,\"kv_bytes\":0,"                                                 \
	"\"limit_bytes\":200,\"output_bytes\":0,\"overhead_bytes\":0,\"planned_bytes\":100,"  \
	"\"reserve_percent\":20,"                                                             \
	"\"weights_bytes\":100},\"container\":{\"argv\":[\"/"                                 \
	"s\"],\"devices\":[],\"env\":[],\"gpu\":\"\",\"memory_bytes\":1048576,"               \
	"\"network\":\"none\",\"pids\":64,\"read_only\":true,\"socket\":\"/run/engine/"       \
	"engine.sock\",\"stop_signal\":\"SIGTERM\","                                          \
	"\"stop_timeout_ms\":1000,\"tmpfs\":{}},\"eval\":{\"skip\":\"a "                      \
	"test\"},\"gateway\":{},\"health\":{\"stall_timeout_ms\":1000,"                       \
	"\"startup_timeout_ms\":1000},\"image\":{\"config\":\"" A64                           \
	"\",\"layers\":[{\"diff_id\":\"" A64 "\",\"name\":\"base\","                          \
	"\"size\":512}],\"manifest\":\"" A64                                                  \
	"\",\"packages\":[]},\"kind\":\"Release\",\"logs\":{},\"probes\":{\"readiness\":{"    \
	"\"path\":\"/health\",\"ready\":{\"status\":200}},\"warmup\":{\"path\":\"/v1/chat/"   \
	"completions\"}},\"requirements\":{},"                                                \
	"\"rollout\":{\"drain_ms\":1,\"gates\":{\"error_rate_percent\":5},\"keep\":5,"        \
	"\"previous\":\"stopped\","                                                           \
	"\"strategy\":\"blue-green\",\"watch_ms\":1},\"route\":\"chat\",\"runtime\":{"        \
	"\"architecture\":\"amd64\",\"backend\":\"cpu\","                                     \
	"\"name\":\"llama.cpp\",\"packages_lock\":\"" A64                                     \
	"\",\"version\":\"1\"},\"tool\":\"llmdeploy 0.1.0\",\"version\":\"%s\"}\n"

struct one {
	char *lockfile, *name, *labels;
	char digest[SHA256_HEX], id[13];
	struct model_server *server;
};

struct fixture {
	char path[48];
	struct root root;
	struct release_route chat;
	struct store *store;
	struct docker_state *fake;
	struct docker *docker;
	struct one at[2]; /* r1, r2 */
	struct chain chain;
	struct buf journal;
};

static const char *const versions[] = {"r1", "r2"};

static void fine(int r, const struct err *e) {
	if (r)
		fail_msg("%s", e->msg);
}

static void make_one(struct fixture *p, size_t i, const char *model,
		     const struct fake_script *script) {
	struct one *x = &p->at[i];
	char *run CLEANUP(freep) = NULL;
	struct err e = {0};

	x->lockfile = mem_printf(LOCKFILE, model, versions[i]);
	sha256_of(x->lockfile, strlen(x->lockfile), x->digest);
	memcpy(x->id, x->digest, sizeof x->id - 1);
	x->name = mem_printf("llmdeploy-%.8s-chat-%s", p->root.id, x->id);
	x->labels = mem_printf("{\"llmdeploy.root\":\"%s\",\"llmdeploy.route\":\"chat\","
			       "\"llmdeploy.version\":\"%s\",\"llmdeploy.lock\":\"%s\"}",
			       p->root.id, versions[i], x->digest);
	fine(release_run_dir(&p->root, x->id, &run, &e), &e);
	char *socket CLEANUP(freep) = mem_printf("%s/engine.sock", run);
	x->server = model_server_start(socket, script);
}

static void put_release(struct fixture *p, size_t i) {
	struct json *evidence CLEANUP(json_freep) = json_object();
	struct release_sealed sealed;
	struct err e = {0};

	fine(release_put(&p->chat, versions[i], p->at[i].lockfile, strlen(p->at[i].lockfile), NULL,
			 evidence, &sealed, &e),
	     &e);
}

static struct fixture *place_new(void) {
	static const struct fake_answer anything = {.text = "Hi"};
	static const struct fake_script script = {.answers = &anything, .n_answers = 1};
	struct fixture *p = mem_zalloc(1, sizeof *p);
	char model[SHA256_HEX];
	struct err e = {0};

	(void) strcpy(p->path, "/tmp/llmdeploy-recovery-XXXXXX");
	assert_non_null(mkdtemp(p->path));
	fine(root_open(p->path, ROOT_WRITE, &p->root, &e), &e);
	fine(release_route_open(&p->root, "chat", true, &p->chat, &e), &e);
	fine(store_open(p->root.fd, p->root.path, &p->store, &e), &e);
	p->fake = docker_state_start();
	struct docker_options o = {.host = docker_state_socket(p->fake)};
	fine(docker_open(&o, &p->docker, &e), &e);
	docker_state_image(p->fake,
			   "{\"Id\":\"sha256:" A64 "\",\"RootFS\":{\"Layers\":[\"sha256:" A64
			   "\"]}}");
	fine(store_put(p->store, "model", 5, model, &e), &e);
	for (size_t i = 0; i < 2; i++)
		make_one(p, i, model, &script);
	chain_start(&p->chain);
	p->journal = (struct buf) BUF_INIT(1 << 20);
	return p;
}

static void place_free(struct fixture *p) {
	struct err e;

	for (size_t i = 0; i < 2; i++) {
		model_server_stop(p->at[i].server);
		free(p->at[i].lockfile);
		free(p->at[i].name);
		free(p->at[i].labels);
	}
	docker_free(p->docker);
	docker_state_stop(p->fake);
	store_free(p->store);
	release_route_done(&p->chat);
	root_done(&p->root);
	buf_done(&p->journal);
	assert_int_equal(fs_remove_tree(EFFECT_NONE, AT_FDCWD, p->path, &e), 0);
	free(p);
}

/* ---- the journal ---- */

#define SWITCH "\"from\":\"r1\",\"to\":\"r2\",\"op\":\"apply\",\"watch_until_ms\":0"
#define ROLLBACK "\"from\":\"r2\",\"to\":\"r1\",\"op\":\"rollback\",\"watch_until_ms\":0"
#define REVERT "\"from\":\"r2\",\"to\":\"r1\",\"op\":\"revert\",\"watch_until_ms\":0"
#define TRIED "recovering recovering recovering recovering recovering"

/* Of long ago: after a crash that was just now recovery waits for what Docker may still be
 * making. */
static void write_record(struct fixture *p, const char *event, const char *version,
			 const char *members) {
	char *text CLEANUP(freep) = mem_printf(
		"{\"event\":\"%s\",\"v\":1,\"seq\":%llu,\"time\":\"2026-01-01T00:00:00Z\"%s%s}",
		event, (unsigned long long) p->chain.seq + 1, members ? "," : "",
		members ? members : "");
	struct json *record CLEANUP(json_freep) = NULL;
	struct buf line CLEANUP(buf_done) = BUF_INIT(1 << 16);
	struct err e = {0};

	fine(json_parse(text, strlen(text), &record, &e), &e);
	if (version && *version) {
		json_set_str(record, "version", version);
		json_set_str(record, "lock", p->at[!strcmp(version, "r2")].digest);
	}
	fine(frame_format(record, &p->chain, &line, &e), &e);
	chain_step(&p->chain, buf_str(&line), line.len);
	(void) buf_add(&p->journal, line.data, line.len);
}

/* Words with a blank between them, each of them an event: of r2, to which the switch goes from r1;
 * with "<" of r1, to which it goes back. */
static void write_events(struct fixture *p, const char *events) {
	char *text CLEANUP(freep) = mem_strdup(events ? events : ""), *save = NULL;

	for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		char *back = strchr(word, '<');
		if (back)
			*back = '\0';
		write_record(p, word, back ? "r1" : "r2", back ? ROLLBACK : SWITCH);
	}
}

struct tail {
	uint64_t after;
	struct buf names;
};

static int note_name(void *ctx, const struct journal_record *r, struct err *e) {
	struct tail *t = ctx;

	(void) e;
	if (r->seq > t->after)
		(void) buf_printf(&t->names, "%s%s", t->names.len ? " " : "", r->event);
	return 0;
}

/* ---- the cases ---- */

enum setup {
	KEPT = 1,      /* r2 is on disk */
	RUNS = 2,      /* its container runs */
	MADE = 4,      /* its container was made, and does not run */
	LINKED = 8,    /* `active` names it */
	DIES = 16,     /* it ends when it is started */
	OLD_DOWN = 32, /* r1's container does not run */
	OLD_DIES = 64,
	ASKED = 128,        /* the command names the route */
	BY_NAME = 256,      /* it is `recover ROUTE` */
	NOTHING_LEFT = 512, /* no release, no link, no container */
};

static const struct {
	const char *name;
	enum event event;
	enum recovery_action action;
	const char *before;            /* events that come before it */
	const char *version, *members; /* of its record; NULL: "r2", none */
	const char *after;             /* events that are passed over */
	unsigned setup;
	/* events that recovery writes, what Docker is asked to do; NULL: nothing */
	const char *then, *docker;
	const char *active, *releases; /* afterwards; NULL: "r1" */
	enum err_code code;
	const char *message;
} rows[] = {
	{"apply", EVENT_APPLY, RECOVERY_UNDO, .setup = RUNS, .then = "recovering recovered",
	 .docker = "remove r2"},
	{"started", EVENT_STARTED, RECOVERY_UNDO, .before = "apply", .setup = RUNS,
	 .then = "recovering recovered", .docker = "remove r2"},
	{"ready", EVENT_READY, RECOVERY_UNDO, .before = "apply started", .setup = RUNS,
	 .then = "recovering recovered", .docker = "remove r2"},
	{"skip_eval", EVENT_SKIP_EVAL, RECOVERY_UNDO, .before = "apply started ready",
	 .setup = RUNS, .then = "recovering recovered", .docker = "remove r2"},
	{"proved", EVENT_PROVED, RECOVERY_UNDO, .before = "apply started ready",
	 .setup = KEPT | RUNS, .then = "recovering recovered", .docker = "remove r2"},
	{"canary_step", EVENT_CANARY_STEP, RECOVERY_UNDO, .before = "apply started ready proved",
	 .setup = KEPT | RUNS, .then = "recovering recovered", .docker = "remove r2"},
	{"canary_verdict", EVENT_CANARY_VERDICT, RECOVERY_UNDO,
	 .before = "apply started ready proved canary_step", .setup = KEPT | RUNS,
	 .then = "recovering recovered", .docker = "remove r2"},
	{"abort", EVENT_ABORT, RECOVERY_UNDO,
	 .before = "apply started ready proved canary_step held", .setup = KEPT | RUNS,
	 .then = "recovering recovered", .docker = "remove r2"},
	{"apply, and nothing was made", EVENT_APPLY, RECOVERY_UNDO, .then = "recovering recovered"},
	{"rollback to a release that was committed: its container stops", EVENT_ROLLBACK,
	 RECOVERY_UNDO, .before = "apply flipped committed rollback< flipped< committed<",
	 .setup = KEPT | RUNS, .then = "recovering recovered", .docker = "let r2, stop r2",
	 .releases = "r1 r2"},
	{"stop_intent", EVENT_STOP_INTENT, RECOVERY_UNDO, .before = "apply", .setup = OLD_DOWN,
	 .then = "recovering restored recovered", .docker = "let r1, start r1, keep r1"},
	{"stopped", EVENT_STOPPED, RECOVERY_UNDO, .before = "apply stop_intent", .setup = OLD_DOWN,
	 .then = "recovering restored recovered", .docker = "let r1, start r1, keep r1"},
	{"started, where the active release was stopped first", EVENT_STARTED, RECOVERY_UNDO,
	 .before = "apply stop_intent stopped", .setup = RUNS | OLD_DOWN,
	 .then = "recovering restored recovered", .docker = "remove r2, let r1, start r1, keep r1"},
	{"the active release was stopped first and does not come up", EVENT_STOPPED, RECOVERY_UNDO,
	 .before = "apply stop_intent", .setup = OLD_DOWN | OLD_DIES, .then = "recovering",
	 .docker = "let r1, start r1", .code = ERR_GATE,
	 .message = "candidate 'r1': the instance died while starting: exit status 1; last lines "
		    "of its log: none"},
	{"promote", EVENT_PROMOTE, RECOVERY_HOLD, .before = "apply canary_step held",
	 .setup = KEPT | RUNS, .then = "recovering held", .releases = "r1 r2"},
	{"flip_intent", EVENT_FLIP_INTENT, RECOVERY_FINISH, .before = "apply proved",
	 .members = SWITCH, .setup = KEPT | RUNS, .then = "recovering flipped committed recovered",
	 .docker = "keep r2, let r1, stop r1", .active = "r2", .releases = "r1 r2"},
	{"flip_intent of a release that does not run", EVENT_FLIP_INTENT, RECOVERY_FINISH,
	 .before = "apply proved", .members = SWITCH, .setup = KEPT | MADE,
	 .then = "recovering flipped committed recovered",
	 .docker = "let r2, start r2, keep r2, let r1, stop r1", .active = "r2",
	 .releases = "r1 r2"},
	{"flip_intent of a release that does not come up", EVENT_FLIP_INTENT, RECOVERY_FINISH,
	 .before = "apply proved", .members = SWITCH, .setup = KEPT | MADE | DIES,
	 .then = "recovering back_intent flip_intent flipped rolled_back",
	 .docker = "let r2, start r2, start r1, remove r2"},
	{"flip_intent of a switch back", EVENT_FLIP_INTENT, RECOVERY_FINISH,
	 .before = "apply proved flipped back_intent", .version = "r1", .members = REVERT,
	 .setup = KEPT | RUNS | LINKED, .then = "recovering flipped rolled_back recovered",
	 .docker = "remove r2"},
	{"flipped", EVENT_FLIPPED, RECOVERY_WATCH, .before = "apply proved", .members = SWITCH,
	 .setup = KEPT | RUNS | LINKED, .then = "recovering committed recovered",
	 .docker = "let r1, stop r1", .active = "r2", .releases = "r1 r2"},
	{"flipped to a release that does not come up", EVENT_FLIPPED, RECOVERY_WATCH,
	 .before = "apply proved", .members = SWITCH, .setup = KEPT | MADE | DIES | LINKED,
	 .then = "recovering back_intent flip_intent flipped rolled_back",
	 .docker = "let r2, start r2, start r1, remove r2"},
	{"flipped by a switch back", EVENT_FLIPPED, RECOVERY_WATCH,
	 .before = "apply proved flipped back_intent", .version = "r1", .members = REVERT,
	 .setup = KEPT | RUNS, .then = "recovering rolled_back recovered", .docker = "remove r2"},
	{"flipped, and neither comes up", EVENT_FLIPPED, RECOVERY_WATCH, .before = "apply proved",
	 .members = SWITCH, .setup = KEPT | MADE | DIES | LINKED | OLD_DOWN | OLD_DIES,
	 .then = "recovering back_intent", .docker = "let r2, start r2, let r1, start r1",
	 .active = "r2", .releases = "r1 r2", .code = ERR_RECOVERY,
	 .message = "candidate 'r2': the instance died while starting: exit status 1; last "
		    "lines of its log: none; switching back to 'r1' failed: candidate 'r1': "
		    "the instance died while starting: exit status 1; last lines of its log: "
		    "none; repair this, then llmdeploy recover chat"},
	{"back_intent", EVENT_BACK_INTENT, RECOVERY_BACK, .before = "apply proved flipped",
	 .members = SWITCH, .setup = KEPT | RUNS | LINKED | OLD_DOWN,
	 .then = "recovering flip_intent flipped rolled_back",
	 .docker = "let r1, start r1, keep r1, remove r2"},
	{"back_intent to a release that does not come up", EVENT_BACK_INTENT, RECOVERY_BACK,
	 .before = "apply proved flipped", .members = SWITCH,
	 .setup = KEPT | RUNS | LINKED | OLD_DOWN | OLD_DIES, .then = "recovering",
	 .docker = "let r1, start r1", .active = "r2", .releases = "r1 r2", .code = ERR_RECOVERY,
	 .message = "its watch was interrupted; switching back to 'r1' failed: candidate 'r1': "
		    "the instance died while starting: exit status 1; last lines of its log: "
		    "none; repair this, then llmdeploy recover chat"},
	{"back_intent to a release that does not come up, for a command that names the route",
	 EVENT_BACK_INTENT, RECOVERY_BACK, .before = "apply proved flipped", .members = SWITCH,
	 .setup = KEPT | RUNS | LINKED | OLD_DOWN | OLD_DIES | ASKED, .then = "recovering failed",
	 .docker = "let r1, start r1, let r1, stop r1", .active = "r2", .releases = "r1 r2"},
	{"stop", EVENT_STOP, RECOVERY_STOP, .version = "r1",
	 .then = "recovering route_stopped recovered", .docker = "let r1, stop r1"},
	{"start", EVENT_START, RECOVERY_START, .before = "stop< route_stopped<", .version = "r1",
	 .setup = OLD_DOWN, .then = "recovering route_started recovered",
	 .docker = "let r1, start r1, keep r1"},
	{"start of a release that does not come up", EVENT_START, RECOVERY_START,
	 .before = "stop< route_stopped<", .version = "r1", .setup = OLD_DOWN | OLD_DIES,
	 .then = "recovering recovered", .docker = "let r1, start r1, let r1"},
	{"start of a release that runs already", EVENT_START, RECOVERY_START,
	 .before = "stop< route_stopped<", .version = "r1",
	 .then = "recovering route_started recovered", .docker = "start r1"},
	{"remove", EVENT_REMOVE, RECOVERY_REMOVE, .version = "r1", .setup = KEPT | MADE,
	 .then = "recovering removed recovered", .docker = "remove r1, remove r2", .active = "none",
	 .releases = ""},
	{"fix", EVENT_FIX, RECOVERY_REPAIR, .version = "r1", .setup = OLD_DOWN,
	 .then = "recovering repairing repaired recovered", .docker = "let r1, start r1, keep r1"},
	{"stand_in", EVENT_STAND_IN, RECOVERY_REPAIR, .version = "r1", .setup = OLD_DOWN,
	 .then = "recovering repairing repaired recovered", .docker = "let r1, start r1, keep r1"},
	{"fix of a release that does not come up", EVENT_FIX, RECOVERY_REPAIR, .version = "r1",
	 .setup = OLD_DOWN | OLD_DIES, .then = "recovering repairing recovered",
	 .docker = "let r1, start r1"},
	{"held", EVENT_HELD, RECOVERY_NOTHING, .before = "apply canary_step", .setup = KEPT | RUNS,
	 .releases = "r1 r2"},
	{"aborted", EVENT_ABORTED, RECOVERY_NOTHING, .version = "r1"},
	{"committed: the previous release is stopped", EVENT_COMMITTED, RECOVERY_NOTHING,
	 .before = "apply proved flipped", .members = "\"op\":\"apply\"",
	 .setup = KEPT | RUNS | LINKED, .then = "tidying tidied", .docker = "let r1, stop r1",
	 .active = "r2", .releases = "r1 r2"},
	{"rejected", EVENT_REJECTED, RECOVERY_NOTHING, .version = "r1"},
	{"failed", EVENT_FAILED, RECOVERY_NOTHING, .version = "r1"},
	{"interrupted", EVENT_INTERRUPTED, RECOVERY_NOTHING, .version = "r1"},
	{"rolled_back", EVENT_ROLLED_BACK, RECOVERY_NOTHING, .version = "r1"},
	{"route_stopped, and a container runs", EVENT_ROUTE_STOPPED, RECOVERY_NOTHING,
	 .version = "r1", .then = "tidying tidied", .docker = "let r1, stop r1"},
	{"route_started", EVENT_ROUTE_STARTED, RECOVERY_NOTHING,
	 .before = "stop< route_stopped< start<", .version = "r1"},
	{"recovered", EVENT_RECOVERED, RECOVERY_NOTHING, .version = "r1"},
	{"accepted", EVENT_ACCEPTED, RECOVERY_NOTHING, .version = "r1"},
	{"fixed", EVENT_FIXED, RECOVERY_NOTHING, .version = "r1"},
	{"gc", EVENT_GC, RECOVERY_NOTHING, .version = "r1"},
	{"removed", EVENT_REMOVED, RECOVERY_NOTHING, .version = "", .setup = NOTHING_LEFT,
	 .active = "none", .releases = ""},
	{"rejected, and its container was left", EVENT_REJECTED, RECOVERY_NOTHING,
	 .before = "apply started", .setup = RUNS, .then = "tidying tidied", .docker = "remove r2"},
	{"torn, after an apply that was cut off", EVENT_TORN, RECOVERY_PASS_OVER,
	 .before = "apply started", .version = "", .setup = RUNS, .then = "recovering recovered",
	 .docker = "remove r2"},
	{"recovering, after an apply that was cut off", EVENT_RECOVERING, RECOVERY_PASS_OVER,
	 .before = "apply started", .version = "", .setup = RUNS, .then = "recovering recovered",
	 .docker = "remove r2"},
	{"drained, after an apply that was cut off", EVENT_DRAINED, RECOVERY_PASS_OVER,
	 .before = "apply started", .version = "", .setup = RUNS, .then = "recovering recovered",
	 .docker = "remove r2"},
	{"restarted, after an apply that was cut off", EVENT_RESTARTED, RECOVERY_PASS_OVER,
	 .before = "apply started", .version = "", .setup = RUNS, .then = "recovering recovered",
	 .docker = "remove r2"},
	{"relinked, after an apply that was cut off", EVENT_RELINKED, RECOVERY_PASS_OVER,
	 .before = "apply started", .version = "", .setup = RUNS, .then = "recovering recovered",
	 .docker = "remove r2"},
	{"quarantined, after an apply that was cut off", EVENT_QUARANTINED, RECOVERY_PASS_OVER,
	 .before = "apply started", .version = "", .setup = RUNS, .then = "recovering recovered",
	 .docker = "remove r2"},
	{"pinned, after an apply that was cut off", EVENT_PINNED, RECOVERY_PASS_OVER,
	 .before = "apply started", .version = "", .setup = RUNS, .then = "recovering recovered",
	 .docker = "remove r2"},
	{"unpinned, after an apply that was cut off", EVENT_UNPINNED, RECOVERY_PASS_OVER,
	 .before = "apply started", .version = "", .setup = RUNS, .then = "recovering recovered",
	 .docker = "remove r2"},
	{"tidying, after an apply that was cut off", EVENT_TIDYING, RECOVERY_PASS_OVER,
	 .before = "apply started", .version = "", .setup = RUNS, .then = "recovering recovered",
	 .docker = "remove r2"},
	{"tidied, after an apply that was cut off", EVENT_TIDIED, RECOVERY_PASS_OVER,
	 .before = "apply started", .version = "", .setup = RUNS, .then = "recovering recovered",
	 .docker = "remove r2"},
	{"repairing, after an apply that was cut off", EVENT_REPAIRING, RECOVERY_PASS_OVER,
	 .before = "apply started", .version = "", .setup = RUNS, .then = "recovering recovered",
	 .docker = "remove r2"},
	{"repaired, after an apply that was cut off", EVENT_REPAIRED, RECOVERY_PASS_OVER,
	 .before = "apply started", .version = "", .setup = RUNS, .then = "recovering recovered",
	 .docker = "remove r2"},
	{"restored, after an apply that was cut off", EVENT_RESTORED, RECOVERY_PASS_OVER,
	 .before = "apply started", .version = "", .setup = RUNS, .then = "recovering recovered",
	 .docker = "remove r2"},
	{"realigned, after an apply that was cut off", EVENT_REALIGNED, RECOVERY_PASS_OVER,
	 .before = "apply started", .version = "", .setup = RUNS, .then = "recovering recovered",
	 .docker = "remove r2"},
	{"gc_intent", EVENT_GC_INTENT, RECOVERY_REFUSE, .version = "", .code = ERR_RECOVERY,
	 .message = "the journal ends with 'gc_intent', an event that this version does not "
		    "know: use the version that wrote it"},
	{"build", EVENT_BUILD, RECOVERY_REFUSE, .version = "", .code = ERR_RECOVERY,
	 .message = "the journal ends with 'build', an event that this version does not know: "
		    "use the version that wrote it"},
	{"model_pull", EVENT_MODEL_PULL, RECOVERY_REFUSE, .version = "", .code = ERR_RECOVERY,
	 .message = "the journal ends with 'model_pull', an event that this version does not "
		    "know: use the version that wrote it"},
	{"runtime_lock", EVENT_RUNTIME_LOCK, RECOVERY_REFUSE, .version = "", .code = ERR_RECOVERY,
	 .message = "the journal ends with 'runtime_lock', an event that this version does not "
		    "know: use the version that wrote it"},
	{"route_purged", EVENT_ROUTE_PURGED, RECOVERY_REFUSE, .version = "", .code = ERR_RECOVERY,
	 .message = "the journal ends with 'route_purged', an event that this version does not "
		    "know: use the version that wrote it"},
	{"an event of another version", EVENT_UNKNOWN, RECOVERY_REFUSE, .version = "",
	 .code = ERR_RECOVERY,
	 .message = "the journal ends with 'unheard', an event that this version does not "
		    "know: use the version that wrote it"},
	{"tried five times", EVENT_STARTED, RECOVERY_UNDO, .before = "apply", .after = TRIED,
	 .setup = RUNS, .code = ERR_RECOVERY,
	 .message = "recovery of route 'chat' failed 5 times; its journal stops at 'started' "
		    "of 'r2': see llmdeploy verify and llmdeploy logs, repair what they name, "
		    "then llmdeploy recover chat"},
	{"tried five times, for a command that names the route", EVENT_STARTED, RECOVERY_UNDO,
	 .before = "apply", .after = TRIED, .setup = RUNS | ASKED, .then = "recovering recovered",
	 .docker = "remove r2"},
	{"tried five times, for `recover ROUTE`", EVENT_STARTED, RECOVERY_UNDO, .before = "apply",
	 .after = TRIED, .setup = RUNS | BY_NAME, .then = "recovering recovered",
	 .docker = "remove r2"},
	{"tried four times", EVENT_STARTED, RECOVERY_UNDO, .before = "apply",
	 .after = "recovering recovering recovering recovering", .setup = RUNS,
	 .then = "recovering recovered", .docker = "remove r2"},
	{"an active release that does not run, for `recover ROUTE`", EVENT_COMMITTED,
	 RECOVERY_NOTHING, .version = "r1", .members = "\"op\":\"apply\"",
	 .setup = OLD_DOWN | BY_NAME, .then = "repairing repaired",
	 .docker = "let r1, start r1, keep r1"},
};

static void add_container(struct fixture *p, size_t i, bool running, bool dies,
			  const char *restart) {
	const struct docker_state_container c = {p->at[i].name, versions[i], p->at[i].labels,
						 running,       dies,        restart};

	docker_state_add(p->fake, &c);
}

static void build_setup(struct fixture *p, unsigned setup) {
	struct err e = {0};

	if (setup & NOTHING_LEFT)
		return;
	put_release(p, 0);
	if (setup & KEPT)
		put_release(p, 1);
	fine(release_flip(&p->chat, versions[!!(setup & LINKED)], &e), &e);
	add_container(p, 0, !(setup & OLD_DOWN), setup & OLD_DIES,
		      setup & OLD_DOWN ? "no" : "always");
	if (setup & (RUNS | MADE))
		add_container(p, 1, setup & RUNS, setup & DIES, setup & LINKED ? "always" : "no");
}

static char *releases_of(struct fixture *p) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(200);
	char **names CLEANUP(freep) = NULL;
	struct err e = {0};
	size_t n;

	fine(release_list(&p->chat, &names, &n, &e), &e);
	for (size_t i = 0; i < n; i++)
		(void) buf_printf(&b, "%s%s", i ? " " : "", names[i]);
	return mem_strdup(buf_str(&b));
}

static void recover(struct fixture *p, unsigned setup, enum err_code code, const char *message) {
	struct rollout x = {.base = {.root = &p->root, .store = p->store, .docker = p->docker},
			    .tool = "llmdeploy test",
			    .command = "a test",
			    .asked = setup & ASKED,
			    .retry_exhausted = setup & BY_NAME};
	struct rollout_session s;
	struct err e = {0};

	int r = rollout_begin(&x, "chat", false, &s, &e);
	assert_string_equal(r ? e.msg : "", message ? message : "");
	assert_int_equal(r ? e.code : ERR_OK, code);
	if (!r)
		rollout_end(&s);
}

static void look(struct fixture *p, const __typeof__(rows[0]) *c, uint64_t before) {
	struct tail t = {.after = before, .names = BUF_INIT(4096)};
	char *active CLEANUP(freep) = NULL, *releases CLEANUP(freep) = releases_of(p),
		     *did CLEANUP(freep) = docker_state_done(p->fake);
	struct err e = {0};

	fine(release_active_name(&p->chat, &active, &e), &e);
	fine(journal_read(p->chat.fd, p->chat.where, note_name, &t, &e), &e);
	assert_string_equal(buf_str(&t.names), c->then ? c->then : "");
	assert_string_equal(did, c->docker ? c->docker : "");
	assert_string_equal(active ? active : "none", c->active ? c->active : "r1");
	assert_string_equal(releases, c->releases ? c->releases : "r1");
	buf_done(&t.names);
}

static void recovered(void **state) {
	(void) state;
	EACH_CASE (c, rows) {
		struct fixture *p = place_new();
		struct err e = {0};

		assert_int_equal(event_row(c->event)->recovery, c->action);
		build_setup(p, c->setup);
		write_record(p, event_name(EVENT_FLIPPED), "r1",
			     "\"from\":\"\",\"to\":\"r1\",\"op\":\"apply\"");
		write_record(p, event_name(EVENT_COMMITTED), "r1", "\"op\":\"apply\"");
		write_events(p, c->before);
		write_record(p, c->event ? event_name(c->event) : "unheard",
			     c->version ? c->version : "r2", c->members);
		write_events(p, c->after);
		fine(fs_write(EFFECT_NONE, p->chat.fd, "journal", p->journal.data, p->journal.len,
			      0644, &e),
		     &e);
		recover(p, c->setup, c->code, c->message);
		look(p, c, p->chain.seq);
		/* What ended well is not done twice. */
		if (!c->code) {
			recover(p, c->setup, ERR_OK, NULL);
			look(p, c, p->chain.seq);
		}
		place_free(p);
	}
}

/* An event that is added wants a row. */
static void every_event_has_a_row(void **state) {
	(void) state;
	for (enum event id = EVENT_UNKNOWN; id < EVENT_COUNT; id++) {
		size_t n = 0;
		for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
			n += rows[i].event == id;
		if (!n)
			fail_msg("event '%s' has no row", event_name(id));
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_event_has_a_row),
		cmocka_unit_test(recovered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
