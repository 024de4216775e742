/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <elf.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "image/elf.h"
#include "image/elf_deps.h"
#include "image/image.h"
#include "image/tree.h"
#include "tests/fake/packages.h"

/* What a package may not bring, what two may not bring together, and libraries. */

static int build(struct fake_packages *p, const char *const *provided, struct err *e) {
	struct image_request q = fake_packages_request(p);
	struct image image;

	q.provided = provided;
	return image_layers(&q, p->store, NULL, &image, e);
}

static void check(struct fake_packages *p, const char *message) {
	struct err e = {0};
	int rc = build(p, NULL, &e);

	assert_string_equal(rc ? e.msg : "", message);
	assert_int_equal(rc ? e.code : ERR_INTEGRITY, ERR_INTEGRITY);
}

static const struct {
	const char *name;
	struct fake_entry entry;
	const char *message;
} BAD_ENTRIES[] = {
	{"fine", {"./usr/x", 'f', 0644, "x", 0}, ""},
	{"leaves",
	 {"../etc/passwd", 'f', 0644, "x", 0},
	 "'bad_1.0_amd64.deb' has the path '../etc/passwd', which leaves the image: "
	 "refused"},
	{"leaves later",
	 {"./usr/../../x", 'f', 0644, "x", 0},
	 "'bad_1.0_amd64.deb' has the path 'usr/../../x', which leaves the image: refused"},
	{"leaves at the end",
	 {"./usr/..", 'd', 0755, NULL, 0},
	 "'bad_1.0_amd64.deb' has the path 'usr/../', which leaves the image: refused"},
	{"absolute",
	 {"/etc/passwd", 'f', 0644, "x", 0},
	 "'bad_1.0_amd64.deb' has the absolute path '/etc/passwd': refused"},
	{"dot inside",
	 {"./usr/./x", 'f', 0644, "x", 0},
	 "'bad_1.0_amd64.deb' has the path 'usr/./x', which is not plain: refused"},
	{"empty part",
	 {"./usr//x", 'f', 0644, "x", 0},
	 "'bad_1.0_amd64.deb' has the path 'usr//x', which is not plain: refused"},
	{"newline",
	 {"./usr/a\nb", 'f', 0644, "x", 0},
	 "'bad_1.0_amd64.deb' has a path that is not printable UTF-8: refused"},
	{"not UTF-8",
	 {"./usr/\xff", 'f', 0644, "x", 0},
	 "'bad_1.0_amd64.deb' has a path that is not printable UTF-8: refused"},
	{"device",
	 {"./dev/null", 'c', 0666, NULL, 0},
	 "'bad_1.0_amd64.deb' has a device, pipe or socket 'dev/null': refused"},
	{"pipe",
	 {"./run/pipe", 'p', 0666, NULL, 0},
	 "'bad_1.0_amd64.deb' has a device, pipe or socket 'run/pipe': refused"},
	{"set-user-id",
	 {"./usr/bin/su", 'f', 04755, "x", 0},
	 "'bad_1.0_amd64.deb' has a set-user-id or set-group-id file 'usr/bin/su': "
	 "refused"},
	{"set-group-id",
	 {"./usr/bin/wall", 'f', 02755, "x", 0},
	 "'bad_1.0_amd64.deb' has a set-user-id or set-group-id file 'usr/bin/wall': "
	 "refused"},
	{"hard link to nothing",
	 {"./usr/h", 'h', 0644, "./usr/absent", 0},
	 "'bad_1.0_amd64.deb' has a hard link 'usr/h' to './usr/absent', which is not "
	 "there before it"},
	{"hard link out",
	 {"./usr/h", 'h', 0644, "../../etc/shadow", 0},
	 "'bad_1.0_amd64.deb' has the path '../../etc/shadow', which leaves the image: "
	 "refused"},
	{"odd link",
	 {"./usr/l", 'l', 0777, "a\tb", 0},
	 "'bad_1.0_amd64.deb' has a link 'usr/l' with a strange target: refused"},
	{"below a link of ours",
	 {"./var/run/x", 'f', 0644, "x", 0},
	 "'var/run' is a symbolic link in package 'llmdeploy' and a directory in package "
	 "'bad'"},
	{"link out is only followed inside",
	 {"./usr/l", 'l', 0777, "../../../../etc/shadow", 0},
	 ""},
	{"broken ELF",
	 {"./usr/lib/x.so", 'f', 0644, "\177ELF\2\1\1", 0},
	 "'usr/lib/x.so' of package 'bad' is not a usable ELF file: the header is cut "
	 "short"},
};

