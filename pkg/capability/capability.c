/* SPDX-License-Identifier: Apache-2.0 */
#include "capability/capability.h"

#include <string.h>

#define CAPABILITIES(C)                                                                          \
	C("openai_api", "answers POST /v1/chat/completions and GET /v1/models in OpenAI's form") \
	C("embeddings", "answers POST /v1/embeddings in OpenAI's form")                          \
	C("anthropic_api", "answers POST /v1/messages in Anthropic's form")                      \
	C("batching", "computes several requests together instead of one after the other")       \
	C("continuous_batching", "a request joins and leaves the running batch at any token")    \
	C("metrics", "has counters of requests and tokens that Prometheus can read")             \
	C("latency_metrics",                                                                     \
	  "its metrics have histograms of the time to the first token and of whole answers")     \
	C("gpu_serving", "keeps weights and KV cache in a GPU's memory")                         \
	C("cpu_serving", "serves a whole model on processors alone")                             \
	C("cpu_offload", "serves a model of which a part lies in the host's memory")             \
	C("multi_gpu", "shares one model among several GPUs")                                    \
	C("gguf", "reads GGUF files")                                                            \
	C("safetensors", "reads a folder of safetensors files with config.json")                 \
	C("lora", "applies LoRA adapters to every answer of the route")                          \
	C("quantized_kv", "can keep the KV cache in less than 16 bits a number")                 \
	C("structured_output", "holds an answer to a JSON Schema while it is generated")         \
	C("tool_calls", "returns the model's tool calls as OpenAI's tool_calls")                 \
	C("chat_template", "takes the release's chat template in place of the model's own")      \
	C("unix_socket", "can listen on a Unix socket, so that it needs no network")             \
	C("api_key", "can refuse requests to its API that have no key")                          \
	C("pinnable", "runs from packages or an image that a digest names")

#define ROW(name, means) {name, means},
#define NAME(name, means) name,

const struct capability capability_list[] = {CAPABILITIES(ROW)};
const size_t capability_count = sizeof capability_list / sizeof *capability_list;
const char *const capability_names[] = {CAPABILITIES(NAME) NULL};

const char *capability_means(const char *name) {
	for (size_t i = 0; i < capability_count; i++)
		if (!strcmp(capability_list[i].name, name))
			return capability_list[i].means;
	return NULL;
}
