/* SPDX-License-Identifier: Apache-2.0 */
#include "deb.h"

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static void must(bool ok) {
	if (!ok)
		abort();
}

static la_ssize_t collect(struct archive *a, void *ctx, const void *data, size_t n) {
	(void) a;
	must(buf_add(ctx, data, n));
	return (la_ssize_t) n;
}

static void set_kind(struct archive *a, const char *kind) {
	if (!strcmp(kind, "zip"))
		must(!archive_write_set_format_zip(a));
	else if (!strcmp(kind, "7z"))
		must(!archive_write_set_format_7zip(a));
	else if (!strcmp(kind, "cpio"))
		must(!archive_write_set_format_cpio(a));
	else
		must(!archive_write_set_format_gnutar(a));
	if (!strcmp(kind, "tar.gz"))
		must(!archive_write_add_filter_gzip(a));
	if (!strcmp(kind, "tar.xz"))
		must(!archive_write_add_filter_xz(a));
	if (!strcmp(kind, "tar.bz2"))
		must(!archive_write_add_filter_bzip2(a));
	if (!strcmp(kind, "tar.lzma"))
		must(!archive_write_add_filter_lzma(a));
	if (!strcmp(kind, "tar.zst"))
		must(!archive_write_add_filter_zstd(a));
}

static unsigned filetype(char type) {
	switch (type) {
	case 'd': return AE_IFDIR;
	case 'l': return AE_IFLNK;
	case 'c': return AE_IFCHR;
	case 'p': return AE_IFIFO;
	default: return AE_IFREG;
	}
}

static void add(struct archive *a, const struct fake_entry *f) {
	struct archive_entry *entry = archive_entry_new();
	size_t n = f->n || !f->content ? f->n : strlen(f->content);

	must(entry != NULL);
	archive_entry_set_pathname(entry, f->path);
	archive_entry_set_filetype(entry, filetype(f->type));
	archive_entry_set_perm(entry, f->mode);
	archive_entry_set_mtime(entry, 1000000000, 0);
	if (f->type == 'l')
		archive_entry_set_symlink(entry, f->content);
	else if (f->type == 'h')
		archive_entry_set_hardlink(entry, f->content);
	archive_entry_set_size(entry, f->type == 'f' ? (la_int64_t) n : 0);
	/* A name that the locale cannot show is only a warning. */
	must(archive_write_header(a, entry) >= ARCHIVE_WARN);
	if (f->type == 'f' && n)
		must(archive_write_data(a, f->content, n) == (la_ssize_t) n);
	archive_entry_free(entry);
}

void fake_archive(const char *kind, const struct fake_entry *entries, size_t n, struct buf *out) {
	struct archive *a = archive_write_new();
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t) 0), before = uselocale(utf8);

	must(a != NULL && utf8);
	set_kind(a, kind);
	must(!archive_write_set_bytes_in_last_block(a, 1));
	must(!archive_write_open(a, out, NULL, collect, NULL));
	for (size_t i = 0; i < n; i++)
		add(a, &entries[i]);
	must(!archive_write_close(a));
	(void) archive_write_free(a);
	(void) uselocale(before);
	freelocale(utf8);
}

void fake_ar_head(struct buf *out) {
	must(buf_puts(out, "!<arch>\n"));
}

void fake_ar_member(const char *name, const void *data, size_t n, struct buf *out) {
	must(buf_printf(out, "%-16s%-12u%-6u%-6u%-8s%-10zu`\n", name, 0, 0, 0, "100644", n));
	must(buf_add(out, data, n) && (n % 2 == 0 || buf_putc(out, '\n')));
}

static void add_part(const char *part, const char *ending, const struct fake_entry *entries,
		     size_t n, struct buf *out) {
	struct buf tar CLEANUP(buf_done) = BUF_INIT(1 << 24);
	char *kind CLEANUP(freep) = mem_printf("tar%s", ending);
	char *name CLEANUP(freep) = mem_printf("%s.tar%s", part, ending);

	fake_archive(kind, entries, n, &tar);
	fake_ar_member(name, tar.data, tar.len, out);
}

void fake_deb(const struct fake_deb *d, struct buf *out) {
	const struct fake_entry control[] = {
		{"./", 'd', 0755, NULL, 0},
		{"./control", 'f', 0644, d->control, 0},
		{"./md5sums", 'f', 0644, d->md5sums, 0},
	};

	fake_ar_head(out);
	fake_ar_member("debian-binary", "2.0\n", 4, out);
	add_part("control", d->ending, control, d->md5sums ? 3 : 2, out);
	add_part("data", d->ending, d->entries, d->n, out);
}

/* header, PT_LOAD, PT_DYNAMIC, dynamic entries, strings; everything mapped at its offset. */
struct elf_head {
	Elf64_Ehdr e;
	Elf64_Phdr p[2];
	Elf64_Dyn d[16];
};

void fake_elf(const char *const *needed, const char *runpath, struct buf *out) {
	struct elf_head h = {
		.e = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		      .e_type = ET_DYN,
		      .e_machine = EM_X86_64,
		      .e_version = EV_CURRENT,
		      .e_phoff = sizeof(Elf64_Ehdr),
		      .e_ehsize = sizeof(Elf64_Ehdr),
		      .e_phentsize = sizeof(Elf64_Phdr),
		      .e_phnum = 2},
	};
	struct buf strings CLEANUP(buf_done) = BUF_INIT(4096);
	size_t n = 0;

	must(buf_putc(&strings, 0));
	for (; needed && needed[n]; n++) {
		must(n < 12);
		h.d[n] = (Elf64_Dyn){DT_NEEDED, {strings.len}};
		must(buf_add(&strings, needed[n], strlen(needed[n]) + 1));
	}
	if (runpath) {
		h.d[n++] = (Elf64_Dyn){DT_RUNPATH, {strings.len}};
		must(buf_add(&strings, runpath, strlen(runpath) + 1));
	}
	h.d[n++] = (Elf64_Dyn){DT_STRTAB, {sizeof h}};
	h.d[n++] = (Elf64_Dyn){DT_STRSZ, {strings.len}};
	h.p[0] = (Elf64_Phdr){.p_type = PT_LOAD,
			      .p_filesz = sizeof h + strings.len,
			      .p_memsz = sizeof h + strings.len};
	h.p[1] = (Elf64_Phdr){.p_type = PT_DYNAMIC,
			      .p_offset = offsetof(struct elf_head, d),
			      .p_vaddr = offsetof(struct elf_head, d),
			      .p_filesz = sizeof h.d,
			      .p_memsz = sizeof h.d};
	must(buf_add(out, &h, sizeof h) && buf_add(out, strings.data, strings.len));
}
