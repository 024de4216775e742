/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/text.h"
#include "docker/internal.h"

static const int absent[] = {404, 0};

int docker_image_inspect(struct docker *d, const char *ref, bool *found, struct docker_image *out,
			 struct err *e) {
	struct answer a CLEANUP(docker_answer_done) = {0};
	char *path CLEANUP(freep) = docker_path("/images/", ref, "/json");
	struct call c = {"inspect image",   ref,
			 .path = path,      .deadline_ms = d->quick_ms,
			 .results = absent, .wants_json = true};

	if (docker_call(d, &c, &a, e))
		return -1;
	*found = a.status != 404;
	if (!*found)
		return 0;
	const struct json *layers = json_path(a.json, "RootFS.Layers");
	if (!json_str(a.json, "Id") || !json_is_object(a.json))
		return docker_misshapen(&c, "an image", e);
	*out = (struct docker_image){.raw = STEAL(a.json)};
	out->id = docker_digest(docker_text(out->raw, "Id"));
	out->labels = docker_object(out->raw, "Config.Labels");
	out->layers = mem_zalloc(json_count(layers) + 1, sizeof *out->layers);
	for (const struct json *l = json_first(layers); l; l = json_next(l))
		out->layers[out->n_layers++] = docker_digest(docker_text(l, ""));
	return 0;
}

void docker_image_done(struct docker_image *i) {
	json_free(i->raw);
	free(i->layers);
	*i = (struct docker_image){0};
}

bool docker_image_matches(const struct docker_image *i, const char *config, const char *manifest,
			  const char *const *diff_ids, size_t n) {
	bool same = i->n_layers == n &&
		(!strcmp(i->id, config) || (manifest && !strcmp(i->id, manifest)));

	for (size_t k = 0; same && k < n; k++)
		same = !strcmp(i->layers[k], diff_ids[k]);
	return same;
}

int docker_image_find(struct docker *d, const char *config, const char *manifest,
		      const char *const *diff_ids, size_t n, bool *found, char id[65],
		      struct err *e) {
	const char *const digests[] = {config, manifest};

	for (size_t k = 0; k < 2; k++) {
		struct docker_image i CLEANUP(docker_image_done) = {0};
		char ref[80];
		bool there = false;
		if (!digests[k])
			continue;
		(void) snprintf(ref, sizeof ref, "sha256:%s", digests[k]);
		if (docker_image_inspect(d, ref, &there, &i, e))
			return -1;
		if (there && docker_image_matches(&i, config, manifest, diff_ids, n)) {
			(void) snprintf(id, 65, "%s", i.id);
			*found = true;
			return 0;
		}
	}
	*found = false;
	return 0;
}

int docker_image_remove(struct docker *d, const char *ref, bool force, bool *in_use,
			struct err *e) {
	static const int results[] = {404, 409, 0};
	struct answer a CLEANUP(docker_answer_done) = {0};
	char *path CLEANUP(freep) = docker_path("/images/", ref, "");
	struct call c = {"remove image",
			 ref,
			 "DELETE",
			 .effect = EFFECT_IMAGE_REMOVE,
			 .deadline_ms = d->slow_ms,
			 .results = results,
			 .again = true};

	if (force)
		docker_query(&path, "force", "1");
	c.path = path;
	if (docker_call(d, &c, &a, e))
		return -1;
	*in_use = a.status == 409;
	return 0;
}

int docker_image_list(struct docker *d, const char *const *labels, struct docker_images *out,
		      struct err *e) {
	struct answer a CLEANUP(docker_answer_done) = {0};
	char *path CLEANUP(freep) = mem_strdup("/images/json");
	struct call c = {"list images", .deadline_ms = d->quick_ms, .wants_json = true};

	docker_query_labels(&path, labels);
	c.path = path;
	if (docker_call(d, &c, &a, e))
		return -1;
	if (!docker_all_have(a.json, "Id"))
		return docker_misshapen(&c, "a list of images", e);
	*out = (struct docker_images){.raw = STEAL(a.json)};
	out->at = mem_zalloc(json_count(out->raw) + 1, sizeof *out->at);
	for (const struct json *i = json_first(out->raw); i; i = json_next(i)) {
		const struct json *tags = json_get(i, "RepoTags");
		int64_t size = json_int_or(i, "Size", 0);
		out->at[out->n++] = (struct docker_image_entry){
			.id = docker_digest(docker_text(i, "Id")),
			.tags = json_is_array(tags) ? tags : NULL,
			.labels = docker_object(i, "Labels"),
			.size = size > 0 ? (uint64_t) size : 0,
		};
	}
	return 0;
}

void docker_images_done(struct docker_images *l) {
	json_free(l->raw);
	free(l->at);
	*l = (struct docker_images){0};
}
