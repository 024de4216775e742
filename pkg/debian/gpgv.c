/* SPDX-License-Identifier: Apache-2.0 */
#include "debian/gpgv.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"

enum { TIMEOUT_MS = 30000, STATUS_CAP = 64 << 10 };

/* All four streams are files in memory, so neither side can wait for the other. */
struct streams {
	int in, out, errors, status;
};

static void streams_done(struct streams *s) {
	closep(&s->in);
	closep(&s->out);
	closep(&s->errors);
	closep(&s->status);
}

static int memory_file(const char *name, int *fd, struct err *e) {
	*fd = memfd_create(name, MFD_CLOEXEC);
	return *fd < 0 ? err_sys(e, "cannot make a file in memory") : 0;
}

static int streams_open(struct streams *s, const void *data, size_t n, struct err *e) {
	if (memory_file("gpgv-in", &s->in, e) ||
	    memory_file("gpgv-out", &s->out, e) ||
	    memory_file("gpgv-errors", &s->errors, e) ||
	    memory_file("gpgv-status", &s->status, e) ||
	    fs_write_all(EFFECT_NONE, s->in, data, n, "gpgv's input", e))
		return -1;
	return lseek(s->in, 0, SEEK_SET) < 0 ? err_sys(e, "cannot rewind gpgv's input") : 0;
}

static int spawn(const struct streams *s, const char *keyring, pid_t *pid, struct err *e) {
	const char *const argv[] = {"gpgv",  "--status-fd", "3", "--keyring",
				    keyring, "--output",    "-", NULL};
	const char *const env[] = {"LC_ALL=C", "HOME=/nonexistent", NULL};
	posix_spawn_file_actions_t act;

	posix_spawn_file_actions_init(&act);
	posix_spawn_file_actions_adddup2(&act, s->in, 0);
	posix_spawn_file_actions_adddup2(&act, s->out, 1);
	posix_spawn_file_actions_adddup2(&act, s->errors, 2);
	posix_spawn_file_actions_adddup2(&act, s->status, 3);
	errno = posix_spawnp(pid, argv[0], &act, NULL, (char *const *) argv, (char *const *) env);
	int failed = errno;
	posix_spawn_file_actions_destroy(&act);
	errno = failed;
	if (failed == ENOENT)
		return err_set(e, ERR_SYS,
			       "gpgv is not installed, and checks the archive's signature: apt-get "
			       "install gpgv");
	return failed ? err_sys(e, "cannot start gpgv") : 0;
}

static int wait_for(pid_t pid, int *status, struct err *e) {
	uint64_t deadline = clock_mono_ms() + TIMEOUT_MS;
	int fault = 0;
	pid_t got;

	while ((got = waitpid(pid, status, WNOHANG)) == 0 || (got < 0 && errno == EINTR)) {
		if (clock_mono_ms() > deadline)
			fault = err_set(e, ERR_SYS, "gpgv did not end within %d s",
					TIMEOUT_MS / 1000);
		else
			fault = interrupt_check(e);
		if (fault) {
			(void) kill(pid, SIGKILL);
			(void) waitpid(pid, status, 0);
			return -1;
		}
		clock_sleep_ms(2);
	}
	return got < 0 ? err_sys(e, "cannot wait for gpgv") : 0;
}

static int read_back(int fd, struct buf *out, struct err *e) {
	char part[16384];
	off_t at = 0;
	ssize_t got;

	while ((got = pread(fd, part, sizeof part, at)) > 0) {
		if (!buf_add(out, part, (size_t) got))
			return err_set(e, ERR_INTEGRITY, "gpgv's output is larger than %zu bytes",
				       out->cap);
		at += got;
	}
	return got < 0 ? err_sys(e, "cannot read gpgv's output") : 0;
}

/* What the status lines say (GnuPG's doc/DETAILS). GOODSIG precedes the VALIDSIG of the same
 * signature; an expired or revoked key gets another word before its VALIDSIG, so that one does not
 * count. */
struct verdict {
	bool good; /* the signature at hand */
	size_t unknown, weak, bad, errors, plaintexts;
	char fault[160]; /* the first reason why a signature does not count */
	struct signers by;
};

