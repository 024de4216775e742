/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/hub.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"
#include "http/http.h"
#include "hub/internal.h"
#include "store/store.h"
#include "json/json.h"

#define WORD "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

enum {
	TRIES = 4,
	BACKOFF_MS = 500,
	WAIT_MAX_MS = 30000,
	CONNECT_MS = 10000,
	STALL_MS = 60000,
	MAX_PAGES = 200,
	MAX_FILES = 20000,
	MAX_BODY = 16 << 20,
};

/* ---- addresses ---- */

void hub_address_done(struct hub_address *a) {
	free(a->repo);
	free(a->revision);
	free(a->file);
	*a = (struct hub_address){0};
}

bool hub_is_commit(const char *revision) {
	return strlen(revision) == 40 && strspn(revision, "0123456789abcdef") == 40;
}

static bool is_clean(const char *path) {
	for (const char *part = path; part; part = strchr(part, '/')) {
		part += *part == '/' && part != path;
		size_t n = strcspn(part, "/");
		if (!n || (n == 1 && *part == '.') || (n == 2 && part[0] == '.' && part[1] == '.'))
			return false;
	}
	for (const char *c = path; *c; c++)
		if ((unsigned char) *c < 0x20 || *c == 0x7f)
			return false;
	return *path;
}

int hub_address_parse(const char *text, struct hub_address *out, struct err *e) {
	const char *s = text_starts(text, "hf://") ? text + 5 : text;
	size_t org = strspn(s, WORD), repo = s[org] == '/' ? strspn(s + org + 1, WORD) : 0;
	const char *rest = s + org + 1 + repo;

	if (s == text || !org || !repo)
		return err_set(e, ERR_USAGE,
			       "'%.200s' is not of the form hf://ORG/REPO[@REVISION][/FILE]", text);
	size_t revision = *rest == '@' ? strspn(rest + 1, WORD) : 0;
	const char *file = rest + (revision ? revision + 1 : 0);
	if ((*rest == '@' && !revision) ||
	    (*file && (*file != '/' || (file[1] && !is_clean(file + 1)))))
		return err_set(e, ERR_USAGE,
			       "'%.200s' is not of the form hf://ORG/REPO[@REVISION][/FILE]", text);
	out->repo = mem_strndup(s, org + 1 + repo);
	out->revision = revision ? mem_strndup(rest + 1, revision) : NULL;
	out->file = *file && file[1] ? mem_strdup(file + 1) : NULL;
	return 0;
}

/* ---- requests ---- */

static bool is_passing(long status) {
	return status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504);
}

static int pause_ms(uint64_t ms, struct err *e) {
	for (uint64_t end = clock_mono_ms() + ms, now; (now = clock_mono_ms()) < end;) {
		if (interrupt_check(e))
			return -1;
		clock_sleep_ms(end - now < 100 ? end - now : 100);
	}
	return interrupt_check(e);
}

/* One answer with a 2xx status, after a few tries where the fault may pass. */
static int ask(struct http *http, const char *url, const char *token, struct http_response *r,
	       struct err *e) {
	char *auth CLEANUP(freep) = token ? mem_printf("Authorization: Bearer %s", token) : NULL;
	const char *headers[] = {"Accept: application/json", auth};
	struct buf what CLEANUP(buf_done) = BUF_INIT(sizeof e->msg);
	struct http_request q = {.url = url,
				 .headers = headers,
				 .n_headers = 1 + (token != NULL),
				 .follow = true,
				 .max_body = MAX_BODY,
				 .connect_timeout_ms = CONNECT_MS,
				 .stall_timeout_ms = STALL_MS};

	for (unsigned tries = 1;; tries++) {
		struct err fault = {0};
		bool failed = http_do(http, &q, r, &fault);
		if (!failed && r->status >= 200 && r->status < 300)
			return 0;
		uint64_t wait = (uint64_t) BACKOFF_MS << (tries - 1);
		wait = !failed && r->retry_after_ms > wait ? r->retry_after_ms : wait;
		bool passing = failed ? fault.code == ERR_UNREACHABLE : is_passing(r->status);
		if (passing && tries < TRIES && wait <= WAIT_MAX_MS) {
			if (pause_ms(wait, e))
				return -1;
			continue;
		}
		if (failed)
			return err_set(e, fault.code, "%s", fault.msg);
		http_refused(r, url, token, false, &what);
		if (r->status == 429)
			return err_set(e, ERR_UNREACHABLE,
				       "%.300s: the hub limits requests, come back in %llu s%s",
				       buf_str(&what), (unsigned long long) wait / 1000,
				       token ? "" : " or set HF_TOKEN");
		return err_set(e, ERR_UNREACHABLE, "%s", buf_str(&what));
	}
}

