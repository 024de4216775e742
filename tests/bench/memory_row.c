/* SPDX-License-Identifier: Apache-2.0 */
/* memory_row NAME CONTEXT SEQUENCES KV_CACHE LOG MODEL [ADAPTER]: what pkg/size says of a file
 * beside what the engine's log says, in MiB, as a row of a Markdown table; "memory_row" alone
 * prints its head. Exits 1 where caches, states, weights or adapters differ by more than the log's
 * own rounding, or all buffers by more than 5 %. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "fs/fs.h"
#include "memory_estimate/memory_estimate.h"
#include "model/model.h"
#include "runtime/runtime.h"
#include "size/size.h"

#define MIB 1048576.0

static int fail(const struct err *e) {
	(void) fprintf(stderr, "memory_row: %s\n", e->msg);
	return 2;
}

static int facts_of(const char *path, struct model_facts *m, struct err *e) {
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_set(e, ERR_SYS, "'%s' cannot be opened", path);
	int r = model_read(fd, path, m, e);
	(void) close(fd);
	return r;
}

static int log_of(const char *path, struct buf *text, struct err *e) {
	FILE *f = fopen(path, "re");
	char piece[4096];

	if (!f)
		return err_set(e, ERR_SYS, "'%s' cannot be opened", path);
	for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;)
		if (!buf_add(text, piece, n))
			break;
	(void) fclose(f);
	return 0;
}

/* One part: predicted, and in brackets what the log has where that differs. */
static bool part(double predicted, uint64_t logged, double tolerance) {
	double p = predicted / MIB, l = (double) logged / MIB;
	bool same = p - l < tolerance && l - p < tolerance;

	if (p - l < 0.0051 && l - p < 0.0051)
		printf(" %.2f |", p);
	else
		printf(" %.2f (%.2f) |", p, l);
	return same;
}

static int row(const char *name, const struct size_load *load, const struct size_budget *s,
	       const struct memory_estimate_buffers *b) {
	double predicted = (double) (s->planned - s->overhead),
	       logged = (double) (b->weights + b->adapters + b->kv + b->recurrent + b->compute +
				  b->output);
	double off = logged > 0 ? 100 * (predicted / logged - 1) : 100;
	double rounding = 0.005 * (double) b->lines + 0.001;

	printf("| %s | %llu x %llu %s |", name, (unsigned long long) load->context_tokens,
	       (unsigned long long) load->sequences, load->kv_cache);
	bool same = part((double) s->weights, b->weights, rounding);
	same &= part((double) s->adapters, b->adapters, rounding);
	same &= part((double) s->kv_cache, b->kv, 0.011);
	same &= part((double) s->recurrent, b->recurrent, 0.0051);
	same &= part((double) s->output, b->output, 0.0051);
	(void) part((double) s->compute, b->compute, 0);
	printf(" %+.2f %% |\n", off);
	if (same && off < 5 && off > -5)
		return 0;
	(void) fprintf(stderr, "memory_row: %s: %s\n", name,
		       same ? "all buffers are off by more than 5 %"
			    : "a part is not what the log says");
	return 1;
}

static int compare(char **a, const struct runtime *rt, struct err *e) {
	struct model_facts m CLEANUP(model_facts_done) = {0},
			     adapter CLEANUP(model_facts_done) = {0};
	struct buf log CLEANUP(buf_done) = BUF_INIT(8 << 20);
	struct size_load load = {.context_tokens = strtoull(a[2], NULL, 10),
				 .sequences = strtoull(a[3], NULL, 10),
				 .kv_cache = a[4],
				 .batch_tokens = rt->memory.batch_tokens};
	struct size_budget s;
	struct memory_estimate_buffers b;

	if (facts_of(a[6], &m, e) ||
	    (a[7] && facts_of(a[7], &adapter, e)) ||
	    log_of(a[5], &log, e))
		return fail(e);
	load.adapters = adapter.tensor_bytes;
	if (size_compute(&m, &rt->memory, &load, &s, e) ||
	    memory_estimate_buffers(rt->logs, buf_str(&log), log.len, &b, e))
		return fail(e);
	if (!b.lines)
		return err_set(e, ERR_GATE, "'%s' names no buffer", a[5]), fail(e);
	return row(a[1], &load, &s, &b);
}

int main(int argc, char **argv) {
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct runtime *rt CLEANUP(runtime_freep) = NULL;
	struct err e = {0};

	if (argc == 1) {
		puts("| model | context x sequences, cache | weights | adapters | KV | states | "
		     "output | compute | all buffers |\n|---|---|---|---|---|---|---|---|---|");
		return 0;
	}
	if (argc < 7) {
		(void) fputs(
			"usage: memory_row NAME CONTEXT SEQUENCES KV_CACHE LOG MODEL [ADAPTER]\n",
			stderr);
		return 2;
	}
	if (runtime_load("runtimes/llama.cpp", &rt, &c, &e))
		return fail(&e);
	return compare(argv, rt, &e);
}
