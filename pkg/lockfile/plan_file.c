/* SPDX-License-Identifier: Apache-2.0 */
#include "lockfile/plan_file.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "lockfile/lockfile.h"
#include "json/json.h"

int plan_file_write(const struct lockfile *l, const struct plan_file_expected *x, struct buf *out,
		    struct err *e) {
	struct json *o CLEANUP(json_freep) = json_object(), *expects = json_object();

	json_set_str(o, "apiVersion", "llmdeploy/v1");
	json_set_str(o, "kind", "Plan");
	json_set_str(expects, "active", x->active);
	json_set_str(expects, "lock", x->active_lockfile);
	json_set(o, "expects", expects);
	json_set_str(o, "lock", l->digest);
	json_set(o, "release", json_copy(l->tree));
	return json_canonical(o, out, e) ? -1
		: buf_putc(out, '\n')
		? 0
		: err_set(e, ERR_SYS, "the plan is longer than %zu bytes", out->cap);
}

static int damaged(const char *name, struct err *e) {
	return err_set(e, ERR_INTEGRITY,
		       "%s: not a plan as llmdeploy writes it: it was edited or cut; plan again",
		       name);
}

static bool is_named(const char *version, const char *digest) {
	return version && digest &&
		((!*version && !*digest) || (text_is_name(version) && text_is_sha256(digest)));
}

int plan_file_read(const char *name, const char *text, size_t n, struct lockfile **l,
		   struct plan_file_expected *x, struct err *e) {
	struct json *o CLEANUP(json_freep) = NULL;
	struct buf again CLEANUP(buf_done) = BUF_INIT(n + 1);
	struct lockfile *made CLEANUP(lockfile_freep) = NULL;
	struct err other = {0};

	*l = NULL;
	if (json_parse(text, n, &o, &other) || !json_str(o, "kind") ||
	    strcmp(json_str(o, "kind"), "Plan") != 0)
		return 0;
	const char *active = json_str(json_get(o, "expects"), "active"),
		   *digest = json_str(json_get(o, "expects"), "lock");
	if (!is_named(active, digest) || !json_str(o, "lock") ||
	    !json_is_object(json_get(o, "release")))
		return damaged(name, e);
	if (lockfile_from_tree(json_get(o, "release"), &made, e))
		return err_wrap(e, "%s", name);
	(void) snprintf(x->active, sizeof x->active, "%s", active);
	(void) snprintf(x->active_lockfile, sizeof x->active_lockfile, "%s", digest);
	if (strcmp(made->digest, json_str(o, "lock")) != 0 ||
	    plan_file_write(made, x, &again, &other) || again.len != n ||
	    memcmp(buf_str(&again), text, n) != 0)
		return damaged(name, e);
	*l = STEAL(made);
	return 0;
}
