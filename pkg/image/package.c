/* SPDX-License-Identifier: Apache-2.0 */
#include "image/package.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "archive/archive.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "image/image.h"

enum { MAX_CONTROL = 1 << 20, MAX_MD5SUMS = 16 << 20, MAX_NODES = 200000 };
#define MAX_PACKAGE_BYTES (8ULL << 30)

/* Not for a machine that only serves: none of it is read by a program. Patterns of
 * fnmatch(3), in which '*' stays within one name; what lies below a match goes too. */
static const char *const PRUNED[] = {
	"usr/share/man",
	"usr/share/info",
	"usr/share/locale",
	"usr/share/lintian",
	"usr/share/bug",
	"usr/share/doc-base",
	"usr/share/bash-completion",
	"usr/lib/gconv",
	"usr/lib/*/gconv",
	"usr/share/*/conversion/*.py",
	"usr/share/*/*/conversion/*.py",
};

static bool is_pruned(const char *path) {
	/* The licence has to stay, and scanners read it. */
	if (!fnmatch("usr/share/doc/*/copyright", path, FNM_PATHNAME) ||
	    !fnmatch("usr/share/doc/*", path, FNM_PATHNAME))
		return false;
	if (text_starts(path, "usr/share/doc/"))
		return true;
	for (size_t i = 0; i < sizeof PRUNED / sizeof *PRUNED; i++)
		if (!fnmatch(PRUNED[i], path, FNM_PATHNAME | FNM_LEADING_DIR))
			return true;
	return false;
}

const char *package_usrmerge(struct arena *a, const char *path) {
	static const char *const merged[] = {"bin",   "sbin",   "lib",   "lib32",
					     "lib64", "libo32", "libx32"};

	for (size_t i = 0; i < sizeof merged / sizeof *merged; i++) {
		size_t n = strlen(merged[i]);
		if (!strncmp(path, merged[i], n) && path[n] == '/')
			return arena_printf(a, "usr/%s", path);
	}
	return path;
}

static bool is_printable(const char *s) {
	for (const char *p = s; *p; p++)
		if ((unsigned char) *p < 0x20 || *p == 0x7f)
			return false;
	return text_is_utf8(s, strlen(s));
}

/* *path is NULL for the root itself. */
static int plain_path(struct package *p, const char *raw, const char **path, struct err *e) {
	if (*raw == '/')
		return err_set(e, ERR_INTEGRITY, "'%s' has the absolute path '%s': refused",
			       p->file, raw);
	if (!is_printable(raw))
		return err_set(e, ERR_INTEGRITY,
			       "'%s' has a path that is not printable UTF-8: refused", p->file);
	while (text_starts(raw, "./"))
		raw += 2;
	size_t n = strlen(raw);
	if (n && raw[n - 1] == '/')
		n--;
	*path = NULL;
	if (!n || !strcmp(raw, "."))
		return 0;
	for (size_t at = 0, len; at <= n; at += len + 1) {
		len = strcspn(raw + at, "/");
		if (len == 2 && !memcmp(raw + at, "..", 2))
			return err_set(e, ERR_INTEGRITY,
				       "'%s' has the path '%s', which leaves the image: refused",
				       p->file, raw);
		if (!len || (len == 1 && raw[at] == '.'))
			return err_set(e, ERR_INTEGRITY,
				       "'%s' has the path '%s', which is not plain: refused",
				       p->file, raw);
	}
	char *mine = arena_zalloc(p->arena, n + 1, 1);
	memcpy(mine, raw, n);
	*path = package_usrmerge(p->arena, mine);
	return 0;
}

/* ---- what is wanted of a package ---- */

/* A kept hard link to a file whose content went by unread: it is read in a second pass. */
struct late {
	size_t node;
	const char *target;
};

struct unpacking {
	struct package *p;
	/* what was not kept, without content: later entries may be links to it */
	struct tree skipped;
	struct late *late;
	size_t n_late;
	bool *found;     /* for each wanted file or folder */
	size_t n_wanted; /* 0: everything is wanted */
	bool has_folder; /* among what is wanted: nobody knows when that is complete */
	bool has_licence;
	char *fill; /* where the content of the present file goes */
	char *fill_end;
};

static const char *without_root(const char *path) {
	return *path == '/' ? path + 1 : path;
}

