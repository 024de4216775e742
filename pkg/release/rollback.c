/* SPDX-License-Identifier: Apache-2.0 */
#include "release/history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "journal/journal.h"
#include "release/release.h"
#include "json/json.h"

/* What the journal says of one version, read from the newest record back: so the first record that
 * decides something is the one that counts. */
struct version_history {
	char *version;
	/* barred: the last thing that happened to it was that it was rolled back from */
	bool decided, barred;
	bool committed;
	bool gone;              /* committed, and not on disk any more */
	char time[CLOCK_STAMP]; /* of its newest commit, by release_versions */
};

/* A commit of an apply or a promote: the order of these is the order of the releases, which says of
 * a rollback whether it went back or forward again. */
struct deployed {
	char *version;
	uint64_t seq;
};

struct route_history {
	const struct release_route *route;
	char *active;               /* NULL: none */
	struct version_history *at; /* by last activity, the newest first */
	size_t n, cap;
	struct deployed *order; /* the newest first */
	size_t n_order, cap_order;
	bool ordered;
	char *left; /* by a switch back, of which the operation is not known yet; NULL: none */
	struct release *found; /* NULL: every release is looked at */
};

static void route_history_done(struct route_history *l) {
	for (size_t i = 0; i < l->n; i++)
		free(l->at[i].version);
	for (size_t i = 0; i < l->n_order; i++)
		free(l->order[i].version);
	free(l->at);
	free(l->order);
	free(l->active);
	free(l->left);
}

static struct version_history *version_history_of(struct route_history *l, const char *version) {
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->at[i].version, version))
			return &l->at[i];
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 16;
		l->at = mem_grow(l->at, l->cap, sizeof *l->at);
	}
	l->at[l->n] = (struct version_history){.version = mem_strdup(version)};
	return &l->at[l->n++];
}

/* ---- the order of the releases ---- */

static void add_deployed(struct route_history *l, const char *version, uint64_t seq) {
	if (l->n_order == l->cap_order) {
		l->cap_order = l->cap_order ? 2 * l->cap_order : 16;
		l->order = mem_grow(l->order, l->cap_order, sizeof *l->order);
	}
	l->order[l->n_order++] = (struct deployed){mem_strdup(version), seq};
}

static bool is_text(const struct json *body, const char *key, const char *value) {
	const char *text = json_str(body, key);

	return text && !strcmp(text, value);
}

/* What was before a removal of the route is another life of it. */
static int note_order(void *ctx, const struct journal_record *r, struct err *e) {
	const char *version = json_str(r->body, "version");
	struct route_history *l = ctx;

	(void) e;
	enum event_meaning means = event_means(r->event);
	if (means == MEANS_REMOVED)
		return 1;
	const struct json *taken = means == MEANS_RESET ? json_get(r->body, "committed") : NULL;
	for (size_t i = json_count(taken); i--;)
		add_deployed(l, json_text(json_at(taken, i)), r->seq);
	if (means == MEANS_COMMITTED && version && switch_op_of(r->body) != SWITCH_ROLLBACK)
		add_deployed(l, version, r->seq);
	return 0;
}

static int read_order(struct route_history *l, struct err *e) {
	if (l->ordered)
		return 0;
	l->ordered = true;
	return journal_read_back(l->route->fd, l->route->where, note_order, l, e);
}

/* Index in the order of the newest commit before a record; n_order: none. */
static size_t deployed_before(const struct route_history *l, const char *version, uint64_t seq) {
	size_t i = 0;

	while (i < l->n_order &&
	       (l->order[i].seq >= seq || strcmp(l->order[i].version, version) != 0))
		i++;
	return i;
}

/* Did a rollback go to a release that is newer than the one it left? That discredits neither. */
static int went_forward(struct route_history *l, const struct journal_record *r, bool *forward,
			struct err *e) {
	const char *from = json_str(r->body, "from"), *to = json_str(r->body, "to");

	*forward = false;
	if (!from || !*from || !to || !*to || switch_op_of(r->body) != SWITCH_ROLLBACK)
		return 0;
	if (read_order(l, e))
		return -1;
	size_t left = deployed_before(l, from, r->seq);
	*forward = left < l->n_order && deployed_before(l, to, r->seq) < left;
	return 0;
}

/* ---- where a rollback goes ---- */

/* A version that was active and committed: 1 when it is the one to go to. */
static int consider(struct route_history *l, const char *version, struct err *e) {
	struct version_history *f = version_history_of(l, version);
	struct err inner = {0};

	if (!f->decided) {
		f->decided = true;
		f->barred = false;
	}
	if (!l->found || f->barred || f->gone || (l->active && !strcmp(l->active, version)))
		return 0;
	if (!release_read(l->route, version, l->found, &inner))
		return 1;
	f->gone = inner.code == ERR_USAGE;
	if (f->gone)
		return 0;
	*e = inner;
	return err_wrap(e, "cannot roll back to '%s' (name another with --to)", version);
}

