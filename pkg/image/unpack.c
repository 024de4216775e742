/* SPDX-License-Identifier: Apache-2.0 */
#include "image/unpack.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/progress.h"
#include "image/image.h"
#include "store/store.h"

enum { MAX_THREADS = 8 };

/* One package to unpack. */
struct job {
	int fd;
	off_t size; /* of the .deb */
	struct package *into;
	bool failed;
	struct err err;
};

/* Shared by the threads; `lock` guards the lines below it. */
struct pool {
	struct job *jobs;     /* in the order of the list */
	struct job **by_size; /* large ones first, so that no thread is left with one at the end */
	size_t n;
	uint64_t total;
	const struct progress *progress;
	pthread_mutex_t lock;
	size_t next;
	uint64_t done;
};

static int by_size(const void *a, const void *b) {
	const struct job *x = *(struct job *const *) a, *y = *(struct job *const *) b;

	return x->size != y->size ? (x->size < y->size) - (x->size > y->size) : (x > y) - (x < y);
}

static struct job *take(struct pool *pool, const struct job *finished) {
	struct job *job = NULL;

	(void) pthread_mutex_lock(&pool->lock);
	if (finished) {
		pool->done += (uint64_t) finished->size;
		progress_bytes(pool->progress, "unpack packages", pool->done, pool->total);
	}
	if (pool->next < pool->n)
		job = pool->by_size[pool->next++];
	(void) pthread_mutex_unlock(&pool->lock);
	return job;
}

static void *work(void *ctx) {
	struct pool *pool = ctx;

	for (struct job *job = take(pool, NULL); job; job = take(pool, job))
		job->failed = interrupt_check(&job->err) ||
			package_unpack(job->into, job->fd, &job->err);
	return NULL;
}

static size_t processors(void) {
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);

	return n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : (size_t) n;
}

/* This thread works too; helpers that cannot be started are done without. */
static void run(struct pool *pool) {
	pthread_t helpers[MAX_THREADS];
	size_t n = 0, wanted = processors() - 1;

	while (n < wanted && n + 1 < pool->n && !pthread_create(&helpers[n], NULL, work, pool))
		n++;
	(void) work(pool);
	while (n--)
		(void) pthread_join(helpers[n], NULL);
}

static void pool_done(struct pool *pool) {
	for (size_t i = 0; i < pool->n; i++)
		if (pool->jobs[i].fd >= 0)
			closep(&pool->jobs[i].fd);
	free(pool->jobs);
	free(pool->by_size);
	(void) pthread_mutex_destroy(&pool->lock);
}

/* The store is for one thread: everything is opened before the others start. */
static int open_jobs(struct pool *pool, const struct image_package *const *list,
		     struct store *store, struct package *into, struct err *e) {
	struct stat st;

	for (size_t i = 0; i < pool->n; i++) {
		struct job *job = &pool->jobs[i];
		pool->by_size[i] = job;
		job->into = &into[i];
		into[i].want = list[i];
		if (store_open_object(store, list[i]->sha256, &job->fd, e))
			return err_wrap(e, "package '%s'", list[i]->name);
		if (fstat(job->fd, &st))
			return err_sys(e, "cannot look at package '%s'", list[i]->name);
		job->size = st.st_size;
		pool->total += (uint64_t) st.st_size;
	}
	qsort(pool->by_size, pool->n, sizeof(struct job *), by_size);
	return 0;
}

static int first_fault(const struct pool *pool, struct err *e) {
	for (size_t i = 0; i < pool->n; i++)
		if (pool->jobs[i].failed) {
			*e = pool->jobs[i].err;
			return -1;
		}
	return 0;
}

void unpacked_done(struct unpacked *u) {
	for (size_t i = 0; i < u->n; i++)
		package_done(&u->at[i]);
	free(u->at);
	*u = (struct unpacked){0};
}

int unpack_all(const struct image_package *const *list, size_t n, struct store *store,
	       const struct progress *progress, struct unpacked *out, struct err *e) {
	struct unpacked all CLEANUP(unpacked_done) = {mem_zalloc(n, sizeof *all.at), n};
	struct pool pool CLEANUP(pool_done) = {
		.jobs = mem_zalloc(n, sizeof(struct job)),
		.by_size = mem_zalloc(n, sizeof(struct job *)),
		.n = n,
		.progress = progress,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};

	for (size_t i = 0; i < n; i++)
		pool.jobs[i].fd = -1;
	if (open_jobs(&pool, list, store, all.at, e))
		return -1;
	run(&pool);
	if (first_fault(&pool, e))
		return -1;
	*out = all;
	all = (struct unpacked){0};
	return 0;
}
