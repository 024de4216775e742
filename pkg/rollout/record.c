#include "rollout/internal.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "journal/journal.h"
#include "json/json.h"

struct json *record_new(const char *event, const struct lock *l) {
	struct json *r = json_object();

	json_set_str(r, "event", event);
	if (l) {
		json_set_str(r, "version", l->version);
		json_set_str(r, "lock", l->digest);
	}
	return r;
}

int record_put(struct rollout_session *s, struct json *record, struct err *e) {
	struct json *r CLEANUP(json_freep) = record;
	uint64_t now = clock_mono_ms();

	json_set_int(r, "duration_ms", (int64_t) (now - s->began_ms));
	json_set_int(r, "step_ms", (int64_t) (now - (s->step_ms > s->began_ms ? s->step_ms : s->began_ms)));
	s->step_ms = now;
	return journal_append(s->journal, r, e);
}

int record_begin(struct rollout_session *s, const char *event, const struct lock *l, const char *from, struct err *e) {
	struct json *r = record_new(event, l);

	s->began_ms = clock_mono_ms();
	json_set_str(r, "from", from);
	journal_sign(r, s->x->tool, s->x->command);
	if (s->x->origin)
		json_set(r, "manifest", json_copy(s->x->origin));
	return record_put(s, r, e);
}