static void test_bad_entries(void **state) {
	(void) state;
	EACH_CASE (c, BAD_ENTRIES) {
		struct fake_packages p CLEANUP(fake_packages_done);
		fake_packages_init(&p);
		fake_packages_add(&p, "bad", "base", &c->entry, 1);
		check(&p, c->message);
	}
}

static void test_bad_packages(void **state) {
	static const struct fake_entry one[] = {{"./usr/x", 'f', 0644, "some content", 0}};
	static const struct {
		const char *name, *control;
		size_t cut;
		int flip; /* byte from the end, 0: none */
		const char *message;
	} cases[] = {
		{"other name", "Package: good\nVersion: 1.0\nArchitecture: amd64\n", 0, 0,
		 "'bad_1.0_amd64.deb' says 'Package: good' about itself, expected 'bad'"},
		{"other version", "Package: bad\nVersion: 1.0-1\nArchitecture: amd64\n", 0, 0,
		 "'bad_1.0_amd64.deb' says 'Version: 1.0-1' about itself, expected '1.0'"},
		{"no architecture", "Package: bad\nVersion: 1.0\n", 0, 0,
		 "'bad_1.0_amd64.deb' says 'Architecture: ' about itself, expected 'amd64'"},
		{"no control", "", 0, 0, "'bad_1.0_amd64.deb' has no usable control file"},
		{"cut short", "Package: bad\nVersion: 1.0\nArchitecture: amd64\n", 1530, 0,
		 "'bad_1.0_amd64.deb' is corrupt or cut short: Truncated ar archive"},
		{"corrupt", "Package: bad\nVersion: 1.0\nArchitecture: amd64\n", 0, 2040,
		 "'bad_1.0_amd64.deb' is corrupt or cut short: Unrecognized archive format"},
	};

	(void) state;
	EACH_CASE (c, cases) {
		struct fake_packages p CLEANUP(fake_packages_done);
		struct buf deb CLEANUP(buf_done) = BUF_INIT(1 << 20);
		fake_packages_init(&p);
		fake_deb(&(struct fake_deb){c->control, NULL, "", one, 1}, &deb);
		deb.len -= c->cut;
		if (c->flip)
			deb.data[deb.len - (size_t) c->flip] ^= 1;
		fake_packages_add_bytes(&p, "bad", "base", &deb);
		check(&p, c->message);
	}
}

static void test_package_not_in_store(void **state) {
	struct fake_packages p CLEANUP(fake_packages_done);
	struct err e = {0};

	(void) state;
	fake_packages_init(&p);
	p.at[p.n++] = (struct image_package){
		.name = "gone",
		.version = "1.0",
		.architecture = "amd64",
		.sha256 = "0000000000000000000000000000000000000000000000000000000000000000",
		.layer = "base"};
	assert_int_equal(build(&p, NULL, &e), -1);
	assert_int_equal(e.code, ERR_INTEGRITY);
	assert_int_equal(strncmp(e.msg, "package 'gone': ", 16), 0);
}

static void test_bad_lists(void **state) {
	static const struct {
		const char *name, *first, *second, *layer, *message;
	} cases[] = {
		{"twice", "a", "a", "base", "package 'a' is named twice"},
		{"layer", "a", "b", "top",
		 "package 'b' belongs to layer 'top': it may be 'base' or 'engine'"},
		{"name", "a", "../b", "base", "'../b' is no name of a Debian package"},
	};
	struct fake_packages p CLEANUP(fake_packages_done);
	struct err e = {0};

	(void) state;
	fake_packages_init(&p);
	assert_int_equal(build(&p, NULL, &e), -1);
	assert_string_equal(e.msg, "an image has 1 to 400 packages, not 0");
	p.n = 2;
	EACH_CASE (c, cases) {
		p.at[0] = (struct image_package){.name = c->first, .layer = "base"};
		p.at[1] = (struct image_package){.name = c->second, .layer = c->layer};
		assert_int_equal(build(&p, NULL, &e), -1);
		assert_string_equal(e.msg, c->message);
		assert_int_equal(e.code, ERR_SPEC);
	}
}

