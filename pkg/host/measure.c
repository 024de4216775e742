/* SPDX-License-Identifier: Apache-2.0 */
#include "host/measure.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "host/host.h"

#define MIB ((uint64_t) 1 << 20)
#define LEAST (64 * MIB) /* of all threads */
#define MOST (2048 * MIB)
#define CACHE_UNKNOWN (32 * MIB)
#define MAX_THREADS 256
/* Short rounds: whoever just woke up is let run for so long, also on a busy machine, and of many
 * rounds one is disturbed by nobody. */
enum { MAX_ROUNDS = 1000, ROUND_US = 3000, STACK = 262144 };

/* 32 bytes that the compiler may read as one. */
typedef uint64_t lanes __attribute__((vector_size(32)));

struct shared {
	pthread_mutex_t start;  /* held until all threads are there */
	pthread_barrier_t gate; /* before each round, twice */
	uint64_t budget_us;     /* of all rounds */
	bool over;              /* decided by the first thread, read by all between the gates */
};

struct reader {
	pthread_t thread;
	struct shared *shared;
	size_t bytes; /* of its buffer, a multiple of a page */
	lanes *buffer;
	bool first;
	unsigned rounds;
	/* in the buffer: no round begins where the caches still have what the last one read */
	size_t at;
	uint64_t read[MAX_ROUNDS], began_us[MAX_ROUNDS], ended_us[MAX_ROUNDS];
	uint64_t sum; /* so that nothing is left out */
};

static uint64_t sum_of(const lanes *at, size_t n) {
	lanes a = {0}, b = {0}, c = {0}, d = {0};

	for (size_t i = 0; i + 4 <= n; i += 4) {
		a += at[i];
		b += at[i + 1];
		c += at[i + 2];
		d += at[i + 3];
	}
	a += b + c + d;
	return a[0] + a[1] + a[2] + a[3];
}

/* Pieces of a quarter of a MiB, so that the clock is looked at often enough; the buffer is gone
 * through in order, again and again. */
static void read_round(struct reader *r, unsigned round) {
	size_t piece = MIB / 4 / sizeof(lanes), n = r->bytes / sizeof(lanes), at = r->at;
	uint64_t end;

	r->began_us[round] = clock_mono_us();
	end = r->began_us[round] + ROUND_US;
	do {
		size_t part = n - at < piece ? n - at : piece;

		r->sum += sum_of(r->buffer + at, part);
		r->read[round] += part * sizeof(lanes);
		at = at + part < n ? at + part : 0;
	} while ((r->ended_us[round] = clock_mono_us()) < end);
	r->at = at;
}

/* Each fills its own buffer: its pages are then near its processor, and are no copies of the one
 * page of zeros. */
static void *work(void *arg) {
	struct reader *r = arg;

	(void) pthread_mutex_lock(&r->shared->start);
	(void) pthread_mutex_unlock(&r->shared->start);
	memset(r->buffer, 1, r->bytes);
	(void) pthread_barrier_wait(&r->shared->gate);
	uint64_t until = clock_mono_us() + r->shared->budget_us;

	for (;;) {
		if (r->first)
			r->shared->over = r->rounds == MAX_ROUNDS || clock_mono_us() >= until ||
				interrupt_pending();
		(void) pthread_barrier_wait(&r->shared->gate);
		bool over = r->shared->over;

		(void) pthread_barrier_wait(&r->shared->gate);
		if (over)
			return NULL;
		read_round(r, r->rounds++);
	}
}

static uint64_t best_of(const struct reader *list, unsigned n) {
	uint64_t best = 0;

	for (unsigned round = 0; round < list[0].rounds; round++) {
		uint64_t began = UINT64_MAX, ended = 0, read = 0;

		for (unsigned i = 0; i < n; i++) {
			began = list[i].began_us[round] < began ? list[i].began_us[round] : began;
			ended = list[i].ended_us[round] > ended ? list[i].ended_us[round] : ended;
			read += list[i].read[round];
		}
		/* Below 2^44 bytes in a round: no overflow. */
		uint64_t rate = ended > began ? read * 1000000 / (ended - began) : 0;
		best = rate > best ? rate : best;
	}
	return best;
}

/* How many threads have measured: where not all of them can be started, those that were. */
static unsigned run(struct reader *list, unsigned n, uint64_t budget_us) {
	struct shared shared = {.start = PTHREAD_MUTEX_INITIALIZER, .budget_us = budget_us};
	pthread_attr_t attr;
	unsigned started = 0;

	(void) pthread_attr_init(&attr);
	(void) pthread_attr_setstacksize(&attr, STACK);
	(void) pthread_mutex_lock(&shared.start);
	for (; started < n; started++) {
		list[started].shared = &shared;
		list[started].first = !started;
		if (pthread_create(&list[started].thread, &attr, work, &list[started]))
			break;
	}
	(void) pthread_barrier_init(&shared.gate, NULL, started ? started : 1);
	(void) pthread_mutex_unlock(&shared.start);
	for (unsigned i = 0; i < started; i++)
		(void) pthread_join(list[i].thread, NULL);
	(void) pthread_attr_destroy(&attr);
	(void) pthread_barrier_destroy(&shared.gate);
	return started;
}

uint64_t host_measure_bytes(const struct host_facts *h) {
	uint64_t free_bytes = h->memory_available < host_memory(h) ? h->memory_available
								   : host_memory(h);

	return free_bytes / 4 < MOST ? free_bytes / 4 : MOST;
}

int host_measure(const struct host_facts *h, uint64_t max_bytes, uint64_t max_ms,
		 struct host_measure *out, struct err *e) {
	uint64_t cache = h->cache_bytes ? h->cache_bytes : CACHE_UNKNOWN,
		 want = cache * 8 > LEAST ? cache * 8 : LEAST;
	uint64_t began = clock_mono_ms();
	unsigned n = h->cpus < MAX_THREADS ? h->cpus : MAX_THREADS;

	want = want > max_bytes ? max_bytes : want;
	if (want < cache * 2)
		return err_set(e, ERR_SYS,
			       "memory cannot be measured: %llu MiB may be taken, and the caches "
			       "hold %llu MiB",
			       (unsigned long long) (want / MIB),
			       (unsigned long long) (cache / MIB));
	size_t each = want / n / 4096 * 4096;
	char *all = mmap(NULL, each * n, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (all == MAP_FAILED)
		return err_sys(e, "cannot take %llu MiB to measure with",
			       (unsigned long long) (want / MIB));
	(void) madvise(all, each * n, MADV_HUGEPAGE);
	struct reader *list CLEANUP(freep) = mem_zalloc(n, sizeof *list);

	for (unsigned i = 0; i < n; i++) {
		list[i].bytes = each;
		list[i].buffer = (lanes *) (void *) (all + i * each);
	}
	unsigned measured = run(list, n, max_ms * 1000);

	(void) munmap(all, each * n);
	if (!measured)
		return err_set(e, ERR_SYS, "no thread can be started to measure with");
	if (interrupt_check(e))
		return -1;
	*out = (struct host_measure){.bytes_per_second = best_of(list, measured),
				     .buffer_bytes = each * measured,
				     .threads = measured,
				     .rounds = list[0].rounds,
				     .took_ms = clock_mono_ms() - began};
	return 0;
}
