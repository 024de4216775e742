/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/facts.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/archive.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "compile/compile.h"
#include "fs/fs.h"
#include "fs/step.h"
#include "http/http.h"
#include "model/model.h"
#include "spec/spec.h"
#include "store/store.h"

#define HEAD_MAX ((uint64_t) 64 << 20) /* longer than any header */

static int read_fd(int fd, const char *what, struct model_facts *facts, uint64_t *size,
		   struct err *e) {
	struct stat st;

	if (fstat(fd, &st))
		return err_sys(e, "cannot look at '%s'", what);
	*size = (uint64_t) st.st_size;
	return model_read(fd, what, facts, e);
}

static int from_file(const char *path, const char *what, struct model_facts *facts, uint64_t *size,
		     struct err *e) {
	int fd CLEANUP(closep) = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	return fd < 0 ? err_sys(e, "cannot open '%s'", path) : read_fd(fd, what, facts, size, e);
}

/* The head of a member goes into memory, the rest of it is a hole of the same length. */
struct head {
	int fd;
	uint64_t kept;
};

static bool keep_head(void *ctx, const void *data, size_t n) {
	struct head *h = ctx;
	uint64_t room = HEAD_MAX - h->kept, take = n < room ? n : room;
	struct err ignored = {0};

	if (take && fs_write_all(EFFECT_NONE, h->fd, data, (size_t) take, "memory", &ignored))
		return false;
	h->kept += take;
	return true;
}

static int from_archive(const char *path, const char *member, const char *what,
			struct model_facts *facts, uint64_t *size, struct err *e) {
	int fd CLEANUP(closep) = memfd_create("header", MFD_CLOEXEC);
	struct head h = {.fd = fd};

	if (fd < 0)
		return err_sys(e, "cannot make a file in memory");
	if (archive_member(path, member, keep_head, &h, size, e))
		return -1;
	if (fs_step_truncate(EFFECT_NONE, fd, (off_t) *size))
		return err_sys(e, "cannot lengthen a file in memory");
	return model_read(fd, what, facts, e);
}

static int from_source(const char *source, const char *what, struct model_facts *facts,
		       uint64_t *size, const char **from, struct err *e) {
	const char *member = strchr(source, '#');

	if (!text_starts(source, "file:")) {
		struct http *http CLEANUP(http_freep) = NULL;
		char *shown CLEANUP(freep) = store_source_shown(source);
		if (member)
			return err_set(e, ERR_UNREACHABLE,
				       "'%.200s' is a member of an archive that is not here",
				       shown);
		*from = "address";
		http = http_new();
		*size = 0;
		if (model_read_source(http, source, facts, e))
			return -1;
		*size = facts->file_bytes;
		return 0;
	}
	if (!member) {
		*from = "file";
		return from_file(source + 5, what, facts, size, e);
	}
	char *path CLEANUP(freep) = mem_strndup(source + 5, (size_t) (member - source - 5));
	*from = "archive";
	return from_archive(path, member + 1, what, facts, size, e);
}

static int from_store(const struct compile *c, const char *sha256, const char *what, bool *has,
		      struct model_facts *facts, uint64_t *size, struct err *e) {
	int fd CLEANUP(closep) = -1;

	*has = false;
	if (!c->store || store_has(c->store, sha256, has, NULL, e))
		return c->store ? -1 : 0;
	if (*has &&
	    (store_open_object(c->store, sha256, &fd, e) ||
	     read_fd(fd, what, facts, size, e)))
		return -1;
	return 0;
}

char *compile_named(const struct spec_artifact *a, const char *what) {
	return a->n_sources ? store_source_shown(a->sources[0]) : mem_strdup(what);
}

int compile_facts(const struct compile *c, const struct spec_artifact *a, const char *what,
		  struct model_facts *facts, uint64_t *size, const char **from, struct err *e) {
	char *named CLEANUP(freep) = compile_named(a, what);
	struct err why = {0};
	bool has;

	*from = "store";
	if (from_store(c, a->sha256, named, &has, facts, size, e))
		return -1;
	if (has)
		return 0;
	for (size_t i = 0; i < a->n_sources; i++) {
		why = (struct err){0};
		if (!from_source(a->sources[i], named, facts, size, from, &why))
			return 0;
		/* A file that is there and is no model is a fault of the manifest, not of the
		 * network. */
		if (why.code != ERR_UNREACHABLE && why.code != ERR_SYS)
			return err_set(e, why.code, "%s", why.msg);
	}
	if (why.code == ERR_INTERRUPTED)
		return err_set(e, why.code, "%s", why.msg);
	return err_set(e, ERR_UNREACHABLE,
		       "%s cannot be planned before its header can be read: %.300s; "
		       "fetch it with llmdeploy model pull, or plan with model.card",
		       what, why.msg);
}

int compile_card(const struct compile *c, const char *card, struct model_facts *facts,
		 struct err *e) {
	const char *slash = strchr(card, '/');
	char *name CLEANUP(freep) = slash ? mem_strndup(card, (size_t) (slash - card))
					  : mem_strdup(card),
		   *path CLEANUP(freep) = NULL;

	if (!text_is_name(name) || !c->program || !model_card_find(c->program, name, &path))
		return err_set(e, ERR_USAGE,
			       "no model card '%.60s'; manifests/models lists the existing ones",
			       name);
	return model_read_card(path, slash ? slash + 1 : "", facts, e);
}

static uint64_t scaled(uint64_t part, uint64_t bytes, uint64_t of) {
	return of ? (uint64_t) ((__uint128_t) part * bytes / of) : 0;
}

void compile_facts_scaled(const struct model_facts *base, uint64_t bytes, struct model_facts *out) {
	uint64_t *const parts[] = {&out->token_embedding_bytes, &out->output_bytes,
				   &out->per_layer_embedding_bytes, &out->expert_bytes,
				   &out->nextn_bytes};

	*out = *base;
	out->tensor_list = NULL;
	out->n_tensor_list = 0;
	out->layers = mem_zalloc(base->n_layers + 1, sizeof *out->layers);
	memcpy(out->layers, base->layers, base->n_layers * sizeof *out->layers);
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		*parts[i] = scaled(*parts[i], bytes, base->tensor_bytes);
	out->n_types = 0;
	*out->quantization = 0;
	out->tensor_bytes = out->file_bytes = bytes;
}
