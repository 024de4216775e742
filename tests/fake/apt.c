/* SPDX-License-Identifier: Apache-2.0 */
#include "apt.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "crypto/crypto.h"
#include "fs/fs.h"

static void check(bool ok, const char *what) {
	if (ok)
		return;
	(void) fprintf(stderr, "fake archive: %s\n", what);
	abort();
}

static void run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void run(const char *fmt, ...) {
	char command[2048];
	va_list ap;

	va_start(ap, fmt);
	check(vsnprintf(command, sizeof command, fmt, ap) < (int) sizeof command,
	      "command too long");
	va_end(ap);
	check(system(command) == 0, command);
}

#define GPG "gpg --homedir '%s/gpg' --batch --quiet --no-tty --passphrase '' "

void fake_apt_keys(const char *dir, char fingerprint[41]) {
	struct buf out CLEANUP(buf_done) = BUF_INIT(4096);
	char *path CLEANUP(freep) = mem_printf("%s/fingerprint", dir);
	struct err e = {0};

	run("mkdir -m 700 '%s/gpg'", dir);
	run(GPG "--quick-gen-key 'good <good@example.invalid>' ed25519 sign never 2>/dev/null",
	    dir);
	run(GPG "--quick-gen-key 'next <next@example.invalid>' ed25519 sign never 2>/dev/null",
	    dir);
	run(GPG "--faked-system-time 20200101T000000 --quick-gen-key 'old <old@example.invalid>' "
		"ed25519 sign 1y 2>/dev/null",
	    dir);
	run(GPG "--export good@example.invalid old@example.invalid >'%s/keyring.gpg' 2>/dev/null",
	    dir, dir);
	run(GPG "--with-colons --list-keys good@example.invalid 2>/dev/null | awk -F: '/^fpr/ { "
		"print $10; exit }' >'%s'",
	    dir, path);
	check(!fs_read_user(path, &out, &e) && out.len == 41, "no fingerprint");
	memcpy(fingerprint, out.data, 40);
	fingerprint[40] = 0;
}

void fake_apt_keys_done(const char *dir) {
	run("gpgconf --homedir '%s/gpg' --kill all 2>/dev/null", dir);
}

void fake_apt_file(const char *mirror, const char *path, const void *data, size_t n) {
	char *full CLEANUP(freep) = mem_printf("%s/%s", mirror, path);
	char *folder CLEANUP(freep) = mem_strndup(full, (size_t) (strrchr(full, '/') - full));
	struct err e = {0};

	check(!fs_mkdirs(EFFECT_NONE, AT_FDCWD, folder, 0755, &e), e.msg);
	check(!fs_write(EFFECT_NONE, AT_FDCWD, full, data, n, 0644, &e), e.msg);
}

/* The text with the first change[0] as change[1]; yours. */
static char *changed(const char *text, const char *const change[2]) {
	const char *at = change[0] ? strstr(text, change[0]) : NULL;

	check(at || !change[0], "nothing to change");
	return at
		? mem_printf("%.*s%s%s", (int) (at - text), text, change[1], at + strlen(change[0]))
		: mem_strdup(text);
}

static void date(int64_t when, char out[64]) {
	time_t seconds = (time_t) when;
	struct tm t;

	(void) strftime(out, 64, "%a, %d %b %Y %H:%M:%S UTC", gmtime_r(&seconds, &t));
}

/* Packages in its packed form; *out is what the archive will have. */
static void pack(const char *dir, const char *packed, const char *text, struct buf *out) {
	struct err e = {0};

	if (!*packed) {
		(void) buf_puts(out, text);
		return;
	}
	fake_apt_file(dir, "plain", text, strlen(text));
	run("%s -c '%s/plain' >'%s/packed'", !strcmp(packed, ".xz") ? "xz" : "gzip -n", dir, dir);
	char *path CLEANUP(freep) = mem_printf("%s/packed", dir);
	check(!fs_read_user(path, out, &e), e.msg);
}

