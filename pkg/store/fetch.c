#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/archive.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/text.h"
#include "store/private.h"

enum {
	TICK_MS = 100,
	WAIT_LOOK_MS = 50,
	WAIT_MAX_MS = 600000, /* for another process that makes no progress */
	FAULT_SHOWN = 170,
};

void store_fetch_tick(struct fetch *f, uint64_t done, uint64_t total) {
	uint64_t now = clock_mono_ms();

	if (now - f->told_ms < TICK_MS && done != total)
		return;
	f->told_ms = now;
	(void) futimens(f->part.fd, NULL); /* who waits for us sees that we live */
	progress_bytes(f->p, f->w->what, done, total);
}

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
		if (interrupt_check(e) || store_write(w, piece, (size_t) n, e))
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
		return err_set(e, ERR_INTEGRITY, "it has %llu bytes instead of %llu, nothing of it was kept",
			       (unsigned long long) st.st_size, (unsigned long long) f->w->size);
	if (store_begin(f->s, f->w->what, (uint64_t) st.st_size, &w, e) || copy(f, fd, (uint64_t) st.st_size, w, e))
		return -1;
	return commit_if_right(f, w, e);
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
		if (store_target_reset(t, e))
			return -1;
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
	(void) unlinkat(p->s->dir, p->name, 0);
	(void) close(p->to.fd);
}

static int from_url_archive(struct fetch *f, const char *url, const char *token, const char *member, struct err *e) {
	struct passing_file a CLEANUP(passing_done) = {.s = f->s, .to = {.s = f->s, .fd = -1}};
	char path[32];

	if (store_tmp_new(f->s, a.name, &a.to.fd, e) || store_download(f, &a.to, false, url, token, e))
		return -1;
	(void) snprintf(path, sizeof path, "/proc/self/fd/%d", a.to.fd);
	if (!from_archive(f, path, member, e))
		return 0;
	char *at = strstr(e->msg, path), *rest CLEANUP(freep) = NULL;
	if (at) { /* the name means nothing to a reader */
		rest = mem_strdup(at + strlen(path));
		(void) snprintf(at, sizeof e->msg - (size_t) (at - e->msg), "the archive%s", rest);
	}
	return -1;
}

/* --- all of them --- */

static int from_address(struct fetch *f, const char *source, struct err *e) {
	char *plain CLEANUP(freep) = mem_strndup(source, strcspn(source, "#")), *url CLEANUP(freep) = NULL;
	const char *member = strchr(source, '#');
	char *token CLEANUP(freep) = NULL;

	if (text_starts(source, "hf://")) {
		const char *secret = getenv("HF_TOKEN");
		if (store_hf_address(plain, &url, e))
			return -1;
		if (secret && *secret)
			token = mem_strndup(secret, strcspn(secret, " \t\r\n"));
	} else {
		url = mem_strdup(plain);
	}
	if (text_starts(url, "http://") && !f->w->plain_http && !http_is_loopback(url))
		return err_set(e, ERR_UNREACHABLE, "http:// is for this host only, take https://");
	if (member)
		return from_url_archive(f, url, token, member + 1, e);
	return from_url(f, url, token, e);
}

static int from_source(struct fetch *f, const char *source, struct err *e) {
	if (text_starts(source, "file:")) {
		const char *path = source + strlen("file:"), *member = strchr(path, '#');
		char *archive CLEANUP(freep) = mem_strndup(path, strcspn(path, "#"));
		if (*path != '/')
			return err_set(e, ERR_UNREACHABLE, "its path is not absolute");
		return member ? from_archive(f, archive, member + 1, e) : from_file(f, path, e);
	}
	if (text_starts(source, "https://") || text_starts(source, "http://") || text_starts(source, "hf://"))
		return from_address(f, source, e);
	return err_set(e, ERR_UNREACHABLE, "it begins with none of file:/, https://, hf://");
}

/* What is wrong with each source, as far as one line has room. */
struct faults {
	char text[400];
	size_t used, n, left_out;
	bool integrity;
};

static void add_fault(struct faults *a, const char *source, const struct err *fault) {
	char *shown CLEANUP(freep) = store_shown(source);
	size_t n = strlen(shown);
	/* The ends of an address tell most. */
	char *clipped CLEANUP(freep) = n <= 90 ? mem_strdup(shown) : mem_printf("%.40s...%s", shown, shown + n - 47);
	char *line CLEANUP(freep) = mem_printf("%s%s: %.*s", a->n ? "; " : "", clipped, FAULT_SHOWN, fault->msg);

	a->n++;
	a->integrity = a->integrity || fault->code == ERR_INTEGRITY;
	if (a->used + strlen(line) >= sizeof a->text) {
		a->left_out++;
		return;
	}
	a->used += (size_t) snprintf(a->text + a->used, sizeof a->text - a->used, "%s", line);
}

