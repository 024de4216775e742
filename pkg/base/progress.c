/* SPDX-License-Identifier: Apache-2.0 */
#include "base/progress.h"

#include <stddef.h>

static void tell(const struct progress *p, struct progress_event ev) {
	if (p && p->tell)
		p->tell(p->ctx, &ev);
}

void progress_step(const struct progress *p, const char *what) {
	tell(p, (struct progress_event){.kind = PROGRESS_STEP, .what = what});
}

void progress_bytes(const struct progress *p, const char *what, uint64_t done, uint64_t total) {
	tell(p,
	     (struct progress_event){
		     .kind = PROGRESS_BYTES, .what = what, .done = done, .total = total});
}

void progress_done(const struct progress *p, const char *what, const char *detail) {
	tell(p, (struct progress_event){.kind = PROGRESS_DONE, .what = what, .detail = detail});
}

void progress_note(const struct progress *p, const char *what, const char *detail) {
	tell(p, (struct progress_event){.kind = PROGRESS_NOTE, .what = what, .detail = detail});
}

void progress_warn(const struct progress *p, const char *what, const char *detail) {
	tell(p, (struct progress_event){.kind = PROGRESS_WARN, .what = what, .detail = detail});
}

void progress_case(const struct progress *p, const struct progress_case *one) {
	tell(p,
	     (struct progress_event){
		     .kind = PROGRESS_CASE, .what = one->id, .detail = one->verdict, .one = one});
}

void progress_state(const struct progress *p, const char *what, const char *detail) {
	tell(p, (struct progress_event){.kind = PROGRESS_STATE, .what = what, .detail = detail});
}
