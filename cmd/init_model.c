/* SPDX-License-Identifier: Apache-2.0 */
#include "init_model.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "cmd.h"
#include "offer.h"
#include "report/report.h"
#include "json/json.h"

enum { COLUMNS = 6 };

/* ---- words ---- */

/* "about 52 tokens/s at most"; "" where the bandwidth is not known. */
static const char *speed(struct arena *a, const struct offer_row *r) {
	uint64_t milli = r->ceiling_milli;

	if (!milli)
		return "-";
	return milli < 10000 ? arena_printf(a, "%llu.%llu", (unsigned long long) milli / 1000,
					    (unsigned long long) milli % 1000 / 100)
			     : arena_printf(a, "%llu", (unsigned long long) (milli + 500) / 1000);
}

static const char *bytes(struct arena *a, uint64_t n) {
	char shown[TEXT_BYTES];

	text_format_bytes(n, shown);
	return arena_strdup(a, shown);
}

static const char *verdict(const struct offer_row *r) {
	if (r->why)
		return r->why;
	if (r->picked)
		return r->fits ? "fits: taken" : "taken";
	if (!r->is_planned)
		return "";
	return r->fits ? "fits" : "does not fit";
}

/* Files that are no models are counted, and not shown one by one. */
static bool is_shown(const struct offer_row *r) {
	return r->model->kind <= HUB_SAFETENSORS;
}

void init_model_show(struct args *a, const struct offer *o) {
	static const struct report_column columns[COLUMNS] = {
		{"file", false, 24},   {"size", true, 0},    {"here", true, 0},
		{"tokens/s", true, 0}, {"sha256", false, 0}, {"", false, 20}};
	struct arena *arena CLEANUP(arena_freep) = arena_new();
	const char **cells CLEANUP(freep) = mem_zalloc(COLUMNS * (o->n + 1), sizeof *cells);
	size_t n = 0, others = 0;
	bool fast = false;

	if (o->address.repo)
		report_line(a->report, "hf://%s at %s is commit %s%s%s", o->address.repo,
			    o->address.revision ? o->address.revision : "main", o->repo.commit,
			    o->repo.license[0] ? ", license " : "", o->repo.license);
	for (size_t i = 0; i < o->n; i++) {
		const struct offer_row *r = &o->rows[i];
		if (!is_shown(r)) {
			others++;
			continue;
		}
		fast = fast || r->ceiling_milli;
		const char *row[COLUMNS] = {
			r->model->promised > 1
				? arena_printf(arena, "%s (%u of %u parts)", r->model->file->path,
					       r->model->parts, r->model->promised)
				: r->model->file->path,
			bytes(arena, r->model->bytes),
			r->is_planned ? bytes(arena, r->planned) : "-",
			speed(arena, r),
			r->sha256[0] ? arena_printf(arena, "%.12s", r->sha256) : "-",
			verdict(r)};
		memcpy(&cells[COLUMNS * n++], row, sizeof row);
	}
	if (n)
		report_table(a->report, columns, COLUMNS, cells, n);
	if (others)
		report_line(a->report, n ? "and %zu other file%s" : "%zu file%s", others,
			    others == 1 ? "" : "s");
	if (!o->usable_bytes || !o->n_picks)
		return;
	report_line(
		a->report,
		"here: memory needed with %d x %lld tokens of context; this machine has %s for it",
		OFFER_SEQUENCES, (long long) o->context_tokens, bytes(arena, o->usable_bytes));
	if (o->measured)
		report_line(a->report,
			    "tokens/s: the most that the memory's bandwidth allows for one "
			    "sequence: %s/s, from a short measurement",
			    bytes(arena, o->measured));
	else
		report_line(
			a->report,
			"tokens/s: the most that the memory's bandwidth allows for one sequence%s",
			fast ? "" : "; known after llmdeploy host --measure");
}

/* ---- the manifest ---- */

/* Plain where YAML takes it for text as it is, else in double quotes with JSON's escapes, which are
 * YAML's. */