static void test_two_packages(void **state) {
	static const struct {
		const char *name;
		struct fake_entry a, b;
		const char *message;
	} cases[] = {
		{"identical", {"./usr/x", 'f', 0644, "x", 0}, {"./usr/x", 'f', 0644, "x", 0}, ""},
		{"identical through usrmerge",
		 {"./lib/x", 'f', 0644, "x", 0},
		 {"./usr/lib/x", 'f', 0644, "x", 0},
		 ""},
		{"other content",
		 {"./usr/x", 'f', 0644, "x", 0},
		 {"./usr/x", 'f', 0644, "y", 0},
		 "'usr/x' differs between package 'a' and package 'b'"},
		{"other mode",
		 {"./usr/x", 'f', 0644, "x", 0},
		 {"./usr/x", 'f', 0755, "x", 0},
		 "'usr/x' differs between package 'a' and package 'b'"},
		{"other target",
		 {"./usr/x", 'l', 0777, "x", 0},
		 {"./usr/x", 'l', 0777, "y", 0},
		 "'usr/x' differs between package 'a' and package 'b'"},
		{"link over folder",
		 {"./usr/x", 'l', 0777, "y", 0},
		 {"./usr/x", 'd', 0755, NULL, 0},
		 "'usr/x' is a symbolic link in package 'a' and a directory in package 'b'"},
		{"file below a link",
		 {"./usr/x", 'l', 0777, "y", 0},
		 {"./usr/x/z", 'f', 0644, "z", 0},
		 "'usr/x' is a symbolic link in package 'a' and a directory in package 'b'"},
		{"file below a file",
		 {"./usr/x/z", 'f', 0644, "z", 0},
		 {"./usr/x", 'f', 0644, "y", 0},
		 "'usr/x' is a file in package 'b' and a directory in package 'a'"},
		{"folder's mode",
		 {"./usr/x", 'd', 0755, NULL, 0},
		 {"./usr/x", 'd', 0700, NULL, 0},
		 "'usr/x' has mode 755 in package 'a' and 700 in package 'b'"},
		{"folder that is only implied",
		 {"./usr/x", 'd', 0700, NULL, 0},
		 {"./usr/x/y", 'f', 0644, "y", 0},
		 ""},
		{"ours wins",
		 {"./etc/passwd", 'f', 0600, "mine", 0},
		 {"./tmp", 'd', 0700, NULL, 0},
		 ""},
	};

	(void) state;
	EACH_CASE (c, cases) {
		struct fake_packages p CLEANUP(fake_packages_done);
		fake_packages_init(&p);
		fake_packages_add(&p, "b", "base", &c->b, 1);
		fake_packages_add(&p, "a", "engine", &c->a, 1);
		/* The lower layer comes first in messages; here both orders of names are tried. */
		p.at[1].layer = "base";
		check(&p, c->message);
	}
}

/* ---- libraries ---- */

struct shape {
	const char *path;
	const char *needed[3];
	const char *runpath;
};

static void add_shape(struct fake_packages *p, const char *name, const struct shape *s,
		      unsigned machine, const struct fake_entry *extra) {
	struct buf elf CLEANUP(buf_done) = BUF_INIT(1 << 16);

	fake_elf(s->needed, s->runpath, &elf);
	memcpy(elf.data + offsetof(Elf64_Ehdr, e_machine), &(uint16_t){(uint16_t) machine}, 2);
	const struct fake_entry files[] = {{s->path, 'f', 0755, elf.data, elf.len}, *extra};
	fake_packages_add(p, name, "base", files, extra->path ? 2 : 1);
}

