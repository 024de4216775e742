/* SPDX-License-Identifier: Apache-2.0 */
/* header_bench FILE RUNS: how long the facts of a model take, and how long the same header takes to
 * be read and hashed: medians, in ms, then the header's bytes and the file's, and the tensors
 * found. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "crypto/crypto.h"
#include "fs/fs.h"
#include "gguf/gguf.h"
#include "model/model.h"

static int by_value(const void *a, const void *b) {
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double median(double *list, size_t n) {
	qsort(list, n, sizeof *list, by_value);
	return list[n / 2];
}

static int fail(const struct err *e) {
	(void) fprintf(stderr, "%s\n", e->msg);
	return 1;
}

int main(int argc, char **argv) {
	size_t runs = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	int fd CLEANUP(closep) = argc == 3 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	struct gguf *g CLEANUP(gguf_freep) = NULL;
	struct bytes from;
	struct err e = {0};
	char hex[SHA256_HEX];

	if (!runs ||
	    fs_bytes(&fd, argv[1], &from, &e) ||
	    gguf_open(&from, &g, &e))
		return fail(&e);
	double *ours CLEANUP(freep) = mem_zalloc(runs, sizeof *ours),
		     *hash CLEANUP(freep) = mem_zalloc(runs, sizeof *hash);
	char *bytes CLEANUP(freep) = mem_zalloc(g->data_offset, 1);

	for (size_t i = 0; i < runs; i++) {
		struct model_facts m CLEANUP(model_facts_done) = {0};
		uint64_t start = clock_mono_us(), middle;

		if (model_read(fd, argv[1], &m, &e))
			return fail(&e);
		middle = clock_mono_us();
		if (from.read(from.ctx, 0, bytes, g->data_offset, &e))
			return fail(&e);
		sha256_of(bytes, g->data_offset, hex);
		ours[i] = (double) (middle - start) / 1000;
		hash[i] = (double) (clock_mono_us() - middle) / 1000;
	}
	printf("%.3f %.3f %llu %llu %zu\n", median(ours, runs), median(hash, runs),
	       (unsigned long long) g->data_offset, (unsigned long long) g->file_bytes,
	       g->n_tensors);
	return 0;
}
