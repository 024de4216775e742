/* SPDX-License-Identifier: Apache-2.0 */
#include "context.h"
#include "input.h"
#include "model_show.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diagnostics.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "journal/journal.h"
#include "lockfile/lockfile.h"
#include "release/event.h"
#include "report/report.h"
#include "spec/spec.h"
#include "store/store.h"
#include "version.h"
#include "json/json.h"

/* Which release uses an object as what: "incident-q4-r17 (model)". */
struct use {
	char *sha256, *text;
	uint64_t size;
};

struct uses {
	struct use *at;
	size_t n;
};

static void uses_done(struct uses *u) {
	for (size_t i = 0; i < u->n; i++) {
		free(u->at[i].sha256);
		free(u->at[i].text);
	}
	free(u->at);
}

static void note_use(struct uses *u, const struct lockfile *l,
		     const struct lockfile_artifact *artifact) {
	for (size_t i = 0; i < u->n; i++)
		if (!strcmp(u->at[i].sha256, artifact->sha256)) {
			char *longer = mem_printf("%s, %s", u->at[i].text, l->version);
			free(u->at[i].text);
			u->at[i].text = longer;
			return;
		}
	u->at = mem_grow(u->at, u->n + 1, sizeof *u->at);
	u->at[u->n++] = (struct use){mem_strdup(artifact->sha256),
				     mem_printf("%s of %s", artifact->role, l->version),
				     artifact->size};
}

static int collect(const struct context *c, struct uses *u, struct err *e) {
	char **routes CLEANUP(freep) = NULL;
	size_t n;

	if (release_routes(&c->root, &routes, &n, e))
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct release_route r CLEANUP(release_route_done) = RELEASE_ROUTE_INIT;
		char **versions CLEANUP(freep) = NULL;
		size_t n_versions;
		if (release_route_open(&c->root, routes[i], false, &r, e) ||
		    release_list(&r, &versions, &n_versions, e))
			return -1;
		for (size_t k = 0; k < n_versions; k++) {
			struct lockfile *l CLEANUP(lockfile_freep) = NULL;
			struct err damaged = {0};
			if (rollout_lockfile_of(&r, versions[k], &l, &damaged))
				continue; /* verify says so */
			for (size_t m = 0; m < l->n_artifacts; m++)
				note_use(u, l, &l->artifacts[m]);
		}
	}
	return 0;
}

/* ---- what no release uses: built or pulled for one that is still to come, or left by one that was
 * rejected ---- */

struct strays {
	const struct context *c;
	struct uses *uses;
	struct json *known; /* digest: version, of the root's journal */
};

static bool is_used(const struct uses *u, const char *sha256) {
	for (size_t i = 0; i < u->n; i++)
		if (!strcmp(u->at[i].sha256, sha256))
			return true;
	return false;
}

static int note_record(void *ctx, const struct journal_record *r, struct err *e) {
	const char *model = json_str(r->body, "model"), *version = json_str(r->body, "version");
	struct json *known = ctx;

	(void) e;
	if (model && version && !json_get(known, model))
		json_set_str(known, model, version);
	return 0;
}

/* By its first bytes: packages, layers and blobs are in the store, too. */
static const char *format_of(const char *path) {
	int fd CLEANUP(closep) = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	unsigned char head[9] = {0};

	if (fd < 0 || pread(fd, head, sizeof head, 0) != sizeof head)
		return NULL;
	if (!memcmp(head, "GGUF", 4))
		return "GGUF";
	/* safetensors: the length of its header in eight bytes, then JSON. */
	return head[8] == '{' && !head[5] && !head[6] && !head[7] &&
			(head[0] || head[1] || head[2] || head[3])
		? "safetensors"
		: NULL;
}

