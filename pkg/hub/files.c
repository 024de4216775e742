/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of a repository are, by their names, and which of them are worth a try. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/text.h"
#include "hub/hub.h"

enum { PART_TAIL = sizeof "-00001-of-00003.gguf" - 1, MAX_LABEL = 23 };

/* Widths in the order in which they are taken, and in each the labels that are known best first.
 * UD-... are those that Unsloth measures. */
static const struct {
	unsigned bits;
	const char *labels[12];
} widths[] = {
	{4,
	 {"Q4_K_M", "UD-Q4_K_XL", "Q4_K_L", "Q4_K_S", "IQ4_XS", "UD-IQ4_XS", "IQ4_NL", "Q4_1",
	  "Q4_0", "MXFP4_MOE", "MXFP4"}},
	{5, {"Q5_K_M", "UD-Q5_K_XL", "Q5_K_L", "Q5_K_S", "Q5_1", "Q5_0"}},
	{6, {"Q6_K", "UD-Q6_K_XL", "Q6_K_L"}},
	{8, {"Q8_0", "UD-Q8_K_XL"}},
	/* Only where there is none of these. */
	{3, {"Q3_K_M", "UD-Q3_K_XL", "Q3_K_L", "Q3_K_XL", "IQ3_M", "Q3_K_S", "IQ3_XS", "IQ3_XXS"}},
	{16, {"BF16", "F16", "FP16"}},
	{32, {"F32", "FP32"}},
	{0, {NULL}},
	{2, {"UD-Q2_K_XL", "Q2_K_L", "Q2_K", "IQ2_M"}},
	{1, {NULL}},
};
enum { USUAL = 4, WIDTHS = sizeof widths / sizeof *widths };

const char *hub_kind_name(enum hub_kind k) {
	static const char *const names[] = {"model",       "split model",
					    "projector",   "importance matrix",
					    "safetensors", "other"};

	return names[k];
}

/* ---- names ---- */

