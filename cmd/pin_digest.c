/* SPDX-License-Identifier: Apache-2.0 */
#include "pin_digest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/archive.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/text.h"
#include "cmd.h"
#include "http/http.h"
#include "report/report.h"
#include "store/store.h"

enum { CONNECT_MS = 10000, STALL_MS = 60000 };

void pin_hub_done(struct pin_hub *h) {
	for (size_t i = 0; i < h->n; i++) {
		free(h->at[i].repo);
		free(h->at[i].revision);
		hub_repo_done(&h->at[i].files);
	}
	free(h->at);
	http_free(h->http);
}

void pin_found_done(struct pin_found *f) {
	free(f->source);
	free(f->revision);
	free(f->why);
	*f = (struct pin_found){0};
}

const char *pin_origin_name(enum pin_origin o) {
	static const char *const names[] = {"the hub's list of files", "the file here",
					    "a download", "not there", "not asked"};

	return names[o];
}

static int absent(struct pin_found *out, const char *why) {
	out->origin = PIN_ABSENT;
	out->why = mem_strdup(why);
	return 0;
}

/* ---- bytes ---- */

/* A stream that is hashed, and whose beginning is kept. */
struct stream {
	struct sha256 *hash;
	char head[HTTP_HEAD];
	size_t kept;
	uint64_t size, total;
	const struct progress *progress;
	const char *what;
};

static void stream_done(struct stream *s) {
	sha256_freep(&s->hash);
}

static bool take(void *ctx, const void *data, size_t n) {
	struct stream *s = ctx;
	size_t room = sizeof s->head - s->kept, keep = n < room ? n : room;

	memcpy(s->head + s->kept, data, keep);
	s->kept += keep;
	sha256_add(s->hash, data, n);
	s->size += n;
	if (s->progress)
		progress_bytes(s->progress, s->what, s->size, s->total);
	return true;
}

static bool take_text(void *ctx, const char *data, size_t n) {
	return take(ctx, data, n);
}

static bool begin(void *ctx, const struct http_response *r) {
	struct stream *s = ctx;

	s->total = r->content_length > 0 ? (uint64_t) r->content_length : 0;
	return true;
}

/* Nobody wants the digest of a page or a pointer. */
static int check_kind(const struct stream *s, const struct http_response *r, const char *where,
		      struct err *e) {
	struct buf what CLEANUP(buf_done) = BUF_INIT(400);

	if (!s->size)
		return err_set(e, ERR_SPEC, "it is empty");
	if (http_unexpected(r, where, s->head, s->kept, &what))
		return err_set(e, ERR_SPEC, "%s", buf_str(&what));
	return 0;
}

static int from_file(struct args *a, const char *path, const char *member, struct pin_found *out,
		     struct err *e) {
	struct stream s CLEANUP(stream_done) = {.hash = sha256_new()};
	int fd CLEANUP(closep) = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char shown[TEXT_BYTES];
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return absent(out, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_SPEC, "it is not a regular file");
	out->origin = PIN_FILE;
	text_format_bytes((uint64_t) st.st_size, shown);
	report_line(a->report, "reading %s (%s)", path, shown);
	if (member) {
		if (archive_member(path, member, take, &s, &out->size, e) ||
		    check_kind(&s, NULL, member, e))
			return -1;
		sha256_hex(s.hash, out->sha256);
		return 0;
	}
	ssize_t n = pread(fd, s.head, sizeof s.head, 0);
	s.kept = n > 0 ? (size_t) n : 0;
	s.size = (uint64_t) st.st_size;
	if (check_kind(&s, NULL, path, e))
		return -1;
	return sha256_file(fd, path, out->sha256, &out->size, e);
}

/* Every byte, and none is kept: an https:// address has nobody who says its digest. */
static int from_address(struct args *a, struct pin_hub *h, const char *url, const char *token,
			struct pin_found *out, struct err *e) {
	struct http_response r CLEANUP(http_response_done) = {0};
	struct stream s CLEANUP(stream_done) = {.hash = sha256_new(),
						.progress = &a->report->progress,
						.what = "download"};
	char *auth CLEANUP(freep) = token ? mem_printf("Authorization: Bearer %s", token) : NULL;
	const char *headers[] = {"Accept-Encoding: identity", auth};
	struct buf what CLEANUP(buf_done) = BUF_INIT(400);
	struct http_request q = {.url = url,
				 .headers = headers,
				 .n_headers = 1 + (token != NULL),
				 .follow = true,
				 .begin = begin,
				 .sink = take_text,
				 .sink_ctx = &s,
				 .connect_timeout_ms = CONNECT_MS,
				 .stall_timeout_ms = STALL_MS};
	struct err why = {0};

	if (http_do(h->http, &q, &r, &why)) {
		if (why.code == ERR_UNREACHABLE)
			return absent(out, why.msg);
		*e = why;
		return -1;
	}
	if (r.status != 200) {
		http_refused(&r, url, token, false, &what);
		return absent(out, buf_str(&what));
	}
	if (check_kind(&s, &r, url, e))
		return -1;
	out->origin = PIN_DOWNLOAD;
	out->size = s.size;
	sha256_hex(s.hash, out->sha256);
	return 0;
}