static int note_stray(void *ctx, const char *sha256, uint64_t size, struct err *e) {
	struct strays *s = ctx;
	char *path CLEANUP(freep) = store_path(s->c->store, sha256);
	const char *format = is_used(s->uses, sha256) ? NULL : format_of(path),
		   *version = json_str(s->known, sha256);

	(void) e;
	if (!format)
		return 0;
	s->uses->at = mem_grow(s->uses->at, s->uses->n + 1, sizeof *s->uses->at);
	s->uses->at[s->uses->n++] = (struct use){
		mem_strdup(sha256),
		version ? mem_printf("%s; fetched for %s, and no release uses it", format, version)
			: mem_printf("%s; no release uses it", format),
		size};
	return 0;
}

static int collect_all(const struct context *c, struct uses *u, struct err *e) {
	struct strays s = {.c = c, .uses = u, .known = json_object()};
	struct err broken = {0};

	int r = collect(c, u, e);
	/* Without the journal it is not said what they were fetched for. */
	if (!r)
		(void) journal_read_back(c->root.fd, "", note_record, s.known, &broken);
	if (!r)
		r = store_each(c->store, note_stray, &s, e);
	json_free(s.known);
	return r;
}

static int list(struct args *a, struct context *c, struct err *e) {
	static const struct report_column columns[] = {{"sha256", false, 12},
						       {"size", true, 0},
						       {"used as", false, 10}};
	struct uses u CLEANUP(uses_done) = {0};
	struct arena *arena CLEANUP(arena_freep) = arena_new();
	struct json *j CLEANUP(json_freep) = json_array();

	if (collect_all(c, &u, e))
		return -1;
	const char **cells CLEANUP(freep) = mem_zalloc(3 * u.n, sizeof *cells);
	for (size_t i = 0; i < u.n; i++) {
		struct json *o = json_object();
		char size[TEXT_BYTES];
		text_format_bytes(u.at[i].size, size);
		cells[3 * i] = u.at[i].sha256;
		cells[3 * i + 1] = arena_strdup(arena, size);
		cells[3 * i + 2] = u.at[i].text;
		json_set_str(o, "sha256", u.at[i].sha256);
		json_set_int(o, "size", (int64_t) u.at[i].size);
		json_set_str(o, "used_as", u.at[i].text);
		json_push(j, o);
	}
	if (u.n)
		report_table(a->report, columns, 3, cells, u.n);
	else
		report_line(
			a->report,
			"no model is in the store of '%s': llmdeploy model pull MANIFEST, or build",
			c->root.path);
	report_result(a->report, j);
	return 0;
}

static int fetch(struct args *a, struct context *c, const struct spec_artifact *artifact,
		 const char *what, struct json *done, struct err *e) {
	struct store_want want = {.sources = artifact->sources,
				  .n_sources = artifact->n_sources,
				  .sha256 = artifact->sha256,
				  .what = what};

	if (store_fetch(c->store, &want, &a->report->progress, e) ||
	    store_verify(c->store, artifact->sha256, a->option[OPT_PARANOID] != NULL, e))
		return err_wrap(e, "%s", what);
	report_line(a->report, "%s %.12s is in the store, verified", what, artifact->sha256);
	struct json *o = json_object();
	json_set_str(o, "role", what);
	json_set_str(o, "sha256", artifact->sha256);
	json_push(done, o);
	return 0;
}

static int record_pull(const struct context *c, const struct spec *s, uint64_t began_ms,
		       struct err *e) {
	struct json *r CLEANUP(json_freep) = json_object();

	json_set_str(r, "event", event_name(EVENT_MODEL_PULL));
	json_set_str(r, "route", s->route);
	json_set_str(r, "version", s->version);
	json_set_str(r, "model", s->model.sha256);
	return journal_note(&c->root, TOOL, c->command, r, began_ms, e);
}

