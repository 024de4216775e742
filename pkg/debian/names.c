/* SPDX-License-Identifier: Apache-2.0 */
/* What libsolv does not know of Debian's versions and architectures, told to it before it indexes
 * the pool.
 *
 * Versions (deb-version(7)): a missing revision is "0", so that 1.0 and 1.0-0 are equal, and so is
 * a number that is missing at the end ("1.2~" is "1.2~0"). libsolv takes the shorter for older. So
 * every version gets both; the index's own texts are kept for the lock and for messages.
 *
 * Architectures (deb-control(5), apt): a dependency on NAME:ARCH is met by a package of that
 * architecture, or of all; NAME:any by one that says Multi-Arch: allowed. As apt does it, NAME:ARCH
 * becomes a name of its own, which the packages that may meet it provide. */
#include <string.h>

#include <solv/repo.h>

#include "base/mem.h"
#include "debian/universe.h"

/* ---- versions ---- */

static void put_part(struct buf *b, const char *part, size_t n) {
	(void) buf_add(b, part, n);
	if (!n || !strchr("0123456789", part[n - 1]))
		(void) buf_putc(b, '0');
}

/* The same version in a form of which libsolv thinks as dpkg does: with a revision, and a number
 * behind all that is none. */
static Id plain_version(Pool *pool, Id evr) {
	const char *text = pool_id2str(pool, evr), *dash = strrchr(text, '-');
	struct buf b CLEANUP(buf_done) = BUF_INIT(1 << 16);
	size_t n = dash ? (size_t) (dash - text) : strlen(text);

	put_part(&b, text, n);
	(void) buf_putc(&b, '-');
	put_part(&b, dash ? dash + 1 : "", dash ? strlen(dash + 1) : 0);
	return pool_str2id(pool, buf_str(&b), 1);
}

static void rename_versions(struct universe *w) {
	Pool *pool = w->pool;
	Id p;

	w->versions = mem_zalloc((size_t) pool->nsolvables, sizeof *w->versions);
	w->n_rels = pool->nrels;
	w->rel_versions = mem_zalloc((size_t) pool->nrels + 1, sizeof *w->rel_versions);
	FOR_POOL_SOLVABLES(p) {
		Solvable *s = pool_id2solvable(pool, p);
		w->versions[p] = s->evr;
		if (s->evr)
			s->evr = plain_version(pool, s->evr);
	}
	for (int i = 1; i < pool->nrels; i++) {
		Reldep *rd = &pool->rels[i];
		w->rel_versions[i] = rd->evr;
		if (rd->flags > 0 && rd->flags < 8 && !ISRELDEP(rd->evr))
			rd->evr = plain_version(pool, rd->evr);
	}
}

const char *universe_version(const struct universe *w, Id p) {
	return pool_id2str(w->pool, w->versions[p]);
}

const char *universe_rel_version(const struct universe *w, Id dep) {
	Id i = GETRELID(dep);

	return pool_id2str(w->pool,
			   i < w->n_rels ? w->rel_versions[i] : GETRELDEP(w->pool, dep)->evr);
}

/* ---- architectures ---- */

/* A name with an architecture, as a dependency has it. */
struct qualified {
	Id name, arch, whole;
};

struct qualified_list {
	struct qualified *at;
	size_t n;
};

static void list_done(struct qualified_list *l) {
	free(l->at);
}

static Id qualify(struct universe *w, struct qualified_list *l, Id name, Id arch) {
	for (size_t i = 0; i < l->n; i++)
		if (l->at[i].name == name && l->at[i].arch == arch)
			return l->at[i].whole;
	char *text CLEANUP(freep) = mem_printf("%s:%s", pool_id2str(w->pool, name),
					       pool_id2str(w->pool, arch));
	Id whole = pool_str2id(w->pool, text, 1);

	l->at = mem_grow(l->at, l->n + 1, sizeof *l->at);
	l->at[l->n++] = (struct qualified){name, arch, whole};
	return whole;
}

