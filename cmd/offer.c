/* SPDX-License-Identifier: Apache-2.0 */
#include "offer.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diagnostics.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "compile/compile.h"
#include "compile/facts.h"
#include "context.h"
#include "crypto/crypto.h"
#include "fit.h"
#include "http/http.h"
#include "report/report.h"
#include "runtime/runtime.h"

enum { CONTEXT = 2048 };

void offer_done(struct offer *o) {
	for (size_t i = 0; o->rows && i < o->n; i++) {
		model_facts_done(&o->rows[i].facts);
		free(o->rows[i].source);
		free(o->rows[i].why);
	}
	free(o->rows);
	free(o->models);
	free(o->folder);
	hub_repo_done(&o->repo);
	hub_address_done(&o->address);
}

/* ---- what there is ---- */

static int list_file(struct offer *o, const char *path, struct err *e) {
	char *full CLEANUP(freep) = realpath(path, NULL), *name = full ? strrchr(full, '/') : NULL;
	struct hub_repo all CLEANUP(hub_repo_done) = {0};

	if (!full)
		return err_sys(e, "cannot find '%s'", path);
	o->named = true;
	o->folder = mem_strndup(full, name == full ? 1 : (size_t) (name - full));
	if (hub_list_folder(o->folder, &all, e))
		return -1;
	for (size_t i = 0; i < all.n; i++) {
		if (strcmp(all.files[i].path, name + 1) != 0)
			continue;
		o->repo.files = mem_zalloc(1, sizeof *o->repo.files);
		o->repo.files[0] = all.files[i];
		o->repo.n = 1;
		all.files[i].path = NULL;
	}
	return o->repo.n ? 0 : err_set(e, ERR_USAGE, "'%s' is not a regular file", path);
}

static int list_folder(struct offer *o, const char *path, struct err *e) {
	o->folder = realpath(path, NULL);
	if (!o->folder)
		return err_sys(e, "cannot find '%s'", path);
	return hub_list_folder(o->folder, &o->repo, e);
}

/* A file that was named is the whole offer. */
static int only_named(struct offer *o, struct err *e) {
	const struct hub_file *f = hub_find(&o->repo, o->address.file);
	struct hub_file kept;

	if (!f)
		return err_set(e, ERR_UNREACHABLE, "hf://%s@%.12s has no file '%.200s'",
			       o->address.repo, o->repo.commit, o->address.file);
	o->named = true;
	kept = *f;
	kept.path = mem_strdup(f->path);
	for (size_t i = 0; i < o->repo.n; i++)
		free(o->repo.files[i].path);
	o->repo.files[0] = kept;
	o->repo.n = 1;
	return 0;
}

static int list(struct http *http, struct offer *o, struct err *e) {
	const char *said = o->said;
	struct stat st;

	if (text_starts(said, "hf://")) {
		if (hub_address_parse(said, &o->address, e) ||
		    hub_list(http, o->address.repo, o->address.revision, &o->repo, e))
			return -1;
		if (o->repo.name) { /* renamed since */
			free(o->address.repo);
			o->address.repo = mem_strdup(o->repo.name);
		}
		return o->address.file ? only_named(o, e) : 0;
	}
	if (text_starts(said, "oci://"))
		return err_set(e, ERR_USAGE,
			       "'%.200s': models in OCI registries are not supported yet; name "
			       "hf://ORG/REPO, a folder or a file",
			       said);
	if (strstr(said, "://"))
		return err_set(e, ERR_USAGE,
			       "'%.200s' is not a repository of the hub: name "
			       "hf://ORG/REPO[@REVISION], a folder or a file; a download "
			       "of https:// is written into a manifest by hand, llmdeploy "
			       "pin-model fills in its digest",
			       said);
	said += text_starts(said, "file:") ? strlen("file:") : 0;
	if (stat(said, &st))
		return err_set(e, ERR_USAGE,
			       "there is no folder or file '%.200s'; a repository of the hub is "
			       "hf://ORG/REPO",
			       said);
	return S_ISDIR(st.st_mode) ? list_folder(o, said, e) : list_file(o, said, e);
}

/* ---- what of it can be deployed ---- */

static void drop(struct offer_row *r, const char *why) {
	r->usable = false;
	free(r->why);
	r->why = mem_strdup(why);
}

static const char *split_fault(const struct offer *o, const struct hub_model *m) {
	if (m->parts < m->promised && !o->address.file)
		return "in parts, and some are missing";
	return "in parts: merge them (llama-gguf-split --merge) and name the file";
}

