#include "rollout/internal.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/progress.h"
#include "docker/docker.h"
#include "journal/journal.h"
#include "json/json.h"
#include "root/root.h"

/* Design: the journal's last record decides, by the table below, and nothing else does. Each
 * action may be cut short anywhere and run again: it ends by a record that closes the operation. */

enum { TRIES = 5 };

enum remedy {
	REMEDY_NOTHING, /* the operation ended */
	REMEDY_UNDO,    /* before the switch: the candidate goes, what was active never stopped */
	REMEDY_FORWARD, /* the switch had begun: it is finished */
	REMEDY_WATCH,   /* it was made: what is left of the watch, then commit */
};

static const struct row {
	const char *event;
	enum remedy remedy;
} table[] = {
	{"apply", REMEDY_UNDO},	      {"started", REMEDY_UNDO},	   {"ready", REMEDY_UNDO},
	{"skip_eval", REMEDY_UNDO},     {"proved", REMEDY_UNDO},	   {"rollback", REMEDY_UNDO},
	{"flip_intent", REMEDY_FORWARD}, {"flipped", REMEDY_WATCH},	   {"committed", REMEDY_NOTHING},
	{"rejected", REMEDY_NOTHING},   {"failed", REMEDY_NOTHING},	   {"interrupted", REMEDY_NOTHING},
	{"rolled_back", REMEDY_NOTHING}, {"recovered", REMEDY_NOTHING}, {"gc", REMEDY_NOTHING},
};

/* Records that say nothing about the operation. */
static bool is_aside(const char *event) {
	return !strcmp(event, "torn") || !strcmp(event, "recovering");
}

struct last {
	struct json *record; /* the newest that says something */
	int tries;	     /* recoveries that were begun since and did not end */
};

static int visit(void *ctx, const struct journal_record *r, struct err *e) {
	struct last *last = ctx;

	(void) e;
	if (is_aside(r->event)) {
		last->tries += !strcmp(r->event, "recovering");
		return 0;
	}
	last->record = json_copy(r->body);
	return 1;
}

static int remedy_of(const char *event, enum remedy *out, struct err *e) {
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (!strcmp(table[i].event, event)) {
			*out = table[i].remedy;
			return 0;
		}
	return err_set(e, ERR_RECOVERY, "the journal ends with '%.40s', which this version does not know: use the one that wrote it", event);
}

/* Containers of this route that belong to no release on disk, and their run directories. */
static int sweep(struct rollout_session *s, size_t *removed, struct err *e) {
	char *root CLEANUP(freep) = mem_printf(ROLLOUT_LABEL_ROOT "=%s", s->x->root->id);
	char *route CLEANUP(freep) = mem_printf(ROLLOUT_LABEL_ROUTE "=%s", s->route.name);
	const char *const labels[] = {root, route, NULL};
	struct docker_containers list = {0};
	int r = 0;

	if (docker_container_list(s->x->docker, labels, &list, e))
		return -1;
	for (size_t i = 0; i < list.n && !r; i++) {
		const char *version = json_str(list.at[i].labels, ROLLOUT_LABEL_VERSION), *digest = json_str(list.at[i].labels, ROLLOUT_LABEL_LOCK);
		struct lock *l CLEANUP(lock_freep) = NULL;
		struct err unread = {0};
		char id[LOCK_ID];
		if (version && digest && !rollout_lock_of(&s->route, version, &l, &unread) && !strcmp(l->digest, digest))
			continue;
		(void) snprintf(id, sizeof id, "%.12s", digest ? digest : "");
		r = docker_container_remove(s->x->docker, list.at[i].id, true, e) || (*id && release_run_remove(s->x->root, id, e)) ? -1 : 0;
		++*removed;
	}
	docker_containers_done(&list);
	return r;
}

/* A release that this operation put on disk and that was never active goes with its candidate. */
static int drop_release(struct rollout_session *s, const char *version, struct err *e) {
	char **kept CLEANUP(freep) = NULL, *active CLEANUP(freep) = NULL;
	size_t n;

	if (!version || release_active_name(&s->route, &active, e) || release_committed(&s->route, &kept, &n, e))
		return version ? -1 : 0;
	if (active && !strcmp(active, version))
		return 0;
	for (size_t i = 0; i < n; i++)
		if (!strcmp(kept[i], version))
			return 0;
	return release_remove(&s->route, version, e);
}

static int close_with(struct rollout_session *s, const struct json *last, const char *what, struct err *e) {
	struct json *r = record_new("recovered", NULL);

	json_set_str(r, "version", json_str(last, "version"));
	json_set_str(r, "lock", json_str(last, "lock"));
	json_set_str(r, "what", what);
	progress_note(s->x->progress, "recovered an interrupted run", what);
	return record_put(s, r, e);
}

