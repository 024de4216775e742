/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <locale.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "archive/archive.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "crypto/crypto.h"
#include "fs/fs.h"
#include "image/image.h"
#include "store/store.h"
#include "tests/fake/packages.h"
#include "json/json.h"

/* Whole images of tiny packages: what is in them, and that it is always the same. */

#define N(a) (sizeof(a) / sizeof *(a))

static char library[8192], program[8192];
static size_t library_size, program_size;

static int make_elfs(void **state) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(sizeof library);

	(void) state;
	fake_elf(NULL, NULL, &b);
	memcpy(library, b.data, library_size = b.len);
	buf_reset(&b);
	fake_elf((const char *const[]){"libtiny.so.1", NULL}, NULL, &b);
	memcpy(program, b.data, program_size = b.len);
	return 0;
}

static void add_library(struct fake_packages *p) {
	const struct fake_entry files[] = {
		{"./", 'd', 0755, NULL, 0},
		{"./lib/", 'd', 0755, NULL, 0},
		{"./lib/x86_64-linux-gnu/libtiny.so.1.0", 'f', 0644, library, library_size},
		{"./lib64/ld.so", 'f', 0755, "loader", 0},
		{"./usr/lib/x86_64-linux-gnu/libtiny.so.1", 'l', 0777, "libtiny.so.1.0", 0},
		{"./usr/lib/x86_64-linux-gnu/gconv/X.so", 'f', 0644, "conversion", 0},
		{"./usr/share/ca-certificates/mozilla/Z.crt", 'f', 0644, "z\n", 0},
		{"./usr/share/ca-certificates/mozilla/Főtan.crt", 'f', 0644, "f", 0},
		{"./usr/share/doc/tiny-base/", 'd', 0755, NULL, 0},
		{"./usr/share/doc/tiny-base/changelog.gz", 'f', 0644, "long", 0},
		{"./usr/share/doc/tiny-base/copyright", 'f', 0644, "free", 0},
		{"./usr/share/man/man1/tiny.1.gz", 'f', 0644, "manual", 0},
		{"./usr/share/locale/hu/tiny.mo", 'f', 0644, "szia", 0},
		{"./var/local/", 'd', 02775, NULL, 0},
	};

	fake_packages_add(p, "tiny-base", "base", files, N(files));
}

static void add_program(struct fake_packages *p) {
	const struct fake_entry files[] = {
		{"./usr/bin/tiny", 'f', 0755, program, program_size},
		{"./usr/bin/tiny-too", 'h', 0755, "./usr/bin/tiny", 0},
		{"./usr/share/doc/tiny", 'l', 0777, "tiny-base", 0},
		{"./usr/share/tiny/model/conversion/x.py", 'f', 0644, "import", 0},
		{"./usr/share/tiny/x.txt", 'f', 0644, "text", 0},
	};

	fake_packages_add(p, "tiny", "engine", files, N(files));
}

/* A package of which one file is wanted; the rest of it would not be fit for an image. */
static void add_part(struct fake_packages *p) {
	static const char *const files[] = {"/usr/bin/one", "usr/share/part/"};
	const struct fake_entry entries[] = {
		{"./usr/bin/broken", 'f', 0755, "\177ELF", 0},
		{"./usr/bin/one", 'f', 0755, "one", 0},
		{"./usr/bin/su", 'f', 04755, "su", 0},
		{"./usr/share/doc/part/README", 'f', 0644, "read", 0},
		{"./usr/share/doc/part/copyright", 'f', 0644, "free", 0},
		{"./usr/share/part/a", 'f', 0644, "a", 0},
	};

	fake_packages_add(p, "part", "engine", entries, N(entries));
	p->at[p->n - 1].files = files;
	p->at[p->n - 1].n_files = 2;
}

static void add_all(struct fake_packages *p) {
	add_library(p);
	add_program(p);
	add_part(p);
}