static void sort_out(struct offer *o) {
	for (size_t i = 0; i < o->n; i++) {
		struct offer_row *r = &o->rows[i];
		const struct hub_file *f = o->models[i].file;
		r->model = &o->models[i];
		if (o->named && r->model->kind != HUB_SPLIT && r->model->kind != HUB_SAFETENSORS)
			o->models[i].kind = HUB_MODEL; /* its header says what it is */
		r->usable = true;
		r->source = o->address.repo
			? mem_printf("hf://%s@%s/%s", o->address.repo, o->repo.commit, f->path)
			: mem_printf("file:%s/%s", strcmp(o->folder, "/") ? o->folder : "",
				     f->path);
		memcpy(r->sha256, f->sha256, sizeof r->sha256);
		if (r->model->kind == HUB_SPLIT)
			drop(r, split_fault(o, r->model));
		else if (r->model->kind != HUB_MODEL)
			drop(r, hub_kind_name(r->model->kind));
		else if (strchr(f->path, '#'))
			drop(r, "a '#' in its name, which means a member of an archive");
		else if (o->address.repo && !r->sha256[0])
			drop(r,
			     "not in Git LFS, so that the hub has no SHA-256 of it: download it "
			     "and name the file");
	}
}

/* Why nothing can be deployed: by what there is. Always -1. */
static int nothing(const struct args *a, const struct offer *o, struct err *e) {
	struct buf who CLEANUP(buf_done) = BUF_INIT(512);
	size_t count[HUB_OTHER + 1] = {0};
	uint64_t bytes = 0;
	char shown[TEXT_BYTES];

	for (size_t i = 0; i < o->n; i++) {
		count[o->models[i].kind]++;
		bytes += o->models[i].kind == HUB_SAFETENSORS ? o->models[i].bytes : 0;
		/* One file alone says best itself what is wrong with it. */
		if (o->n == 1 && o->models[i].kind <= HUB_SPLIT)
			return err_set(e, ERR_SPEC, "'%.200s': %.250s", o->said, o->rows[i].why);
	}
	if (!o->repo.n)
		return err_set(e, ERR_SPEC, "'%.200s' has no files%s", o->said,
			       o->folder ? "; folders in it are not looked into" : "");
	if (count[HUB_MODEL] + count[HUB_SPLIT])
		return err_set(e, ERR_SPEC,
			       "'%.200s' has no GGUF file that can be deployed: the table says why",
			       o->said);
	text_format_bytes(bytes, shown);
	if (count[HUB_SAFETENSORS]) {
		context_runtime_names(a, "safetensors", &who);
		return err_set(
			e, ERR_SPEC,
			"'%.150s' has no GGUF file, but safetensors (%zu file%s, %s), which %s "
			"read%s; this version runs GGUF with "
			"llama.cpp: look for a GGUF conversion of it, or plan with llmdeploy plan",
			o->said, count[HUB_SAFETENSORS], count[HUB_SAFETENSORS] == 1 ? "" : "s",
			shown, who.len ? buf_str(&who) : "no runtime here",
			strchr(buf_str(&who), ',') ? "" : "s");
	}
	return err_set(e, ERR_SPEC, "'%.200s' has no GGUF file: there %s %zu other file%s%s",
		       o->said, o->repo.n == 1 ? "is" : "are", o->repo.n, o->repo.n == 1 ? "" : "s",
		       count[HUB_MMPROJ]
			       ? ", a projector (mmproj), which belongs to a model, among them"
			       : "");
}

/* ---- headers ---- */

/* The header of one row. A file that is no model is dropped; only a fault of the way is an
 * error. */
static int read_row(struct http *http, struct offer_row *r, struct err *e) {
	struct model_facts m CLEANUP(model_facts_done) = {0};
	struct err why = {0};

	if (model_read_source(http, r->source, &m, &why)) {
		if (why.code == ERR_UNREACHABLE || why.code == ERR_INTERRUPTED ||
		    why.code == ERR_SYS)
			return err_set(e, why.code, "%s", why.msg);
		/* Without its own name, which the row has already. */
		const char *name = *why.msg == '\'' ? strstr(why.msg + 1, "'") : NULL;
		drop(r, name ? name + 1 + strspn(name + 1, ": ") : why.msg);
		return 0;
	}
	if (strcmp(m.kind, "model") != 0 || m.split_files > m.files) {
		char *what CLEANUP(freep) = mem_printf("%s%s",
						       strcmp(m.kind, "model")
							       ? "no model: "
							       : "a part of a split model",
						       strcmp(m.kind, "model") ? m.kind : "");
		drop(r, what);
		return 0;
	}
	model_facts_done(&r->facts);
	r->facts = m;
	m = (struct model_facts){0};
	r->read = true;
	return 0;
}

static void mark_usable(const struct offer *o, bool only_fitting, bool *usable) {
	for (size_t i = 0; i < o->n; i++)
		usable[i] = o->rows[i].usable &&
			(!only_fitting || (o->rows[i].is_planned && o->rows[i].fits));
}