static int undo(struct rollout_session *s, const struct json *last, struct err *e) {
	const char *digest = json_str(last, "lock");
	size_t removed = 0;
	char id[LOCK_ID];

	(void) snprintf(id, sizeof id, "%.12s", digest ? digest : "");
	if (drop_release(s, json_str(last, "version"), e) || sweep(s, &removed, e))
		return -1;
	/* A run directory without a container: killed between the two. A release on disk keeps its own. */
	struct lock *l CLEANUP(lock_freep) = NULL;
	struct err gone = {0};
	if (*id && rollout_lock_of(&s->route, json_str(last, "version"), &l, &gone) && release_run_remove(s->x->root, id, e))
		return -1;
	return close_with(s, last, "the candidate was removed; what was active stayed so", e);
}

static enum switch_op op_of(const struct json *last) {
	const char *op = json_str(last, "op");

	return op && !strcmp(op, "rollback") ? SWITCH_ROLLBACK : op && !strcmp(op, "revert") ? SWITCH_REVERT : SWITCH_APPLY;
}

static int to_of(struct rollout_session *s, const struct json *last, struct lock **l, struct err *e) {
	const char *to = json_str(last, "to");

	return to && *to ? rollout_lock_of(&s->route, to, l, e) : 0;
}

/* The rest of a watch, then the end that the operation would have had. */
static int finish(struct rollout_session *s, const struct json *last, const struct lock *to, struct err *e) {
	const char *from = json_str(last, "from");
	enum switch_op op = op_of(last);
	bool warm;

	if (op == SWITCH_APPLY && to && switch_watch(s, to, from, json_int_or(last, "watch_until_ms", 0), e))
		return -1;
	if (op != SWITCH_REVERT && to)
		return switch_commit(s, to, from, op, &warm, e);
	/* A switch back: what was switched away from is a candidate without a release now. */
	struct lock *bad CLEANUP(lock_freep) = NULL;
	struct err gone = {0};
	if (from && *from && !rollout_lock_of(&s->route, from, &bad, &gone) && container_remove(s->x, bad, e))
		return -1;
	struct json *r = record_new("rolled_back", to);
	json_set_str(r, "from", from);
	json_set_str(r, "to", json_str(last, "to"));
	json_set_str(r, "reason", "interrupted while switching back");
	return record_put(s, r, e);
}

static int forward(struct rollout_session *s, const struct json *last, struct err *e) {
	struct lock *to CLEANUP(lock_freep) = NULL;
	bool made;

	if (to_of(s, last, &to, e) || (to && (container_start(s->x, to, &made, e) || prove_ready(s->x, to, NULL, e))))
		return -1;
	interrupt_hold();
	int r = switch_finish(s, to, to ? to->version : NULL, json_str(last, "from"), op_of(last), json_int_or(last, "watch_until_ms", 0), e);
	interrupt_release();
	if (r || finish(s, last, to, e))
		return -1;
	return close_with(s, last, "the switch was finished", e);
}

static int watch(struct rollout_session *s, const struct json *last, struct err *e) {
	struct lock *to CLEANUP(lock_freep) = NULL;

	if (to_of(s, last, &to, e) || finish(s, last, to, e))
		return -1;
	return close_with(s, last, "the watch was ended and the release committed", e);
}

static int act(struct rollout_session *s, enum remedy remedy, const struct json *last, int tries, struct err *e) {
	struct json *r;

	if (remedy == REMEDY_NOTHING)
		return 0;
	if (tries >= TRIES)
		return err_set(e, ERR_RECOVERY, "recovery of route '%s' was tried %d times and did not end; its journal stops at '%s' of '%s': "
			"see llmdeploy verify and llmdeploy logs, put right what they name, and remove the last 'recovering' records only then",
			s->route.name, tries, json_str(last, "event"), json_str(last, "version") ? json_str(last, "version") : "?");
	r = record_new("recovering", NULL);
	json_set_str(r, "of", json_str(last, "event"));
	if (record_put(s, r, e))
		return -1;
	return remedy == REMEDY_UNDO ? undo(s, last, e) : remedy == REMEDY_FORWARD ? forward(s, last, e) : watch(s, last, e);
}

int recover_route(struct rollout_session *s, struct err *e) {
	struct last last = {0};
	enum remedy remedy = REMEDY_NOTHING;

	s->began_ms = clock_mono_ms();
	int r = journal_read_back(s->route.fd, s->route.where, visit, &last, e);
	if (!r && last.record) {
		const char *event = json_str(last.record, "event");
		r = remedy_of(event ? event : "", &remedy, e) || act(s, remedy, last.record, last.tries, e) ? -1 : 0;
	}
	json_free(last.record);
	return r;
}
