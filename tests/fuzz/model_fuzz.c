/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "model/card.h"
#include "model/config.h"
#include "model/model.h"
#include "json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct model_facts *m) {
	struct json *j CLEANUP(json_freep) = model_json(m);

	if (m->n_layers > MODEL_MAX_LAYERS || json_count(json_get(j, "layers")) != m->n_layers)
		abort();
	for (size_t i = 0; i < m->n_layers; i++)
		if (m->layers[i].kind == MODEL_WINDOW && !m->sliding_window)
			abort();
}

/* config.json where it begins with '{', else a model card. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct model_facts m CLEANUP(model_facts_done) = {0};
	struct json *j CLEANUP(json_freep) = NULL;
	struct err e = {0};
	char *text CLEANUP(freep) = mem_zalloc(size + 1, 1);

	if (size)
		memcpy(text, data, size);
	if (*text != '{') {
		if (!card_facts("fuzz", text, size, "", &m, &e))
			check(&m);
		return 0;
	}
	if (json_parse(text, size, &j, &e))
		return 0;
	if (!config_facts(j, "fuzz", &m, &e))
		check(&m);
	else if (e.code != ERR_SPEC && e.code != ERR_INTEGRITY)
		abort();
	return 0;
}