/* What was taken over from a journal that was given up, the newest last. */
static int consider_all(struct route_history *l, const struct json *versions, struct err *e) {
	int found = 0;

	for (size_t i = json_count(versions); i-- && !found;)
		found = consider(l, json_text(json_at(versions, i)), e);
	return found;
}

static void bar_version(struct route_history *l, const char *version) {
	struct version_history *f = version_history_of(l, version);

	f->barred = f->decided ? f->barred : true;
	f->decided = true;
}

/* The release that was gone to, and after it, where that was forward, the one that was left. */
static int consider_switch(struct route_history *l, const struct journal_record *r, struct err *e) {
	const char *from = json_str(r->body, "from"), *to = json_str(r->body, "to");
	bool forward;

	if (went_forward(l, r, &forward, e))
		return -1;
	if (from && *from && !forward)
		bar_version(l, from);
	int found = to && *to ? consider(l, to, e) : 0;
	return found || !forward ? found : consider(l, from, e);
}

/* The release that a switch back left. */
static void decide_left(struct route_history *l, bool barred) {
	if (l->left && barred)
		bar_version(l, l->left);
	free(l->left);
	l->left = NULL;
}

static int consider_back(struct route_history *l, const struct journal_record *r, struct err *e) {
	const char *from = json_str(r->body, "from"), *to = json_str(r->body, "to");

	decide_left(l, true);
	if (from && *from) {
		(void) version_history_of(l, from); /* its place in the order of activity */
		l->left = mem_strdup(from);
	}
	return to && *to ? consider(l, to, e) : 0;
}

/* An apply that was switched back bars its release. A rollback that recovery gave up never was: it
 * says nothing of the release that it had gone to. */
static int consider_flip(struct route_history *l, const struct journal_record *r, struct err *e) {
	bool is_rollback = switch_op_of(r->body) == SWITCH_ROLLBACK,
	     is_done = event_means(r->event) == MEANS_SWITCHED;

	if (switch_op_of(r->body) == SWITCH_REVERT)
		return is_done ? consider_back(l, r, e) : 0;
	if (l->left && is_text(r->body, "to", l->left)) {
		decide_left(l, !is_rollback);
		return 0;
	}
	decide_left(l, true);
	return is_rollback && is_done ? consider_switch(l, r, e) : 0;
}

static int look_for_target(void *ctx, const struct journal_record *r, struct err *e) {
	const char *version = json_str(r->body, "version");
	struct route_history *l = ctx;

	enum event_meaning means = event_means(r->event);
	if (means == MEANS_REMOVED)
		return 1;
	if (means == MEANS_SWITCHED || means == MEANS_SWITCHING)
		return consider_flip(l, r, e);
	if (means != MEANS_RESET && (means != MEANS_COMMITTED || !version))
		return 0;
	decide_left(l, true);
	return means == MEANS_RESET ? consider_all(l, json_get(r->body, "committed"), e)
				    : consider(l, version, e);
}

/* Why there is none, release by release, the newest first. */
static int no_target(struct route_history *l, struct err *e) {
	struct buf why CLEANUP(buf_done) = BUF_INIT(250);
	const char *barred = NULL;

	if (read_order(l, e))
		return -1;
	for (size_t i = 0; i < l->n; i++) {
		const struct version_history *f = &l->at[i];
		if ((!f->barred && !f->gone) ||
		    deployed_before(l, f->version, UINT64_MAX) == l->n_order ||
		    (l->active && !strcmp(f->version, l->active)))
			continue;
		(void) buf_printf(&why, "%s'%s' %s", why.len ? ", " : "", f->version,
				  f->barred ? "was rolled back from" : "is not on disk any more");
		barred = !barred && f->barred ? f->version : barred;
	}
	if (!why.len)
		(void) buf_puts(&why,
				l->active ? "no other one was ever committed"
					  : "none was ever committed");
	return err_set(e, ERR_USAGE, "route '%s' has no release to roll back to: %s%s%s",
		       l->route->name, buf_str(&why),
		       barred ? "; to roll back to it anyway: --to " : "", barred ? barred : "");
}

static int newest_target(const struct release_route *r, struct release *out, struct err *e) {
	struct release found = RELEASE_INIT;
	struct route_history l CLEANUP(route_history_done) = {.route = r, .found = &found};

	if (release_active_name(r, &l.active, e) ||
	    journal_read_back(r->fd, r->where, look_for_target, &l, e))
		return -1;
	if (!found.version)
		return no_target(&l, e);
	*out = found;
	return 0;
}