/* The copyright file, or the link to the folder that has it. */
static bool is_licence(const struct package *p, const char *path, enum archive_type type) {
	const char *doc = "usr/share/doc/";
	size_t n = strlen(p->want->name);

	if (!text_starts(path, doc) || strncmp(path + strlen(doc), p->want->name, n) != 0)
		return false;
	path += strlen(doc) + n;
	return !strcmp(path, "/copyright") || (!*path && type == ARCHIVE_TYPE_SYMLINK);
}

static bool is_kept(struct unpacking *u, const char *path, enum archive_type type) {
	if (!u->n_wanted)
		return !is_pruned(path);
	if (is_licence(u->p, path, type))
		return u->has_licence = true;
	for (size_t i = 0; i < u->n_wanted; i++) {
		const char *wanted = without_root(u->p->want->files[i]);
		if (!strcmp(wanted, path) || (text_ends(wanted, "/") && text_starts(path, wanted)))
			return u->found[i] = true;
	}
	return false;
}

static bool is_complete(const struct unpacking *u) {
	for (size_t i = 0; i < u->n_wanted; i++)
		if (!u->found[i])
			return false;
	return u->n_wanted && u->has_licence && !u->has_folder;
}

/* ---- entries ---- */

static int count_bytes(struct package *p, uint64_t n, struct err *e) {
	if (n > MAX_PACKAGE_BYTES - p->bytes)
		return err_set(e, ERR_INTEGRITY, "'%s' unpacks to more than %llu bytes: refused",
			       p->file, MAX_PACKAGE_BYTES);
	p->bytes += n;
	return 0;
}

static int add_file(struct unpacking *u, struct node *n, const struct archive_item *item,
		    struct err *e) {
	struct package *p = u->p;

	if (item->mode & 06000)
		return err_set(e, ERR_INTEGRITY,
			       "'%s' has a set-user-id or set-group-id file '%s': refused", p->file,
			       n->path);
	if (count_bytes(p, item->size, e))
		return -1;
	n->type = NODE_FILE;
	n->mode = item->mode & 0777;
	n->size = item->size;
	u->fill = item->size ? arena_zalloc(p->arena, item->size, 1) : NULL;
	u->fill_end = item->size ? u->fill + item->size : NULL;
	n->data = u->fill;
	return 0;
}

/* The newest entry of that path, as it would lie on a disk. */
static const struct node *newest(const struct tree *t, const char *path) {
	for (size_t i = t->n; i > 0; i--)
		if (!strcmp(t->at[i - 1].path, path))
			return &t->at[i - 1];
	return NULL;
}

/* The file whose content a kept link waits for, NULL: it has it. */
static const char *late_of(const struct unpacking *u, const struct node *n) {
	size_t i = (size_t) (n - u->p->nodes.at);

	for (size_t k = 0; k < u->n_late; k++)
		if (u->late[k].node == i)
			return u->late[k].target;
	return NULL;
}

static int not_there(const struct package *p, const struct node *n, const struct archive_item *item,
		     struct err *e) {
	return err_set(e, ERR_INTEGRITY,
		       "'%s' has a hard link '%s' to '%s', which is not there before it", p->file,
		       n->path, item->link);
}

/* Another name of an earlier file or symbolic link: here it becomes one of its own, for a layer has
 * no use for the tie. What was skipped counts, too: the content of a file is then read in a second
 * pass. */
static int add_hardlink(struct unpacking *u, struct node *n, const struct archive_item *item,
			struct err *e) {
	struct package *p = u->p;
	const char *target, *path = n->path;
	const struct node *there = NULL, *gone = NULL;

	if (plain_path(p, item->link, &target, e))
		return -1;
	if (target) {
		there = newest(&p->nodes, target);
		gone = there ? NULL : newest(&u->skipped, target);
	}
	if (!there && !gone)
		return not_there(p, n, item, e);
	const struct node *from = there ? there : gone;
	if (from->type == NODE_DIR)
		return not_there(p, n, item, e);
	*n = *from;
	n->path = path;
	n->rank = RANK_PACKAGE;
	n->owner = p->want->name;
	n->layer = p->layer;
	if (from->mode & 06000)
		return err_set(e, ERR_INTEGRITY,
			       "'%s' has a set-user-id or set-group-id file '%s': refused", p->file,
			       path);
	const char *unread = there ? late_of(u, there) : gone->data ? NULL : gone->owner;
	if (unread && n->type == NODE_FILE && n->size) {
		u->late = mem_grow(u->late, u->n_late + 1, sizeof *u->late);
		u->late[u->n_late++] = (struct late){p->nodes.n, unread};
	}
	return n->type == NODE_FILE ? count_bytes(p, n->size, e) : 0;
}

