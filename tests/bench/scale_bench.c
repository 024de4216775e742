/* SPDX-License-Identifier: Apache-2.0 */
/* usage: scale_bench ROOT LOCK ROUTES RELEASES RECORDS   makes a root of this size for
 * tests/bench/scale.sh
 *
 * Each route has so many whole releases (all of the one lock, by hard links) and a journal of so
 * many records, which says that they were applied one after the other, over and over. Nothing is
 * synced: it is read, and thrown away. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"
#include "journal/frame.h"
#include "journal/journal.h"
#include "release/release.h"
#include "root/root.h"
#include "json/json.h"

static const char *const events[] = {"apply",       "started", "ready",    "proved",
				     "flip_intent", "flipped", "committed"};

struct size {
	uint64_t routes, releases, records;
};

static int fail(const char *what) {
	perror(what);
	return -1;
}

/* The first release as the program makes it; the others are links to its files. */
static int put_releases(const struct release_route *r, const struct buf *lockfile, uint64_t n,
			struct err *e) {
	struct json *evidence CLEANUP(json_freep) = json_object();
	struct release_sealed sealed;

	if (release_put(r, "v1", lockfile->data, lockfile->len, NULL, evidence, &sealed, e))
		return -1;
	for (uint64_t i = 2; i <= n; i++) {
		static const char *const files[] = {"release.lock.json", "evidence/1.json"};
		char dir[64], from[100], to[100];
		(void) snprintf(dir, sizeof dir, "releases/v%llu/evidence", (unsigned long long) i);
		if (fs_mkdirs(EFFECT_NONE, r->fd, dir, 0755, e))
			return -1;
		for (size_t k = 0; k < 2; k++) {
			(void) snprintf(from, sizeof from, "releases/v1/%s", files[k]);
			(void) snprintf(to, sizeof to, "releases/v%llu/%s", (unsigned long long) i,
					files[k]);
			if (linkat(r->fd, from, r->fd, to, 0))
				return fail(to);
		}
	}
	return 0;
}

static struct json *record(uint64_t seq, uint64_t releases, const char *digest) {
	const uint64_t op = (seq - 1) / 7;
	const char *event = events[(seq - 1) % 7];
	struct json *r = json_object();
	char version[32], before[32] = "", time[CLOCK_STAMP];

	(void) snprintf(version, sizeof version, "v%llu", (unsigned long long) (op % releases + 1));
	if (op)
		(void) snprintf(before, sizeof before, "v%llu",
				(unsigned long long) ((op - 1) % releases + 1));
	clock_stamp(1790000000 + (int64_t) seq * 60, time);
	json_set_int(r, "v", 1);
	json_set_int(r, "seq", (int64_t) seq);
	json_set_str(r, "time", time);
	json_set_str(r, "event", event);
	json_set_str(r, "version", version);
	json_set_str(r, "lock", digest);
	json_set_str(r, "from", before);
	json_set_str(r, "to", version);
	json_set_str(r, "op", "apply");
	json_set_int(r, "duration_ms", (int64_t) seq % 7 * 350);
	json_set_int(r, "step_ms", 350);
	if (!strcmp(event, "apply")) {
		json_set_str(r, "by", "eva");
		json_set_str(r, "host", "deploy-1");
		json_set_int(r, "pid", 4711);
		json_set_str(r, "tool", "llmdeploy 0.1.0");
		json_set_str(r, "command", "apply incident.yaml");
	}
	return r;
}

static int flush(int dir, const char *name, struct buf *text) {
	int fd CLEANUP(closep) = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	for (size_t at = 0; fd >= 0 && at < text->len;) {
		ssize_t n = write(fd, text->data + at, text->len - at);
		if (n <= 0)
			return fail(name);
		at += (size_t) n;
	}
	buf_reset(text);
	return fd < 0 ? fail(name) : 0;
}

static int put_journal(const struct release_route *r, const struct size *s, const char *digest,
		       struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(JOURNAL_ROTATE + JOURNAL_RECORD_MAX);
	unsigned rotated = 0;
	struct chain chain;
	char name[32];

	chain_start(&chain);
	for (uint64_t seq = 1; seq <= s->records; seq++) {
		struct json *body CLEANUP(json_freep) = record(seq, s->releases, digest);
		size_t from = text.len;
		if (frame_format(body, &chain, &text, e))
			return -1;
		chain_step(&chain, text.data + from, text.len - from);
		(void) snprintf(name, sizeof name, "journal.%u", rotated + 1);
		if (text.len > JOURNAL_ROTATE - 1024 && ++rotated && flush(r->fd, name, &text))
			return -1;
	}
	return flush(r->fd, "journal", &text);
}

/* All routes tell the same story: the files of the first one, by links. */
static int link_journal(const struct root *root, const struct release_route *r, struct err *e) {
	char **names CLEANUP(freep) = NULL;
	size_t n;

	if (fs_list(root->fd, "routes/route-1", &names, &n, e))
		return -1;
	for (size_t i = 0; i < n; i++) {
		char *from CLEANUP(freep) = mem_printf("routes/route-1/%s", names[i]);
		if (text_starts(names[i], "journal") && linkat(root->fd, from, r->fd, names[i], 0))
			return fail(from);
	}
	return 0;
}

static int make_route(const struct root *root, uint64_t number, const struct buf *lockfile,
		      const struct size *s, struct err *e) {
	struct release_route r CLEANUP(release_route_done) = RELEASE_ROUTE_INIT;
	char name[32], active[32], digest[SHA256_HEX];

	(void) snprintf(name, sizeof name, "route-%llu", (unsigned long long) number);
	(void) snprintf(active, sizeof active, "v%llu",
			(unsigned long long) ((s->records / 7 - 1) % s->releases + 1));
	sha256_of(lockfile->data, lockfile->len, digest);
	if (release_route_open(root, name, true, &r, e) ||
	    put_releases(&r, lockfile, s->releases, e) ||
	    (number == 1 ? put_journal(&r, s, digest, e) : link_journal(root, &r, e)) ||
	    release_flip(&r, active, e))
		return -1;
	return 0;
}

static int make(const char *path, const char *lockfile_path, const struct size *s, struct err *e) {
	struct buf lockfile CLEANUP(buf_done) = BUF_INIT(8 << 20);
	struct root root CLEANUP(root_done) = ROOT_INIT;

	if (fs_read_user(lockfile_path, &lockfile, e) ||
	    root_open(path, ROOT_WRITE, &root, e))
		return -1;
	for (uint64_t i = 1; i <= s->routes; i++)
		if (make_route(&root, i, &lockfile, s, e))
			return -1;
	return 0;
}

int main(int argc, char **argv) {
	struct err e = {0};
	struct size s;

	if (argc != 6 || !text_u64(argv[3], &s.routes) || !text_u64(argv[4], &s.releases) ||
	    !text_u64(argv[5], &s.records) || s.releases < 2 || s.records < 14) {
		(void) fprintf(stderr, "usage: %s ROOT LOCK ROUTES RELEASES RECORDS\n", argv[0]);
		return 2;
	}
	if (make(argv[1], argv[2], &s, &e)) {
		(void) fprintf(stderr, "%s\n", e.msg);
		return 1;
	}
	return 0;
}
