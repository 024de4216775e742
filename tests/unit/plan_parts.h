/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What plan_test.c and plan_admission_test.c share. */
#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "fs/fs.h"
#include "host/host.h"
#include "model/model.h"
#include "plan/plan.h"
#include "runtime/runtime.h"
#include "spec/spec.h"
#include "json/json.h"

#define GIB ((uint64_t) 1 << 30)

#define LAYERS 30

static const struct model_facts smol = {
	.architecture = "llama",
	.kind = "model",
	.files = 1,
	.tensor_bytes = 96576768,
	.n_layers = LAYERS,
	.embedding_length = 576,
	.vocabulary = 49152,
	.context_length = 8192,
};
static const struct model_layer smol_layer = {
	.heads = 9, .kv_heads = 3, .key_length = 64, .value_length = 64, .feed_forward = 1536};
static const struct model_facts lora = {.architecture = "llama",
					.kind = "adapter",
					.adapter_type = "lora",
					.tensor_bytes = 4884480};
static const struct host_facts laptop = {.architecture = "amd64",
					 .cpus = 8,
					 .memory_bytes = 16 * GIB,
					 .memory_limit = UINT64_MAX};

/* Everything that plan_make reads, and the owners behind it; cases change a part. */
struct harness {
	struct runtime *rt;
	struct spec spec;
	struct spec_artifact adapters[2];
	struct json *extra, *capabilities;
	struct model_facts model, facts[2];
	struct model_layer layers[LAYERS];
	struct host_facts host;
	struct plan_input in;
};

static struct json *parsed(const char *text) {
	struct json *j = NULL;
	struct err e = {0};

	assert_int_equal(json_parse(text, strlen(text), &j, &e), 0);
	return j;
}

static void harness_done(struct harness *w) {
	runtime_free(w->rt);
	json_free(w->extra);
	json_free(w->capabilities);
}

static void harness_init(struct harness *w) {
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct err e = {0};

	memset(w, 0, sizeof *w);
	assert_int_equal(runtime_load("runtimes/llama.cpp", &w->rt, &c, &e), 0);
	w->extra = parsed("{}");
	w->capabilities = parsed("[\"openai_api\",\"metrics\"]");
	w->adapters[0].scale = "1.0";
	w->adapters[1].scale = "0.5";
	w->model = smol;
	for (size_t i = 0; i < LAYERS; i++)
		w->layers[i] = smol_layer;
	w->model.layers = w->layers;
	w->facts[0] = w->facts[1] = lora;
	w->host = laptop;
	w->spec = (struct spec){.path = "r17.yaml",
				.route = "incident-assistant",
				.version = "incident-r17",
				.adapters = w->adapters,
				.n_adapters = 1,
				.runtime = "llama.cpp",
				.backend = "auto",
				.context_tokens = 2048,
				.concurrent_sequences = 4,
				.kv_cache = "f16",
				.extra_args = w->extra,
				.capabilities = w->capabilities,
				.device_auto = true,
				.privacy = "local",
				.reserve_percent = 20,
				.admission = "enforce"};
	w->in = (struct plan_input){.spec = &w->spec,
				    .runtime = w->rt,
				    .model = &w->model,
				    .adapters = w->facts,
				    .host = &w->host};
}

static void set_extra(struct harness *w, const char *text) {
	json_free(w->extra);
	w->spec.extra_args = w->extra = parsed(text);
}

static struct plan *made(struct harness *w) {
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct plan *p = NULL;
	struct err e = {0};

	(void) plan_make(&w->in, &p, &c, &e);
	assert_string_equal(e.msg, "");
	return p;
}

static void nvidia(struct harness *w) {
	w->spec.backend = "cuda";
	w->spec.device_auto = false;
	w->spec.device_memory = 24000000000;
}
