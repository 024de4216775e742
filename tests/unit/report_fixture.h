/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "report/progress_view.h"
#include "report/report.h"

#define M "\r\033[K" /* a line that moves is stopped first */

/* A report into memory, with a clock that the test turns. */
struct fixture {
	struct report r;
	FILE *out, *err;
	char *out_text, *err_text;
	size_t out_len, err_len;
};

static uint64_t now;

static uint64_t fake_now(void) {
	return now;
}

static void begin(struct fixture *p, enum report_mode mode, bool color, size_t width) {
	*p = (struct fixture){0};
	p->out = open_memstream(&p->out_text, &p->out_len);
	p->err = open_memstream(&p->err_text, &p->err_len);
	assert_true(p->out && p->err);
	report_init(&p->r, p->out, p->err, mode == REPORT_JSON);
	assert_int_equal(p->r.mode, mode == REPORT_JSON ? REPORT_JSON : REPORT_PLAIN);
	p->r.mode = mode;
	p->r.color = color;
	p->r.width = width;
	p->r.now_ms = fake_now;
	p->r.view->started_ms = now = 5000;
}

static void end(struct fixture *p, const char *out, const char *err) {
	report_done(&p->r);
	(void) fclose(p->out);
	(void) fclose(p->err);
	assert_string_equal(p->out_text, out);
	assert_string_equal(p->err_text, err);
	free(p->out_text);
	free(p->err_text);
}