/* A hard link that is not kept is what it is a link to. */
static bool follow_skipped(struct unpacking *u, const struct archive_item *item, struct node *n) {
	struct err ignored = {0};
	const char *target;

	if (plain_path(u->p, item->link, &target, &ignored) || !target)
		return false;
	const struct node *kept = newest(&u->p->nodes, target),
			  *to = kept ? kept : newest(&u->skipped, target);
	if (!to)
		return false;
	*n = *to;
	if (kept)
		n->owner = late_of(u, kept);
	return true;
}

/* What is not kept, for later links to it: of a file `owner` is the path whose content it has, NULL
 * where `data` has it. Its faults are no faults of the image, which has nothing of it. */
static void note_skipped(struct unpacking *u, const char *path, const struct archive_item *item) {
	struct node n = {.path = path, .mode = item->mode, .size = item->size, .owner = path};

	if (item->type == ARCHIVE_TYPE_FILE)
		n.type = NODE_FILE;
	else if (item->type == ARCHIVE_TYPE_SYMLINK && *item->link && is_printable(item->link))
		n = (struct node){.type = NODE_LINK,
				  .mode = 0777,
				  .target = arena_strdup(u->p->arena, item->link)};
	else if (item->type != ARCHIVE_TYPE_HARDLINK || !follow_skipped(u, item, &n))
		return;
	n.path = path;
	tree_add(&u->skipped, &n);
}

static int fill_node(struct unpacking *u, struct node *n, const struct archive_item *item,
		     struct err *e) {
	switch (item->type) {
	case ARCHIVE_TYPE_FILE: return add_file(u, n, item, e);
	case ARCHIVE_TYPE_HARDLINK: return add_hardlink(u, n, item, e);
	case ARCHIVE_TYPE_DIR: /* set-group-id folders are for users, of whom there is none */
		n->type = NODE_DIR;
		n->mode = item->mode & 01777;
		return 0;
	default:
		n->type = NODE_LINK;
		n->mode = 0777;
		n->target = arena_strdup(u->p->arena, item->link);
		if (!*n->target || !is_printable(n->target))
			return err_set(e, ERR_INTEGRITY,
				       "'%s' has a link '%s' with a strange target: refused",
				       u->p->file, n->path);
		return 0;
	}
}

static int data_item(void *ctx, const struct archive_item *item, enum archive_wish *wish,
		     struct err *e) {
	struct unpacking *u = ctx;
	struct package *p = u->p;
	struct node n = {.rank = RANK_PACKAGE, .owner = p->want->name, .layer = p->layer};

	if (is_complete(u)) {
		*wish = ARCHIVE_STOP;
		return 0;
	}
	if (plain_path(p, item->path, &n.path, e))
		return -1;
	if (item->type == ARCHIVE_TYPE_OTHER)
		return err_set(e, ERR_INTEGRITY, "'%s' has a device, pipe or socket '%s': refused",
			       p->file, n.path ? n.path : ".");
	if (!n.path)
		return 0;
	if (!is_kept(u, n.path, item->type)) {
		if (u->skipped.n < MAX_NODES)
			note_skipped(u, n.path, item);
		p->pruned_bytes += item->type == ARCHIVE_TYPE_FILE ? item->size : 0;
		return 0;
	}
	if (p->nodes.n >= MAX_NODES)
		return err_set(e, ERR_INTEGRITY, "'%s' has more than %d files: refused", p->file,
			       MAX_NODES);
	if (fill_node(u, &n, item, e))
		return -1;
	tree_add(&p->nodes, &n);
	*wish = item->type == ARCHIVE_TYPE_FILE ? ARCHIVE_TAKE : ARCHIVE_SKIP;
	return 0;
}

static int data_bytes(void *ctx, const void *data, size_t n, struct err *e) {
	struct unpacking *u = ctx;

	if (n > (size_t) (u->fill_end - u->fill))
		return err_set(e, ERR_INTEGRITY, "'%s' has a file that is longer than it says",
			       u->p->file);
	memcpy(u->fill, data, n);
	u->fill += n;
	return 0;
}