static void put_packages(const char *dir, const char *mirror, const struct fake_suite *s,
			 struct buf *sums) {
	struct buf packed CLEANUP(buf_done) = BUF_INIT(1 << 20),
			  bad CLEANUP(buf_done) = BUF_INIT(1 << 20);
	char *text CLEANUP(freep) = changed(s->packages, s->content);
	char *folder CLEANUP(freep) = mem_printf("%s/binary-amd64", s->component);
	char plain_sha[SHA256_HEX], packed_sha[SHA256_HEX];

	pack(dir, s->packed, s->packages, &packed);
	sha256_of(s->packages, strlen(s->packages), plain_sha);
	sha256_of(buf_str(&packed), packed.len, packed_sha);
	(void) buf_printf(sums, " %s %zu %s/Packages\n", plain_sha, strlen(s->packages), folder);
	if (*s->packed)
		(void) buf_printf(sums, " %s %zu %s/Packages%s\n", packed_sha, packed.len, folder,
				  s->packed);
	pack(dir, s->packed, text, &bad);
	char *named CLEANUP(freep) = mem_printf("dists/%s/%s/Packages%s", s->name, folder,
						s->packed);
	fake_apt_file(mirror, named, s->only_by_hash ? "moved on\n" : bad.data,
		      s->only_by_hash ? 9 : bad.len);
	char *hashed CLEANUP(freep) = mem_printf("dists/%s/%s/by-hash/SHA256/%s", s->name, folder,
						 packed_sha);
	if (s->only_by_hash)
		fake_apt_file(mirror, hashed, packed.data, packed.len);
}

static void sign(const char *dir, const struct fake_suite *s, const char *release,
		 struct buf *out) {
	char users[256] = "", *in CLEANUP(freep) = mem_printf("%s/InRelease", dir);
	struct err e = {0};

	fake_apt_file(dir, "Release", release, strlen(release));
	for (const char *at = s->signers; *at; at += strspn(at, " ")) {
		size_t n = strcspn(at, " "), used = strlen(users);
		(void) snprintf(users + used, sizeof users - used, " -u %.*s@example.invalid",
				(int) n, at);
		at += n;
	}
	if (*users)
		run(GPG "%s %s --yes -o '%s' --clearsign '%s/Release' 2>/dev/null", dir,
		    s->options ? s->options : "", users, in, dir);
	else
		run("cp '%s/Release' '%s'", dir, in);
	check(!fs_read_user(in, out, &e), e.msg);
}

void fake_apt_suite(const char *dir, const char *mirror, const struct fake_suite *s) {
	struct buf release CLEANUP(buf_done) = BUF_INIT(1 << 16),
			   sums CLEANUP(buf_done) = BUF_INIT(1 << 16);
	struct buf in CLEANUP(buf_done) = BUF_INIT(1 << 16);
	char made[64], until[64];

	put_packages(dir, mirror, s, &sums);
	date(s->date, made);
	date(s->valid_until, until);
	(void) buf_printf(&release, "Origin: Toy\nSuite: %s\nCodename: %s\nDate: %s\n", s->name,
			  s->codename, made);
	if (s->valid_until)
		(void) buf_printf(&release, "Valid-Until: %s\n", until);
	(void) buf_printf(&release,
			  "Acquire-By-Hash: yes\nMD5Sum:\n 00 1 x\nSHA256:\n%sSHA512:\n 00 1 x\n",
			  buf_str(&sums));
	char *text CLEANUP(freep) = changed(buf_str(&release), s->release);
	sign(dir, s, text, &in);
	char *final CLEANUP(freep) = changed(buf_str(&in), s->inrelease);
	char *path CLEANUP(freep) = mem_printf("dists/%s/InRelease", s->name);
	fake_apt_file(mirror, path, final, strlen(final));
}

bool fake_apt_serve(void *folder, struct httpd_conn *c, const struct httpd_request *q) {
	struct buf body CLEANUP(buf_done) = BUF_INIT(1 << 22);
	char *path CLEANUP(freep) = mem_printf("%s%s", (const char *) folder, q->path);
	struct err e = {0};

	if (fs_read_user(path, &body, &e))
		return httpd_reply(c, 404, "", "", 0);
	return httpd_reply(c, 200, "", buf_str(&body), body.len);
}
