/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/diagnostics.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"
#include "http/http.h"
#include "pin_digest.h"
#include "report/report.h"
#include "spec/pin.h"
#include "store/store.h"
#include "json/json.h"

enum { MAX_MANIFEST = 1 << 20, MAX_SOURCES = 16 };

struct pinning {
	struct args *a;
	struct pin_hub hub;
	struct spec_pins *pins;
	struct json *result; /* list */
	size_t changed;
};

static void pinning_done(struct pinning *x) {
	pin_hub_done(&x->hub);
	spec_pins_free(x->pins);
	json_free(x->result);
}

/* What was found at each source of one artifact. */
struct finds {
	struct pin_found at[MAX_SOURCES];
	size_t n, first; /* first: with a digest; n: none */
};

static void finds_done(struct finds *f) {
	for (size_t i = 0; i < f->n; i++)
		pin_found_done(&f->at[i]);
}

static int ask(struct pinning *x, const struct spec_pin *pin, struct finds *f, size_t i,
	       bool may_download, struct err *e) {
	const struct spec_pin_source *s = &pin->sources[i];
	struct err why = {0};

	pin_found_done(&f->at[i]);
	if (pin_digest(x->a, &x->hub, s->resolved, x->a->option[OPT_REVISION], may_download,
		       &f->at[i], &why)) {
		char *shown CLEANUP(freep) = store_source_shown(s->text);
		if (why.code == ERR_INTERRUPTED)
			return err_set(e, why.code, "%s", why.msg);
		return err_at(e, s->at, "'%.150s' cannot be pinned: %.280s", shown, why.msg);
	}
	if (f->at[i].sha256[0] && f->first == f->n)
		f->first = i;
	return 0;
}

/* Cheap sources first; a download only where no other has told. */
static int ask_all(struct pinning *x, const struct spec_pin *pin, struct finds *f, struct err *e) {
	f->n = f->first = pin->n_sources;
	for (size_t i = 0; i < f->n; i++)
		if (ask(x, pin, f, i, false, e))
			return -1;
	for (size_t i = 0; i < f->n && f->first == f->n; i++)
		if (f->at[i].origin == PIN_NOT_ASKED && ask(x, pin, f, i, true, e))
			return -1;
	return 0;
}

static int check(const struct spec_pin *pin, const struct finds *f, struct err *e) {
	struct buf why CLEANUP(buf_done) = BUF_INIT(400);

	for (size_t i = 0; f->first == f->n && i < f->n; i++) {
		char *shown CLEANUP(freep) = store_source_shown(pin->sources[i].text);
		(void) buf_printf(&why, "%s%.120s: %.200s", i ? "; " : "", shown,
				  f->at[i].why ? f->at[i].why : "not asked");
	}
	if (f->first == f->n) {
		(void) err_at(e, pin->at, "'%s' cannot be pinned, no source answers: %s", pin->path,
			      buf_str(&why));
		e->code = ERR_UNREACHABLE;
		return -1;
	}
	for (size_t i = 0; i < f->n; i++) {
		const struct pin_found *a = &f->at[f->first], *b = &f->at[i];
		if (!b->sha256[0] || !strcmp(a->sha256, b->sha256))
			continue;
		char *one CLEANUP(freep) = store_source_shown(pin->sources[f->first].text),
			  *two CLEANUP(freep) = store_source_shown(pin->sources[i].text);
		(void) err_at(e, pin->sources[i].at,
			      "the sources of '%s' differ: '%.100s' has the digest %.12s..., "
			      "'%.100s' has %.12s...; remove one of them",
			      pin->path, one, a->sha256, two, b->sha256);
		e->code = ERR_INTEGRITY;
		return -1;
	}
	return 0;
}

/* ---- what is said ---- */

static void say_source(struct pinning *x, const struct spec_pin_source *s,
		       const struct pin_found *f) {
	char *shown CLEANUP(freep) = store_source_shown(s->text);
	char size[TEXT_BYTES];

	text_format_bytes(f->size, size);
	if (f->origin == PIN_ABSENT)
		report_warning(x->a->report, "%s: %s", shown, f->why);
	else if (f->origin == PIN_NOT_ASKED)
		report_line(x->a->report, "  %s: not asked, it would be a download", shown);
	else
		report_line(x->a->report, "  %s: %s, by %s%s%s", shown, size,
			    pin_origin_name(f->origin), f->revision ? " at " : "",
			    f->revision ? f->revision : "");
	if (f->source && strcmp(f->source, s->text) != 0)
		report_line(x->a->report, "    source  %s -> %s", shown, f->source);
}

static void say_digest(struct pinning *x, const struct spec_pin *pin, const char *found) {
	if (!strcmp(pin->sha256, found))
		report_line(x->a->report, "    sha256  %s, unchanged", found);
	else
		report_line(x->a->report, "    sha256  %s -> %s",
			    *pin->sha256 ? pin->sha256 : "(none)", found);
}