/* ---- the hub ---- */

static int repo_of(struct pin_hub *h, const char *repo, const char *revision,
		   const struct hub_repo **out, struct err *e) {
	for (size_t i = 0; i < h->n; i++)
		if (!strcmp(h->at[i].repo, repo) && !strcmp(h->at[i].revision, revision)) {
			*out = &h->at[i].files;
			return 0;
		}
	struct hub_repo files = {0};

	if (hub_list(h->http, repo, revision, &files, e))
		return -1;
	h->at = mem_grow(h->at, h->n + 1, sizeof *h->at);
	h->at[h->n].repo = mem_strdup(repo);
	h->at[h->n].revision = mem_strdup(revision);
	h->at[h->n].files = files;
	*out = &h->at[h->n++].files;
	return 0;
}

static int from_hub(struct args *a, struct pin_hub *h, const char *source, const char *revision,
		    bool may_download, struct pin_found *out, struct err *e) {
	struct hub_address address CLEANUP(hub_address_done) = {0};
	const struct hub_repo *repo;
	struct err why = {0};

	if (hub_address_parse(source, &address, e))
		return -1;
	if (!address.file)
		return err_set(e, ERR_SPEC, "it names no file: hf://ORG/REPO@REVISION/FILE");
	if (strchr(address.file, '#'))
		return err_set(e, ERR_SPEC,
			       "a member of an archive on the hub has no digest there: download "
			       "the archive, and pin file:ARCHIVE#MEMBER");
	out->revision = mem_strdup(revision                   ? revision
					   : address.revision ? address.revision
							      : "main");
	if (repo_of(h, address.repo, out->revision, &repo, &why)) {
		if (why.code == ERR_UNREACHABLE)
			return absent(out, why.msg);
		*e = why;
		return -1;
	}
	const struct hub_file *f = hub_find(repo, address.file);
	if (!f) {
		char *text CLEANUP(freep) = mem_printf("hf://%s@%.12s has no such file", repo->name,
						       repo->commit);
		return absent(out, text);
	}
	out->source = mem_printf("hf://%s@%s/%s", repo->name, repo->commit, address.file);
	out->origin = PIN_HUB;
	out->size = f->size;
	memcpy(out->sha256, f->sha256, sizeof out->sha256);
	if (f->sha256[0])
		return 0;
	/* Not in Git LFS: small, and the hub says no SHA-256. */
	char *url CLEANUP(freep) = NULL, *token CLEANUP(freep) = NULL;
	if (!may_download) {
		out->origin = PIN_NOT_ASKED;
		return 0;
	}
	return store_source_url(out->source, false, &url, &token, e)
		? -1
		: from_address(a, h, url, token, out, e);
}

int pin_digest(struct args *a, struct pin_hub *h, const char *source, const char *revision,
	       bool may_download, struct pin_found *out, struct err *e) {
	char *url CLEANUP(freep) = NULL, *token CLEANUP(freep) = NULL;

	if (text_starts(source, "hf://"))
		return from_hub(a, h, source, revision, may_download, out, e);
	if (text_starts(source, "file:")) {
		const char *member = strchr(source, '#');
		char *path CLEANUP(freep) = mem_strndup(source + 5,
							member ? (size_t) (member - source - 5)
							       : strlen(source + 5));
		return from_file(a, path, member ? member + 1 : NULL, out, e);
	}
	if (text_starts(source, "oci://"))
		return err_set(e, ERR_SPEC, "models in OCI registries are not supported yet");
	if (strchr(source, '#'))
		return err_set(e, ERR_SPEC,
			       "a member of an archive that is not here: download it, and pin "
			       "file:ARCHIVE#MEMBER");
	if (!may_download) {
		out->origin = PIN_NOT_ASKED;
		return 0;
	}
	return store_source_url(source, false, &url, &token, e)
		? -1
		: from_address(a, h, url, token, out, e);
}
