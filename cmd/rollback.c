/* SPDX-License-Identifier: Apache-2.0 */
#include "context.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "docker/docker.h"
#include "lockfile/lockfile.h"
#include "release/history.h"
#include "report/report.h"
#include "json/json.h"

static void tell(struct args *a, const char *route, const char *now,
		 const struct rollout_result *r) {
	struct json *j CLEANUP(json_freep) = json_object();
	char took[TEXT_BYTES];

	text_format_ms(r->total_ms, took);
	if (r->outcome == ROLLOUT_NOTHING)
		report_line(a->report, "nothing to do: '%s' is active", now);
	else
		report_line(a->report, "rolled back: '%s' is active instead of '%s' (%s)", now,
			    r->from, took);
	report_line(a->report, "next: llmdeploy status %s", route);
	json_set_str(j, "route", route);
	json_set_str(j, "active", now);
	json_set_str(j, "from", r->from);
	json_set_str(j, "outcome", r->outcome == ROLLOUT_NOTHING ? "nothing" : "switched");
	json_set_int(j, "total_ms", (int64_t) r->total_ms);
	report_result(a->report, j);
}

/* Before anything moves: where it goes, and whether that runs. What cannot be found out is said by
 * the rollback itself. */
static void announce(struct args *a, const struct context *c, const struct rollout_session *s) {
	struct docker_containers all CLEANUP(docker_containers_done) = {0};
	struct release target CLEANUP(release_done) = RELEASE_INIT;
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	char *active CLEANUP(freep) = NULL;
	struct err ignored = {0};
	bool ours;

	if (release_active_name(&s->route, &active, &ignored) ||
	    release_rollback_target(&s->route, a->option[OPT_TO], &target, &ignored) ||
	    (active && !strcmp(active, target.version)) ||
	    instance_list(&c->rollout.base, s->route.name, &all, &ignored) ||
	    lockfile_parse(target.version, target.lockfile, target.lockfile_len, &l, &ignored))
		return;
	const struct docker_container_entry *found = instance_among(&c->rollout.base, l, &all,
								    &ours);
	bool warm = found && !strcmp(found->state, "running");
	report_line(a->report, "rollback of '%s': from '%s' to '%s', which %s", s->route.name,
		    active ? active : "none", target.version,
		    warm ? "runs" : "is stopped and is started first");
}

int cmd_rollback(struct args *a, struct err *e) {
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	char *active CLEANUP(freep) = NULL;
	struct rollout_session s;
	struct rollout_result result;

	if (context_open(a, "rollback", NEED_CHANGE | NEED_STORE | NEED_DOCKER | NEED_GATEWAY, &c,
			 e))
		return -1;
	c.rollout.asked = true;
	if (rollout_begin(&c.rollout, a->at[0], false, &s, e))
		return -1;
	announce(a, &c, &s);
	int r = 0;
	if (rollout_rollback(&s, a->option[OPT_TO], &result, e) ||
	    release_active_name(&s.route, &active, e))
		r = -1;
	if (!r)
		tell(a, a->at[0], active, &result);
	rollout_end(&s);
	return r;
}