/* The same dependency with names in place of REL_MULTIARCH; at most as deep as libsolv made it. */
static Id renamed(struct universe *w, struct qualified_list *l, Id dep) {
	if (!ISRELDEP(dep)) { /* libsolv knows ":any" alone, and takes "b:amd64" for a name */
		const char *text = pool_id2str(w->pool, dep), *colon = strchr(text, ':');
		if (!colon || colon == text || !colon[1])
			return dep;
		return qualify(w, l, pool_strn2id(w->pool, text, (unsigned) (colon - text), 1),
			       pool_str2id(w->pool, colon + 1, 1));
	}
	Reldep rd = *GETRELDEP(w->pool, dep);

	if (rd.flags == REL_MULTIARCH)
		return ISRELDEP(rd.name) ? dep : qualify(w, l, rd.name, rd.evr);
	Id name = renamed(w, l, rd.name), evr = rd.flags == REL_OR ? renamed(w, l, rd.evr) : rd.evr;
	return name == rd.name && evr == rd.evr ? dep
						: pool_rel2id(w->pool, name, evr, rd.flags, 1);
}

static void rename_list(struct universe *w, struct qualified_list *l, const Solvable *s,
			Offset list) {
	for (Id *at = list ? s->repo->idarraydata + list : NULL; at && *at; at++)
		if (*at != SOLVABLE_PREREQMARKER)
			*at = renamed(w, l, *at);
}

/* Names of the packages of one index that say Multi-Arch: allowed. */
static void find_allowed(struct universe *w, const struct solve_input *in, Map *allowed) {
	const char *end = in->text + in->n;
	Id name = 0;

	for (const char *line = in->text, *next; line < end; line = next) {
		const char *nl = memchr(line, '\n', (size_t) (end - line));
		size_t n = (size_t) ((nl ? nl : end) - line);
		next = line + n + 1;
		if (n > 9 && !memcmp(line, "Package: ", 9))
			name = pool_strn2id(w->pool, line + 9, (unsigned) n - 9, 0);
		else if (n >= 19 && !memcmp(line, "Multi-Arch: allowed", 19) && name) {
			map_grow(allowed, name + 1);
			MAPSET(allowed, name);
		}
	}
}

/* May a package of this kind meet the architecture? What is for all architectures counts as this
 * machine's own (dpkg). */
static bool fits(const struct universe *w, const Solvable *s, const struct qualified *q,
		 const Map *allowed) {
	const char *arch = pool_id2str(w->pool, q->arch);

	if (!strcmp(arch, "any"))
		return s->name < (allowed->size << 3) && MAPTST(allowed, s->name);
	return !strcmp(arch, pool_id2str(w->pool, s->arch)) ||
		(s->arch == ARCH_ALL && !strcmp(arch, w->q->architecture));
}

/* The package's own name is among what it provides. */
static void qualify_provides(struct universe *w, Repo *repo, Solvable *s,
			     const struct qualified *q) {
	Queue found;

	queue_init(&found);
	for (const Id *at = s->provides ? repo->idarraydata + s->provides : NULL; at && *at; at++) {
		const Reldep *rd = ISRELDEP(*at) ? GETRELDEP(w->pool, *at) : NULL;
		if ((rd ? rd->name : *at) == q->name)
			queue_push(&found,
				   rd ? pool_rel2id(w->pool, q->whole, rd->evr, rd->flags, 1)
				      : q->whole);
	}
	for (int i = 0; i < found.count; i++)
		s->provides = repo_addid_dep(repo, s->provides, found.elements[i], 0);
	queue_free(&found);
}

static void add_provides(struct universe *w, const struct qualified_list *l) {
	Pool *pool = w->pool;
	Repo *repo;
	int i;

	FOR_REPOS(i, repo) {
		Map allowed;
		Solvable *s;
		Id p;
		map_init(&allowed, pool->ss.nstrings);
		find_allowed(w, repo->appdata, &allowed);
		FOR_REPO_SOLVABLES(repo, p, s)
		for (size_t k = 0; k < l->n; k++)
			if (fits(w, s, &l->at[k], &allowed))
				qualify_provides(w, repo, s, &l->at[k]);
		map_free(&allowed);
	}
}

void universe_rename(struct universe *w) {
	struct qualified_list l CLEANUP(list_done) = {0};
	Id p;

	Pool *pool = w->pool;
	FOR_POOL_SOLVABLES(p) {
		Solvable *s = pool_id2solvable(pool, p);
		rename_list(w, &l, s, s->requires);
		rename_list(w, &l, s, s->conflicts);
		rename_list(w, &l, s, s->obsoletes);
	}
	if (l.n)
		add_provides(w, &l);
	rename_versions(w);
}