static void add_valid(struct verdict *v, const char *rest) {
	char primary[65];
	unsigned hash;

	if (sscanf(rest, "%*s %*s %*s %*s %*s %*s %*s %u %*s %64s", &hash, primary) != 2)
		return;
	if (hash < 8 || hash > 11) { /* SHA-256, 384, 512, 224; RFC 4880, 9.4 */
		v->weak++;
		return;
	}
	if (v->by.n < sizeof v->by.fingerprint / sizeof *v->by.fingerprint)
		memcpy(v->by.fingerprint[v->by.n++], primary, sizeof primary);
}

static void read_line(struct verdict *v, const char *word, const char *rest) {
	static const struct {
		const char *word, *means;
	} faults[] = {
		{"BADSIG", "bad signature of the key"},
		{"EXPSIG", "expired signature of the key"},
		{"EXPKEYSIG", "signed by the expired key"},
		{"REVKEYSIG", "signed by the revoked key"},
	};

	if (!strcmp(word, "NEWSIG"))
		v->good = false;
	else if (!strcmp(word, "GOODSIG"))
		v->good = true;
	else if (!strcmp(word, "VALIDSIG") && v->good)
		add_valid(v, rest);
	else if (!strcmp(word, "NO_PUBKEY"))
		v->unknown++;
	else if (!strcmp(word, "BADSIG"))
		v->bad++;
	else if (!strcmp(word, "PLAINTEXT"))
		v->plaintexts++;
	else if (!strcmp(word, "ERROR") && !text_starts(rest, "keydb_search"))
		v->errors++;
	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
		if (!strcmp(word, faults[i].word) && !v->fault[0])
			(void) snprintf(v->fault, sizeof v->fault, "%s %.*s", faults[i].means,
					(int) strcspn(rest, " "), rest);
}

static void read_status(struct verdict *v, char *text) {
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!text_starts(line, "[GNUPG:] "))
			continue;
		char *word = line + strlen("[GNUPG:] "), *rest = strchr(word, ' ');
		if (rest)
			*rest++ = 0;
		read_line(v, word, rest ? rest : "");
	}
}

static int judge(const struct verdict *v, int status, const char *name, const char *keyring,
		 struct err *e) {
	int rc = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

	if (v->fault[0] && (v->bad || !v->by.n))
		return err_set(e, ERR_INTEGRITY, "'%s' cannot be trusted: %s", name, v->fault);
	if (!v->plaintexts)
		return err_set(e, ERR_INTEGRITY, "'%s' is not a signed index", name);
	if (!v->by.n && v->weak)
		return err_set(e, ERR_INTEGRITY, "'%s' is signed with a digest weaker than SHA-256",
			       name);
	if (!v->by.n)
		return err_set(e, ERR_INTEGRITY, "'%s' is not signed by any key of '%s'", name,
			       keyring);
	/* gpgv ends with 2 also where one of several signatures is by a key that it does not
	 * know. */
	if (v->plaintexts > 1 || v->errors || (rc != 0 && !(rc == 2 && v->unknown)))
		return err_set(e, ERR_INTEGRITY, "'%s' is not one signed index: gpgv ended with %d",
			       name, rc);
	return 0;
}

int gpgv_verify(const char *name, const void *data, size_t n, const char *keyring,
		struct buf *inner, struct signers *by, struct err *e) {
	struct streams s CLEANUP(streams_done) = {-1, -1, -1, -1};
	struct buf words CLEANUP(buf_done) = BUF_INIT(STATUS_CAP);
	struct verdict v = {0};
	int status = 0;
	pid_t pid;

	if (access(keyring, R_OK))
		return err_sys(e, "cannot read the keyring '%s' (package debian-archive-keyring)",
			       keyring);
	if (streams_open(&s, data, n, e) ||
	    spawn(&s, keyring, &pid, e) ||
	    wait_for(pid, &status, e) ||
	    read_back(s.status, &words, e))
		return -1;
	char *text CLEANUP(freep) = mem_strdup(buf_str(&words));
	read_status(&v, text);
	if (judge(&v, status, name, keyring, e) ||
	    read_back(s.out, inner, e))
		return -1;
	*by = v.by;
	return 0;
}
