/* SPDX-License-Identifier: Apache-2.0 */
#include "image/elf.h"

#include <elf.h>
#include <string.h>

#include "base/err.h"

/* "image/elf.h" is ours, <elf.h> has the structures of the format. */
struct view {
	const unsigned char *data;
	size_t n;
	Elf64_Ehdr head;
};

bool elf_is(const void *data, size_t n) {
	return n >= SELFMAG && !memcmp(data, ELFMAG, SELFMAG);
}

static bool inside(const struct view *v, uint64_t at, uint64_t n) {
	return at <= v->n && n <= v->n - at;
}

static int broken(struct err *e, const char *what) {
	return err_set(e, ERR_INTEGRITY, "%s", what);
}

static Elf64_Phdr segment(const struct view *v, unsigned i) {
	Elf64_Phdr p;

	memcpy(&p, v->data + v->head.e_phoff + (uint64_t) i * sizeof p, sizeof p);
	return p;
}

static int read_head(struct view *v, struct err *e) {
	if (!elf_is(v->data, v->n) || v->n < sizeof v->head)
		return broken(e, "the header is cut short");
	memcpy(&v->head, v->data, sizeof v->head);
	if (v->head.e_ident[EI_CLASS] != ELFCLASS64 || v->head.e_ident[EI_DATA] != ELFDATA2LSB)
		return broken(e, "only 64-bit little-endian files are supported");
	if (v->head.e_type != ET_EXEC && v->head.e_type != ET_DYN)
		return 0;
	if (v->head.e_phnum && v->head.e_phentsize != sizeof(Elf64_Phdr))
		return broken(e, "the program headers have a strange size");
	if (!inside(v, v->head.e_phoff, (uint64_t) v->head.e_phnum * sizeof(Elf64_Phdr)))
		return broken(e, "the program headers lie outside of the file");
	return 0;
}

/* The place in the file of an address in memory. */
static bool place_of(const struct view *v, uint64_t address, uint64_t *at) {
	for (unsigned i = 0; i < v->head.e_phnum; i++) {
		Elf64_Phdr p = segment(v, i);
		if (p.p_type == PT_LOAD && address >= p.p_vaddr &&
		    address - p.p_vaddr < p.p_filesz) {
			*at = p.p_offset + (address - p.p_vaddr);
			return inside(v, *at, 0);
		}
	}
	return false;
}

/* The string at `at`, which must end within n bytes. */
static const char *text_at(const struct view *v, uint64_t at, uint64_t n) {
	if (!inside(v, at, n) || !memchr(v->data + at, 0, n))
		return NULL;
	return (const char *) v->data + at;
}

struct dynamic {
	uint64_t at, n; /* entries */
	uint64_t strings, strings_size;
};

static Elf64_Dyn dynamic_entry(const struct view *v, const struct dynamic *d, uint64_t i) {
	Elf64_Dyn x;

	memcpy(&x, v->data + d->at + i * sizeof x, sizeof x);
	return x;
}

static int find_strings(const struct view *v, struct dynamic *d, struct err *e) {
	uint64_t address = 0;

	for (uint64_t i = 0; i < d->n; i++) {
		Elf64_Dyn x = dynamic_entry(v, d, i);
		if (x.d_tag == DT_NULL)
			d->n = i;
		else if (x.d_tag == DT_STRTAB)
			address = x.d_un.d_ptr;
		else if (x.d_tag == DT_STRSZ)
			d->strings_size = x.d_un.d_val;
	}
	if (d->n && (!place_of(v, address, &d->strings) || !inside(v, d->strings, d->strings_size)))
		return broken(e,
			      "the string table of the dynamic section lies outside of the file");
	return 0;
}

static int read_entries(const struct view *v, const struct dynamic *d, struct elf *out,
			struct err *e) {
	for (uint64_t i = 0; i < d->n; i++) {
		Elf64_Dyn x = dynamic_entry(v, d, i);
		if (x.d_tag != DT_NEEDED && x.d_tag != DT_RPATH && x.d_tag != DT_RUNPATH)
			continue;
		const char *s = NULL;
		if (x.d_un.d_val < d->strings_size)
			s = text_at(v, d->strings + x.d_un.d_val, d->strings_size - x.d_un.d_val);
		if (!s)
			return broken(
				e,
				"a name in the dynamic section lies outside of its string table");
		if (x.d_tag == DT_RPATH)
			out->rpath = s;
		else if (x.d_tag == DT_RUNPATH)
			out->runpath = s;
		else if (out->n_needed < ELF_MAX_NEEDED)
			out->needed[out->n_needed++] = s;
		else
			return broken(e, "it needs more than 256 libraries");
	}
	return 0;
}

static int read_dynamic(const struct view *v, const Elf64_Phdr *p, struct elf *out, struct err *e) {
	struct dynamic d = {.at = p->p_offset, .n = p->p_filesz / sizeof(Elf64_Dyn)};

	if (!inside(v, d.at, p->p_filesz))
		return broken(e, "the dynamic section lies outside of the file");
	if (find_strings(v, &d, e))
		return -1;
	return read_entries(v, &d, out, e);
}

static int read_segments(const struct view *v, struct elf *out, struct err *e) {
	for (unsigned i = 0; i < v->head.e_phnum; i++) {
		Elf64_Phdr p = segment(v, i);
		if (p.p_type == PT_DYNAMIC && read_dynamic(v, &p, out, e))
			return -1;
		if (p.p_type != PT_INTERP)
			continue;
		out->interpreter = text_at(v, p.p_offset, p.p_filesz);
		if (!out->interpreter)
			return broken(e, "the interpreter's name lies outside of the file");
	}
	return 0;
}

int elf_read(const void *data, size_t n, struct elf *out, struct err *e) {
	struct view v = {.data = data, .n = n};
	struct elf found = {0};

	if (read_head(&v, e))
		return -1;
	found.machine = v.head.e_machine;
	found.loadable = v.head.e_type == ET_EXEC || v.head.e_type == ET_DYN;
	if (found.loadable && read_segments(&v, &found, e))
		return -1;
	*out = found;
	return 0;
}