static int pull_all(struct args *a, struct context *c, const struct spec *s, struct err *e) {
	struct json *done CLEANUP(json_freep) = json_array();
	int file_lock CLEANUP(closep) = -1;
	uint64_t began = clock_mono_ms();

	if (root_lock(&c->root, c->command, c->rollout.lock_wait_ms, &file_lock, e) ||
	    fetch(a, c, &s->model, "model", done, e))
		return -1;
	for (size_t i = 0; i < s->n_adapters; i++)
		if (fetch(a, c, &s->adapters[i], "adapter", done, e))
			return -1;
	if (record_pull(c, s, began, e))
		return -1;
	report_result(a->report, done);
	return 0;
}

/* A manifest that is wrong makes no root. */
static int pull(struct args *a, struct err *e) {
	struct diagnostics all CLEANUP(diagnostics_done) = {0};
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	struct input in CLEANUP(input_done) = INPUT_INIT;
	struct spec *s CLEANUP(spec_freep) = NULL;

	if (input_read(a->at[1], &in, e))
		return -1;
	if (spec_parse(in.name, buf_str(&in.text), in.text.len, NULL, NULL, &s, &all, e)) {
		if (all.n > 1)
			report_diagnostics(a->report, &all);
		return -1;
	}
	if (spec_is_release(s, e))
		return -1;
	if (context_open(a, "model", NEED_WRITE | NEED_STORE, &c, e) ||
	    pull_all(a, &c, s, e))
		return -1;
	return 0;
}

static void note_verified(struct json *list, const char *sha256, const char *fault) {
	struct json *o = json_object();

	json_set_str(o, "sha256", sha256);
	json_set_bool(o, "good", !fault);
	json_set_str(o, "fault", fault);
	json_push(list, o);
}

/* One digest, or all that releases use. Every one is looked at, whatever is wrong with those
 * before. */
static int verify(struct args *a, struct context *c, struct err *e) {
	struct json *done CLEANUP(json_freep) = json_array();
	struct uses u CLEANUP(uses_done) = {0};
	bool paranoid = a->option[OPT_PARANOID] != NULL;
	size_t bad = 0;

	if (a->n > 1) {
		if (!text_is_sha256(a->at[1]))
			return err_set(e, ERR_USAGE,
				       "'%s' is not a SHA-256: 64 lower-case hex digits", a->at[1]);
		if (store_verify(c->store, a->at[1], paranoid, e))
			return -1;
		report_line(a->report, "%s matches its digest", a->at[1]);
		note_verified(done, a->at[1], NULL);
		report_result(a->report, done);
		return 0;
	}
	if (collect_all(c, &u, e))
		return -1;
	if (!u.n)
		return err_set(e, ERR_USAGE,
			       "no model is in the store of '%s': there is nothing to verify",
			       c->root.path);
	for (size_t i = 0; i < u.n; i++) {
		struct err here = {0};
		bool good = !store_verify(c->store, u.at[i].sha256, paranoid, &here);
		note_verified(done, u.at[i].sha256, good ? NULL : here.msg);
		if (good) {
			report_line(a->report, "%s matches its digest (%s)", u.at[i].sha256,
				    u.at[i].text);
			continue;
		}
		report_warning(a->report, "%s: %s", u.at[i].text, here.msg);
		*e = here;
		bad++;
	}
	report_result(a->report, done);
	return bad ? -1 : 0;
}

int cmd_model(struct args *a, struct err *e) {
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	const char *what = a->at[0];

	if (!strcmp(what, "pull") && a->n == 2)
		return pull(a, e);
	if (!strcmp(what, "show") && a->n == 2)
		return model_show(a, e);
	bool lists = !strcmp(what, "list") && a->n == 1;
	if (!lists && strcmp(what, "verify") != 0)
		return err_set(
			e, ERR_USAGE,
			"model needs list, pull FILE, verify [SHA256] or show MODEL, got '%s%s%s'",
			what, a->n > 1 ? " " : "", a->n > 1 ? a->at[1] : "");
	if (context_open(a, "model", NEED_STORE, &c, e))
		return -1;
	return lists ? list(a, &c, e) : verify(a, &c, e);
}
