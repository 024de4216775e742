/* SPDX-License-Identifier: Apache-2.0 */
#include "context.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/host.h"
#include "host/measure.h"
#include "report/report.h"
#include "json/json.h"

enum { MEASURE_MS = 1500 };

static const char *size(struct arena *a, uint64_t bytes) {
	char text[TEXT_BYTES];

	text_format_bytes(bytes, text);
	return arena_strdup(a, text);
}

static const char *rate(struct arena *a, uint64_t bytes, const char *source) {
	return bytes ? arena_printf(a, "%s/s (%s)", size(a, bytes), source) : NULL;
}

static const char *memory(struct arena *a, const struct host_facts *h) {
	const char *total = size(a, h->memory_bytes), *available = size(a, h->memory_available);

	if (h->memory_limit < h->memory_bytes)
		return arena_printf(a, "%s, of which control groups allow %s; %s available", total,
				    size(a, h->memory_limit), available);
	return arena_printf(a, "%s; %s available", total, available);
}

static const char *gpu(struct arena *a, const struct host_gpu *g) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(2048);

	(void) buf_printf(&b, "%s", g->name);
	if (g->memory_total)
		(void) buf_printf(&b, ", %s (%s free)", size(a, g->memory_total),
				  size(a, g->memory_free));
	else
		(void) buf_printf(&b, ", memory not reported");
	if (g->bandwidth)
		(void) buf_printf(&b, ", %s", rate(a, g->bandwidth, g->bandwidth_source));
	(void) buf_printf(&b, "\n%s", g->address);
	(void) buf_printf(&b, "%s%s", *g->address && *g->uuid ? " " : "", g->uuid);
	if (*g->driver)
		(void) buf_printf(&b, ", driver %s", g->driver);
	if (*g->capability)
		(void) buf_printf(&b, ", compute capability %s", g->capability);
	(void) buf_printf(&b, ", reported by %s", g->told_by);
	return arena_strdup(a, buf_str(&b));
}

static void show(struct args *a, const struct host_facts *h) {
	struct arena *arena CLEANUP(arena_freep) = arena_new();
	struct report_pair pairs[5 + HOST_MAX_GPUS] = {
		{"architecture", h->architecture},
		{"processors", arena_printf(arena, "%u%s%s", h->cpus, *h->cpu ? ", " : "", h->cpu)},
		{"memory", memory(arena, h)},
		{"bandwidth",
		 h->bandwidth ? rate(arena, h->bandwidth, h->bandwidth_source)
			      : "not known: llmdeploy host --measure"},
	};
	size_t n = 4;

	for (size_t i = 0; i < h->n_gpus; i++)
		pairs[n++] = (struct report_pair){arena_printf(arena, "GPU %zu", i),
						  gpu(arena, &h->gpus[i])};
	if (!h->n_gpus)
		pairs[n++] = (struct report_pair){"GPU",
						  h->nvidia ? "the driver reported nothing"
							    : "none is found"};
	report_pairs(a->report, pairs, n);
	if (*h->gpu_note)
		report_warning(a->report, "the NVIDIA driver cannot be queried: %s", h->gpu_note);
}

static void set_if(struct json *o, const char *key, uint64_t v) {
	if (v && v < (uint64_t) 1 << 53)
		json_set_int(o, key, (int64_t) v);
}

static struct json *gpu_json(const struct host_gpu *g) {
	struct json *o = json_object();

	json_set_str(o, "kind", g->kind);
	json_set_str(o, "name", g->name);
	json_set_str(o, "uuid", g->uuid);
	json_set_str(o, "address", g->address);
	json_set_str(o, "driver", g->driver);
	json_set_str(o, "compute_capability", g->capability);
	json_set_str(o, "told_by", g->told_by);
	set_if(o, "memory_bytes", g->memory_total);
	set_if(o, "memory_free_bytes", g->memory_free);
	set_if(o, "bandwidth_bytes_per_second", g->bandwidth);
	json_set_str(o, "bandwidth_source", g->bandwidth_source);
	return o;
}

static struct json *facts_json(const struct host_facts *h) {
	struct json *o = json_object(), *gpus = json_array();

	json_set_str(o, "architecture", h->architecture);
	json_set_str(o, "cpu", h->cpu);
	json_set_int(o, "cpus", h->cpus);
	set_if(o, "memory_bytes", h->memory_bytes);
	set_if(o, "memory_available_bytes", h->memory_available);
	set_if(o, "memory_limit_bytes", h->memory_limit);
	set_if(o, "cache_bytes", h->cache_bytes);
	set_if(o, "bandwidth_bytes_per_second", h->bandwidth);
	json_set_str(o, "bandwidth_source", h->bandwidth_source);
	for (size_t i = 0; i < h->n_gpus; i++)
		json_push(gpus, gpu_json(&h->gpus[i]));
	json_set(o, "gpus", gpus);
	json_set_str(o, "gpu_note", h->gpu_note);
	return o;
}

/* The root is made for it: what was measured is kept there. */
static int measure(struct args *a, struct host_facts *h, struct err *e) {
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	struct host_measure m;
	char took[TEXT_BYTES];

	if (context_open(a, "host", NEED_WRITE, &c, e) ||
	    host_measure(h, host_measure_bytes(h), MEASURE_MS, &m, e) ||
	    host_cache_write(c.root.fd, h, &m, clock_unix(), e) ||
	    host_cache_read(c.root.fd, h, e))
		return -1;
	text_format_ms(m.took_ms, took);
	report_line(a->report,
		    "measured with %u threads over %llu MiB in %s, the best of %u rounds",
		    m.threads, (unsigned long long) (m.buffer_bytes >> 20), took, m.rounds);
	return 0;
}

/* Without a root there is nothing that was measured. */
static int recall(struct args *a, struct host_facts *h, struct err *e) {
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	struct err none = {0};

	if (context_open(a, "host", NEED_READ, &c, &none))
		return none.code == ERR_USAGE ? 0 : (*e = none, -1);
	return host_cache_read(c.root.fd, h, e);
}

int cmd_host(struct args *a, struct err *e) {
	struct host_facts *h CLEANUP(freep) = mem_zalloc(1, sizeof *h);

	if (host_read("", h, e))
		return -1;
	host_read_gpus(NULL, h);
	if (a->option[OPT_MEASURE] ? measure(a, h, e) : recall(a, h, e))
		return -1;
	show(a, h);
	struct json *j CLEANUP(json_freep) = facts_json(h);

	report_result(a->report, j);
	return 0;
}
