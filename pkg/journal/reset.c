/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "crypto/crypto.h"
#include "fs/fs.h"
#include "journal/file.h"
#include "journal/journal.h"
#include "root/root.h"
#include "json/json.h"

/* More than so many files would not fit into one record: the newest are named, and how many there
 * are. */
enum { NAMED = 64 };

static int describe(const struct file_one *f, struct json *list, struct err *e) {
	struct json *o = json_object();
	char digest[SHA256_HEX];
	uint64_t size;

	json_push(list, o);
	if (sha256_file(f->fd, f->shown, digest, &size, e))
		return -1;
	json_set_str(o, "file", f->shown);
	json_set_str(o, "sha256", digest);
	json_set_int(o, "bytes", (int64_t) size);
	return 0;
}

/* What is given up, by name and digest: nothing of it is lost, and nobody can put another in its
 * place. */
static int name_broken(int dir, const char *where, struct json *event, unsigned *last,
		       struct err *e) {
	struct file_set set CLEANUP(file_set_done) = {0};
	unsigned *numbers CLEANUP(freep) = NULL;
	struct json *list = json_array();
	size_t n;

	json_set(event, "broken", list);
	if (file_set_open(dir, where, &set, e) ||
	    file_rotated(dir, where, &numbers, &n, e))
		return -1;
	*last = n ? numbers[n - 1] : 0;
	json_set_int(event, "broken_files", (int64_t) set.n);
	for (size_t i = set.n > NAMED ? set.n - NAMED : 0; i < set.n; i++)
		if (describe(&set.at[i], list, e))
			return -1;
	return 0;
}

/* Where a crash left the newest file renamed and no new one begun, the whole is done again. */
static int put_away(int dir, const char *where, unsigned last, struct err *e) {
	char *name CLEANUP(freep) = file_name(last + 1);

	if (!fs_exists(dir, "journal"))
		return 0;
	return fs_rename(EFFECT_JOURNAL_ROTATE, dir, "journal", name, e) ? err_wrap(e, "%s", where)
									 : 0;
}

int journal_reset(int dir, const char *where, const struct json *event, struct err *e) {
	struct json *record CLEANUP(json_freep) = json_copy(event);
	struct err fault = {0};
	unsigned last;

	if (!journal_read(dir, where, NULL, NULL, &fault))
		return err_set(e, ERR_USAGE,
			       "the journal of '%s' is intact: there is nothing to accept",
			       where[0] ? where : "the root");
	if (fault.code != ERR_INTEGRITY) {
		*e = fault;
		return -1;
	}
	json_set_str(record, "event", JOURNAL_ACCEPTED);
	json_set_str(record, "fault", fault.msg);
	if (name_broken(dir, where, record, &last, e) ||
	    put_away(dir, where, last, e))
		return -1;
	return journal_begin(dir, where, record, e);
}

void journal_sign(struct json *record, const char *tool, const char *command) {
	char *user CLEANUP(freep) = root_user(), *host CLEANUP(freep) = root_host();

	json_set_str(record, "by", user);
	json_set_str(record, "host", host);
	json_set_int(record, "pid", getpid());
	json_set_str(record, "tool", tool);
	json_set_str(record, "command", command);
}

int journal_note(const struct root *root, const char *tool, const char *command,
		 const struct json *event, uint64_t began_ms, struct err *e) {
	struct json *record CLEANUP(json_freep) = json_copy(event),
			    *cut CLEANUP(json_freep) = json_object();
	struct journal *j CLEANUP(journal_freep) = NULL;
	uint64_t torn;

	journal_sign(record, tool, command);
	json_set_int(record, "duration_ms", (int64_t) (clock_mono_ms() - began_ms));
	if (journal_open(root->fd, "", 0, &j, &torn, e))
		return -1;
	json_set_str(cut, "event", JOURNAL_TORN);
	json_set_int(cut, "bytes", (int64_t) torn);
	if ((torn && journal_append(j, cut, e)) ||
	    journal_append(j, record, e))
		return -1;
	return 0;
}