static int ask_json(struct http *http, const char *url, const char *token, struct http_response *r,
		    struct json **out, struct err *e) {
	struct err ignored = {0};

	if (ask(http, url, token, r, e))
		return -1;
	if (!json_parse(buf_str(&r->body), r->body.len, out, &ignored))
		return 0;
	char *shown CLEANUP(freep) = http_shown(url);
	return err_set(e, ERR_UNREACHABLE,
		       "'%.200s' does not answer as a hub does (no JSON): check HF_ENDPOINT, and "
		       "the network's sign-in page",
		       shown);
}

/* ---- answers ---- */

static int malformed(const char *what, struct err *e) {
	return err_set(e, ERR_UNREACHABLE, "the hub's answer is malformed: %s", what);
}

void hub_repo_done(struct hub_repo *r) {
	for (size_t i = 0; i < r->n; i++)
		free(r->files[i].path);
	free(r->files);
	free(r->name);
	*r = (struct hub_repo){0};
}

static void add_file(struct hub_repo *r, const char *path, uint64_t size, const char *sha256) {
	if (!(r->n & (r->n - 1)))
		r->files = mem_grow(r->files, r->n ? 2 * r->n : 1, sizeof *r->files);
	struct hub_file *f = &r->files[r->n++];
	*f = (struct hub_file){.path = mem_strdup(path), .size = size};
	(void) snprintf(f->sha256, sizeof f->sha256, "%s", sha256 ? sha256 : "");
}

/* {"type":"file","path":...,"size":...,"oid":..., "lfs":{"oid": SHA-256,"size":...}} */
static int add_entry(struct hub_repo *r, const struct json *entry, struct err *e) {
	const struct json *lfs = json_get(entry, "lfs");
	const char *type = json_str(entry, "type"), *path = json_str(entry, "path"),
		   *sha256 = json_str(lfs, "oid");
	int64_t size = json_int_or(json_is_object(lfs) ? lfs : entry, "size", -1);

	if (type && strcmp(type, "file") != 0)
		return 0;
	if (!type || !path || !is_clean(path) || size < 0)
		return malformed("a file without a name or a size", e);
	if (json_is_object(lfs) && (!sha256 || !text_is_sha256(sha256)))
		return malformed("a file's digest is not a SHA-256", e);
	if (r->n == MAX_FILES)
		return err_set(e, ERR_UNREACHABLE, "it has more than %d files", MAX_FILES);
	add_file(r, path, (uint64_t) size, sha256);
	return 0;
}

int hub_take_page(const struct json *page, struct hub_repo *out, struct err *e) {
	if (!json_is_array(page))
		return malformed("no list of files", e);
	for (const struct json *f = json_first(page); f; f = json_next(f))
		if (add_entry(out, f, e))
			return -1;
	return 0;
}

/* The path and query of `<https://hub/api/...>; rel="next"`, at our own endpoint: a token goes
 * nowhere else. NULL: the last page. Yours. */
char *hub_next_page(const char *link, const char *endpoint) {
	for (const char *from = strchr(link, '<'); from; from = strchr(from + 1, '<')) {
		const char *to = strchr(from, '>'), *end = to ? to + strcspn(to, ",") : NULL;
		const char *rel = to ? strstr(to, "rel=\"next\"") : NULL;
		const char *api = strstr(from, "/api/models/");
		if (rel && rel < end && api && api < to)
			return mem_printf("%s%.*s", endpoint, (int) (to - api), api);
	}
	return NULL;
}