static const struct {
	const char *name;
	struct shape program, library;
	struct fake_entry extra; /* in the library's package */
	unsigned machine;        /* of the library; 0: the same */
	const char *message;
} LIBRARIES[] = {
	{"multiarch folder",
	 {"./usr/bin/p", {"libx.so.1"}, NULL},
	 {"./usr/lib/x86_64-linux-gnu/libx.so.1", {0}, NULL},
	 {0},
	 0,
	 ""},
	{"plain folder",
	 {"./usr/bin/p", {"libx.so.1"}, NULL},
	 {"./lib/libx.so.1", {0}, NULL},
	 {0},
	 0,
	 ""},
	{"through a link",
	 {"./usr/bin/p", {"libx.so.1"}, NULL},
	 {"./usr/lib/x86_64-linux-gnu/libx.so.1.2", {0}, NULL},
	 {"./usr/lib/x86_64-linux-gnu/libx.so.1", 'l', 0777, "libx.so.1.2", 0},
	 0,
	 ""},
	{"through an absolute link",
	 {"./usr/bin/p", {"libx.so.1"}, NULL},
	 {"./opt/libx.so.1.2", {0}, NULL},
	 {"./usr/lib/libx.so.1", 'l', 0777, "/opt/../opt/libx.so.1.2", 0},
	 0,
	 ""},
	{"a link to itself",
	 {"./usr/bin/p", {"libx.so.1"}, NULL},
	 {"./opt/libx.so.1.2", {0}, NULL},
	 {"./usr/lib/libx.so.1", 'l', 0777, "libx.so.1", 0},
	 0,
	 "'usr/bin/p' of package 'program' needs 'libx.so.1', which no package brings: "
	 "lock the package that has "
	 "it, or take the file out with a filter"},
	{"runpath",
	 {"./usr/bin/p", {"libx.so"}, "/none:/opt/x"},
	 {"./opt/x/libx.so", {0}, NULL},
	 {0},
	 0,
	 ""},
	{"origin",
	 {"./usr/bin/p", {"libx.so"}, "$ORIGIN/../x"},
	 {"./usr/x/libx.so", {0}, NULL},
	 {0},
	 0,
	 ""},
	{"origin in braces",
	 {"./usr/bin/p", {"libx.so"}, "${ORIGIN}"},
	 {"./usr/bin/libx.so", {0}, NULL},
	 {0},
	 0,
	 ""},
	{"lib",
	 {"./usr/bin/p", {"libx.so"}, "/opt/$LIB"},
	 {"./opt/lib/x86_64-linux-gnu/libx.so", {0}, NULL},
	 {0},
	 0,
	 ""},
	{"unknown token",
	 {"./usr/bin/p", {"libx.so"}, "/opt/$PLATFORM"},
	 {"./opt/$PLATFORM/libx.so", {0}, NULL},
	 {0},
	 0,
	 "'usr/bin/p' of package 'program' needs 'libx.so', which no package brings: lock "
	 "the package that has it, "
	 "or take the file out with a filter"},
	{"a path",
	 {"./usr/bin/p", {"/opt/libx.so"}, NULL},
	 {"./opt/libx.so", {0}, NULL},
	 {0},
	 0,
	 ""},
	{"given by the host",
	 {"./usr/bin/p", {"libcuda.so.1"}, NULL},
	 {"./opt/libx.so", {0}, NULL},
	 {0},
	 0,
	 ""},
	{"not there",
	 {"./usr/bin/p", {"libx.so.1", "liby.so"}, NULL},
	 {"./usr/lib/libx.so", {"libz.so"}, NULL},
	 {0},
	 0,
	 "'usr/bin/p' of package 'program' needs 'libx.so.1', which no package brings: "
	 "lock the package that has "
	 "it, or take the file out with a filter (and 2 more)"},
	{"of another machine",
	 {"./usr/bin/p", {"libx.so"}, NULL},
	 {"./usr/lib/libx.so", {0}, NULL},
	 {0},
	 EM_AARCH64,
	 "'usr/bin/p' of package 'program' needs 'libx.so', which no package brings: lock "
	 "the package that has it, "
	 "or take the file out with a filter"},
};