static struct image_request request(const struct fake_packages *p, struct json *labels) {
	static const char *const argv[] = {"/usr/bin/tiny", "--host", "/run/engine/engine.sock",
					   "\"q\" ő", NULL};
	static const char *const env[] = {"PATH=/usr/bin", "A=b", NULL};
	struct image_request q = fake_packages_request(p);

	json_set_str(labels, "org.llmdeploy.version", "r17");
	json_set_str(labels, "org.llmdeploy.route", "incident");
	q.argv = argv;
	q.env = env;
	q.labels = labels;
	q.chat_template = "{{ messages }}\n";
	q.stop_signal = "SIGTERM";
	return q;
}

static void build(struct fake_packages *p, struct image *out) {
	struct json *labels CLEANUP(json_freep) = json_object();
	struct image_request q = request(p, labels);
	struct err e = {0};

	if (image_build(&q, p->store, NULL, out, &e))
		fail_msg("%s", e.msg);
}

/* ---- what is inside ---- */

/* tests/golden/image/NAME.txt: what was once right, and may only change on purpose. */
static void check_golden(const char *name, const struct buf *is) {
	char *path CLEANUP(freep) = mem_printf("tests/golden/image/%s.txt", name);
	struct buf golden CLEANUP(buf_done) = BUF_INIT(1 << 16);
	struct err e = {0};

	if (fs_read(AT_FDCWD, path, &golden, &e))
		fail_msg("%s", e.msg);
	assert_string_equal(buf_str(is), buf_str(&golden));
}

static int list_item(void *ctx, const struct archive_item *item, enum archive_wish *wish,
		     struct err *e) {
	(void) wish;
	(void) e;
	assert_true(buf_printf(ctx, "%c %o %s%s%s\n", "fdlho"[item->type], item -> mode,
			       item -> path, item -> link ? " -> " : "",
			       item->link ? item->link : ""));
	return 0;
}

static void check_layer(struct store *store, const struct image_layer *layer, const char *name) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(1 << 20);
	const struct archive_visitor v = {list_item, NULL, &text};
	struct err e = {0};
	int fd CLEANUP(closep) = -1;

	assert_string_equal(layer->name, name);
	assert_int_equal(store_open_object(store, layer->diff_id, &fd, &e) ||
				 archive_tar_each(fd, name, &v, &e),
			 0);
	check_golden(name, &text);
}

static void test_layers(void **state) {
	struct fake_packages p CLEANUP(fake_packages_done);
	struct image image;

	(void) state;
	fake_packages_init(&p);
	add_all(&p);
	build(&p, &image);
	assert_int_equal(image.n_layers, 3);
	check_layer(p.store, &image.layers[0], "base");
	check_layer(p.store, &image.layers[1], "engine");
	check_layer(p.store, &image.layers[2], "release");
}

static bool into_buf(void *ctx, const void *data, size_t n) {
	return buf_add(ctx, data, n);
}

static void test_contents(void **state) {
	static const struct {
		const char *name;
		unsigned layer;
		const char *content;
	} cases[] = {
		{"etc/ssl/certs/ca-certificates.crt", 0, "f\nz\n"},
		{"var/lib/dpkg/status.d/tiny-base", 0,
		 "Package: tiny-base\nVersion: 1.0\nArchitecture: amd64\n"},
		{"var/lib/dpkg/status.d/tiny-base.md5sums", 0,
		 "00000000000000000000000000000002  usr/lib/x86_64-linux-gnu/libtiny.so.1.0\n"
		 "00000000000000000000000000000003  usr/lib64/ld.so\n"
		 "00000000000000000000000000000006  usr/share/ca-certificates/mozilla/Z.crt\n"
		 "00000000000000000000000000000007  usr/share/ca-certificates/mozilla/Főtan.crt\n"
		 "0000000000000000000000000000000a  usr/share/doc/tiny-base/copyright\n"},
		{"var/lib/dpkg/status.d/part.md5sums", 1,
		 "00000000000000000000000000000001  usr/bin/one\n00000000000000000000000000000004  "
		 "usr/share/doc/part/copyright\n00000000000000000000000000000005  "
		 "usr/share/part/a\n"},
		{"etc/llmdeploy/chat_template.jinja", 2, "{{ messages }}\n"},
	};
	struct fake_packages p CLEANUP(fake_packages_done);
	struct image image;

	(void) state;
	fake_packages_init(&p);
	add_all(&p);
	build(&p, &image);
	EACH_CASE (c, cases) {
		struct buf text CLEANUP(buf_done) = BUF_INIT(1 << 16);
		char *path CLEANUP(freep) = store_path(p.store, image.layers[c->layer].diff_id);
		struct err e = {0};
		assert_int_equal(archive_member(path, c->name, into_buf, &text, NULL, &e), 0);
		assert_string_equal(buf_str(&text), c->content);
	}
}

