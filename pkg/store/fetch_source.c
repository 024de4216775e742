/* SPDX-License-Identifier: Apache-2.0 */
/* One source of a fetch: a file, a member of an archive, an address. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/archive.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/step.h"
#include "store/internal.h"

static int wrong_digest(const char *found, struct err *e) {
	return err_set(e, ERR_INTEGRITY, "it has the digest %s, nothing of it was kept", found);
}

/* --- file: --- */

static int commit_if_right(struct fetch *f, struct store_writer *w, struct err *e) {
	char found[SHA256_HEX];

	store_writer_hex(w, found);
	if (strcmp(found, f->w->sha256))
		return wrong_digest(found, e);
	return store_commit(w, NULL, NULL, e);
}

/* After a failure: is the file at `path` no model and no archive, but a pointer or a page? */
static int or_something_else(const char *path, struct err *e) {
	int fd CLEANUP(closep) = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0 && (e->code == ERR_INTEGRITY || e->code == ERR_UNREACHABLE))
		(void) store_is_something_else(fd, NULL, path, e);
	return -1;
}

static int copy(struct fetch *f, int from, uint64_t size, struct store_writer *w, struct err *e) {
	char *piece CLEANUP(freep) = mem_zalloc(STORE_PIECE, 1);
	uint64_t done = 0;

	(void) posix_fadvise(from, 0, 0, POSIX_FADV_SEQUENTIAL);
	for (;;) {
		ssize_t n = read(from, piece, STORE_PIECE);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, ERR_UNREACHABLE, "cannot read it: %s", strerror(errno));
		if (!n)
			return 0;
		if (interrupt_check(e) ||
		    store_write(w, piece, (size_t) n, e))
			return -1;
		done += (uint64_t) n;
		store_fetch_tick(f, done, size);
	}
}

static int from_file(struct fetch *f, const char *path, struct err *e) {
	int fd CLEANUP(closep) = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct store_writer *w CLEANUP(store_abortp) = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return err_set(e, ERR_UNREACHABLE, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_UNREACHABLE, "it is not a regular file");
	if (f->w->size && (uint64_t) st.st_size != f->w->size)
		return err_set(e, ERR_INTEGRITY,
			       "it has %llu bytes instead of %llu, nothing of it was kept",
			       (unsigned long long) st.st_size, (unsigned long long) f->w->size);
	if (store_begin(f->s, f->w->what, (uint64_t) st.st_size, &w, e) ||
	    copy(f, fd, (uint64_t) st.st_size, w, e))
		return -1;
	return commit_if_right(f, w, e) ? or_something_else(path, e) : 0;
}

/* --- a member of an archive --- */

struct member {
	struct fetch *f;
	struct store_writer *w;
	uint64_t done;
	struct err *e;
	bool failed; /* on our side, with *e */
};

static bool take(void *ctx, const void *data, size_t n) {
	struct member *m = ctx;

	m->failed = interrupt_check(m->e) || store_write(m->w, data, n, m->e);
	m->done += n;
	if (!m->failed)
		store_fetch_tick(m->f, m->done, m->f->w->size);
	return !m->failed;
}

static int from_archive(struct fetch *f, const char *path, const char *member, struct err *e) {
	struct store_writer *w CLEANUP(store_abortp) = NULL;
	struct err own = {0}, fault = {0};

	if (store_begin(f->s, f->w->what, f->w->size, &w, e))
		return -1;
	struct member m = {.f = f, .w = w, .e = &own};
	if (archive_member(path, member, take, &m, NULL, &fault)) {
		*e = m.failed ? own : fault;
		if (!m.failed && e->code != ERR_INTEGRITY && e->code != ERR_INTERRUPTED)
			e->code = ERR_UNREACHABLE; /* no such file, no such member */
		return -1;
	}
	return commit_if_right(f, w, e);
}

/* --- downloads --- */

/* What an earlier run or source left in the part goes through the hash before more is added. */
static int open_part(struct fetch *f, struct err *e) {
	char *piece CLEANUP(freep) = mem_zalloc(STORE_PIECE, 1);
	struct target *t = &f->part;

	t->hash = sha256_new();
	for (;;) {
		ssize_t n = pread(t->fd, piece, STORE_PIECE, (off_t) t->at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "cannot read a partial download in '%s/tmp'", t->s->path);
		if (!n)
			break;
		if (interrupt_check(e))
			return -1;
		sha256_add(t->hash, piece, (size_t) n);
		t->at += (uint64_t) n;
	}
	if (f->w->size && t->at > f->w->size)
		return store_target_reset(t, e);
	if (lseek(t->fd, (off_t) t->at, SEEK_SET) < 0)
		return err_sys(e, "cannot go on with a partial download in '%s/tmp'", t->s->path);
	return 0;
}

