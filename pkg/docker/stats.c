/* SPDX-License-Identifier: Apache-2.0 */
#include "docker/internal.h"

#include "base/mem.h"

/* Pages of files that nobody used lately are counted by the group and could go at once. */
static uint64_t idle_pages(const struct json *memory) {
	/* cgroup v1, v2 */
	static const char *const keys[] = {"stats.total_inactive_file", "stats.inactive_file"};

	for (int i = 0; i < 2; i++) {
		double v = json_value(json_path(memory, keys[i]));
		if (v > 0)
			return (uint64_t) v;
	}
	return 0;
}

int docker_container_memory(struct docker *d, const char *name, uint64_t *bytes, struct err *e) {
	static const int absent[] = {404, 0};
	struct answer a CLEANUP(docker_answer_done) = {0};
	char *path CLEANUP(freep) = docker_path("/containers/", name, "/stats?stream=0&one-shot=1");
	struct call c = {"read memory of",  name,
			 .path = path,      .deadline_ms = d->quick_ms,
			 .results = absent, .wants_json = true};

	/* Where nothing is counted, what it says are figures of something else. */
	*bytes = 0;
	if (d->nature.known && !d->nature.limits_memory)
		return 0;
	if (docker_call(d, &c, &a, e))
		return -1;
	const struct json *memory = json_get(a.json, "memory_stats");
	double usage = json_value(json_get(memory, "usage"));
	uint64_t all = usage > 0 && usage < 9e15 ? (uint64_t) usage : 0, idle = idle_pages(memory);

	*bytes = all > idle ? all - idle : 0;
	return 0;
}
