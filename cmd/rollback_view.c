/* SPDX-License-Identifier: Apache-2.0 */
#include "rollback_view.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "docker/docker.h"
#include "lockfile/lockfile.h"
#include "release/history.h"
#include "rollout/rollout.h"

/* The reason alone: whose it is the reader knows. */
static char *reason_of(const struct err *e) {
	static const char said[] = "to roll back to: ";
	const char *at = strstr(e->msg, said);

	return mem_strdup(at ? at + strlen(said) : e->msg);
}

static void look_warm(const struct rollout *x, const struct release *target,
		      const struct docker_containers *all, struct rollback_view *out) {
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	struct err ignored = {0};
	bool ours;

	if (!all ||
	    lockfile_parse(target->version, target->lockfile, target->lockfile_len, &l, &ignored))
		return;
	const struct docker_container_entry *found = instance_among(&x->base, l, all, &ours);
	out->known = true;
	out->warm = found && !strcmp(found->state, "running");
}

void rollback_view_read(const struct rollout *x, const struct release_route *route,
			const struct docker_containers *all, struct rollback_view *out) {
	struct release target CLEANUP(release_done) = RELEASE_INIT;
	struct err why = {0}, ignored = {0};

	*out = (struct rollback_view){0};
	if (release_forward(route, &out->forward, &ignored))
		out->forward = NULL;
	if (release_rollback_target(route, NULL, &target, &why)) {
		out->unknown = why.code == ERR_SYS;
		out->why = reason_of(&why);
		return;
	}
	out->to = mem_strdup(target.version);
	look_warm(x, &target, all, out);
}

void rollback_view_done(struct rollback_view *w) {
	free(w->to);
	free(w->why);
	free(w->forward);
}

char *rollback_view_words(const struct rollback_view *w) {
	if (!w->to)
		return mem_printf("%s: %s", w->unknown ? "not known" : "nowhere", w->why);
	return mem_printf("to %s%s", w->to,
			  !w->known         ? ""
				  : w->warm ? ", warm"
					    : ", stopped: it is started first");
}

char *rollback_view_forward_words(const struct rollback_view *w, const char *route) {
	return w->forward
		? mem_printf("to %s: llmdeploy rollback %s --to %s", w->forward, route, w->forward)
		: NULL;
}