static bool is_right(const struct fetch *f, char found[SHA256_HEX]) {
	sha256_hex(f->part.hash, found);
	return !strcmp(found, f->w->sha256);
}

/* Fill the part from one address and put it in its place. A wrong digest of a part that was not
 * begun here may be the fault of what it began with: the address gets a second go, from zero. */
static int from_url(struct fetch *f, const char *url, const char *token, struct err *e) {
	struct target *t = &f->part;
	char found[SHA256_HEX];
	struct err what = {0};

	if (!t->hash && open_part(f, e))
		return -1;
	for (;;) {
		uint64_t before = t->at;
		if (before && is_right(f, found))
			break;
		if (store_download(f, t, true, url, token, e)) {
			struct err ignored;
			if (e->code == ERR_INTEGRITY && t->at != before)
				(void) store_target_reset(t, &ignored);
			return -1;
		}
		if (is_right(f, found))
			break;
		bool known = store_is_something_else(t->fd, &f->seen, url, &what);
		if (store_target_reset(t, e))
			return -1;
		if (known) {
			*e = what;
			return -1;
		}
		if (!before)
			return wrong_digest(found, e);
	}
	if (store_adopt(f->s, t->fd, f->part_name, f->w->sha256, e))
		return -1;
	f->adopted = true;
	return 0;
}

/* An archive that came over the network has no digest of its own: it lives only as long as this. */
struct passing_file {
	struct store *s;
	char name[STORE_NAME];
	struct target to;
};

static void passing_done(struct passing_file *p) {
	if (p->to.fd < 0)
		return;
	(void) fs_step_unlink(EFFECT_STORE_CLEAN, p->s->dir, p->name, 0);
	(void) close(p->to.fd);
}

static int from_url_archive(struct fetch *f, const char *url, const char *token, const char *member,
			    struct err *e) {
	struct passing_file a CLEANUP(passing_done) = {.s = f->s, .to = {.s = f->s, .fd = -1}};
	char path[32];

	if (store_tmp_new(f->s, a.name, &a.to.fd, e) ||
	    store_download(f, &a.to, false, url, token, e))
		return -1;
	(void) snprintf(path, sizeof path, "/proc/self/fd/%d", a.to.fd);
	if (!from_archive(f, path, member, e))
		return 0;
	if ((e->code == ERR_INTEGRITY || e->code == ERR_UNREACHABLE) &&
	    store_is_something_else(a.to.fd, &f->seen, url, e))
		return -1;
	char *at = strstr(e->msg, path), *rest CLEANUP(freep) = NULL;
	if (at) { /* the name means nothing to a reader */
		rest = mem_strdup(at + strlen(path));
		(void) snprintf(at, sizeof e->msg - (size_t) (at - e->msg), "the archive%s", rest);
	}
	return -1;
}

/* --- all of them --- */

static int from_address(struct fetch *f, const char *source, struct err *e) {
	char *plain CLEANUP(freep) = mem_strndup(source, strcspn(source, "#")),
		    *url CLEANUP(freep) = NULL;
	const char *member = strchr(source, '#');
	char *token CLEANUP(freep) = NULL;

	if (store_source_url(plain, f->w->plain_http, &url, &token, e))
		return -1;
	if (member)
		return from_url_archive(f, url, token, member + 1, e);
	return from_url(f, url, token, e);
}

int store_fetch_source(struct fetch *f, const char *source, struct err *e) {
	if (text_starts(source, "file:")) {
		const char *path = source + strlen("file:"), *member = strchr(path, '#');
		char *archive CLEANUP(freep) = mem_strndup(path, strcspn(path, "#"));
		if (*path != '/')
			return err_set(e, ERR_UNREACHABLE, "its path is not absolute");
		if (!member)
			return from_file(f, path, e);
		return from_archive(f, archive, member + 1, e) ? or_something_else(archive, e) : 0;
	}
	if (text_starts(source, "https://") || text_starts(source, "http://") ||
	    text_starts(source, "hf://") || text_starts(source, "url_file:") ||
	    text_starts(source, "url_env:"))
		return from_address(f, source, e);
	return err_set(e, ERR_UNREACHABLE,
		       "it begins with none of file:/, https://, hf://, url_file:, url_env:");
}