/* ---- the second pass ---- */

struct second {
	struct unpacking *u;
	const char *path; /* of the present file */
	char *fill, *fill_end;
};

static int second_item(void *ctx, const struct archive_item *item, enum archive_wish *wish,
		       struct err *e) {
	struct second *s = ctx;
	struct unpacking *u = s->u;

	s->path = NULL;
	if (item->type != ARCHIVE_TYPE_FILE || !item->size)
		return 0;
	if (plain_path(u->p, item->path, &s->path, e))
		return -1;
	char *data = NULL;
	for (size_t i = 0; s->path && i < u->n_late; i++) {
		struct node *n = &u->p->nodes.at[u->late[i].node];
		if (strcmp(u->late[i].target, s->path) != 0 || n->size != item->size)
			continue;
		data = data ? data : arena_zalloc(u->p->arena, item->size, 1);
		n->data = data;
	}
	s->fill = data;
	s->fill_end = data ? data + item->size : NULL;
	*wish = data ? ARCHIVE_TAKE : ARCHIVE_SKIP;
	return 0;
}

static int second_bytes(void *ctx, const void *data, size_t n, struct err *e) {
	struct second *s = ctx;

	if (n > (size_t) (s->fill_end - s->fill))
		return err_set(e, ERR_INTEGRITY, "'%s' has a file that is longer than it says",
			       s->u->p->file);
	memcpy(s->fill, data, n);
	s->fill += n;
	return 0;
}

static int nothing_item(void *ctx, const struct archive_item *item, enum archive_wish *wish,
			struct err *e) {
	(void) ctx;
	(void) item;
	(void) e;
	*wish = ARCHIVE_SKIP;
	return 0;
}

/* The content of files that were skipped before a link to them was kept. */
static int read_late(struct unpacking *u, int fd, struct err *e) {
	struct second s = {.u = u};
	const struct archive_visitor control = {nothing_item, NULL, NULL},
				     data = {second_item, second_bytes, &s};

	if (!u->n_late)
		return 0;
	if (archive_deb(fd, u->p->file, &control, &data, e))
		return -1;
	for (size_t i = 0; i < u->n_late; i++)
		if (!u->p->nodes.at[u->late[i].node].data)
			return err_set(e, ERR_INTEGRITY, "'%s' changed while it was read",
				       u->p->file);
	return 0;
}

static void unpacking_done(struct unpacking *u) {
	tree_done(&u->skipped);
	free(u->late);
}

/* ---- control ---- */

struct controlling {
	struct package *p;
	struct buf *into; /* of the present entry */
};

static int control_item(void *ctx, const struct archive_item *item, enum archive_wish *wish,
			struct err *e) {
	struct controlling *c = ctx;
	const char *path = item->path;

	(void) e;
	while (text_starts(path, "./"))
		path += 2;
	c->into = !strcmp(path, "control") ? &c->p->control
		: !strcmp(path, "md5sums") ? &c->p->md5sums
					   : NULL;
	if (c->into && item->type == ARCHIVE_TYPE_FILE)
		*wish = ARCHIVE_TAKE;
	return 0;
}

static int control_bytes(void *ctx, const void *data, size_t n, struct err *e) {
	struct controlling *c = ctx;

	if (!buf_add(c->into, data, n))
		return err_set(e, ERR_INTEGRITY,
			       "'%s' has control files that are too long: refused", c->p->file);
	return 0;
}

/* "Key: value" at the head of a line; the value's length in *n. */
static const char *field(const char *control, const char *key, size_t *n) {
	size_t len = strlen(key);

	for (const char *line = control; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (!strncasecmp(line, key, len) && line[len] == ':') {
			const char *value = line + len + 1;
			value += strspn(value, " \t");
			*n = strcspn(value, "\r\n");
			return value;
		}
	*n = 0;
	return "";
}

static int check_control(const struct package *p, struct err *e) {
	const struct {
		const char *key, *want;
	} fields[] = {
		{"Package", p->want->name},
		{"Version", p->want->version},
		{"Architecture", p->want->architecture},
	};

	if (!p->control.len || strlen(p->control.data) != p->control.len)
		return err_set(e, ERR_INTEGRITY, "'%s' has no usable control file", p->file);
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		size_t n;
		const char *is = field(p->control.data, fields[i].key, &n);
		if (n != strlen(fields[i].want) || memcmp(is, fields[i].want, n) != 0)
			return err_set(e, ERR_INTEGRITY,
				       "'%s' says '%s: %.*s' about itself, expected '%s'", p->file,
				       fields[i].key, (int) (n < 80 ? n : 80), is, fields[i].want);
	}
	return 0;
}