static void test_wanted_file_that_is_not_there(void **state) {
	static const char *const files[] = {"usr/bin/onne"};
	struct fake_packages p CLEANUP(fake_packages_done);
	struct image image;
	struct err e = {0};

	(void) state;
	fake_packages_init(&p);
	add_part(&p);
	p.at[0].files = files;
	p.at[0].n_files = 1;
	struct image_request q = fake_packages_request(&p);
	assert_int_equal(image_layers(&q, p.store, NULL, &image, &e), -1);
	assert_string_equal(e.msg,
			    "'part_1.0_amd64.deb' has no file 'usr/bin/onne', which "
			    "packages.lock lists for it");
}

/* ---- always the same ---- */

static int append(void *ctx, const void *data, size_t n, struct err *e) {
	return buf_add(ctx, data, n) ? 0 : err_set(e, ERR_SYS, "too large");
}

/* Every digest of an image, its archive and its bill of materials, one a line. */
static void digests(struct fake_packages *p, struct buf *out) {
	struct buf tar CLEANUP(buf_done) = BUF_INIT(1 << 20),
		       sbom CLEANUP(buf_done) = BUF_INIT(1 << 20);
	struct json *labels CLEANUP(json_freep) = json_object();
	struct image_request q = request(p, labels);
	struct image image;
	char sha256[SHA256_HEX];
	struct err e = {0};

	build(p, &image);
	const struct image_archive a = {.manifest = image.manifest,
					.tag = "llmdeploy/incident:r17",
					.write = append,
					.ctx = &tar};
	if (image_write_archive(p->store, &a, &e) ||
	    image_sbom(&q, &image, "incident r17", &sbom, &e))
		fail_msg("%s", e.msg);
	for (size_t i = 0; i < image.n_layers; i++)
		(void) buf_printf(out, "%s %s\n", image.layers[i].name, image.layers[i].diff_id);
	sha256_of(tar.data, tar.len, sha256);
	(void) buf_printf(out, "config %s\nmanifest %s\narchive %s\n", image.config, image.manifest,
			  sha256);
	sha256_of(sbom.data, sbom.len, sha256);
	(void) buf_printf(out, "sbom %s\n", sha256);
}

/* The release layer has the packages' digests in it, so it pins the tiny packages too. */

static void test_golden_digests(void **state) {
	struct fake_packages p CLEANUP(fake_packages_done);
	struct buf text CLEANUP(buf_done) = BUF_INIT(4096);

	(void) state;
	fake_packages_init(&p);
	add_all(&p);
	digests(&p, &text);
	check_golden("digests", &text);
}

struct surroundings {
	const char *name, *locale, *tz, *dir;
	mode_t mask;
	bool reversed;
	int processors; /* 0: as many as there are */
};

static void reverse(struct fake_packages *p) {
	for (size_t i = 0; i < p->n / 2; i++) {
		struct image_package x = p->at[i];
		p->at[i] = p->at[p->n - 1 - i];
		p->at[p->n - 1 - i] = x;
	}
}