static const char *base_of(const char *path) {
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool ends_with(const char *s, const char *suffix) {
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && !strcasecmp(s + n - m, suffix);
}

/* "-00002-of-00003.gguf": its number and how many there are. */
static bool is_part(const char *path, unsigned *number, unsigned *of) {
	size_t n = strlen(path);
	char end = 0;

	return n > PART_TAIL &&
		sscanf(path + n - PART_TAIL, "-%5u-of-%5u.ggu%c", number, of, &end) == 3 &&
		end == 'f' && *of > 1;
}

static enum hub_kind kind_of(const char *path) {
	const char *name = base_of(path);

	if (ends_with(name, ".safetensors"))
		return HUB_SAFETENSORS;
	if (strcasestr(name, "imatrix"))
		return HUB_IMATRIX;
	if (!ends_with(name, ".gguf"))
		return HUB_OTHER;
	return strcasestr(name, "mmproj") ? HUB_MMPROJ : HUB_MODEL;
}

/* Length of a quantization's name at the start of s, 0: there is none. */
static size_t label_length(const char *s) {
	static const char *const words[] = {"MXFP4_MOE", "MXFP4", "NVFP4", "BF16",
					    "FP16",      "F16",   "FP32",  "F32"};
	size_t at = !strncasecmp(s, "UD-", 3) ? 3 : 0;

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (!strncasecmp(s, words[i], strlen(words[i])))
			return strlen(words[i]);
	at += s[at] == 'I' || s[at] == 'i' || s[at] == 'T' || s[at] == 't';
	if ((s[at] != 'Q' && s[at] != 'q') || !isdigit((unsigned char) s[at + 1]) ||
	    s[at + 2] != '_')
		return 0;
	return at + 3 +
		strspn(s + at + 3,
		       "0123456789_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
}

/* The last one in the name, in capitals. */
static void find_label(const char *path, char out[MAX_LABEL + 1]) {
	const char *name = base_of(path);

	for (const char *s = name; *s; s++) {
		bool begins = s == name || strchr("-._ ", s[-1]);
		size_t n = begins ? label_length(s) : 0;
		if (!n || n > MAX_LABEL || (s[n] && !strchr("-. ", s[n])))
			continue;
		for (size_t i = 0; i < n; i++)
			out[i] = (char) toupper((unsigned char) s[i]);
		out[n] = 0;
		s += n - 1;
	}
}

static unsigned bits_of(const char *label) {
	const char *digit = strpbrk(label, "0123456789");

	if (text_starts(label, "MXFP4") || text_starts(label, "NVFP4"))
		return 4;
	if (text_ends(label, "F16") || text_ends(label, "FP16"))
		return 16;
	if (text_ends(label, "F32") || text_ends(label, "FP32"))
		return 32;
	return digit ? (unsigned) (*digit - '0') : 0;
}

/* ---- models ---- */

/* A part of a model that has a row already. */
static struct hub_model *whole_of(struct hub_model *list, size_t n, const char *path, unsigned of) {
	size_t stem = strlen(path) - PART_TAIL;

	for (size_t i = 0; i < n; i++)
		if (list[i].kind == HUB_SPLIT && list[i].promised == of &&
		    strlen(list[i].file->path) == stem + PART_TAIL &&
		    !strncmp(list[i].file->path, path, stem))
			return &list[i];
	return NULL;
}

static int by_size(const void *a, const void *b) {
	const struct hub_model *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? 1 : -1;
	return strcmp(x->file->path, y->file->path);
}

struct hub_model *hub_models(const struct hub_repo *repo, size_t *n) {
	struct hub_model *list = mem_zalloc(repo->n + 1, sizeof *list);
	size_t count = 0;

	for (size_t i = 0; i < repo->n; i++) {
		const struct hub_file *f = &repo->files[i];
		struct hub_model row = {.kind = kind_of(f->path),
					.file = f,
					.bytes = f->size,
					.parts = 1,
					.promised = 1};
		unsigned number, of;
		if (row.kind == HUB_MODEL && is_part(f->path, &number, &of)) {
			struct hub_model *whole = whole_of(list, count, f->path, of);
			if (whole) {
				whole->bytes += f->size;
				whole->parts++;
				continue;
			}
			row.kind = HUB_SPLIT;
			row.promised = of;
		}
		if (row.kind == HUB_MODEL || row.kind == HUB_SPLIT) {
			find_label(f->path, row.label);
			row.bits = bits_of(row.label);
		}
		list[count++] = row;
	}
	if (count)
		qsort(list, count, sizeof *list, by_size);
	*n = count;
	return list;
}

/* The smaller the better known. */
static size_t rank_of(size_t width, const char *label) {
	size_t i = 0;

	while (widths[width].labels[i] && strcmp(widths[width].labels[i], label) != 0)
		i++;
	return i;
}

/* The best row of a width, n: none. */
static size_t best_of(const struct hub_model *list, size_t n, const bool *usable, size_t width) {
	size_t best = n;

	for (size_t i = 0; i < n; i++) {
		if (list[i].kind != HUB_MODEL || !usable[i] || list[i].bits != widths[width].bits)
			continue;
		if (best == n || rank_of(width, list[i].label) < rank_of(width, list[best].label))
			best = i;
	}
	return best;
}

size_t hub_pick(const struct hub_model *list, size_t n, const bool *usable,
		size_t picks[HUB_PICKS]) {
	size_t count = 0;

	for (size_t w = 0; w < WIDTHS && (w < USUAL || !count); w++) {
		size_t best = best_of(list, n, usable, w);
		if (best < n)
			picks[count++] = best;
	}
	/* The rows are by size; the widths nearly so. */
	for (size_t i = 1; i < count; i++)
		for (size_t k = i; k && picks[k] < picks[k - 1]; k--) {
			size_t other = picks[k];
			picks[k] = picks[k - 1];
			picks[k - 1] = other;
		}
	return count;
}
