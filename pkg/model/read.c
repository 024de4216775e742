/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"
#include "gguf/gguf.h"
#include "model/card.h"
#include "model/gguf.h"
#include "model/model.h"
#include "model/safetensors.h"
#include "model/source_dir.h"
#include "model/split.h"
#include "safetensors/safetensors.h"

enum { HEAD = 16, MAX_CARD = 1 << 20 };

int model_read(int fd, const char *name, struct model_facts *out, struct err *e) {
	struct gguf *g CLEANUP(gguf_freep) = NULL;
	struct bytes from;

	if (fs_bytes(&fd, name, &from, e) ||
	    gguf_open(&from, &g, e))
		return -1;
	return gguf_facts(&g, 1, out, e);
}

/* A text that may be a card: small, and nothing but text in it. */
static int card(const struct part *f, struct model_facts *out, struct err *e) {
	char *text CLEANUP(freep) = f->bytes.size <= MAX_CARD ? mem_zalloc(f->bytes.size + 1, 1)
							      : NULL;

	if (text && f->bytes.read(f->bytes.ctx, 0, text, (size_t) f->bytes.size, e))
		return err_wrap(e, "'%s'", f->name);
	if (text && text_starts(text, "version https://git-lfs"))
		return err_set(e, ERR_SPEC,
			       "'%s' is a pointer of Git LFS, not the model: run git lfs pull",
			       f->name);
	if (!text || !text_is_utf8(text, f->bytes.size) || !strstr(text, "ModelCard"))
		return err_set(e, ERR_SPEC, "'%s' is neither GGUF nor safetensors nor a model card",
			       f->name);
	return card_facts(f->name, text, f->bytes.size, "", out, e);
}

static int any_file(const struct source_dir *p, const char *name, struct part *file,
		    struct model_facts *out, struct err *e) {
	struct part *f CLEANUP(part_freep) = file;
	unsigned char head[HEAD];
	size_t n = f->bytes.size < HEAD ? (size_t) f->bytes.size : HEAD;

	if (n && f->bytes.read(f->bytes.ctx, 0, head, n, e))
		return err_wrap(e, "'%s'", f->name);
	if (n >= 4 && !memcmp(head, "GGUF", 4))
		return split_facts(p, name, f, out, e);
	if (safetensors_is(head, n, f->bytes.size))
		return safetensors_facts(p, STEAL(f), out, e);
	return card(f, out, e);
}

/* A folder without safetensors: its GGUF files are one model. */
static int gguf_folder(const struct source_dir *p, const char *path, struct model_facts *out,
		       struct err *e) {
	char **names CLEANUP(freep) = NULL;
	const char *first = NULL;
	struct part *f = NULL;
	size_t n, found = 0;

	if (fs_list(p->dir, ".", &names, &n, e))
		return -1;
	for (size_t i = 0; i < n; i++)
		if (text_ends(names[i], ".gguf") &&
		    (text_ends(names[i], "-of-00001.gguf") || !strstr(names[i], "-of-") ||
		     strstr(names[i], "-00001-of-"))) {
			first = found++ ? first : names[i];
		}
	if (!found)
		return err_set(e, ERR_SPEC, "'%s' has neither safetensors nor GGUF files", path);
	if (found > 1)
		return err_set(e, ERR_SPEC, "'%s' has %zu GGUF models: name one", path, found);
	return source_dir_need(p, first, "it was there", &f, e) ? -1
								: any_file(p, first, f, out, e);
}

int model_read_path(const char *path, struct model_facts *out, struct err *e) {
	struct source_dir p CLEANUP(source_dir_done) = SOURCE_DIR_INIT;
	struct part *f = NULL;
	struct stat st;
	bool there;

	if (stat(path, &st))
		return err_sys(e, "cannot read '%s'", path);
	if (source_dir_of_path(path, S_ISDIR(st.st_mode), &p, e))
		return -1;
	if (S_ISDIR(st.st_mode)) {
		if (safetensors_there(&p, &there, e))
			return -1;
		return there ? safetensors_facts(&p, NULL, out, e) : gguf_folder(&p, path, out, e);
	}
	if (source_dir_open(&p, p.first, &f, e))
		return -1;
	if (!f)
		return err_set(e, ERR_SYS, "'%s' no longer exists", path);
	return any_file(&p, p.first, f, out, e);
}

int model_read_source(struct http *http, const char *source, struct model_facts *out,
		      struct err *e) {
	struct source_dir p CLEANUP(source_dir_done) = SOURCE_DIR_INIT;
	struct part *f = NULL;

	if (text_starts(source, "file:"))
		return model_read_path(source + strlen("file:"), out, e);
	/* A repository of the hub, without a file, is a folder. */
	const char *at = text_starts(source, "hf://") ? strchr(source, '@') : NULL;
	char *whole CLEANUP(freep) = mem_printf("%s%s", source, at && !strchr(at, '/') ? "/" : "");

	source_dir_of_source(http, whole, &p);
	if (!*p.first)
		return safetensors_facts(&p, NULL, out, e);
	if (source_dir_open(&p, p.first, &f, e))
		return -1;
	if (!f)
		return err_set(e, ERR_UNREACHABLE, "'%s%s' does not exist", p.base, p.first);
	return any_file(&p, p.first, f, out, e);
}
