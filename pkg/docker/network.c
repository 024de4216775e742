/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "base/mem.h"
#include "docker/internal.h"

static const int absent[] = {404, 0};

int docker_network_remove(struct docker *d, const char *name, struct err *e) {
	struct answer a CLEANUP(docker_answer_done) = {0};
	char *path CLEANUP(freep) = docker_path("/networks/", name, "");
	struct call c = {"remove network",
			 name,
			 "DELETE",
			 path,
			 EFFECT_NETWORK_REMOVE,
			 .deadline_ms = d->slow_ms,
			 .results = absent};

	return docker_call(d, &c, &a, e);
}

int docker_network_list(struct docker *d, const char *const *labels, struct json **names,
			struct err *e) {
	struct answer a CLEANUP(docker_answer_done) = {0};
	char *path CLEANUP(freep) = mem_strdup("/networks");
	struct call c = {"list networks", .deadline_ms = d->quick_ms, .wants_json = true};

	docker_query_labels(&path, labels);
	c.path = path;
	if (docker_call(d, &c, &a, e))
		return -1;
	*names = json_array();
	for (const struct json *n = json_first(a.json); n; n = json_next(n))
		json_push_str(*names, docker_text(n, "Name"));
	return 0;
}
