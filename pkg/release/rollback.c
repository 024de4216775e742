#include "release/history.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "journal/journal.h"
#include "json/json.h"
#include "release/release.h"

/* What the journal says of one version, read from the newest record back: so the first record that decides
 * something is the one that counts. */
struct fate {
	char *version;
	bool decided, barred; /* barred: the last thing that happened to it was that it was rolled back from */
	bool committed;
};

struct ledger {
	const struct release_route *route;
	char *active; /* NULL: none */
	struct fate *at; /* by last activity, the newest first */
	size_t n, cap;
	struct release *found;
};

static void ledger_done(struct ledger *l) {
	for (size_t i = 0; i < l->n; i++)
		free(l->at[i].version);
	free(l->at);
	free(l->active);
}

static struct fate *fate_of(struct ledger *l, const char *version) {
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->at[i].version, version))
			return &l->at[i];
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 16;
		l->at = mem_grow(l->at, l->cap, sizeof *l->at);
	}
	l->at[l->n] = (struct fate){.version = mem_strdup(version)};
	return &l->at[l->n++];
}

/* A version that was active and committed: 1 when it is the one to go to. */
static int consider(struct ledger *l, const char *version, struct err *e) {
	struct fate *f = fate_of(l, version);
	struct err inner = {0};

	if (!f->decided) {
		f->decided = true;
		f->barred = false;
	}
	if (f->barred || (l->active && !strcmp(l->active, version)))
		return 0;
	if (!release_read(l->route, version, l->found, &inner))
		return 1;
	if (inner.code == ERR_USAGE) /* collected since */
		return 0;
	*e = inner;
	return err_wrap(e, "cannot roll back to '%s' (name another with --to)", version);
}

/* What was taken over from a journal that was given up, the newest last. */
static int consider_all(struct ledger *l, const struct json *versions, struct err *e) {
	int found = 0;

	for (size_t i = json_count(versions); i-- && !found;)
		found = consider(l, json_text(json_at(versions, i)), e);
	return found;
}

static int look_for_target(void *ctx, const struct journal_record *r, struct err *e) {
	const char *version = json_str(r->body, "version"), *from = json_str(r->body, "from"), *to = json_str(r->body, "to");
	const char *op = json_str(r->body, "op");
	struct ledger *l = ctx;

	if (!strcmp(r->event, "committed") && version)
		return consider(l, version, e);
	if (!strcmp(r->event, "accepted"))
		return consider_all(l, json_get(r->body, "committed"), e);
	if (strcmp(r->event, "flipped") != 0 || !op || (strcmp(op, "rollback") != 0 && strcmp(op, "revert") != 0))
		return 0;
	if (from && !fate_of(l, from)->decided) {
		fate_of(l, from)->decided = true;
		fate_of(l, from)->barred = true;
	}
	return to ? consider(l, to, e) : 0;
}

static int newest_target(const struct release_route *r, struct release *out, struct err *e) {
	struct release found = RELEASE_INIT;
	struct ledger l CLEANUP(ledger_done) = {.route = r, .found = &found};

	if (release_active_name(r, &l.active, e) || journal_read_back(r->fd, r->where, look_for_target, &l, e))
		return -1;
	if (!found.version)
		return err_set(e, ERR_USAGE, "route '%s' has no release to roll back to: %s", r->name,
			       l.active ? "no other one was committed and is still good" : "none was ever committed");
	*out = found;
	return 0;
}

static int note_commits(void *ctx, const struct journal_record *r, struct err *e) {
	const char *version = json_str(r->body, "version"), *to = json_str(r->body, "to");
	struct ledger *l = ctx;

	(void) e;
	if (!strcmp(r->event, "flipped") && to)
		(void) fate_of(l, to);
	const struct json *taken = strcmp(r->event, "accepted") ? NULL : json_get(r->body, "committed");
	for (size_t i = json_count(taken); i--;)
		fate_of(l, json_text(json_at(taken, i)))->committed = true;
	if (strcmp(r->event, "committed") != 0 || !version)
		return 0;
	fate_of(l, version)->committed = true;
	return 0;
}

static bool is_in(const char *name, char **names, size_t n) {
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

int release_committed(const struct release_route *r, char ***versions, size_t *n, struct err *e) {
	struct ledger l CLEANUP(ledger_done) = {.route = r};
	char **there CLEANUP(freep) = NULL;
	size_t have, kept = 0, bytes = 0;

	if (release_list(r, &there, &have, e) || journal_read_back(r->fd, r->where, note_commits, &l, e))
		return -1;
	for (size_t i = 0; i < l.n; i++)
		if (l.at[i].committed && is_in(l.at[i].version, there, have)) {
			bytes += strlen(l.at[i].version) + 1;
			kept++;
		}
	char **list = mem_zalloc((kept + 1) * sizeof *list + bytes, 1), *text = (char *) (list + kept + 1);
	*n = kept;
	for (size_t i = 0, at = 0; i < l.n; i++)
		if (l.at[i].committed && is_in(l.at[i].version, there, have)) {
			list[at++] = strcpy(text, l.at[i].version);
			text += strlen(text) + 1;
		}
	*versions = list;
	return 0;
}

static int named_target(const struct release_route *r, const char *version, struct release *out, struct err *e) {
	struct release found CLEANUP(release_done) = RELEASE_INIT;
	struct buf all CLEANUP(buf_done) = BUF_INIT(200);
	char **names CLEANUP(freep) = NULL;
	size_t n;

	if (release_read(r, version, &found, e) || release_committed(r, &names, &n, e))
		return -1;
	if (is_in(version, names, n)) {
		*out = found;
		found = (struct release) RELEASE_INIT;
		return 0;
	}
	for (size_t i = 0; i < n && !all.cut; i++)
		(void) buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
	return err_set(e, ERR_USAGE, "version '%s' of '%s' was never committed; committed: %s", version, r->name,
		       all.len ? buf_str(&all) : "none");
}

int release_rollback_target(const struct release_route *r, const char *named, struct release *out, struct err *e) {
	return named ? named_target(r, named, out, e) : newest_target(r, out, e);
}
