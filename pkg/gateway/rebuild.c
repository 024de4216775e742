/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "fs/fs.h"
#include "lockfile/lockfile.h"
#include "root/root.h"

enum { LOADED_CAP = 16 << 20, ASIDE_MAX = 100 };

int gateway_state_readable(struct gateway *g, bool *there, struct err *fault) {
	struct gateway_state *s CLEANUP(gateway_state_freep) = NULL;

	*there = g->none || fs_exists(g->h.dir, "state");
	return g->none ? 0 : persist_state(g, &s, fault);
}

/* What HAProxy was last loaded with: of use for the order of the routes alone. NULL where that
 * cannot be read either. */
static struct gateway_state *last_loaded(const struct gateway *g) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(LOADED_CAP);
	struct gateway_state *s = NULL;
	struct err unread = {0};
	bool found;

	if (fs_read_if(g->h.dir, "state.loaded", &text, &found, &unread) || !found ||
	    gateway_state_parse(buf_str(&text), text.len, &s, &unread))
		return NULL;
	return s;
}

/* In the order in which the routes came, those that it does not know last, by name. */
struct ordered {
	uint64_t since;
	const struct lockfile *l;
};

static int by_since(const void *a, const void *b) {
	const struct ordered *x = a, *y = b;

	return x->since != y->since ? (x->since > y->since) - (x->since < y->since)
				    : strcmp(x->l->route, y->l->route);
}

/* The server that the links of a route have it at, so that what runs goes on as it is. */
static int slot_of(const struct gateway *g, const struct lockfile *l) {
	char *path CLEANUP(freep) = mem_printf("run/routes/%s/b.sock", l->route),
		   *now CLEANUP(freep) = NULL;
	char *target CLEANUP(freep) = mem_printf("../../%s/engine.sock", l->id);
	struct err unread = {0};

	return !fs_readlink(g->o.root->fd, path, &now, &unread) && now && !strcmp(now, target);
}

static int add_active(const struct gateway *g, struct gateway_state *s, const struct lockfile *l,
		      struct err *e) {
	struct haproxy_route *r = gateway_state_add(s, l->route);
	struct haproxy_slot *slot = &r->slots[slot_of(g, l)];

	if (gateway_route_take(s, r, l, e))
		return -1;
	gateway_slot_take(s, slot, l);
	slot->want = HAPROXY_READY;
	return 0;
}

static int rebuild_state(const struct gateway *g, const struct lockfile *const *active, size_t n,
			 struct gateway_state **out, struct err *e) {
	struct gateway_state *s CLEANUP(gateway_state_freep) = gateway_state_new(),
				*loaded CLEANUP(gateway_state_freep) = last_loaded(g);
	struct ordered *ordered CLEANUP(freep) = mem_zalloc(n + 1, sizeof *ordered);

	for (size_t i = 0; i < n; i++) {
		const struct haproxy_route *was = loaded
			? gateway_state_find(loaded, active[i]->route)
			: NULL;
		ordered[i] = (struct ordered){was ? was->since : UINT64_MAX, active[i]};
	}
	if (n)
		qsort(ordered, n, sizeof *ordered, by_since);
	for (size_t i = 0; i < n; i++) {
		const struct haproxy_route *was = loaded
			? gateway_state_find(loaded, ordered[i].l->route)
			: NULL;
		if (add_active(g, s, ordered[i].l, e))
			return err_wrap(e, "route '%s'", ordered[i].l->route);
		gateway_state_find(s, ordered[i].l->route)->named = was && was->named &&
			!strcmp(was->frontend.listen,
				gateway_state_find(s, ordered[i].l->route)->frontend.listen);
	}
	*out = STEAL(s);
	return 0;
}

/* Whatever it is, it may be wanted for the question how it came about; of a link that is where it
 * led to. */
static int set_aside(const struct gateway *g, char **aside, struct err *e) {
	char *name CLEANUP(freep) = NULL, *target CLEANUP(freep) = NULL;
	struct err no_link = {0};
	struct stat st;

	if (!fs_readlink(g->h.dir, "state", &target, &no_link) && target) {
		*aside = mem_printf("a link to '%s' was found there and is removed", target);
		return fs_unlink(EFFECT_GATEWAY_STATE, g->h.dir, "state", e);
	}
	if (fstatat(g->h.dir, "state", &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : err_sys(e, "cannot look at 'gateway/state'");
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
		*aside = mem_strdup("what was found there is not a file and is removed");
		return fs_unlink(EFFECT_GATEWAY_STATE, g->h.dir, "state", e);
	}
	for (unsigned i = 1; i <= ASIDE_MAX; i++) {
		free(name);
		name = mem_printf("state.damaged-%u", i);
		if (!fs_exists(g->h.dir, name))
			break;
	}
	*aside = mem_printf("the file found there is kept as gateway/%s", name);
	return fs_rename(EFFECT_GATEWAY_STATE, g->h.dir, "state", name, e) ? err_wrap(e, "gateway")
									   : 0;
}

int gateway_rebuild(struct gateway *g, const struct lockfile *const *active, size_t n, char **aside,
		    struct err *e) {
	struct gateway_state *s CLEANUP(gateway_state_freep) = NULL;
	struct err fault = {0};
	int file_lock CLEANUP(closep) = -1;
	bool there;

	*aside = NULL;
	if (g->none)
		return 0;
	if (persist_lock(g, &file_lock, e))
		return -1;
	/* Someone else was here first. */
	if (!gateway_state_readable(g, &there, &fault) && there)
		return 0;
	if (rebuild_state(g, active, n, &s, e) ||
	    set_aside(g, aside, e) ||
	    ensure_locked(g, s, e))
		return -1;
	return 0;
}
