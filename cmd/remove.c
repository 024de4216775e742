/* SPDX-License-Identifier: Apache-2.0 */
#include "context.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "gateway/gateway.h"
#include "gc/gc.h"
#include "lockfile/lockfile.h"
#include "release/history.h"
#include "report/report.h"
#include "json/json.h"

/* What is there, before it is asked about. */
struct scene {
	struct lockfile *active; /* NULL: none, or not readable */
	char *address;           /* that clients know, or NULL */
	char *beside;            /* another route on this address, or NULL */
	char *releases;          /* "r1, r2", or "" */
	char *pinned;            /* likewise, those that gc leaves alone */
	enum release_state state;
};

static void scene_done(struct scene *s) {
	lockfile_free(s->active);
	freep(&s->address);
	freep(&s->beside);
	freep(&s->releases);
	freep(&s->pinned);
}

static char *names_of(char *const *names, size_t n) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(1000);

	for (size_t i = 0; i < n && !b.cut; i++)
		(void) buf_printf(&b, "%s%s", i ? ", " : "", names[i]);
	return mem_strdup(buf_str(&b));
}

/* What cannot be found out is not said. */
static void look_gateway(const struct context *c, const char *route, struct scene *s) {
	struct gateway_route_view v, other;
	char **names CLEANUP(freep) = NULL;
	struct err ignored = {0};
	size_t n = 0;

	if (!c->gateway || !gateway_present(c->gateway) ||
	    gateway_status_route(c->gateway, route, &v, &ignored) || !v.known ||
	    gateway_routes(c->gateway, &names, &n, &ignored))
		return;
	s->address = mem_strdup(v.listen);
	for (size_t i = 0; i < n && !s->beside; i++)
		if (strcmp(names[i], route) != 0 &&
		    !gateway_status_route(c->gateway, names[i], &other, &ignored) &&
		    !strcmp(other.listen, v.listen))
			s->beside = mem_strdup(names[i]);
}

static int look(const struct context *c, const char *route, struct scene *s, struct err *e) {
	struct release_route r CLEANUP(release_route_done) = RELEASE_ROUTE_INIT;
	char **versions CLEANUP(freep) = NULL, **pins CLEANUP(freep) = NULL,
			*active CLEANUP(freep) = NULL;
	struct err unread = {0};
	size_t n, n_pins;

	if (release_route_open(&c->root, route, false, &r, e) ||
	    release_list(&r, &versions, &n, e) ||
	    release_pins(&r, &pins, &n_pins, e))
		return -1;
	/* A journal that is broken is the removal's to tell of. */
	if (release_state(&r, &s->state, NULL, &unread))
		s->state = RELEASE_STARTED;
	if (!release_active_name(&r, &active, &unread) && active &&
	    rollout_lockfile_of(&r, active, &s->active, &unread))
		s->active = NULL;
	s->releases = names_of(versions, n);
	s->pinned = names_of(pins, n_pins);
	look_gateway(c, route, s);
	return 0;
}

static void say_clients(struct args *a, const struct scene *s) {
	char drain[TEXT_BYTES];

	if (!s->address)
		return;
	if (s->active && s->state == RELEASE_STARTED) {
		text_format_ms(s->active->drain_ms, drain);
		report_line(a->report,
			    "  clients: requests in flight may take up to %s to finish; new ones "
			    "get 503 with Retry-After",
			    drain);
	}
	if (s->beside)
		report_line(a->report, "  after that: 404 on %s, where '%s' continues", s->address,
			    s->beside);
	else
		report_line(a->report, "  after that: nothing listens on %s", s->address);
}

static void say(struct args *a, const struct scene *s, bool purge) {
	if (s->state == RELEASE_REMOVED)
		report_line(a->report, "route '%s' is already removed; its journal remains",
			    a->at[0]);
	else
		report_line(a->report, "remove route '%s': %s%s%s", a->at[0], s->active ? "'" : "",
			    s->active ? s->active->version : "no release",
			    s->active ? "' is active" : " is active");
	say_clients(a, s);
	if (*s->releases)
		report_line(a->report, "  removed: containers, images, and the releases %s",
			    s->releases);
	if (*s->pinned)
		report_line(a->report, "  pinned releases among them: %s", s->pinned);
	report_line(a->report,
		    purge ? "  also removed: the journal and the attempts"
			  : "  kept: the journal and the attempts (--purge removes them)");
}

/* Yes alone is yes. */
static int confirm(struct args *a, struct err *e) {
	char answer[16] = "";

	if (a->option[OPT_YES])
		return 0;
	if (a->report->mode == REPORT_JSON || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return err_set(e, ERR_USAGE,
			       "standard input is not a terminal, so the command cannot ask: use "
			       "--yes to remove route '%s'",
			       a->at[0]);
	(void) fprintf(stderr, "remove it? [y/N] ");
	(void) fflush(stderr);
	if (!fgets(answer, sizeof answer, stdin))
		answer[0] = 0;
	answer[strcspn(answer, "\n")] = 0;
	if (!strcmp(answer, "y") || !strcmp(answer, "yes"))
		return 0;
	return err_set(e, ERR_INTERRUPTED, "not removed: nothing was changed");
}

static void tell(struct args *a, const struct rollout_result *r, bool purge) {
	struct json *j CLEANUP(json_freep) = json_object();
	bool nothing = r->outcome == ROLLOUT_NOTHING;
	char took[TEXT_BYTES];

	text_format_ms(r->total_ms, took);
	if (nothing)
		report_line(a->report,
			    "nothing to do: route '%s' is removed; llmdeploy remove %s --purge "
			    "removes its journal, too",
			    a->at[0], a->at[0]);
	else {
		report_line(a->report, "%s: route '%s' (%s)", purge ? "purged" : "removed",
			    a->at[0], took);
		report_line(a->report, "next: llmdeploy gc frees what no other route needs");
	}
	json_set_str(j, "route", a->at[0]);
	json_set_str(j, "from", r->from);
	json_set_str(j, "outcome", nothing ? "nothing" : purge ? "purged" : "removed");
	json_set_int(j, "total_ms", (int64_t) r->total_ms);
	report_result(a->report, j);
}

static int remove_and_collect(struct rollout_session *s, bool purge, struct rollout_result *result,
			      struct err *e) {
	uint64_t began = clock_mono_ms();

	if (rollout_remove(s, purge, result, e))
		return -1;
	if (result->outcome == ROLLOUT_SWITCHED)
		gc_after(s);
	if (purge && rollout_purge(s, e))
		return -1;
	if (purge)
		result->outcome = ROLLOUT_SWITCHED;
	result->total_ms = clock_mono_ms() - began;
	return 0;
}

int cmd_remove(struct args *a, struct err *e) {
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	struct scene scene CLEANUP(scene_done) = {0};
	bool purge = a->option[OPT_PURGE] != NULL;
	struct rollout_session s;
	struct rollout_result result;

	if (context_open(a, "remove", NEED_CHANGE | NEED_STORE | NEED_DOCKER | NEED_GATEWAY, &c,
			 e) ||
	    look(&c, a->at[0], &scene, e))
		return -1;
	if (scene.state != RELEASE_REMOVED || purge) {
		say(a, &scene, purge);
		if (confirm(a, e))
			return -1;
	}
	c.rollout.asked = true;
	if (rollout_begin(&c.rollout, a->at[0], false, &s, e))
		return -1;
	int r = remove_and_collect(&s, purge, &result, e);
	if (!r)
		tell(a, &result, purge);
	rollout_end(&s);
	return r;
}
