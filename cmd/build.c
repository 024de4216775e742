/* SPDX-License-Identifier: Apache-2.0 */
#include "compile_common.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"
#include "fs/step.h"
#include "image/image.h"
#include "journal/journal.h"
#include "lockfile/lockfile.h"
#include "release/event.h"
#include "report/report.h"
#include "spec/spec.h"
#include "version.h"
#include "json/json.h"

static int write_archive_to(void *ctx, const void *data, size_t n, struct err *e) {
	return fs_write_all(EFFECT_OUTPUT, *(int *) ctx, data, n, "the archive", e);
}

/* Aside, then renamed: a full disk leaves no half archive under the name. */
static int write_archive(struct context *c, const struct lockfile *l, const char *path,
			 struct err *e) {
	char *aside CLEANUP(freep) = mem_printf("%s.tmp-%ld", path, (long) getpid()),
		    *tag CLEANUP(freep) = mem_printf("llmdeploy/%s:%s", l->route, l->version);
	int fd CLEANUP(closep) = fs_step_create(EFFECT_OUTPUT, AT_FDCWD, aside, O_WRONLY | O_EXCL,
						0600);
	struct image_archive archive = {.manifest = l->image_manifest,
					.tag = tag,
					.write = write_archive_to,
					.ctx = &fd};

	if (fd < 0)
		return err_sys(e, "cannot create '%s'", aside);
	if (image_write_archive(c->store, &archive, e) ||
	    fs_seal(EFFECT_OUTPUT, fd, 0644, aside, e) ||
	    fs_rename(EFFECT_OUTPUT, AT_FDCWD, aside, path, e)) {
		(void) fs_step_unlink(EFFECT_OUTPUT, AT_FDCWD, aside, 0);
		return -1;
	}
	return 0;
}

/* All that it says is in the lockfile. */
static int write_sbom(const struct lockfile *l, const char *path, struct err *e) {
	const struct json *packages = json_path(l->tree, "image.packages");
	struct image_package *list CLEANUP(freep) = mem_zalloc(json_count(packages), sizeof *list);
	struct image_request q = {.packages = list,
				  .architecture = l->architecture,
				  .runtime = l->runtime};
	char *name CLEANUP(freep) = mem_printf("llmdeploy/%s:%s", l->route, l->version);
	struct buf text CLEANUP(buf_done) = BUF_INIT(8 << 20);
	struct image image = {0};

	for (const struct json *p = json_first(packages); p; p = json_next(p))
		list[q.n_packages++] =
			(struct image_package){.name = json_str(p, "name"),
					       .version = json_str(p, "version"),
					       .architecture = json_str(p, "architecture"),
					       .sha256 = json_str(p, "sha256")};
	memcpy(image.manifest, l->image_manifest, sizeof image.manifest);
	memcpy(image.config, l->image_config, sizeof image.config);
	if (image_sbom(&q, &image, name, &text, e))
		return -1;
	return fs_write(EFFECT_OUTPUT, AT_FDCWD, path, buf_str(&text), text.len, 0644, e);
}

static int write_lockfile(const struct lockfile *l, const char *path, bool *same, struct err *e) {
	struct buf old CLEANUP(buf_done) = BUF_INIT(8 << 20);
	bool found;

	if (fs_read_if(AT_FDCWD, path, &old, &found, e))
		return -1;
	*same = found && old.len == l->n_bytes && !memcmp(buf_str(&old), l->bytes, old.len);
	return *same ? 0 : fs_write(EFFECT_OUTPUT, AT_FDCWD, path, l->bytes, l->n_bytes, 0644, e);
}

static int record_build(const struct context *c, const struct lockfile *l, uint64_t began_ms,
			struct err *e) {
	struct json *r CLEANUP(json_freep) = json_object();
	int held CLEANUP(closep) = -1;

	json_set_str(r, "event", event_name(EVENT_BUILD));
	json_set_str(r, "route", l->route);
	json_set_str(r, "version", l->version);
	json_set_str(r, "lock", l->digest);
	json_set_str(r, "model", l->n_artifacts ? l->artifacts[0].sha256 : NULL);
	if (root_lock(&c->root, c->command, c->rollout.lock_wait_ms, &held, e))
		return -1;
	return journal_note(&c->root, TOOL, c->command, r, began_ms, e);
}

static void tell(struct args *a, const struct lockfile *l, const char *path, bool same,
		 uint64_t took_ms) {
	struct json *j CLEANUP(json_freep) = json_object();
	char planned[TEXT_BYTES], took[TEXT_BYTES];

	text_format_bytes(l->planned_bytes, planned);
	text_format_ms(took_ms, took);
	if (same)
		report_line(a->report, "nothing to do: %s is up to date (lock %.12s, %s)", path,
			    l->digest, took);
	else
		report_line(a->report, "built %s: %s (lock %.12s, image %.12s, %s planned, %s)",
			    l->version, path, l->digest, l->image_manifest, planned, took);
	report_line(a->report, "next: llmdeploy apply %s", path);
	json_set_str(j, "version", l->version);
	json_set_str(j, "lock", l->digest);
	json_set_str(j, "image_config", l->image_config);
	json_set_str(j, "image_manifest", l->image_manifest);
	json_set_bool(j, "changed", !same);
	report_result(a->report, j);
}

int cmd_build(struct args *a, struct err *e) {
	const char *path = a->option[OPT_OUTPUT] ? a->option[OPT_OUTPUT] : "release.lock.json";
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	struct input in CLEANUP(input_done) = INPUT_INIT;
	struct spec *s CLEANUP(spec_freep) = NULL;
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	uint64_t began = clock_mono_ms();
	bool same;

	if (input_read(a->at[0], &in, e) ||
	    compile_common_spec(a, &in, &s, e) ||
	    compile_common_can_run(a, s, e) ||
	    context_open(a, "build", NEED_WRITE | NEED_STORE, &c, e) ||
	    compile_common_lockfile(a, &c, s, &l, e))
		return -1;
	if (write_lockfile(l, path, &same, e) ||
	    (!same && record_build(&c, l, began, e)))
		return -1;
	if (a->option[OPT_SBOM] && write_sbom(l, a->option[OPT_SBOM], e))
		return -1;
	if (a->option[OPT_ARCHIVE] && write_archive(&c, l, a->option[OPT_ARCHIVE], e))
		return -1;
	tell(a, l, path, same, clock_mono_ms() - began);
	return 0;
}