static int report(const struct faults *a, const struct store_want *w, struct err *e) {
	char more[40] = "";

	if (a->left_out)
		(void) snprintf(more, sizeof more, " (and %zu more)", a->left_out);
	if (a->integrity)
		return err_set(e, ERR_INTEGRITY, "cannot fetch %.40s %s: %s%s", w->what, w->sha256, a->text, more);
	return err_set(e, ERR_UNREACHABLE, "cannot fetch %.40s: %s%s", w->what, a->text, more);
}

static int try_all(struct fetch *f, struct err *e) {
	const struct store_want *w = f->w;
	struct faults faults = {0};
	struct err fault;

	if (!w->n_sources)
		return err_set(e, ERR_UNREACHABLE, "cannot fetch %.40s: it has no source", w->what);
	for (size_t i = 0; i < w->n_sources; i++) {
		if (!from_source(f, w->sources[i], &fault))
			return 0;
		if (fault.code != ERR_UNREACHABLE && fault.code != ERR_INTEGRITY) {
			*e = fault;
			return -1;
		}
		add_fault(&faults, w->sources[i], &fault);
		if (i + 1 < w->n_sources) {
			char *shown CLEANUP(freep) = store_shown(w->sources[i]);
			char *note CLEANUP(freep) = mem_printf("taking the next source: %s: %s", shown, fault.msg);
			progress_note(f->p, w->what, note);
		}
	}
	return report(&faults, w, e);
}

/* Lock the part. Another process that holds it is fetching the same: wait as long as it gets on. */
static int take_part(struct fetch *f, struct err *e) {
	uint64_t seen_ms = clock_mono_ms(), max = f->w->wait_ms ? f->w->wait_ms : WAIT_MAX_MS;
	struct timespec touched = {0};
	struct stat st;
	bool told = false;

	for (;;) {
		if (store_tmp_lock(f->s, f->part_name, &f->part.fd, e))
			return -1;
		if (f->part.fd >= 0)
			return 0;
		if (!told)
			progress_note(f->p, f->w->what, "waiting for another process that fetches it");
		told = true;
		if (!fstatat(f->s->dir, f->part_name, &st, 0) &&
		    (st.st_mtim.tv_sec != touched.tv_sec || st.st_mtim.tv_nsec != touched.tv_nsec)) {
			touched = st.st_mtim;
			seen_ms = clock_mono_ms();
		}
		if (clock_mono_ms() - seen_ms > max)
			return err_set(e, ERR_BUSY, "another process fetches %s and makes no progress; end it, then try again",
				       f->w->what);
		if (interrupt_check(e))
			return -1;
		clock_sleep_ms(WAIT_LOOK_MS);
	}
}

/* A part is kept only where it can be of use: bytes of a download that the network or the user broke off. */
static void fetch_done(struct fetch *f) {
	struct stat st;

	if (f->part.fd < 0)
		return;
	if (!f->adopted && (f->drop || fstat(f->part.fd, &st) || !st.st_size))
		(void) unlinkat(f->s->dir, f->part_name, 0);
	(void) close(f->part.fd);
	sha256_freep(&f->part.hash);
}

/* Is the object there, and right? One whose receipt does not fit is hashed; a wrong one is fetched anew. */
static int already(struct store *s, const struct store_want *w, const struct progress *p, bool *there, struct err *e) {
	char *path CLEANUP(freep) = store_path(s, w->sha256);
	struct err fault;

	if (store_has(s, w->sha256, there, NULL, e))
		return -1;
	if (*there || access(path, F_OK))
		return 0;
	*there = !store_verify(s, w->sha256, false, &fault);
	if (*there)
		return 0;
	if (fault.code != ERR_INTEGRITY) {
		*e = fault;
		return -1;
	}
	progress_warn(p, w->what, fault.msg);
	return 0;
}

int store_fetch(struct store *s, const struct store_want *w, const struct progress *p, struct err *e) {
	struct fetch f CLEANUP(fetch_done) = {.s = s, .w = w, .p = p, .part = {.s = s, .fd = -1}};
	bool there;

	if (already(s, w, p, &there, e))
		return -1;
	if (there)
		return 0;
	(void) snprintf(f.part_name, sizeof f.part_name, "tmp/%s.part", w->sha256);
	if (take_part(&f, e) || already(s, w, p, &there, e))
		return -1;
	if (there || !try_all(&f, e))
		return 0;
	f.drop = e->code == ERR_SYS;
	return -1;
}
