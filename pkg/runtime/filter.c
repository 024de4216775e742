/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/filter.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "capability/capability.h"
#include "runtime/runtime.h"

bool runtime_backend_runs_on(const char *backend, const char *device) {
	static const struct {
		const char *backend, *device;
	} pairs[] = {
		{"cpu", "cpu"},      {"cuda", "nvidia"}, {"vulkan", "nvidia"}, {"vulkan", "amd"},
		{"vulkan", "intel"}, {"rocm", "amd"},    {"metal", "apple"},
	};

	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
		if (!strcmp(pairs[i].backend, backend) && !strcmp(pairs[i].device, device))
			return true;
	return false;
}

struct reasons {
	struct arena *arena;
	const char **list;
	size_t n;
};

static void add(struct reasons *r, const char *reason) {
	r->list[r->n++] = reason;
}

static const char *joined(struct arena *a, const char *const *words, size_t n) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(4096);

	for (size_t i = 0; i < n; i++)
		(void) buf_printf(&b, "%s%s", i ? ", " : "", words[i]);
	return arena_strdup(a, buf_str(&b));
}

static void check_capabilities(const struct runtime *rt, const struct runtime_need *need,
			       struct reasons *r) {
	for (size_t i = 0; i < need->n_capabilities; i++) {
		const char *word = need->capabilities[i], *means = capability_means(word);

		if (!runtime_can(rt, word))
			add(r,
			    means ? arena_printf(r->arena, "no %s: nothing in it %s", word, means)
				  : arena_printf(r->arena, "no %s", word));
	}
}

static void check_artifact(const struct runtime *rt, const struct runtime_need *need,
			   struct reasons *r) {
	bool known = need->quantization && *need->quantization, reads = !rt->n_quantizations;

	if (need->format && !runtime_reads(rt, need->format)) {
		add(r,
		    arena_printf(r->arena, "reads %s, not %s",
				 joined(r->arena, rt->formats, rt->n_formats), need->format));
		return;
	}
	for (size_t i = 0; i < rt->n_quantizations && known; i++)
		reads |= !strcmp(rt->quantizations[i], need->quantization);
	if (known && !reads)
		add(r,
		    arena_printf(r->arena, "reads weights in %s, not in %s",
				 joined(r->arena, rt->quantizations, rt->n_quantizations),
				 need->quantization));
}

static void check_devices(const struct runtime *rt, const struct runtime_need *need,
			  struct reasons *r) {
	const char *backends[RUNTIME_MAX_BACKENDS];

	for (size_t b = 0; b < rt->n_backends; b++) {
		for (size_t i = 0; i < need->n_devices; i++)
			if (runtime_backend_runs_on(rt->backends[b].name, need->devices[i]))
				return;
		backends[b] = rt->backends[b].name;
	}
	if (need->n_devices)
		add(r,
		    arena_printf(r->arena, "computes on %s, there is %s",
				 joined(r->arena, backends, rt->n_backends),
				 joined(r->arena, need->devices, need->n_devices)));
}

const struct runtime_verdict *runtime_filter(const struct runtime *const *runtimes, size_t n,
					     const struct runtime_need *need, struct arena *a) {
	struct runtime_verdict *out = arena_zalloc(a, n + 1, sizeof *out);

	for (size_t i = 0; i < n; i++) {
		struct reasons r = {.arena = a,
				    .list = arena_zalloc(a, need->n_capabilities + 3,
							 sizeof *r.list)};

		check_capabilities(runtimes[i], need, &r);
		check_artifact(runtimes[i], need, &r);
		check_devices(runtimes[i], need, &r);
		out[i] = (struct runtime_verdict){.runtime = runtimes[i],
						  .survives = !r.n,
						  .reasons = r.list,
						  .n_reasons = r.n};
	}
	return out;
}