static void put_text(struct buf *b, const char *s) {
	static const char safe[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-+/@:";

	if (*s && strspn(s, safe) == strlen(s) && !strchr("-:@", *s) && s[strlen(s) - 1] != ':')
		(void) buf_puts(b, s);
	else
		json_quote(s, strlen(s), b);
}

/* A file beneath the manifest's directory is named from there. */
static void put_source(struct buf *b, const struct offer_row *r, const char *dir) {
	const char *path = text_starts(r->source, "file:") ? r->source + strlen("file:") : NULL;
	size_t n = strlen(dir);

	if (path && !strncmp(path, dir, n) && path[n] == '/' && !strstr(path + n + 1, "://") &&
	    !text_starts(path + n + 1, "file:"))
		put_text(b, path + n + 1);
	else
		put_text(b, r->source);
}

static void put_numbers(struct buf *b, struct arena *a, const struct offer_row *r) {
	(void) buf_puts(b, bytes(a, r->model->bytes));
	if (r->is_planned)
		(void) buf_printf(b, ", %s with its context", bytes(a, r->planned));
	if (r->ceiling_milli)
		(void) buf_printf(b, ", at most %s tokens/s here", speed(a, r));
}

static void put_origin(const struct offer *o, struct buf *b) {
	if (o->address.repo)
		(void) buf_printf(
			b, "  # hf://%s at %s; llmdeploy pin-model renews commit and digests\n",
			o->address.repo, o->address.revision ? o->address.revision : "main");
	if (o->repo.license[0])
		(void) buf_printf(b, "  # license: %s\n", o->repo.license);
}

static void put_one(const struct offer *o, const char *dir, struct arena *a, struct buf *b) {
	const struct offer_row *r = &o->rows[o->picks[0]];

	(void) buf_puts(b, "  # ");
	put_numbers(b, a, r);
	(void) buf_puts(b, "\n  source: ");
	put_source(b, r, dir);
	(void) buf_printf(b, "\n  sha256: %s\n", r->sha256);
}

static void put_many(const struct offer *o, const char *manifest, const char *dir, struct arena *a,
		     struct buf *b) {
	const char *slash = strrchr(manifest, '/');

	(void) buf_printf(b,
			  "  # The smallest that passes the golden set becomes the model: "
			  "llmdeploy choose %s\n  candidates:\n",
			  slash ? slash + 1 : manifest);
	for (size_t i = 0; i < o->n_picks; i++) {
		const struct offer_row *r = &o->rows[o->picks[i]];
		(void) buf_printf(b, "    - name: %s  # ", r->name);
		put_numbers(b, a, r);
		(void) buf_puts(b, "\n      source: ");
		put_source(b, r, dir);
		(void) buf_printf(b, "\n      sha256: %s\n", r->sha256);
	}
}

void init_model_section(const struct offer *o, const char *manifest, const char *dir,
			struct buf *out) {
	struct arena *a CLEANUP(arena_freep) = arena_new();

	(void) buf_puts(out, "model:\n");
	put_origin(o, out);
	if (o->n_picks == 1)
		put_one(o, dir, a, out);
	else
		put_many(o, manifest, dir, a, out);
}

/* ---- JSON ---- */

static struct json *row_json(const struct offer_row *r) {
	struct json *k = json_object();

	json_set_str(k, "path", r->model->file->path);
	json_set_str(k, "kind", hub_kind_name(r->model->kind));
	json_set_int(k, "bytes", (int64_t) r->model->bytes);
	json_set_int(k, "parts", r->model->promised);
	json_set_str(k, "label", r->model->label[0] ? r->model->label : NULL);
	json_set_str(k, "quantization", r->read ? r->facts.quantization : NULL);
	json_set_str(k, "sha256", r->sha256[0] ? r->sha256 : NULL);
	json_set_str(k, "refused", r->why);
	if (r->is_planned) {
		json_set_int(k, "planned_bytes", (int64_t) r->planned);
		json_set_bool(k, "fits", r->fits);
	}
	if (r->ceiling_milli)
		json_set_int(k, "ceiling_milli", (int64_t) r->ceiling_milli);
	json_set_str(k, "candidate", r->picked ? r->name : NULL);
	return k;
}

void init_model_result(struct args *a, const struct offer *o, const char *manifest,
		       const char *golden) {
	struct json *j CLEANUP(json_freep) = json_object(), *list = json_array();

	json_set_str(j, "repository", o->address.repo);
	json_set_str(j, "folder", o->folder);
	json_set_str(j, "commit", o->repo.commit[0] ? o->repo.commit : NULL);
	if (o->measured)
		json_set_int(j, "measured_bytes_per_second", (int64_t) o->measured);
	json_set_str(j, "license", o->repo.license[0] ? o->repo.license : NULL);
	for (size_t i = 0; i < o->n; i++)
		json_push(list, row_json(&o->rows[i]));
	json_set(j, "files", list);
	json_set_str(j, "manifest", manifest);
	json_set_str(j, "golden", golden);
	report_result(a->report, j);
}