/* In a process of its own, because all of this is of the whole process. */
static void build_there(const struct surroundings *s, int out) {
	struct fake_packages p;
	struct buf text = BUF_INIT(4096);
	cpu_set_t one;
	struct err e;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	(void) umask(s->mask);
	if (setenv("LC_ALL", s->locale, 1) || setenv("TZ", s->tz, 1) || chdir(s->dir))
		_exit(1);
	(void) setlocale(LC_ALL, "");
	tzset();
	if (s->processors)
		(void) sched_setaffinity(0, sizeof one, &one);
	fake_packages_init(&p);
	add_all(&p);
	if (s->reversed)
		reverse(&p);
	digests(&p, &text);
	if (fs_write_all(EFFECT_NONE, out, text.data, text.len, "pipe", &e))
		_exit(1);
	fake_packages_done(&p);
	buf_done(&text);
	_exit(0);
}

static void test_same_everywhere(void **state) {
	static const struct surroundings cases[] = {
		{"plain", "C", "UTC", "/", 022, false, 0},
		{"elsewhere", "C.UTF-8", "Asia/Kathmandu", "/tmp", 077, true, 0},
		{"one processor", "tr_TR.UTF-8", "America/St_Johns", "/usr", 0, true, 1},
		{"closed mask", "POSIX", "", "/", 0777 & ~0700, false, 1},
	};

	(void) state;
	EACH_CASE (c, cases) {
		int ends[2], status;
		char text[4096] = "";
		assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
		pid_t child = fork();
		assert_true(child >= 0);
		if (!child)
			build_there(c, ends[1]);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
		assert_true(read(ends[0], text, sizeof text - 1) > 0);
		check_golden("digests", &(struct buf){.data = text});
		(void) close(ends[0]);
		(void) close(ends[1]);
	}
}

/* ---- made once ---- */

static void test_second_build_unpacks_nothing(void **state) {
	struct fake_packages p CLEANUP(fake_packages_done);
	struct image first, second;
	struct err e = {0};

	(void) state;
	fake_packages_init(&p);
	add_all(&p);
	build(&p, &first);
	for (size_t i = 0; i < p.n; i++)
		assert_int_equal(store_remove(p.store, p.at[i].sha256, &e), 0);
	build(&p, &second);
	assert_string_equal(first.manifest, second.manifest);
	assert_int_equal(first.layers[0].size, second.layers[0].size);
	/* Without the layer's bytes the note is worth nothing. */
	assert_int_equal(store_remove(p.store, first.layers[1].diff_id, &e), 0);
	struct image_request q = fake_packages_request(&p);
	assert_int_equal(image_layers(&q, p.store, NULL, &second, &e), -1);
	assert_int_equal(e.code, ERR_INTEGRITY);
}

static void test_what_depends_on_what(void **state) {
	struct fake_packages p CLEANUP(fake_packages_done);
	struct json *labels CLEANUP(json_freep) = json_object();
	struct image first, second;
	struct err e = {0};

	(void) state;
	fake_packages_init(&p);
	add_all(&p);
	build(&p, &first);
	struct image_request q = request(&p, labels);
	q.chat_template = "other";
	assert_int_equal(image_build(&q, p.store, NULL, &second, &e), 0);
	assert_string_equal(first.layers[0].diff_id, second.layers[0].diff_id);
	assert_string_equal(first.layers[1].diff_id, second.layers[1].diff_id);
	assert_string_not_equal(first.layers[2].diff_id, second.layers[2].diff_id);
	/* A filter is part of what the layers were made from. */
	p.at[2].n_files = 1;
	q = request(&p, labels);
	assert_int_equal(image_build(&q, p.store, NULL, &second, &e), 0);
	assert_string_equal(first.layers[0].diff_id, second.layers[0].diff_id);
	assert_string_not_equal(first.layers[1].diff_id, second.layers[1].diff_id);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layers),
		cmocka_unit_test(test_contents),
		cmocka_unit_test(test_wanted_file_that_is_not_there),
		cmocka_unit_test(test_golden_digests),
		cmocka_unit_test(test_same_everywhere),
		cmocka_unit_test(test_second_build_unpacks_nothing),
		cmocka_unit_test(test_what_depends_on_what),
	};

	return cmocka_run_group_tests(tests, make_elfs, NULL);
}
