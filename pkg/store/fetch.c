/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/progress.h"
#include "fs/step.h"
#include "store/internal.h"

enum {
	TICK_MS = 100,
	WAIT_LOOK_MS = 50,
	WAIT_MAX_MS = 600000, /* for another process that makes no progress */
	FAULT_SHOWN = 300,    /* a fault and what to do about it */
};

void store_fetch_tick(struct fetch *f, uint64_t done, uint64_t total) {
	uint64_t now = clock_mono_ms();

	if (now - f->told_ms < TICK_MS && done != total)
		return;
	f->told_ms = now;
	(void) futimens(f->part.fd, NULL); /* who waits for us sees that we live */
	progress_bytes(f->p, f->w->what, done, total);
}

/* What is wrong with each source, as far as one line has room. */
struct faults {
	char text[420];
	size_t used, n, left_out;
	bool integrity;
	bool names_digest;
};

static void add_fault(struct faults *a, const char *source, const struct err *fault) {
	char *shown CLEANUP(freep) = store_source_shown(source);
	size_t n = strlen(shown);
	/* The ends of an address tell most. */
	char *clipped CLEANUP(freep) = n <= 90 ? mem_strdup(shown)
					       : mem_printf("%.40s...%s", shown, shown + n - 47);
	char *line CLEANUP(freep) = mem_printf("%s%s: %.*s", a->n ? "; " : "", clipped, FAULT_SHOWN,
					       fault->msg);

	a->n++;
	a->integrity = a->integrity || fault->code == ERR_INTEGRITY;
	/* A page in place of the file is known by its kind: the wanted digest would tell
	 * nothing. */
	a->names_digest = a->names_digest ||
		(fault->code == ERR_INTEGRITY && !strstr(fault->msg, "instead of the file"));
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
	if (a->integrity && a->names_digest)
		return err_set(e, ERR_INTEGRITY, "cannot fetch %.40s %s: %s%s", w->what, w->sha256,
			       a->text, more);
	if (a->integrity)
		return err_set(e, ERR_INTEGRITY, "cannot fetch %.40s: %s%s", w->what, a->text,
			       more);
	return err_set(e, ERR_UNREACHABLE, "cannot fetch %.40s: %s%s", w->what, a->text, more);
}

static int try_all(struct fetch *f, struct err *e) {
	const struct store_want *w = f->w;
	struct faults faults = {0};
	struct err fault;

	if (!w->n_sources)
		return err_set(e, ERR_UNREACHABLE, "cannot fetch %.40s: it has no source", w->what);
	for (size_t i = 0; i < w->n_sources; i++) {
		if (!store_fetch_source(f, w->sources[i], &fault))
			return 0;
		if (fault.code != ERR_UNREACHABLE && fault.code != ERR_INTEGRITY) {
			*e = fault;
			return -1;
		}
		add_fault(&faults, w->sources[i], &fault);
		if (i + 1 < w->n_sources) {
			char *shown CLEANUP(freep) = store_source_shown(w->sources[i]);
			char *note CLEANUP(freep) = mem_printf("taking the next source: %s: %s",
							       shown, fault.msg);
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
			progress_note(f->p, f->w->what,
				      "waiting for another process that fetches it");
		told = true;
		if (!fstatat(f->s->dir, f->part_name, &st, 0) &&
		    (st.st_mtim.tv_sec != touched.tv_sec ||
		     st.st_mtim.tv_nsec != touched.tv_nsec)) {
			touched = st.st_mtim;
			seen_ms = clock_mono_ms();
		}
		if (clock_mono_ms() - seen_ms > max)
			return err_set(e, ERR_BUSY,
				       "another process fetches %s and makes no progress; end it, "
				       "then try again",
				       f->w->what);
		if (interrupt_check(e))
			return -1;
		clock_sleep_ms(WAIT_LOOK_MS);
	}
}

/* A part is kept only where it can be of use: bytes of a download that the network or the user
 * broke off. */
static void fetch_done(struct fetch *f) {
	struct stat st;

	if (f->part.fd < 0)
		return;
	if (!f->adopted && (f->drop || fstat(f->part.fd, &st) || !st.st_size))
		(void) fs_step_unlink(EFFECT_STORE_CLEAN, f->s->dir, f->part_name, 0);
	(void) close(f->part.fd);
	sha256_freep(&f->part.hash);
}

/* Is the object there, and right? One whose receipt does not fit is hashed; a wrong one is fetched
 * again. */
static int already(struct store *s, const struct store_want *w, const struct progress *p,
		   bool *there, struct err *e) {
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

int store_fetch(struct store *s, const struct store_want *w, const struct progress *p,
		struct err *e) {
	struct fetch f CLEANUP(fetch_done) = {.s = s, .w = w, .p = p, .part = {.s = s, .fd = -1}};
	bool there;

	if (already(s, w, p, &there, e))
		return -1;
	if (there)
		return 0;
	(void) snprintf(f.part_name, sizeof f.part_name, "tmp/%s.part", w->sha256);
	if (take_part(&f, e) ||
	    already(s, w, p, &there, e))
		return -1;
	if (there || !try_all(&f, e))
		return 0;
	f.drop = e->code == ERR_SYS;
	return -1;
}