static int look_at_all(void *ctx, const struct journal_record *r, struct err *e) {
	const char *version = json_str(r->body, "version");
	struct route_history *l = ctx;

	enum event_meaning means = event_means(r->event);
	if (look_for_target(ctx, r, e))
		return means == MEANS_REMOVED ? 1 : -1;
	if (means != MEANS_COMMITTED || !version)
		return 0;
	struct version_history *f = version_history_of(l, version);
	f->committed = true;
	if (!f->time[0])
		(void) snprintf(f->time, sizeof f->time, "%s", r->time);
	return 0;
}

int release_versions(const struct release_route *r, struct release_version **out, size_t *n,
		     struct err *e) {
	struct route_history l CLEANUP(route_history_done) = {.route = r};

	if (journal_read_back(r->fd, r->where, look_at_all, &l, e))
		return -1;
	decide_left(&l, true);
	*n = l.n;
	*out = mem_zalloc(l.n + 1, sizeof **out);
	for (size_t i = 0; i < l.n; i++) {
		struct release_version *f = &(*out)[i];
		(void) snprintf(f->version, sizeof f->version, "%s", l.at[i].version);
		(void) snprintf(f->committed, sizeof f->committed, "%s", l.at[i].time);
		f->left = l.at[i].barred;
	}
	return 0;
}

/* The next one after the active release, in the order in which they were last applied. */
int release_forward(const struct release_route *r, char **version, struct err *e) {
	struct route_history l CLEANUP(route_history_done) = {.route = r};

	if (release_active_name(r, &l.active, e) ||
	    read_order(&l, e))
		return -1;
	*version = NULL;
	size_t at = l.active ? deployed_before(&l, l.active, UINT64_MAX) : 0;
	for (size_t i = at < l.n_order ? at : 0; i-- > 0;) {
		struct release found CLEANUP(release_done) = RELEASE_INIT;
		struct err gone = {0};
		/* An older commit of a release that was applied again since is passed over. */
		if (deployed_before(&l, l.order[i].version, UINT64_MAX) != i ||
		    release_read(r, l.order[i].version, &found, &gone))
			continue;
		*version = mem_strdup(l.order[i].version);
		return 0;
	}
	return 0;
}

static int note_commits(void *ctx, const struct journal_record *r, struct err *e) {
	const char *version = json_str(r->body, "version"), *to = json_str(r->body, "to");
	struct route_history *l = ctx;

	(void) e;
	enum event_meaning means = event_means(r->event);
	if (means == MEANS_REMOVED)
		return 1;
	if (means == MEANS_SWITCHED && to)
		(void) version_history_of(l, to);
	const struct json *taken = means == MEANS_RESET ? json_get(r->body, "committed") : NULL;
	for (size_t i = json_count(taken); i--;)
		version_history_of(l, json_text(json_at(taken, i)))->committed = true;
	if (means != MEANS_COMMITTED || !version)
		return 0;
	version_history_of(l, version)->committed = true;
	return 0;
}

static bool is_in(const char *name, char **names, size_t n) {
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

int release_committed(const struct release_route *r, char ***versions, size_t *n, struct err *e) {
	struct route_history l CLEANUP(route_history_done) = {.route = r};
	char **there CLEANUP(freep) = NULL;
	size_t have, kept = 0, bytes = 0;

	if (release_list(r, &there, &have, e) ||
	    journal_read_back(r->fd, r->where, note_commits, &l, e))
		return -1;
	for (size_t i = 0; i < l.n; i++)
		if (l.at[i].committed && is_in(l.at[i].version, there, have)) {
			bytes += strlen(l.at[i].version) + 1;
			kept++;
		}
	char **list = mem_zalloc((kept + 1) * sizeof *list + bytes, 1),
	     *text = (char *) (list + kept + 1);
	*n = kept;
	for (size_t i = 0, at = 0; i < l.n; i++)
		if (l.at[i].committed && is_in(l.at[i].version, there, have)) {
			list[at++] = strcpy(text, l.at[i].version);
			text += strlen(text) + 1;
		}
	*versions = list;
	return 0;
}

static int named_target(const struct release_route *r, const char *version, struct release *out,
			struct err *e) {
	struct release found CLEANUP(release_done) = RELEASE_INIT;
	struct buf all CLEANUP(buf_done) = BUF_INIT(200);
	char **names CLEANUP(freep) = NULL;
	size_t n;

	if (release_read(r, version, &found, e) ||
	    release_committed(r, &names, &n, e))
		return -1;
	if (is_in(version, names, n)) {
		*out = found;
		found = (struct release) RELEASE_INIT;
		return 0;
	}
	for (size_t i = 0; i < n && !all.cut; i++)
		(void) buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
	return err_set(e, ERR_USAGE, "version '%s' of '%s' was never committed; committed: %s",
		       version, r->name, all.len ? buf_str(&all) : "none");
}

int release_rollback_target(const struct release_route *r, const char *named, struct release *out,
			    struct err *e) {
	return named ? named_target(r, named, out, e) : newest_target(r, out, e);
}