static void test_libraries(void **state) {
	static const char *const provided[] = {"libcuda.so.1", NULL};
	(void) state;
	EACH_CASE (c, LIBRARIES) {
		struct fake_packages p CLEANUP(fake_packages_done);
		struct err e = {0};
		fake_packages_init(&p);
		add_shape(&p, "program", &c->program, EM_X86_64, &(struct fake_entry){0});
		add_shape(&p, "library", &c->library, c->machine ? c->machine : EM_X86_64,
			  &c->extra);
		int rc = build(&p, provided, &e);
		assert_string_equal(rc ? e.msg : "", c->message);
	}
}

static void test_unknown_architecture(void **state) {
	struct tree t = {0};
	struct err e = {0};

	(void) state;
	assert_int_equal(elf_deps_check(&t, "vax", NULL, &e), -1);
	assert_string_equal(e.msg, "architecture 'vax' is not supported");
}

/* A place in the file, the value that is put there, and what is said about it. */
static void test_broken_elf(void **state) {
	enum { PHDR = sizeof(Elf64_Ehdr), DYN = PHDR + 2 * sizeof(Elf64_Phdr) };
	static const struct {
		const char *name;
		size_t at, n;
		uint64_t value;
		const char *message;
	} cases[] = {
		{"fine", 0, 0, 0, ""},
		{"32 bits", EI_CLASS, 1, ELFCLASS32,
		 "only 64-bit little-endian files are supported"},
		{"big-endian", EI_DATA, 1, ELFDATA2MSB,
		 "only 64-bit little-endian files are supported"},
		{"size of program headers", offsetof(Elf64_Ehdr, e_phentsize), 2, 8,
		 "the program headers have a strange size"},
		{"place of program headers", offsetof(Elf64_Ehdr, e_phoff), 8, UINT64_MAX,
		 "the program headers lie outside of the file"},
		{"number of program headers", offsetof(Elf64_Ehdr, e_phnum), 2, 0xffff,
		 "the program headers lie outside of the file"},
		{"place of dynamic section",
		 PHDR + sizeof(Elf64_Phdr) + offsetof(Elf64_Phdr, p_offset), 8, 1 << 20,
		 "the dynamic section lies outside of the file"},
		{"size of dynamic section",
		 PHDR + sizeof(Elf64_Phdr) + offsetof(Elf64_Phdr, p_filesz), 8, UINT64_MAX,
		 "the dynamic section lies outside of the file"},
		{"name", DYN + 8, 8, 1 << 20,
		 "a name in the dynamic section lies outside of its string table"},
		{"string table", DYN + 2 * sizeof(Elf64_Dyn) + 8, 8, UINT64_MAX,
		 "the string table of the dynamic section lies outside of the file"},
		{"size of string table", DYN + 3 * sizeof(Elf64_Dyn) + 8, 8, UINT64_MAX,
		 "the string table of the dynamic section lies outside of the file"},
		{"interpreter", PHDR, 4, PT_INTERP,
		 "the interpreter's name lies outside of the file"},
		{"object file", offsetof(Elf64_Ehdr, e_type), 2, ET_REL, ""},
	};

	(void) state;
	EACH_CASE (c, cases) {
		struct buf b CLEANUP(buf_done) = BUF_INIT(1 << 16);
		struct err e = {0};
		struct elf elf;
		fake_elf((const char *const[]){"a", "b", NULL}, NULL, &b);
		memcpy(b.data + c->at, &c->value, c->n);
		if (!strcmp(c->name,
			    "interpreter")) { /* the only segment, one byte long, without a NUL */
			b.data[offsetof(Elf64_Ehdr, e_phnum)] = 1;
			memcpy(b.data + PHDR + offsetof(Elf64_Phdr, p_filesz), &(uint64_t){1}, 8);
		}
		int rc = elf_read(b.data, b.len, &elf, &e);
		assert_string_equal(rc ? e.msg : "", c->message);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_entries),          cmocka_unit_test(test_bad_packages),
		cmocka_unit_test(test_package_not_in_store), cmocka_unit_test(test_bad_lists),
		cmocka_unit_test(test_two_packages),         cmocka_unit_test(test_libraries),
		cmocka_unit_test(test_unknown_architecture), cmocka_unit_test(test_broken_elf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
