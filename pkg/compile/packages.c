/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/packages.h"

#include <string.h>

#include "base/mem.h"
#include "debian/debian.h"
#include "image/image.h"
#include "json/json.h"

const char *packages_version(const struct debian_lock *l, const char *name) {
	for (size_t i = 0; i < l->n_packages; i++)
		if (!strcmp(l->packages[i].name, name))
			return l->packages[i].version;
	return "?";
}

const struct image_package *packages_of_image(const struct debian_lock *l, struct arena *a) {
	struct image_package *list = arena_zalloc(a, l->n_packages + 1, sizeof *list);

	for (size_t i = 0; i < l->n_packages; i++) {
		const struct debian_package *k = &l->packages[i];
		const char **files = k->n_files ? arena_zalloc(a, k->n_files + 1, sizeof *files)
						: NULL;
		for (size_t f = 0; f < k->n_files; f++)
			files[f] = k->files[f];
		list[i] = (struct image_package){k->name,  k->version, k->architecture, k->sha256,
						 k->layer, files,      k->n_files};
	}
	return list;
}

struct json *packages_layers(const struct image *image) {
	struct json *layers = json_array();

	for (size_t i = 0; i < image->n_layers; i++) {
		struct json *o = json_object();
		json_set_str(o, "name", image->layers[i].name);
		json_set_str(o, "diff_id", image->layers[i].diff_id);
		json_set_int(o, "size", (int64_t) image->layers[i].size);
		json_push(layers, o);
	}
	return layers;
}