static void add_result(struct pinning *x, const struct spec_pin *pin, const struct finds *f,
		       bool changed) {
	struct json *o = json_object(), *list = json_array();

	for (size_t i = 0; i < f->n; i++) {
		struct json *s = json_object();
		char *shown CLEANUP(freep) = store_source_shown(pin->sources[i].text);
		json_set_str(s, "source", shown);
		json_set_str(s, "pinned", f->at[i].source);
		json_set_str(s, "from", pin_origin_name(f->at[i].origin));
		json_set_str(s, "revision", f->at[i].revision);
		json_set_str(s, "fault", f->at[i].why);
		json_push(list, s);
	}
	json_set_str(o, "artifact", pin->path);
	json_set(o, "sources", list);
	json_set_str(o, "sha256_before", *pin->sha256 ? pin->sha256 : NULL);
	json_set_str(o, "sha256", f->at[f->first].sha256);
	json_set_bool(o, "changed", changed);
	json_push(x->result, o);
}

static int pin_one(struct pinning *x, size_t i, struct err *e) {
	const struct spec_pin *pin = &x->pins->list[i];
	struct finds f CLEANUP(finds_done) = {0};
	bool changed;

	report_line(x->a->report, "%s", pin->path);
	if (ask_all(x, pin, &f, e) ||
	    check(pin, &f, e))
		return -1;
	const char *found = f.at[f.first].sha256;
	changed = strcmp(pin->sha256, found) != 0;
	if (changed)
		spec_pins_set_sha256(x->pins, i, found);
	for (size_t k = 0; k < f.n; k++) {
		say_source(x, &pin->sources[k], &f.at[k]);
		if (!f.at[k].source || !strcmp(f.at[k].source, pin->sources[k].text))
			continue;
		spec_pins_set_source(x->pins, i, k, f.at[k].source);
		changed = true;
	}
	say_digest(x, pin, found);
	add_result(x, pin, &f, changed);
	x->changed += changed;
	return 0;
}

/* ---- the file ---- */

/* Through a link, in its place, with its mode; unless someone else wrote it meanwhile. */
static int write_back(const char *path, const struct buf *before, const struct buf *after,
		      struct err *e) {
	char *full CLEANUP(freep) = realpath(path, NULL);
	struct buf now CLEANUP(buf_done) = BUF_INIT(MAX_MANIFEST);
	struct stat st;

	if (!full || stat(full, &st))
		return err_sys(e, "cannot find '%s'", path);
	if (fs_read_user(full, &now, e))
		return -1;
	if (now.len != before->len || memcmp(buf_str(&now), buf_str(before), now.len) != 0)
		return err_set(e, ERR_BUSY,
			       "'%s' was changed by another program meanwhile; nothing was written",
			       path);
	return fs_write(EFFECT_OUTPUT, AT_FDCWD, full, buf_str(after), after->len,
			st.st_mode & 0777, e);
}

static int conclude(struct pinning *x, const char *path, const struct buf *before, struct err *e) {
	struct buf after CLEANUP(buf_done) = BUF_INIT(MAX_MANIFEST + 65536);
	bool check = x->a->option[OPT_CHECK];

	if (spec_pins_text(x->pins, &after, e))
		return -1;
	if (!x->changed) {
		report_line(x->a->report, "nothing to change: the digests in %s match its sources",
			    path);
		return 0;
	}
	if (check)
		return err_set(e, ERR_DRIFT, "%zu of %zu artifact%s of '%s' would change",
			       x->changed, x->pins->n, x->pins->n == 1 ? "" : "s", path);
	if (x->a->option[OPT_DRY_RUN]) {
		report_line(x->a->report, "%zu of %zu artifact%s would change; nothing was written",
			    x->changed, x->pins->n, x->pins->n == 1 ? "" : "s");
		return 0;
	}
	if (write_back(path, before, &after, e))
		return -1;
	report_line(x->a->report, "wrote %s; next: llmdeploy validate %s", path, path);
	return 0;
}

int cmd_pin_model(struct args *a, struct err *e) {
	struct diagnostics all CLEANUP(diagnostics_done) = {0};
	struct pinning x CLEANUP(pinning_done) = {.a = a};
	struct buf text CLEANUP(buf_done) = BUF_INIT(MAX_MANIFEST);
	const char *path = a->at[0], *revision = a->option[OPT_REVISION];

	if (revision && (!*revision || strpbrk(revision, "/@#?% ")))
		return err_set(e, ERR_USAGE, "'--revision %s' is no branch, tag or commit",
			       revision);
	if (fs_read_user(path, &text, e))
		return -1;
	if (spec_pins_read(path, buf_str(&text), text.len, &x.pins, &all, e)) {
		if (all.n > 1)
			report_diagnostics(a->report, &all);
		return -1;
	}
	x.hub.http = http_new();
	x.result = json_array();
	for (size_t i = 0; i < x.pins->n; i++)
		if (pin_one(&x, i, e))
			return -1;
	int result = conclude(&x, path, &text, e);
	if (!result || e->code == ERR_DRIFT)
		report_result(a->report, x.result);
	return result;
}