static int by_path(const void *a, const void *b) {
	return strcmp(((const struct hub_file *) a)->path, ((const struct hub_file *) b)->path);
}

struct asking {
	struct http *http;
	char *endpoint, *token;
	const char *repo;
};

static void asking_done(struct asking *a) {
	free(a->endpoint);
	free(a->token);
}

static int read_commit(const struct asking *a, const char *revision, struct hub_repo *out,
		       struct err *e) {
	struct http_response r CLEANUP(http_response_done) = {0};
	struct json *j CLEANUP(json_freep) = NULL;
	char *url CLEANUP(freep) = mem_printf("%s/api/models/%s/revision/%s", a->endpoint, a->repo,
					      revision);

	if (ask_json(a->http, url, a->token, &r, &j, e))
		return -1;
	const char *sha = json_str(j, "sha");
	if (!sha || !hub_is_commit(sha))
		return malformed("no commit", e);
	memcpy(out->commit, sha, sizeof out->commit);
	struct hub_address now CLEANUP(hub_address_done) = {0};
	char *name CLEANUP(freep) = mem_printf("hf://%s",
					       json_str(j, "id") ? json_str(j, "id") : "");
	struct err ignored = {0};
	if (!hub_address_parse(name, &now, &ignored) && !now.revision && !now.file)
		out->name = STEAL(now.repo);
	else
		out->name = mem_strdup(a->repo);
	const struct json *tags = json_get(j, "tags");
	for (const struct json *t = json_first(tags); t; t = json_next(t))
		if (json_text(t) && text_starts(json_text(t), "license:"))
			(void) snprintf(out->license, sizeof out->license, "%s",
					json_text(t) + strlen("license:"));
	return 0;
}

static int read_tree(const struct asking *a, struct hub_repo *out, struct err *e) {
	char *url CLEANUP(freep) = mem_printf("%s/api/models/%s/tree/%s?recursive=true",
					      a->endpoint, out->name, out->commit);

	for (unsigned page = 0; url; page++) {
		struct http_response r CLEANUP(http_response_done) = {0};
		struct json *j CLEANUP(json_freep) = NULL;
		if (page == MAX_PAGES)
			return err_set(e, ERR_UNREACHABLE,
				       "its list of files has more than %d pages", MAX_PAGES);
		if (ask_json(a->http, url, a->token, &r, &j, e))
			return -1;
		if (hub_take_page(j, out, e))
			return -1;
		char *next = hub_next_page(r.link, a->endpoint);
		free(url);
		url = next;
	}
	if (out->n)
		qsort(out->files, out->n, sizeof *out->files, by_path);
	return 0;
}

int hub_list(struct http *http, const char *repo, const char *revision, struct hub_repo *out,
	     struct err *e) {
	struct asking a CLEANUP(asking_done) = {.http = http, .repo = repo};
	struct hub_repo r CLEANUP(hub_repo_done) = {0};

	if (!revision)
		revision = "main";
	if (store_hub(&a.endpoint, &a.token, e) ||
	    read_commit(&a, revision, &r, e) ||
	    read_tree(&a, &r, e))
		return err_wrap(e, "hf://%.150s@%.60s", repo, revision);
	*out = r;
	r = (struct hub_repo){0};
	return 0;
}

int hub_list_folder(const char *path, struct hub_repo *out, struct err *e) {
	struct hub_repo r CLEANUP(hub_repo_done) = {0};
	char **names CLEANUP(freep) = NULL;
	size_t n;

	if (fs_list(AT_FDCWD, path, &names, &n, e))
		return -1;
	for (size_t i = 0; i < n; i++) {
		char *full CLEANUP(freep) = mem_printf("%s/%s", path, names[i]);
		struct stat st;
		if (!stat(full, &st) && S_ISREG(st.st_mode))
			add_file(&r, names[i], (uint64_t) st.st_size, NULL);
	}
	*out = r;
	r = (struct hub_repo){0};
	return 0;
}

const struct hub_file *hub_find(const struct hub_repo *r, const char *path) {
	for (size_t i = 0; i < r->n; i++)
		if (!strcmp(r->files[i].path, path))
			return &r->files[i];
	return NULL;
}
