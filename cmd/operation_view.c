/* SPDX-License-Identifier: Apache-2.0 */
#include "operation_view.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "release/release.h"
#include "json/json.h"

static struct json *as_json(const struct release_operation *o, const char *holder) {
	struct json *j = json_object();

	json_set_str(j, "holder", holder);
	json_set_bool(j, "interrupted", !holder);
	if (o->ended && !o->phase)
		return j;
	json_set_str(j, "operation", o->event);
	json_set_str(j, "version", o->version[0] ? o->version : NULL);
	json_set_str(j, "began", o->began);
	json_set_str(j, "phase", o->phase);
	json_set_str(j, "phase_since", o->phase_since[0] ? o->phase_since : NULL);
	return j;
}

/* The holder's own words have the command and since when; the journal adds the release and the
 * phase. */
static char *as_words(const struct release_operation *o, const char *holder, const char *route) {
	if (!holder)
		return mem_printf(
			"none: '%s'%s%s%s was interrupted after '%s': llmdeploy recover %s",
			o->event, o->version[0] ? " of '" : "", o->version,
			o->version[0] ? "'" : "", o->last, route);
	if (o->ended && !o->phase)
		return mem_printf("%s; no journal record yet", holder);
	return mem_printf("%s; %s%s%s%s: %s, since %s", holder, o->event,
			  o->version[0] ? " of '" : "", o->version, o->version[0] ? "'" : "",
			  o->phase ? o->phase : o->last, o->phase ? o->phase_since : o->began);
}

void operation_view_read(const struct release_route *route, struct operation_view *out) {
	struct release_operation o = {.phase = NULL};
	char *holder CLEANUP(freep) = NULL;
	struct err ignored = {0};

	*out = (struct operation_view){.state = RELEASE_STARTED};
	if (release_state(route, &out->state, out->since, &ignored) ||
	    release_operation(route, &o, &ignored) || release_holder(route, &holder, &ignored))
		return;
	if (!holder && (o.ended || !o.event[0]))
		return;
	out->words = as_words(&o, holder, route->name);
	out->json = as_json(&o, holder);
}

void operation_view_done(struct operation_view *u) {
	free(u->words);
	json_free(u->json);
}