/* Picks, and reads the headers of the first `reads` that were picked, until each of them is a
 * model. */
static int pick(struct http *http, struct offer *o, bool only_fitting, size_t reads,
		struct err *e) {
	bool *usable CLEANUP(freep) = mem_zalloc(o->n + 1, sizeof *usable);

	for (bool again = true; again;) {
		mark_usable(o, only_fitting, usable);
		o->n_picks = hub_pick(o->models, o->n, usable, o->picks);
		again = false;
		for (size_t i = 0; i < o->n_picks && i < reads; i++) {
			struct offer_row *r = &o->rows[o->picks[i]];
			if (!r->read && read_row(http, r, e))
				return -1;
			again = again || !r->usable;
		}
	}
	return 0;
}

/* What was not read is taken as the same model with other weights. */
static void scale_others(struct offer *o) {
	const struct model_facts *known = &o->rows[o->picks[0]].facts;

	for (size_t i = 0; i < o->n; i++)
		if (o->rows[i].usable && !o->rows[i].read) {
			model_facts_done(&o->rows[i].facts);
			compile_facts_scaled(known, o->models[i].bytes, &o->rows[i].facts);
		}
}

/* ---- names ---- */

static void name_row(struct offer *o, size_t pick) {
	struct offer_row *r = &o->rows[o->picks[pick]];
	const char *from = r->model->label[0] ? r->model->label : r->model->file->path;
	const char *slash = strrchr(from, '/');
	char *text CLEANUP(freep) = mem_strdup(slash ? slash + 1 : from),
		   *dot = strstr(text, ".gguf");
	size_t n = 0;

	if (dot)
		*dot = 0;
	for (const char *c = text; *c && n < 50; c++) {
		char low = (char) tolower((unsigned char) *c);
		if (n || isalnum((unsigned char) low))
			r->name[n++] = isalnum((unsigned char) low) || strchr("._-", low) ? low
											  : '-';
	}
	r->name[n] = 0;
	if (!text_is_name(r->name))
		(void) snprintf(r->name, sizeof r->name, "candidate");
	for (size_t i = 0; i < pick; i++)
		if (!strcmp(o->rows[o->picks[i]].name, r->name))
			(void) snprintf(r->name + n, sizeof r->name - n, "-%zu", pick + 1);
}

/* What fits, if anything does; all is planned again with the headers that were read for that. */
static int pick_fitting(struct args *a, struct http *http, struct offer *o, struct err *e) {
	uint64_t trained = o->rows[o->picks[0]].facts.context_length;
	bool planned;

	o->context_tokens = trained && trained < CONTEXT ? (int64_t) trained : CONTEXT;
	scale_others(o);
	if (fit_plan(a, o, e))
		return -1;
	planned = o->rows[o->picks[0]].is_planned;
	if (pick(http, o, planned, HUB_PICKS, e))
		return -1;
	o->none_fits = planned && !o->n_picks;
	if (o->none_fits && pick(http, o, false, HUB_PICKS, e))
		return -1;
	scale_others(o);
	return fit_plan(a, o, e);
}

int offer_read(struct args *a, const char *said, struct offer *o, struct err *e) {
	struct http *http CLEANUP(http_freep) = http_new();

	o->said = said;
	if (list(http, o, e))
		return -1;
	o->models = hub_models(&o->repo, &o->n);
	o->rows = mem_zalloc(o->n + 1, sizeof *o->rows);
	sort_out(o);
	if (pick(http, o, false, 1, e))
		return -1;
	if (!o->n_picks)
		return nothing(a, o, e);
	if (pick_fitting(a, http, o, e))
		return -1;
	for (size_t i = 0; i < o->n_picks; i++) {
		o->rows[o->picks[i]].picked = true;
		name_row(o, i);
	}
	return 0;
}

int offer_digests(struct args *a, struct offer *o, struct err *e) {
	for (size_t i = 0; i < o->n_picks; i++) {
		struct offer_row *r = &o->rows[o->picks[i]];
		int fd CLEANUP(closep) = -1;
		char shown[TEXT_BYTES];
		uint64_t size;
		if (r->sha256[0])
			continue;
		text_format_bytes(r->model->bytes, shown);
		report_line(a->report, "reading %s for its digest (%s)", r->model->file->path,
			    shown);
		fd = open(r->source + strlen("file:"), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (fd < 0)
			return err_sys(e, "cannot open '%s'", r->source + strlen("file:"));
		if (sha256_file(fd, r->model->file->path, r->sha256, &size, e))
			return -1;
		if (size != r->model->bytes)
			return err_set(e, ERR_SYS, "'%s' changed while it was read",
				       r->source + strlen("file:"));
	}
	return 0;
}
