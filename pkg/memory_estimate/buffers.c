/* SPDX-License-Identifier: Apache-2.0 */
#include "memory_estimate/memory_estimate.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "eval/pattern.h"
#include "json/json.h"

#define MIB 1048576.0

enum { DEVICES = 64 };

/* What one device's last line said of a buffer that may be reserved again. */
struct last {
	char name[32];
	uint64_t bytes;
};

struct reading {
	struct memory_estimate_buffers *out;
	struct last compute[DEVICES], output[DEVICES];
	size_t n_compute, n_output;
};

static void copy(char *out, size_t size, const struct eval_piece *p) {
	(void) snprintf(out, size, "%.*s", (int) (p->n < size ? p->n : size - 1), p->s ? p->s : "");
}

static bool is(const struct eval_piece *p, const char *word) {
	return p->n == strlen(word) && !memcmp(p->s, word, p->n);
}

/* False where it is no amount of memory. */
static bool mib_of(const struct eval_piece *p, uint64_t *bytes) {
	char text[32], *end;

	copy(text, sizeof text, p);
	double v = strtod(text, &end);
	if (end == text || *end || !(v >= 0) || v > 1e9)
		return false;
	*bytes = (uint64_t) (v * MIB + 0.5);
	return true;
}

static void replace(struct last *list, size_t *n, uint64_t *sum, const struct eval_piece *device,
		    uint64_t bytes) {
	char name[32];
	size_t i = 0;

	copy(name, sizeof name, device);
	while (i < *n && strcmp(list[i].name, name) != 0)
		i++;
	if (i == DEVICES)
		return;
	if (i == *n)
		list[(*n)++] = (struct last){.bytes = 0};
	memcpy(list[i].name, name, sizeof name);
	*sum += bytes - list[i].bytes;
	list[i].bytes = bytes;
}

static void take(void *ctx, const struct eval_piece *g, size_t n) {
	struct reading *r = ctx;
	uint64_t bytes;

	if (n < 3 || !mib_of(&g[2], &bytes))
		return;
	if (is(&g[1], "model"))
		r->out->weights += bytes;
	else if (is(&g[1], "LoRA"))
		r->out->adapters += bytes;
	else if (is(&g[1], "KV"))
		r->out->kv += bytes;
	else if (is(&g[1], "RS"))
		r->out->recurrent += bytes;
	else if (is(&g[1], "compute"))
		replace(r->compute, &r->n_compute, &r->out->compute, &g[0], bytes);
	else if (is(&g[1], "output"))
		replace(r->output, &r->n_output, &r->out->output, &g[0], bytes);
	else
		return;
	r->out->lines++;
}

static int pattern_of(const char *written, unsigned groups, struct eval_pattern **out,
		      struct err *e) {
	const char *text = written ? written : "";

	if (eval_pattern_new(text, out, e))
		return err_wrap(e, "the pattern '%.80s' of the lock's logs", text);
	if (eval_pattern_groups(*out) < groups)
		return err_set(e, ERR_SPEC,
			       "the pattern '%.80s' of the lock's logs needs %u groups", text,
			       groups);
	return 0;
}

/* Line by line, so that no line of a strange log keeps the others from being read. */
static void each_line(const struct eval_pattern *p, const char *text, size_t n,
		      void (*found)(void *, const struct eval_piece *, size_t), void *ctx) {
	for (const char *end = text + n; text < end;) {
		const char *nl = memchr(text, '\n', (size_t) (end - text));
		size_t len = (size_t) ((nl ? nl : end) - text);

		(void) eval_pattern_each_groups(p, text, len, found, ctx);
		text += len + 1;
	}
}

int memory_estimate_buffers(const struct json *logs, const char *text, size_t n,
			    struct memory_estimate_buffers *out, struct err *e) {
	struct eval_pattern *p CLEANUP(eval_pattern_freep) = NULL;
	struct memory_estimate_buffers b = {0};
	struct reading r = {.out = &b};

	if (pattern_of(json_str(logs, "buffers"), 3, &p, e))
		return -1;
	each_line(p, text, n, take, &r);
	*out = b;
	return 0;
}

static void take_row(void *ctx, const struct eval_piece *g, size_t n) {
	struct memory_estimate *o = ctx;
	struct memory_estimate_device d = {.model = 0};

	if (n < 4 || o->n == MEMORY_ESTIMATE_MAX_DEVICES || !mib_of(&g[1], &d.model) ||
	    !mib_of(&g[2], &d.context) || !mib_of(&g[3], &d.compute))
		return;
	copy(d.name, sizeof d.name, &g[0]);
	o->devices[o->n++] = d;
	o->total += d.model + d.context + d.compute;
}

int memory_estimate_rows(const struct json *logs, const char *text, size_t n,
			 struct memory_estimate *out, struct err *e) {
	struct eval_pattern *p CLEANUP(eval_pattern_freep) = NULL;
	struct memory_estimate o = {.n = 0};

	if (pattern_of(json_str(json_get(logs, "estimate"), "row"), 4, &p, e))
		return -1;
	each_line(p, text, n, take_row, &o);
	*out = o;
	return 0;
}
