/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "base/mem.h"
#include "docker/internal.h"

static const int absent[] = {404, 0};

int docker_network_create(struct docker *d, const char *name, bool internal, const struct json *labels,
			  bool *taken, struct err *e) {
	static const int results[] = {409, 0};
	struct answer a CLEANUP(docker_answer_done) = {0};
	struct json *body CLEANUP(json_freep) = json_object();
	struct call c = {"create network",
			 name,
			 "POST",
			 "/networks/create",
			 EFFECT_NETWORK_CREATE,
			 .body = body,
			 .deadline_ms = d->slow_ms,
			 .results = results,
			 .wants_json = true};

	json_set_str(body, "Name", name);
	json_set_str(body, "Driver", "bridge");
	json_set_bool(body, "CheckDuplicate", true); /* always so since API 1.44 */
	json_set_bool(body, "Internal", internal);
	if (labels)
		json_set(body, "Labels", json_copy(labels));
	if (docker_call(d, &c, &a, e))
		return -1;
	*taken = a.status == 409;
	return 0;
}

int docker_network_remove(struct docker *d, const char *name, struct err *e) {
	struct answer a CLEANUP(docker_answer_done) = {0};
	char *path CLEANUP(freep) = docker_path("/networks/", name, "");
	struct call c = {"remove network", name, "DELETE", path, EFFECT_NETWORK_REMOVE, .deadline_ms = d->slow_ms,
			 .results = absent};

	return docker_call(d, &c, &a, e);
}

int docker_network_inspect(struct docker *d, const char *name, bool *found, struct docker_network *out,
			   struct err *e) {
	struct answer a CLEANUP(docker_answer_done) = {0};
	char *path CLEANUP(freep) = docker_path("/networks/", name, "");
	struct call c = {"inspect network", name,
			 .path = path,	    .deadline_ms = d->quick_ms,
			 .results = absent, .wants_json = true};

	if (docker_call(d, &c, &a, e))
		return -1;
	*found = a.status != 404;
	if (!*found)
		return 0;
	struct json *raw = STEAL(a.json);
	*out = (struct docker_network){
		.raw = raw,
		.id = docker_text(raw, "Id"),
		.name = docker_text(raw, "Name"),
		.driver = docker_text(raw, "Driver"),
		.subnet = docker_text(raw, "IPAM.Config.0.Subnet"),
		.gateway = docker_text(raw, "IPAM.Config.0.Gateway"),
		.internal = json_true(raw, "Internal"),
		.labels = docker_object(raw, "Labels"),
	};
	return 0;
}

void docker_network_done(struct docker_network *n) {
	json_free(n->raw);
	*n = (struct docker_network){0};
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