/* ---- what scanners read: dpkg's status, cut into one file a package ---- */

static int by_path(const void *a, const void *b) {
	return strcmp(((const struct node *) a)->path, ((const struct node *) b)->path);
}

/* Lines "DIGEST  path" of the files that are in the image. */
static void keep_md5sums(struct package *p, struct buf *kept) {
	for (char *line = p->md5sums.data, *next; line && *line; line = next) {
		size_t len = strcspn(line, "\n");
		next = line + len + (line[len] == '\n');
		if (len < 35 || len > 4096 || line[32] != ' ')
			continue;
		line[len] = 0;
		struct node key = {.path = package_usrmerge(p->arena, line + 34)};
		const struct node *n = bsearch(&key, p->nodes.at, p->nodes.n, sizeof key, by_path);
		if (n && n->type == NODE_FILE)
			(void) buf_printf(kept, "%.32s  %s\n", line, n->path);
	}
}

static void add_text(struct package *p, const char *path, const struct buf *text) {
	char *copy = arena_zalloc(p->arena, text->len + 1, 1);

	memcpy(copy, buf_str(text), text->len);
	tree_add(&p->nodes,
		 &(struct node){.path = path,
				.type = NODE_FILE,
				.rank = RANK_PACKAGE,
				.mode = 0644,
				.data = copy,
				.size = text->len,
				.owner = p->want->name,
				.layer = p->layer});
}

static void add_status(struct package *p) {
	struct buf kept CLEANUP(buf_done) = BUF_INIT(MAX_MD5SUMS * 2);
	const char *dir = "var/lib/dpkg/status.d";

	if (p->nodes.n)
		qsort(p->nodes.at, p->nodes.n, sizeof *p->nodes.at, by_path);
	keep_md5sums(p, &kept);
	if (p->control.data[p->control.len - 1] != '\n')
		(void) buf_putc(&p->control, '\n');
	add_text(p, arena_printf(p->arena, "%s/%s", dir, p->want->name), &p->control);
	if (p->md5sums.len)
		add_text(p, arena_printf(p->arena, "%s/%s.md5sums", dir, p->want->name), &kept);
}

/* ---- the whole ---- */

static int check_found(const struct unpacking *u, struct err *e) {
	for (size_t i = 0; i < u->n_wanted; i++)
		if (!u->found[i])
			return err_set(e, ERR_INTEGRITY,
				       "'%s' has no file '%s', which packages.lock lists for it",
				       u->p->file, u->p->want->files[i]);
	return 0;
}

static void start(struct package *p) {
	const struct image_package *w = p->want;

	p->arena = arena_new();
	p->file = mem_printf("%s_%s_%s.deb", w->name, w->version, w->architecture);
	p->layer = !strcmp(w->layer, "base") ? LAYER_BASE : LAYER_RUNTIME;
	p->control.cap = MAX_CONTROL;
	p->md5sums.cap = MAX_MD5SUMS;
}

int package_unpack(struct package *p, int fd, struct err *e) {
	struct unpacking u CLEANUP(unpacking_done) = {.p = p};
	struct controlling c = {.p = p};

	start(p);
	u.n_wanted = p->want->files ? p->want->n_files : 0;
	for (size_t i = 0; i < u.n_wanted; i++)
		u.has_folder |= text_ends(p->want->files[i], "/");
	u.found = arena_zalloc(p->arena, u.n_wanted, sizeof *u.found);
	const struct archive_visitor control = {control_item, control_bytes, &c};
	const struct archive_visitor data = {data_item, data_bytes, &u};
	if (archive_deb(fd, p->file, &control, &data, e) ||
	    check_control(p, e) ||
	    check_found(&u, e) ||
	    read_late(&u, fd, e))
		return -1;
	add_status(p);
	return 0;
}

void package_done(struct package *p) {
	tree_done(&p->nodes);
	arena_free(p->arena);
	free(p->file);
	buf_done(&p->control);
	buf_done(&p->md5sums);
	*p = (struct package){.want = p->want};
}
